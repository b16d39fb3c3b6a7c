"""Typed Parquet by the schemas."""
