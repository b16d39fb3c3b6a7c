"""The Beam side of facebatch: one file per stage, around functions of the library.

Installed as ``facebatch.pipelines``. Nothing is imported here: a worker process sets up its
environment before it loads Beam.
"""
