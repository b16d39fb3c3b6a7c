"""Where media lie: roots, folders, archives and lists of paths, and how a file's bytes are read."""
