from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import rows
from support.places import put, web_server

from facebatch import tables
from facebatch.extract import pieces
from facebatch.extract.decide import Rules, decide_file
from facebatch.extract.items import Known
from facebatch.extract.pieces import (
    Addresses,
    Listing,
    Piece,
    list_roots,
    read_piece,
    slices,
    write_pieces,
)
from facebatch.extract.progress import Tally
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import Root, parse_roots
from facebatch.storage.store import Storage

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ROOTS = {name: Root(name, f"/disks/{name}") for name in ("old", "photos")}
NEVER = threading.Event()
Files = Sequence[MediaFile]
_numbers = itertools.count()

PATHS = st.builds(
    lambda folder, name: f"{folder}/{name}.jpg".lstrip("/"),
    st.sampled_from(["", "2019", "2019/x", "2019 b", "caf\udce9", "caf\u00e9"]),
    st.sampled_from("abc"),
)
VERSIONS = st.tuples(st.integers(1, 2), st.sampled_from("12"))


def listed(root: str, path: str, version: tuple[int, str], sidecar: bool) -> MediaFile:
    file = MediaFile(root, ROOTS[root].url, path, *version)
    beside = MediaFile(root, ROOTS[root].url, f"{path}.xmp", 7, "3")
    return replace(file, sidecars=(beside,)) if sidecar else file


FILES = st.lists(
    st.builds(listed, st.sampled_from(list(ROOTS)), PATHS, VERSIONS, st.booleans()),
    unique_by=lambda file: (file.root, file.path),
)


@st.composite
def known_rows(draw: st.DrawFn, files: list[MediaFile]) -> list[Known]:
    """Rows of listed files and of others, of their versions and of others, several of some."""
    places = st.tuples(st.sampled_from(list(ROOTS)), PATHS)
    if files:
        places |= st.sampled_from([(file.root, file.path) for file in files])
    sidecars = [None, *(file.sidecar_version for file in files)]
    made = st.builds(
        lambda place, version, status, shard, sidecar: Known(
            *place, *version, status, None, 1, NOON, shard, sidecar=sidecar
        ),
        places,
        VERSIONS,
        st.sampled_from(["ok", "duplicate", "vanished", "quarantined"]),
        st.sampled_from(["s1", "s2"]),
        st.sampled_from(sidecars),
    )
    return draw(st.lists(made, max_size=8))


def as_table(
    known: list[Known], roots: Collection[Root] = tuple(ROOTS.values()), files: Files = ()
) -> pa.Table:
    """The rows as the collection's files have them, read again by the module itself."""
    collection = rows.memory_collection()
    for number, row in enumerate(known):
        values = {name: getattr(row, name) for name in ("size", "marker", "sidecar", "root")}
        media = rows.media_row(row.path, row.status, **values, reason=None)
        raw = row.path.encode("utf-8", "surrogateescape")
        media["path"] = raw.decode("utf-8", "replace")
        media["path_bytes"] = raw if media["path"] != row.path else None
        name = f"{number:02}{row.shard}"
        tables.write(
            collection.storage,
            f"media/{name}.parquet",
            "media",
            tables.from_rows("media", [{**media, "committed_at": NOON}]),
            collection.fingerprint,
        )
    found = pieces.known_rows(collection.snapshot(), roots, pieces.table_of(files))
    assert all(column.num_chunks <= 1 for column in found.columns)  # however many shards there are
    return found


def write(listing: Listing, known: pa.Table, *, places: int) -> tuple[Storage, list[Piece]]:
    storage = Storage(f"memory://pieces-{next(_numbers)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_PLACES", places)
        return storage, write_pieces(listing, known, storage, "pieces", NEVER)


@given(st.data(), FILES, st.integers(1, 5))
def test_whatever_is_known_of_a_place_lies_in_one_piece_with_its_file(
    data: st.DataObject, files: list[MediaFile], places: int
) -> None:
    known = data.draw(known_rows(files))
    listing = Listing(pieces.table_of(files), (), (), {})
    storage, found = write(listing, as_table(known), places=places)
    seen: Counter[bytes] = Counter()
    read_files, read_known = [], []
    for piece in found:
        some, beside = read_piece(storage, piece.path, Addresses(ROOTS.values(), {}))
        seen.update(some.keys() | beside.keys())
        assert piece.files == len(some)
        read_files += some.values()
        read_known += [(at, row) for at in beside for row in beside[at]]
        decided = [
            work
            for at in some.keys() | beside.keys()
            for _, work in decide_file(some.get(at), beside.get(at, []), Rules())
        ]
        assert sum(work is not None for work in decided) <= piece.work
    assert max(seen.values(), default=1) == 1
    assert sorted(read_files, key=repr) == sorted(files, key=repr)
    assert len(read_known) == len(known)
    assert Counter((row.root, row.path, row.size, row.status) for _, row in read_known) == Counter(
        (row.root, row.path, row.size, row.status) for row in known
    )
    for at, row in read_known:
        assert at == row.root.encode() + b"\0" + row.path.encode("utf-8", "surrogateescape")


@given(st.lists(st.integers(0, 9)), st.integers(1, 20))
def test_slices_hold_every_piece_once_in_order_and_no_more_work_than_asked_for(
    work: list[int], most: int
) -> None:
    made = [Piece(str(number), 1, each) for number, each in enumerate(work)]
    parts = list(slices(made, most))
    assert [piece for part in parts for piece in part] == made
    assert all(parts)
    largest = max(work, default=0)
    assert all(sum(piece.work for piece in part) <= most + largest for part in parts)
    assert len(parts) <= max(1, -(-sum(work) // most))


def test_what_is_known_as_it_is_isnt_work() -> None:
    files = [listed("photos", f"{number}.jpg", (1, "1"), number == 2) for number in range(4)]
    known = [
        Known("photos", "0.jpg", 1, "1", "ok", None, 1, NOON, "s1"),
        Known("photos", "1.jpg", 2, "1", "ok", None, 1, NOON, "s1"),
        Known("photos", "2.jpg", 1, "1", "ok", None, 1, NOON, "s1"),
        Known("photos", "gone.jpg", 1, "1", "ok", None, 1, NOON, "s1"),
        Known("photos", "long gone.jpg", 1, "1", "vanished", None, 1, NOON, "s1"),
    ]
    _, [piece] = write(Listing(pieces.table_of(files), (), (), {}), as_table(known), places=100)
    # Of another size, with a sidecar nobody saw, new, and gone.
    assert (piece.files, piece.work) == (4, 4)


def test_a_video_is_as_many_items_as_its_size_tells() -> None:
    versions = {"a.mp4": 1_200_000_000, "b.MOV": 5, "c.tif": 1_200_000_000, "old.mp4": 900_000_000}
    files = [MediaFile("photos", "", path, size, "1") for path, size in versions.items()]
    known = [Known("photos", "old.mp4", 900_000_000, "1", "ok", None, 1, NOON, "s1")]
    _, [piece] = write(Listing(pieces.table_of(files), (), (), {}), as_table(known), places=100)
    assert (piece.files, piece.work) == (4, 60 + 1 + 1)


def test_of_a_root_listed_in_part_only_what_is_known_of_listed_files_is_looked_at() -> None:
    places = [("photos", "a.jpg"), ("photos", "a.jpg"), ("photos", "b.jpg"), ("old", "b.jpg")]
    known = [Known(*place, 1, "1", "ok", None, 1, NOON, "s1") for place in places]
    files = [listed("photos", path, (1, "1"), False) for path in ("a.jpg", "new.jpg")]
    roots = [replace(ROOTS["photos"], files=("a.jpg", "new.jpg")), ROOTS["old"]]
    found = as_table(known, roots, files)
    assert sorted(found["place"].to_pylist()) == [b"old\0b.jpg", *[b"photos\0a.jpg"] * 2]


def test_neither_addresses_nor_what_opens_them_are_written_down(tmp_path: Path) -> None:
    root = Root("web", "https://user:secret@example.org/p", files=("a.jpg?token=open",))
    queries = {("web", "a.jpg"): "?token=open"}
    file = MediaFile("web", root.url, "a.jpg", 5, "tag", "?token=open")
    storage = Storage(str(tmp_path))
    listing = Listing(pieces.table_of([file]), (), (), queries)
    [piece] = write_pieces(listing, as_table([]), storage, "pieces", NEVER)
    table = pa.ipc.open_stream(pa.BufferReader(storage.read(piece.path))).read_all()
    assert "secret" not in str(table.to_pylist())
    assert "token" not in str(table.to_pylist())
    listed, _ = read_piece(storage, piece.path, Addresses([root], queries))
    assert list(listed.values()) == [file]
    assert "secret" not in str(vars(Addresses.without(file)))
    assert Addresses([root], queries).of(Addresses.without(file)) == file


def test_what_opens_a_link_of_an_index_page_is_kept_beside_the_pieces(tmp_path: Path) -> None:
    links = '<a href="locked.jpg?key=opensesame">1</a> <a href="locked.xmp?key=opensesame">2</a>'
    put(tmp_path / "photos", "locked.jpg", "locked.xmp", content=b"pixels")
    put(tmp_path / "photos", "index.html", content=links.encode())
    storage = Storage(str(tmp_path / "between"))
    with web_server(tmp_path) as address:
        roots = parse_roots([f"{address}/photos"])
        listing = list_roots(roots, Tally(), NEVER)
        [piece] = write_pieces(listing, as_table([]), storage, "pieces", NEVER)
        assert "opensesame" not in str(listing.files.to_pylist())
        [file] = read_piece(storage, piece.path, Addresses(roots, listing.queries))[0].values()
        assert MediaReader().read(file) == b"pixels"
        [sidecar] = file.sidecars
        assert MediaReader().read(sidecar) == b"pixels"


def test_several_roots_are_listed_and_counted(tmp_path: Path) -> None:
    for path in ("one/a.jpg", "one/b/c.jpg", "two/d.mp4", "two/notes.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"0")
    roots = parse_roots([str(tmp_path / "one"), str(tmp_path / "two")])
    tally = Tally()
    listing = list_roots(roots, tally, NEVER)
    assert tally.listed == len(listing.files) == 3
    assert all(column.num_chunks == 1 for column in listing.files.columns)  # as rows are taken
    assert [(one.reason, one.files) for one in listing.left_out] == [("extension", 1)]


def test_a_listing_nobody_waits_for_ends(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"0")
    stop = threading.Event()
    stop.set()
    with pytest.raises(pieces.Stopped):
        list_roots(parse_roots([str(tmp_path)]), Tally(), stop)
