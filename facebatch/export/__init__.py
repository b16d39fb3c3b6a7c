"""What a collection knows, written for other programs: XMP sidecars and CSV, from tables alone."""
