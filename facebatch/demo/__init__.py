"""The demo: procedural people, an album of photos of them, and the truth to score against.

Nothing here is imported by the pipeline. The rooms are ``identity`` (who a person is), ``surface``
(the head as a solid), ``features`` and ``hair`` (what is painted on it), ``render`` (portraits and
group photos), ``cast`` (the frozen people) and ``album`` (folders of files with their truth).
This package module imports nothing, so that the command line stays quick.
"""
