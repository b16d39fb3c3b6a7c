"""Pieces: what is listed and what is known of it, side by side, in files that workers read.

Listed files and known rows are ordered by the place they have, root and path, and cut at the same
places. So whatever is known of a file lies in its piece, and whatever is known of a file that isn't
there any more lies in one piece and no other: pieces are planned one by one, and in any order.

The launcher holds about 100 bytes a file and 200 a known row meanwhile, as Arrow tables. Neither
addresses nor what opens them is written down; the launcher gives both to the workers.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.collection import Snapshot
from facebatch.extract.items import Known
from facebatch.extract.progress import Tally
from facebatch.media.kinds import kind_of
from facebatch.media.sources.ignored import Ignored
from facebatch.media.sources.listing import Marked, MediaFile, Unreadable, list_root
from facebatch.media.sources.roots import Root
from facebatch.storage.store import Storage

PIECE_PLACES = 10_000
"""Listed files and known rows that are one piece, about."""

SEGMENT_BYTES = 20_000_000
"""Bytes of a video for which one item is reckoned: its 120 seconds (`SEGMENT_SECONDS`) at 1.3
million bits a second, which is little. Most videos have more: they become fewer items than that."""

_ROOTS_TOGETHER = 8
_FILES_TOGETHER = 100_000
"""Files whose columns are lists of Python's before they become Arrow's."""

_PLACE = pa.large_binary()
_BESIDE = pa.struct([("path", _PLACE), ("size", pa.int64()), ("marker", pa.large_string())])
_FILES = pa.schema(
    [
        ("place", _PLACE),
        ("size", pa.int64()),
        ("marker", pa.large_string()),
        ("sidecar", pa.large_string()),
        ("sidecars", pa.list_(_BESIDE)),
    ]
)
_KNOWN = tuple(field.name for field in fields(Known))


class Stopped(Exception):
    """Nobody waits for a listing any more."""


@dataclass(frozen=True)
class Listing:
    """What lies below the roots.

    Args:
        files: One row a file: place, size, marker, sidecar (their version, as the table ``media``
            has it) and sidecars (path, size and marker of each).
        left_out: What isn't looked at.
        not_listed: Folders that couldn't be listed, and those that a mark leaves out.
        queries: What the web addresses of files and sidecars end in, by root and path.
    """

    files: pa.Table
    left_out: tuple[Ignored, ...]
    not_listed: tuple[Unreadable | Marked, ...]
    queries: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Piece:
    """A file that one element of planning is read from.

    Args:
        path: Where it lies.
        files: Listed files in it.
        work: Items in it that are new or otherwise than the collection knows them, and known ones
            that are gone: what there may be to do, at most. How many a video becomes is told by its
            size, until it is opened.
    """

    path: str
    files: int
    work: int


def list_roots(roots: Sequence[Root], tally: Tally, stop: threading.Event) -> Listing:
    """Lists roots, several at a time.

    Args:
        roots: What is listed.
        tally: Counts the files.
        stop: Set by who doesn't wait any more.

    Raises:
        UsageError: One of the patterns of a root isn't any.
        Stopped: ``stop`` was set.
    """
    with ThreadPoolExecutor(_ROOTS_TOGETHER) as pool:
        parts = list(pool.map(lambda root: _list(root, tally, stop), roots))
    files = pa.concat_tables([_FILES.empty_table(), *(part.files for part in parts)])
    return Listing(
        files.combine_chunks(),  # taking some rows looks at all chunks
        tuple(one for part in parts for one in part.left_out),
        tuple(one for part in parts for one in part.not_listed),
        {place: query for part in parts for place, query in part.queries.items()},
    )


def _list(root: Root, tally: Tally, stop: threading.Event) -> Listing:
    tables: list[pa.Table] = []
    waiting: list[MediaFile] = []
    left_out: list[Ignored] = []
    not_listed: list[Unreadable | Marked] = []
    queries: dict[tuple[str, str], str] = {}
    for entry in tally.counted(root.name, list_root(root), MediaFile):
        if stop.is_set():
            raise Stopped
        if isinstance(entry, MediaFile):
            waiting.append(entry)
            for file in (entry, *entry.sidecars):
                if file.query:
                    queries[file.root, file.path] = file.query
            if len(waiting) == _FILES_TOGETHER:
                tables.append(table_of(waiting))
                waiting = []
        elif isinstance(entry, Ignored):
            left_out.append(entry)
        else:
            not_listed.append(entry)
    files = pa.concat_tables([*tables, table_of(waiting)])
    return Listing(files, tuple(left_out), tuple(not_listed), queries)


def table_of(files: Sequence[MediaFile]) -> pa.Table:
    """Returns files as a `Listing` holds them."""
    columns = [
        [_place(file.root, file.path) for file in files],
        [file.size for file in files],
        [file.marker for file in files],
        [file.sidecar_version for file in files],
        [[_beside(one) for one in file.sidecars] or None for file in files],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _FILES, strict=True)]
    return pa.Table.from_arrays(arrays, schema=_FILES)


def _place(root: str, path: str) -> bytes:
    return root.encode() + b"\0" + os.fsencode(path)


def _beside(file: MediaFile) -> dict[str, bytes | int | str]:
    return {"path": os.fsencode(file.path), "size": file.size, "marker": file.marker}


def known_rows(snapshot: Snapshot, roots: Collection[Root], files: pa.Table) -> pa.Table:
    """Returns every media row that was ever committed for the items of some roots.

    Of roots that aren't listed whole they are those of listed files alone: nothing can be said of
    the others.

    Args:
        snapshot: What is known.
        roots: The roots that were listed.
        files: What was found there, as `Listing` has it.

    Returns:
        The fields of `Known`, and ``place``, by which rows belong to listed files.
    """
    rows = snapshot.stored([*_KNOWN, "path_bytes"])
    rows = rows.filter(_is_of(rows, roots))
    rows = rows.select(_KNOWN).append_column("place", _places(rows))
    whole = [root for root in roots if root.is_whole]
    if len(whole) < len(roots):
        listed = pc.is_in(rows["place"], files["place"])
        rows = rows.filter(pc.or_(_is_of(rows, whole), listed))
    # Every shard is a chunk of each column, and taking some rows looks at all chunks.
    for at, name in enumerate(rows.column_names):
        kind = pa.large_string() if name == "shard" else rows[at].type
        rows = rows.set_column(at, name, rows[at].cast(kind).combine_chunks())
    return rows


def _is_of(rows: pa.Table, roots: Iterable[Root]) -> pa.ChunkedArray:
    return pc.is_in(rows["root"], pa.array([root.name for root in roots], pa.large_string()))


def _places(rows: pa.Table) -> pa.ChunkedArray:
    paths = pc.coalesce(rows["path_bytes"].cast(_PLACE), rows["path"].cast(_PLACE))
    return pc.binary_join_element_wise(rows["root"].cast(_PLACE), paths, pa.scalar(b"\0", _PLACE))


def write_pieces(
    listing: Listing,
    known: pa.Table,
    storage: Storage,
    folder: str,
    stop: threading.Event,
    *,
    reread: bool = False,
) -> list[Piece]:
    """Writes listed files and known rows in pieces.

    Args:
        listing: What is there.
        known: What is known, as `known_rows` gives it.
        storage: Where they are written.
        folder: Folder there.
        stop: Set by who doesn't wait any more.
        reread: Whether what seems unchanged is work all the same.

    Raises:
        CollectionError: The store refuses it.
        Stopped: ``stop`` was set.
    """
    files = listing.files
    places = pa.chunked_array([*files["place"].chunks, *known["place"].chunks], _PLACE)
    order = pc.sort_indices(places).to_numpy()
    pieces: list[Piece] = []
    begin = 0
    while begin < len(order):
        if stop.is_set():
            raise Stopped
        end = min(begin + PIECE_PLACES, len(order))
        while end < len(order) and places[order[end]] == places[order[end - 1]]:
            end += 1
        chosen = order[begin:end]
        mine = files.take(pa.array(chosen[chosen < len(files)]))
        rows = known.take(pa.array(chosen[chosen >= len(files)] - len(files)))
        path = f"{folder}/{len(pieces):06}.arrow"
        storage.write(path, _written(mine, rows))
        pieces.append(Piece(path, len(mine), _work(mine, rows, reread)))
        begin = end
    return pieces


def _work(files: pa.Table, known: pa.Table, reread: bool) -> int:
    known = _winners(known)
    settled = known.filter(pc.is_in(known["status"], pa.array(["ok", "duplicate"])))
    there = pc.is_in(known["place"], files["place"])
    gone = pc.and_not(pc.not_equal(known["status"], "vanished"), there)
    if not reread:
        same = pc.is_in(_versions(files), _versions(settled))
        files = files.filter(pc.invert(same))
    return _items(files) + _count(gone)


def _items(files: pa.Table) -> int:
    """Returns how many items files become, about."""
    large = files.filter(pc.greater_equal(files["size"], 2 * SEGMENT_BYTES))
    found = zip(large["place"].to_pylist(), large["size"].to_pylist(), strict=True)
    videos = (size for place, size in found if kind_of(os.fsdecode(place)) == "video")
    return len(files) + sum(int(size) // SEGMENT_BYTES - 1 for size in videos)


def _winners(known: pa.Table) -> pa.Table:
    """Returns the rows that count, as `facebatch.extract.decide.winners` has it."""
    if not len(known):
        return known
    by = ("place", "segment", "committed_at", "shard")
    rows = known.take(pc.sort_indices(known, [(name, "ascending") for name in by]))
    same = [pc.equal(rows[name].slice(1), rows[name].slice(0, len(rows) - 1)) for name in by[:2]]
    is_last = np.append(pc.invert(pc.and_(*same)).to_numpy(), True)
    return rows.filter(pa.array(is_last, pa.bool_()))


def _versions(rows: pa.Table) -> pa.ChunkedArray:
    """Returns what differs wherever a file or its sidecars do."""
    columns = (rows["size"].cast(pa.large_string()), rows["marker"], rows["sidecar"])
    texts = (pc.fill_null(column, "").cast(_PLACE) for column in columns)
    return pc.binary_join_element_wise(rows["place"], *texts, pa.scalar(b"\0", _PLACE))


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _written(files: pa.Table, known: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    for table in (files, known):
        with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
            stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


class Addresses:
    """Where files lie and what opens them; neither is ever written down.

    Args:
        roots: The roots that were listed.
        queries: As `Listing` has them.
    """

    def __init__(self, roots: Iterable[Root], queries: Mapping[tuple[str, str], str]) -> None:
        self._urls = {root.name: root.url for root in roots}
        self._queries = queries

    def of(self, file: MediaFile) -> MediaFile:
        """Returns a file that was read from where `without` had put it, with its address."""
        url, query = self._urls[file.root], self._queries.get((file.root, file.path), "")
        return replace(file, url=url, query=query, sidecars=tuple(map(self.of, file.sidecars)))

    @classmethod
    def without(cls, file: MediaFile) -> MediaFile:
        """Returns a file as it may be written down."""
        return replace(file, url="", query="", sidecars=tuple(map(cls.without, file.sidecars)))


def read_piece(
    storage: Storage, path: str, addresses: Addresses
) -> tuple[dict[bytes, MediaFile], dict[bytes, list[Known]]]:
    """Returns the listed files of a piece, and the known rows, by their places.

    Args:
        storage: Where it lies.
        path: Its path there.
        addresses: Those of the roots that were listed.
    """
    source = pa.BufferReader(storage.read(path))
    files, known = (pa.ipc.open_stream(source).read_all() for _ in range(2))
    listed = {}
    for row in files.to_pylist():
        root, _, raw = row["place"].partition(b"\0")
        beside = (_file(root, one["path"], one) for one in row["sidecars"] or ())
        listed[row["place"]] = addresses.of(_file(root, raw, row, tuple(beside)))
    rows: dict[bytes, list[Known]] = {}
    for row in known.to_pylist():
        at = row.pop("place")
        row["path"] = os.fsdecode(at.partition(b"\0")[2])
        rows.setdefault(at, []).append(Known(**row))
    return listed, rows


def _file(
    root: bytes,
    path: bytes,
    row: Mapping[str, str | int],
    sidecars: tuple[MediaFile, ...] = (),
) -> MediaFile:
    size, marker = int(row["size"]), str(row["marker"])
    return MediaFile(root.decode(), "", os.fsdecode(path), size, marker, "", sidecars)


def slices(pieces: Sequence[Piece], most: int) -> Iterator[list[Piece]]:
    """Yields pieces that are planned together: of about equal work, ``most`` and a piece at most.

    Args:
        pieces: All of them, in order.
        most: Work that is planned together.
    """
    total = sum(piece.work for piece in pieces)
    count = max(1, -(-total // most))
    before = np.cumsum([0, *(piece.work for piece in pieces)])
    numbers = np.minimum(before[:-1] * count // max(1, total), count - 1)
    for number in np.unique(numbers):
        yield [piece for piece, at in zip(pieces, numbers, strict=True) if at == number]
