"""People and events as the tables have them."""

from __future__ import annotations

import pyarrow as pa

from facebatch import tables
from facebatch.collection import Collection
from facebatch.people.identity import Person

EVENTS = "events"
"""Folder of the events, which outlive the generations."""

_COLUMNS = (
    *("person_id", "founded", "status", "cluster", "merged_into", "name", "named_by", "hidden"),
)


def persons(rows: pa.Table) -> list[Person]:
    """Returns the people of rows of the table ``people``."""
    found = rows.select(list(_COLUMNS)).to_pylist()
    return [Person(**{**row, "hidden": bool(row["hidden"])}) for row in found]


def read_events(collection: Collection) -> pa.Table:
    """Returns everything that ever happened to people, oldest first.

    Raises:
        CollectionError: A file can't be read.
    """
    current = collection.current("people")
    paths = [
        file.path
        for file in collection.storage.files(EVENTS)
        if current is not None and generation_of(file.path) <= current.name
    ]
    parts = [tables.read(collection.storage, path, "events") for path in paths]
    return pa.concat_tables([tables.schema("events").empty_table(), *parts])


def generation_of(path: str) -> str:
    """Returns the name of the people generation whose events a file holds."""
    return path.removeprefix(f"{EVENTS}/").removesuffix(".parquet")
