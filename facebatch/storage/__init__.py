"""Files on any fsspec store: read, written whole, tried again; and what may be printed of a URL."""
