"""The contract: one JSON file per table and version, read by ``facebatch.tables.parquet``.

Columns are only ever added; a new version is a new file beside the old one.
"""
