"""Measures of how good the results are, each by its published protocol.

Pure functions on arrays; this package module imports nothing.
"""
