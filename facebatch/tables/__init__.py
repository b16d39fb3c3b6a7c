"""Typed Parquet by the schemas: every table that facebatch reads or writes goes through here.

A table's contract is a JSON file in ``schemas/``. Nothing here knows of collections.
"""

from facebatch.tables.parquet import (
    CHIP_ROW_GROUP_ROWS,
    ROW_GROUP_ROWS,
    Column,
    TableContract,
    contract,
    from_rows,
    has_coarse_chips,
    matrix,
    read,
    read_metadata,
    read_rows,
    row_group_rows,
    schema,
    table_names,
    vectors,
    write,
)

__all__ = [
    "CHIP_ROW_GROUP_ROWS",
    "ROW_GROUP_ROWS",
    "Column",
    "TableContract",
    "contract",
    "from_rows",
    "has_coarse_chips",
    "matrix",
    "read",
    "read_metadata",
    "read_rows",
    "row_group_rows",
    "schema",
    "table_names",
    "vectors",
    "write",
]
