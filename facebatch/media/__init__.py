"""Where pictures come from: listing roots and decoding files. Nothing here knows of faces."""
