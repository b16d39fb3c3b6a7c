"""Bringing weights into the models folder and out of it, and saying what is there."""
