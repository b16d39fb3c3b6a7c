"""Taking what is erased from single files: rows of tables, items of marks, whole pages."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import replace
from io import BytesIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facebatch import tables
from facebatch.collection.sources import SOURCES, Sources
from facebatch.erasure import file_contents
from facebatch.erasure.verification import ErasureTargets
from facebatch.people import recording
from facebatch.report import REPORT
from facebatch.storage.store import Storage


def clean_file(
    storage: Storage, path: str, targets: ErasureTargets, pages: Container[str]
) -> list[str]:
    """Removes what is erased from one file, or the whole file; returns the paths removed.

    A file that no rule is for stays as it is, and the verification names it.

    Args:
        storage: Where the collection lies.
        path: The file's path.
        targets: What is erased.
        pages: Paths of all pages.
    """
    folder, _, name = path.rpartition("/")
    if folder in ("media", "faces"):
        gone = [path for path in (f"media/{name}", f"faces/{name}") if storage.exists(path)]
    elif folder == "attempts":
        return _clean_mark(storage, path, targets)
    elif path == SOURCES:
        known = Sources.read(storage)
        ignored = tuple(replace(part, examples=()) for part in known.ignored or ())
        replace(known, ignored=ignored).write(storage)
        return []
    elif name.endswith(".parquet"):
        drop_rows(storage, path, targets)
        return []
    elif path in pages or _is_beside_one(path, pages):
        gone = [path]
    else:
        return []
    for each in gone:
        storage.remove(each)
    return gone


def _is_beside_one(path: str, pages: Container[str]) -> bool:
    """Tells whether a file is part of an evaluation: ``<kind>.json``, ``<kind>-<plot>.png``."""
    stem, _, ending = path.rpartition(".")
    folder, separator, name = stem.rpartition("/")
    page = f"{folder}{separator}{name.partition('-')[0]}.html"
    return ending in ("json", "npz", "png") and page != REPORT and page in pages


def _clean_mark(storage: Storage, path: str, targets: ErasureTargets) -> list[str]:
    """Takes erased items from the mark of a dead attempt; a mark without items goes."""
    try:
        mark = json.loads(storage.read(path))
        items = [str(item) for item in mark["items"]]
    except (ValueError, KeyError, TypeError):
        items = []
    erased = targets.matches(file_contents.Part("items", "texts", items))
    kept = [item for item, hit in zip(items, erased, strict=True) if not hit]
    if not kept:
        storage.remove(path)
        return [path]
    storage.write(path, json.dumps({**mark, "items": kept}).encode())
    return []


def drop_rows(storage: Storage, path: str, targets: ErasureTargets) -> int:
    """Writes a table of any kind anew without the rows that tell of something erased.

    Returns:
        How many they were.
    """
    with storage.open(path) as file:
        schema = pq.read_schema(file)
    kept, dropped = [], 0
    for rows in file_contents.batches(storage, path):
        erased = targets.rows(rows)
        kept.append(rows.filter(pa.array(~erased)))
        dropped += int(erased.sum())
    sink = BytesIO()
    whole = pa.concat_tables([schema.empty_table(), *(rows.cast(schema) for rows in kept)])
    if dropped and path.startswith(f"{recording.FOLDER}/"):
        # Of a decision all of whose faces go, what it says of those who remain stays.
        said = _without_faces(storage, path, targets)
        emptied = pc.invert(pc.is_in(said["decision"], whole["decision"].unique()))
        whole = pa.concat_tables([whole, said.filter(emptied).cast(schema)])
    if dropped and not len(whole):
        storage.remove(path)
        return dropped
    pq.write_table(whole, sink, compression="zstd", row_group_size=tables.row_group_rows(whole))
    storage.write(path, sink.getvalue())
    return dropped


def _without_faces(storage: Storage, path: str, targets: ErasureTargets) -> pa.Table:
    """Returns what decisions say of those who remain, in rows without a face.

    Of one that says nothing of anybody else there is none.
    """
    # An import names several people; whoever remains keeps the name.
    people: dict[tuple[str, bytes | None], pa.Table] = {}
    for rows in file_contents.batches(storage, path):
        about = zip(rows["decision"].to_pylist(), rows["person_id"].to_pylist(), strict=True)
        for place, each in enumerate(about):
            people.setdefault(each, rows.slice(place, 1))
    first = pa.concat_tables(people.values())
    for name in ("face_id", "before", "after", *recording.PLACE, "embedding"):
        at = first.schema.get_field_index(name)
        if at < 0:  # which decisions of older versions don't have
            continue
        column = first.schema.field(at)
        first = first.set_column(at, column, pa.nulls(len(first), column.type))
    return first.filter(pa.array(~targets.rows(first)))
