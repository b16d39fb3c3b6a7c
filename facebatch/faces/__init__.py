"""Facts about one face: where it lies, how it is cut out, how good it is, how it moves.

Pure functions on arrays; nothing here knows of networks, files or tables.
"""
