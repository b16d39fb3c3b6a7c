"""Where decisions are kept: appended in files of one or several, completed and merged later.

Taking a decision writes which faces it is about and no more, so that it costs the same in a
collection of any size. What finds those faces again when their files change, their place and their
look, is completed before people are made anew (`complete`), and many files become one (`merge`).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection, Snapshot
from facebatch.collection.generations import name_after
from facebatch.errors import CollectionError
from facebatch.people.decisions import Concern, Concerns, Decision

FOLDER = "decisions"

PLACE = ("media_id", "content_id", "segment", "timestamp_us", "x0", "y0", "x1", "y1")
"""Columns of a face's row by which it is found again."""

MANY_FILES = 32
"""Files of decisions from which on they are merged; each costs a read of the store."""

_SMALL_BYTES = 1_000_000
"""Size below which a file is merged with others when decisions are recorded. Those that have
embeddings already are mostly larger, and written anew by a regrouping or `compact` alone."""

_TRIES = 5
"""How often files are listed at most, where others add and merge some meanwhile."""

_LOG = logging.getLogger(__name__)

Embedding = npt.NDArray[np.float32]

_Taken = TypeVar("_Taken")

_COMPLETED = (*PLACE, "embedding")
_READ = ("decision", "kind", "person_id", "name", "cancels", "face_id", "before", "after")


def record(collection: Collection, decisions: Sequence[Decision]) -> None:
    """Appends decisions that have names (`next_name`), oldest first, as one file.

    Raises:
        CollectionError: The store refuses it.
    """
    if not decisions:
        return
    rows = pa.concat_tables(map(_rows, decisions))
    _write(collection, _path(decisions[-1].decision), rows)
    try:
        merge(collection, at_least=MANY_FILES, below=_SMALL_BYTES)
    except CollectionError as error:
        # They are recorded all the same, and merged with the next ones.
        _LOG.warning("files of decisions could not be merged: %s", error)


def _rows(decision: Decision) -> pa.Table:
    """Returns the rows of a decision: one for each face, or one without a face."""
    schema = tables.schema("decisions")
    given: dict[str, Any] = {
        "decision": decision.decision,
        "kind": decision.kind,
        "person_id": decision.person_id,
        "name": decision.name,
        "cancels": decision.cancels,
    }
    if decision.concerns:
        given |= dict(zip(Concern._fields, map(list, decision.columns), strict=True))
    if decision.concerns and decision.kind == "import":
        # A row says whom it names.
        given["person_id"] = given["after"]
        given["name"] = [decision.names.get(who) if who else None for who in given["after"]]
    n = max(1, len(decision.concerns))
    columns = []
    for field in schema:
        value = given.get(field.name)
        each = value if isinstance(value, list) else pa.repeat(pa.scalar(value, field.type), n)
        columns.append(pa.array(each, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def next_name(decisions: Sequence[Decision]) -> str:
    """Returns a name for a new decision, later than all of these, which are oldest first."""
    return name_after(decisions[-1].decision if decisions else None)


def newest_in(path: str) -> str:
    """Returns the name of the newest decision in a file, as the file's own name begins with it."""
    name = path.rpartition("/")[2].removesuffix(".parquet")
    return "-".join(name.split("-")[:2])


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.parquet"


def _write(collection: Collection, path: str, rows: pa.Table) -> None:
    tables.write(collection.storage, path, "decisions", rows, collection.fingerprint)


def _files(collection: Collection, below: float = np.inf) -> list[str]:
    """Returns the paths of all files of less than so many bytes, the newest decisions' last."""
    files = collection.storage.files(FOLDER)
    return sorted(one.path for one in files if one.path.endswith(".parquet") and one.size < below)


def _each(
    collection: Collection,
    take: Callable[[str], _Taken],
    at_least: int = 0,
    below: float = np.inf,
) -> list[_Taken]:
    """Takes files one by one, and all of them anew where others merged some meanwhile.

    A merger writes a file and removes those that it was made of; who lists them while it does may
    see neither.

    Args:
        collection: The collection.
        take: Reads the file of a path; called again for files that it took already.
        at_least: Number of files below which none is taken.
        below: Bytes that the files have less than.

    Returns:
        What it gave for each, in the order of `_files`.
    """
    tries = _TRIES
    while True:
        tries -= 1
        paths = _files(collection, below)
        if len(paths) < at_least:
            return []
        try:
            taken = [take(path) for path in paths]
        except CollectionError:
            if not tries or all(map(collection.storage.exists, paths)):
                raise
            continue
        if not tries or set(_files(collection, below)) <= set(paths):
            return taken


def read(collection: Collection) -> list[Decision]:
    """Returns all decisions, oldest first.

    Raises:
        CollectionError: A file can't be read.
    """
    parts = _each(
        collection,
        lambda path: list(_decisions(tables.read(collection.storage, path, "decisions", _READ))),
    )
    # A merger that was cut off leaves some in two files.
    found = {one.decision: one for part in parts for one in part}
    return [found[name] for name in sorted(found)]


def _decisions(rows: pa.Table) -> Iterator[Decision]:
    if not len(rows):
        return
    names = rows["decision"].combine_chunks().dictionary_encode().indices.to_numpy()
    starts = np.flatnonzero(np.diff(names, prepend=-1))
    heads = [rows[name].take(pa.array(starts)).to_pylist() for name in _READ[:5]]
    faces, before, after = (_objects(rows[name]) for name in Concern._fields)
    bounds = [*starts.tolist(), len(rows)]
    for start, stop, name, kind, person, called, cancels in zip(
        bounds[:-1], bounds[1:], *heads, strict=True
    ):
        some = slice(start, stop)
        # A decision about no face has one row, without any.
        known = faces[start] is not None
        concerns = Concerns((faces[some], before[some], after[some])) if known else ()
        if kind == "import":
            part = rows.slice(start, stop - start)
            named = zip(part["person_id"].to_pylist(), part["name"].to_pylist(), strict=True)
            given = {who: text for who, text in named if text is not None}
            yield Decision(kind, concerns=concerns, decision=name, names=given)
        else:
            yield Decision(kind, person, called, cancels, concerns, name)


def _objects(column: pa.ChunkedArray) -> tuple[Any, ...]:
    """Returns the values of a column; equal ones are one object, whose hash is reckoned once."""
    encoded = column.combine_chunks().dictionary_encode()
    known = np.array([*encoded.dictionary.to_pylist(), None], object)
    return tuple(known[encoded.indices.fill_null(len(known) - 1).to_numpy()].tolist())


def recorded_places(
    collection: Collection, faces: Iterable[bytes]
) -> tuple[dict[bytes, dict[str, Any]], dict[bytes, Embedding]]:
    """Returns what decisions recorded of faces that are gone: their places and their looks.

    Returns:
        By face id, the columns `PLACE` of its row, and its embedding (d,). Faces of decisions that
        nothing was completed of have neither, those of old versions no embedding.

    Raises:
        CollectionError: A file can't be read.
    """
    wanted = pa.array(list(faces), pa.binary(ids.ID_BYTES))
    places: dict[bytes, dict[str, Any]] = {}
    looks: dict[bytes, Embedding] = {}

    def take(path: str) -> None:
        rows = tables.read(collection.storage, path, "decisions", ("face_id", *_COMPLETED))
        known = pc.and_(pc.is_in(rows["face_id"], wanted), pc.is_valid(rows["media_id"]))
        for row in rows.filter(known).to_pylist():
            embedding, face = row.pop("embedding"), row.pop("face_id")
            places[face] = row
            if embedding is not None:
                looks[face] = np.array(embedding, np.float32)

    _each(collection, take)
    return places, looks


def complete(collection: Collection, snapshot: Snapshot) -> None:
    """Adds to decisions the place and the look of faces of which they say neither yet.

    Args:
        collection: The collection.
        snapshot: Its faces. A face that doesn't count any more is looked for in old shards, and
            in what other decisions say of it.

    Raises:
        CollectionError: A file can't be read or written.
    """

    def take(path: str) -> None:
        some = tables.read(collection.storage, path, "decisions", ["face_id", "media_id"])
        bare = pc.and_(pc.is_valid(some["face_id"]), pc.is_null(some["media_id"]))
        faces = set(some.filter(bare)["face_id"].to_pylist())
        known = _places(collection, snapshot, faces) if faces else {}
        if known:
            rows = tables.read(collection.storage, path, "decisions")
            # If a merger removed it meanwhile, it is there twice: `read` counts decisions once.
            _write(collection, path, _completed(rows, known))

    _each(collection, take)


def _completed(rows: pa.Table, known: Mapping[bytes, Mapping[str, Any]]) -> pa.Table:
    faces = rows["face_id"].to_pylist()
    bare = rows["media_id"].is_null().to_pylist()
    found = [known.get(face) if one else None for face, one in zip(faces, bare, strict=True)]
    for name in _COMPLETED:
        at = rows.schema.get_field_index(name)
        there = rows[name].to_pylist()
        values = [old if new is None else new[name] for old, new in zip(there, found, strict=True)]
        rows = rows.set_column(at, rows.field(at), pa.array(values, rows.field(at).type))
    return rows


def _places(
    collection: Collection, snapshot: Snapshot, faces: set[bytes]
) -> dict[bytes, dict[str, Any]]:
    """Returns the columns `_COMPLETED` of faces, of those that are found anywhere."""
    columns = ["face_id", *_COMPLETED]
    wanted = pa.array(sorted(faces), pa.binary(ids.ID_BYTES))
    listed = snapshot.listed
    there = snapshot.faces(columns, among=listed.filter(pc.is_in(listed["face_id"], wanted)))
    known = {row.pop("face_id"): row for row in there.to_pylist()}
    if len(known) < len(faces):
        places, looks = recorded_places(collection, faces - set(known))
        for face, place in places.items():
            known[face] = {**place, "embedding": looks.get(face)}
    if len(known) < len(faces):
        for shard in snapshot.shards:
            rows = tables.read(snapshot.storage, f"faces/{shard}.parquet", "faces", columns)
            rows = rows.filter(pc.is_in(rows["face_id"], wanted))
            known = {row.pop("face_id"): row for row in rows.to_pylist()} | known
    return known


def merge(collection: Collection, *, at_least: int = 2, below: float = np.inf) -> int:
    """Makes one file of all, if there are so many at least.

    It has a name that no file ever had, so that whoever still writes one of them anew
    (`complete`) doesn't overwrite it.

    Args:
        collection: The collection.
        at_least: Number of files below which nothing is done.
        below: Bytes that the files have less than; larger ones are left alone.

    Returns:
        The number of files that became one; 0 where nothing was done.

    Raises:
        CollectionError: A file can't be read or written.
    """
    found = _each(
        collection,
        lambda path: (path, tables.read(collection.storage, path, "decisions")),
        at_least,
        below,
    )
    if not found:
        return 0
    seen: set[str] = set()
    kept = []
    for _, rows in reversed(found):
        names = set(rows["decision"].unique().to_pylist())
        kept.append(rows.filter(pc.invert(pc.is_in(rows["decision"], pa.array(seen, pa.string())))))
        seen |= names
    rows = pa.concat_tables(part.select(kept[0].column_names) for part in reversed(kept))
    order = pc.sort_indices(rows["decision"])
    # Stable, so that the rows of each decision stay in their order.
    merged = f"{newest_in(found[-1][0])}-{secrets.token_hex(3)}"
    _write(collection, _path(merged), rows.take(order))
    for path, _ in found:
        collection.storage.remove(path)
    return len(found)
