"""Single photos: find similar faces, compare two, unlock, annotate."""
