"""Typed Parquet by the schemas: every table that facebatch reads or writes goes through here.

A table's contract is a JSON file in ``schemas/``. Nothing here knows of collections.
"""

from facebatch.tables.parquet import (
    ROW_GROUP_ROWS,
    Column,
    TableContract,
    contract,
    from_rows,
    matrix,
    read,
    read_metadata,
    read_rows,
    schema,
    table_names,
    vectors,
    write,
)

__all__ = [
    "ROW_GROUP_ROWS",
    "Column",
    "TableContract",
    "contract",
    "from_rows",
    "matrix",
    "read",
    "read_metadata",
    "read_rows",
    "schema",
    "table_names",
    "vectors",
    "write",
]
