"""facebatch turns an archive of photos into an index of faces and a list of people.

The library's rooms are its modules; nothing heavy is imported here, so that
``facebatch --help`` stays fast. The Beam pipelines live in ``facebatch.pipelines``.
"""

__version__ = "0.1.0"
