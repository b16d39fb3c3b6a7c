"""Photos: what a file is, what its EXIF says, and its pixels as upright RGB."""
