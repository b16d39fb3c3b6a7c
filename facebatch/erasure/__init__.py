"""Removing somebody for good: what is to go, the removal, and the proof that nothing is left."""
