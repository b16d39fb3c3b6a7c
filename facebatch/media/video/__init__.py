"""Videos: what a container holds, which frames are looked at, and their pixels as RGB."""
