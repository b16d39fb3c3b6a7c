"""Arrow schemas from the JSON contract in schemas/, and the only reader and writer of tables.

Every Parquet file carries its table's name, schema version and fingerprint. A reader accepts the
current version and every earlier one, since columns are only added, and fills those that are new
since with nulls; it refuses anything else by name.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from facebatch.errors import CollectionError
from facebatch.storage.store import Storage

ROW_GROUP_ROWS = 10_000
"""Rows in a row group at most: about 5 MB of 128-d embeddings."""

CHIP_ROW_GROUP_ROWS = 256
"""The same of faces with chips: 1.5 MB, so that whoever shows one face doesn't read 60 MB."""

_METADATA_PREFIX = "facebatch."
_TABLES = (
    *(
        "media",
        "faces",
        "ids",
        "places",
        "matches",
        "bursts",
        "tree",
        "links",
        "clusters",
        "people",
    ),
    *("events", "decisions", "gallery"),
)
_PLAIN_TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "binary": pa.binary(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "timestamp[us]": pa.timestamp("us"),
    "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Column:
    """One column of the contract, as its JSON file states it."""

    name: str
    type: str
    nullable: bool
    description: str
    unit: str | None = None


@dataclass(frozen=True)
class TableContract:
    """One table of the contract: its columns and the version they are of."""

    table: str
    version: int
    description: str
    columns: tuple[Column, ...]


def table_names() -> tuple[str, ...]:
    """Returns the names of all tables, in the order in which a run fills them."""
    return _TABLES


@cache
def contract(table: str, version: int | None = None) -> TableContract:
    """Returns a table's contract, the newest version by default.

    Raises:
        KeyError: There is no such table or version.
    """
    versions = _versions(table)
    if not versions:
        raise KeyError(table)
    raw = json.loads(versions[version or max(versions)])
    columns = tuple(Column(**column) for column in raw.pop("columns"))
    return TableContract(columns=columns, **raw)


def _versions(table: str) -> dict[int, str]:
    folder = resources.files("facebatch.schemas")
    name = re.compile(rf"{table}\.v(\d+)\.json")
    matches = ((name.fullmatch(entry.name), entry) for entry in folder.iterdir())
    return {int(match[1]): entry.read_text("utf-8") for match, entry in matches if match}


@cache
def schema(table: str, dimension: int | None = None) -> pa.Schema:
    """Returns the Arrow schema of a table's newest version.

    Args:
        table: One of `table_names`.
        dimension: Length of the embedding, needed for ``faces`` and ``gallery`` alone.
    """
    return pa.schema(
        pa.field(column.name, _arrow_type(column.type, dimension), nullable=column.nullable)
        for column in contract(table).columns
    )


def _arrow_type(text: str, dimension: int | None) -> pa.DataType:
    if text in _PLAIN_TYPES:
        return _PLAIN_TYPES[text]
    if match := re.fullmatch(r"fixed_size_binary\[(\d+)\]", text):
        return pa.binary(int(match[1]))
    if match := re.fullmatch(r"list<(\w+)>", text):
        return pa.list_(pa.field("item", _PLAIN_TYPES[match[1]], nullable=False))
    if match := re.fullmatch(r"fixed_size_list<(\w+)>\[(\w+)\]", text):
        length = dimension if match[2] == "dimension" else int(match[2])
        if length is None:
            raise ValueError("a table with embeddings needs their dimension")
        return pa.list_(pa.field("item", _PLAIN_TYPES[match[1]], nullable=False), length)
    raise ValueError(f"the contract names a type that isn't known here: {text}")


def from_rows(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Returns a table of the contract's schema from dictionaries, missing keys being null."""
    table_schema = schema(table)
    present: set[str] = set()
    for row in rows:
        present.update(row)
    columns = [
        pa.array([row.get(field.name) for row in rows], type=field.type)
        if field.name in present
        else pa.nulls(len(rows), field.type)
        for field in table_schema
    ]
    return pa.Table.from_arrays(columns, schema=table_schema)


def vectors(values: npt.NDArray[Any]) -> pa.FixedSizeListArray:
    """Returns an (n, d) float array as a fixed_size_list column of the same precision."""
    item = pa.field("item", pa.from_numpy_dtype(values.dtype), nullable=False)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(values.reshape(-1)), type=pa.list_(item, values.shape[1])
    )


def matrix(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Returns a fixed_size_list column as a NumPy array (n, length) of its own precision."""
    length = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    empty = pa.array([], type=column.type.value_type).to_numpy()
    return np.concatenate([empty, *parts]).reshape(-1, length)


def write(
    storage: Storage,
    path: str,
    table: str,
    rows: pa.Table,
    fingerprint: str,
    *,
    extra: Mapping[str, str] | None = None,
) -> int:
    """Writes one Parquet file of the contract, whole or not at all.

    Args:
        storage: Where the collection lies.
        path: Path inside it.
        table: Name of the table.
        rows: Exactly the columns of the table's schema, in any order.
        fingerprint: The collection's fingerprint.
        extra: Further file metadata, such as the shards this one replaces.

    Returns:
        The size of the file in bytes.
    """
    wanted = schema(table, _dimension(rows))
    metadata = {
        "table": table,
        "schema_version": str(contract(table).version),
        "fingerprint": fingerprint,
        **(extra or {}),
    }
    typed = _typed(rows.select(wanted.names), wanted).replace_schema_metadata(
        {_METADATA_PREFIX + key: value for key, value in metadata.items()}
    )
    sink = io.BytesIO()
    pq.write_table(
        typed,
        sink,
        compression="zstd",
        row_group_size=row_group_rows(typed),
        write_page_checksum=True,
        use_dictionary=[field.name for field in wanted if pa.types.is_string(field.type)],
        write_statistics=[field.name for field in wanted if not pa.types.is_nested(field.type)],
    )
    data = sink.getvalue()
    storage.write(path, data)
    return len(data)


def _typed(rows: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Returns rows with the types of the contract.

    An array of its strings holds 2 GiB, so that those of large types are copied into several.
    """
    for at, (field, kind) in enumerate(zip(rows.schema, wanted.types, strict=True)):
        if pa.types.is_large_string(field.type) or pa.types.is_large_binary(field.type):
            starts = range(0, len(rows), ROW_GROUP_ROWS)
            parts = (rows[at].slice(start, ROW_GROUP_ROWS) for start in starts)
            copied = (part.take(pa.array(np.arange(len(part)))) for part in parts)
            chunks = [chunk for part in copied for chunk in part.cast(kind).chunks]
            rows = rows.set_column(at, field.name, pa.chunked_array(chunks, kind))
    return rows.cast(wanted)


def row_group_rows(rows: pa.Table) -> int:
    """Returns how many rows of a table a row group holds at most."""
    chips = "chip" in rows.schema.names and rows["chip"].null_count < len(rows)
    return CHIP_ROW_GROUP_ROWS if chips else ROW_GROUP_ROWS


def has_coarse_chips(storage: Storage, path: str) -> bool:
    """Tells whether a Parquet file holds chips in row groups that are too long to read one of.

    Raises:
        CollectionError: The file can't be read.
    """
    with storage.open(path) as file:
        try:
            found = pq.read_metadata(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise CollectionError(f"{storage.public}/{path} can't be read: {error}") from error
    groups = (found.row_group(number) for number in range(found.num_row_groups))
    return any(group.num_rows > CHIP_ROW_GROUP_ROWS and _holds_chips(group) for group in groups)


def _holds_chips(group: pq.RowGroupMetaData) -> bool:
    columns = (group.column(number) for number in range(group.num_columns))
    return any(
        column.path_in_schema == "chip" and column.statistics.null_count < group.num_rows
        for column in columns
    )


def _dimension(rows: pa.Table) -> int | None:
    if "embedding" not in rows.schema.names:
        return None
    kind = rows.schema.field("embedding").type
    return kind.list_size if pa.types.is_fixed_size_list(kind) else None


def read(storage: Storage, path: str, table: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads one Parquet file of the contract.

    Args:
        storage: Where the collection lies.
        path: Path inside it.
        table: The table it must hold.
        columns: The columns wanted, in the order wanted; all by default.

    Raises:
        CollectionError: The file can't be read, holds another table or is of a schema version
            that this facebatch doesn't know.
    """
    with storage.open(path) as file:
        try:
            parquet = pq.ParquetFile(file)
            present = _check(parquet.schema_arrow.metadata, path, table)
            wanted = list(columns) if columns is not None else [c.name for c in present.columns]
            stored = [name for name in wanted if name in parquet.schema_arrow.names]
            rows = parquet.read(columns=stored)
        except (pa.ArrowInvalid, OSError) as error:
            raise CollectionError(f"{storage.public}/{path} can't be read: {error}") from error
    newest = {column.name: column for column in contract(table).columns}
    for name in wanted:
        if name not in stored:
            kind = _arrow_type(newest[name].type, None)
            rows = rows.append_column(name, pa.nulls(len(rows), kind))
    return rows.select(wanted).replace_schema_metadata(None)


def read_rows(
    storage: Storage, path: str, table: str, columns: Sequence[str], rows: npt.NDArray[np.int64]
) -> pa.Table:
    """Reads a few rows (n,) of one Parquet file, by their numbers and in their order.

    Only the row groups that hold them are read.

    Raises:
        CollectionError: As for `read`.
    """
    with storage.open(path) as file:
        try:
            parquet = pq.ParquetFile(file)
            _check(parquet.schema_arrow.metadata, path, table)
            sizes = [parquet.metadata.row_group(n).num_rows for n in range(parquet.num_row_groups)]
            starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
            groups = np.searchsorted(starts, rows, side="right") - 1
            wanted = np.unique(groups)
            found = parquet.read_row_groups(wanted.tolist(), columns=list(columns))
        except (pa.ArrowInvalid, OSError) as error:
            raise CollectionError(f"{storage.public}/{path} can't be read: {error}") from error
    before = np.concatenate([[0], np.cumsum(np.array(sizes, np.int64)[wanted])])
    places = before[np.searchsorted(wanted, groups)] + rows - starts[groups]
    return found.take(pa.array(places)).replace_schema_metadata(None)


def read_metadata(storage: Storage, path: str, table: str) -> dict[str, str]:
    """Returns a file's own metadata (table, schema_version, fingerprint, extra), unprefixed.

    Raises:
        CollectionError: As for `read`.
    """
    with storage.open(path) as file:
        try:
            raw = pq.read_schema(file).metadata
        except (pa.ArrowInvalid, OSError) as error:
            raise CollectionError(f"{storage.public}/{path} can't be read: {error}") from error
    _check(raw, path, table)
    return _unprefixed(raw)


def _check(raw: Mapping[bytes, bytes] | None, path: str, table: str) -> TableContract:
    metadata = _unprefixed(raw)
    if metadata.get("table") != table:
        found = metadata.get("table") or "no facebatch table"
        raise CollectionError(f"{path} holds {found}, not {table}")
    newest = contract(table).version
    version = int(metadata["schema_version"])
    if not 1 <= version <= newest:
        raise CollectionError(
            f"{path} is of schema version {version} of {table}; this facebatch reads "
            f"{newest} and those before it"
        )
    return contract(table)


def _unprefixed(raw: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {
        key.decode().removeprefix(_METADATA_PREFIX): value.decode()
        for key, value in (raw or {}).items()
        if key.decode().startswith(_METADATA_PREFIX)
    }
