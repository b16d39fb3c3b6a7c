"""Verifying one shard: its two files, their rows, and what the rows say of each other."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facebatch import ids, tables
from facebatch.collection.collection import Collection
from facebatch.collection.snapshot import content_keys
from facebatch.errors import CollectionError
from facebatch.faces.embeddings import wrong_lengths
from facebatch.models import registry
from facebatch.storage.printable import count

CHIPS_SAMPLED = 16
"""Chips decoded of each shard, unless all are."""

_STATUSES = ("ok", "duplicate", "quarantined", "vanished")
_BOX = ("x0", "y0", "x1", "y1", "score")


@dataclass(frozen=True)
class Problem:
    """Something that is wrong in a collection, or of no use.

    Args:
        code: What kind of problem it is.
        path: The file or folder, inside the collection.
        message: What a person reads.
        repair: What is to be done; empty where nothing can be.
        remove: Paths that a repair removes, in this order.
        shard: The shard that is damaged, if one is.
    """

    code: str
    path: str
    message: str
    repair: str = ""
    remove: tuple[str, ...] = ()
    shard: str | None = None

    @property
    def is_leftover(self) -> bool:
        """Whether it only waits to be swept."""
        return self.code == "leftover"

    @classmethod
    def of_shard(cls, code: str, path: str, message: str) -> Problem:
        """Returns a problem of a shard, which is repaired by extracting its items again."""
        shard = path.rpartition("/")[2].removesuffix(".parquet")
        files = (f"media/{shard}.parquet", f"faces/{shard}.parquet")
        repair = f"remove {files[0]} and its faces (--repair): its items are extracted again"
        return cls(code, path, message, repair, files, shard)

    @classmethod
    def of_generation(cls, code: str, folder: str, message: str) -> Problem:
        """Returns a problem of a generation, which is repaired by making it again."""
        repair = f"remove {folder} (--repair): the stage makes another"
        return cls(code, folder, message, repair, (folder,))


def check_shard(collection: Collection, shard: str, *, deep: bool) -> list[Problem]:
    """Returns what is wrong with one shard.

    Args:
        collection: The collection.
        shard: The shard's name.
        deep: Decode every chip, not a few.
    """
    problems = []
    read = {}
    for table in ("media", "faces"):
        path = f"{table}/{shard}.parquet"
        if not collection.storage.exists(path):
            problems.append(Problem.of_shard(f"{table}_missing", path, "the file isn't there"))
            continue
        try:
            read[table] = read_checked(collection, path, table)
        except _Wrong as error:
            problems.append(Problem.of_shard(f"{table}_wrong", path, str(error)))
        except (CollectionError, pa.ArrowException, ValueError, KeyError, OSError) as error:
            problems.append(Problem.of_shard(f"{table}_unreadable", path, str(error)))
    if "media" in read:
        problems += _of(f"media/{shard}.parquet", _media(read["media"]))
    if "faces" in read:
        problems += _of(f"faces/{shard}.parquet", _faces(collection, read["faces"], deep=deep))
    if len(read) == 2:
        problems += _of(f"faces/{shard}.parquet", _links(read["media"], read["faces"]))
    return problems


def _of(path: str, found: Iterator[tuple[str, str]]) -> list[Problem]:
    return [Problem.of_shard(code, path, message) for code, message in found]


class _Wrong(CollectionError):
    """A file that can be read but isn't what should lie at its place."""


def read_checked(collection: Collection, path: str, table: str) -> pa.Table:
    """Reads a whole file of the contract and verifies that it is one.

    Raises:
        CollectionError: It can't be read; or it is of another table, version or fingerprint, or
            lacks columns or values that its version has.
    """
    metadata = tables.read_metadata(collection.storage, path, table)
    if metadata.get("fingerprint") != collection.fingerprint:
        found = metadata.get("fingerprint")
        raise _Wrong(f"its fingerprint is {found}, the collection's {collection.fingerprint}")
    with collection.storage.open(path) as file:
        try:
            names = pq.read_schema(file).names
            file.seek(0)
            stored = pq.ParquetFile(file, page_checksum_verification=True).read()
            stored.validate(full=True)
        except (pa.ArrowException, OSError) as error:
            raise CollectionError(f"a part of it can't be decoded: {error}") from error
    expected = [c.name for c in tables.contract(table, int(metadata["schema_version"])).columns]
    if sorted(names) != sorted(expected):
        raise _Wrong(f"it has the columns {sorted(names)}, not {sorted(expected)}")
    rows = tables.read(collection.storage, path, table)
    at = rows.schema.get_field_index("embedding")
    kind = rows.schema.types[at] if at >= 0 else pa.null()
    dimension = kind.list_size if pa.types.is_fixed_size_list(kind) else None
    wanted = tables.schema(table, dimension)
    for field in wanted:
        if not field.nullable and rows[field.name].null_count:
            raise _Wrong(f"column {field.name} has nulls")
    return rows.cast(wanted)


def _media(rows: pa.Table) -> Iterator[tuple[str, str]]:
    columns = (rows[name].to_pylist() for name in ("root", "path", "path_bytes", "segment"))
    for item, root, path, raw, segment in zip(rows["media_id"].to_pylist(), *columns, strict=True):
        if item != ids.media_id(root, path if raw is None else os.fsdecode(raw), segment):
            yield "media_id_wrong", f"the id of {root}/{path} is not that of its root and path"
            break
    unknown = set(rows["status"].to_pylist()).difference(_STATUSES)
    if unknown:
        yield "status_wrong", f"there is no status {', '.join(sorted(unknown))}"


def _faces(collection: Collection, rows: pa.Table, *, deep: bool) -> Iterator[tuple[str, str]]:
    names = ("content_id", "segment", "timestamp_us", "ordinal")
    made = zip(*(rows[name].to_pylist() for name in names), strict=True)
    face_ids = rows["face_id"].to_pylist()
    wrong = sum(face != ids.face_id(*fields) for face, fields in zip(face_ids, made, strict=True))
    if wrong:
        yield "face_id_wrong", f"the ids of {count(wrong, 'face')} are not those of their contents"
    if len(set(face_ids)) < len(face_ids):
        more = len(face_ids) - len(set(face_ids))
        yield "face_twice", f"{count(more, 'face')} there more than once"
    dimension = registry.card(collection.settings.embedder).dimension
    stored = rows.schema.field("embedding").type.list_size
    if stored != dimension:
        yield "embedding_wrong", f"embeddings have {stored} dimensions, not {dimension}"
    lengths = int(wrong_lengths(tables.matrix(rows["embedding"])).sum())
    if lengths:
        yield "embedding_wrong", f"the embeddings of {count(lengths, 'face')} are not of length 1"
    yield from _geometry(rows)
    yield from _chips(rows, stored=collection.settings.chips, deep=deep)


def _geometry(rows: pa.Table) -> Iterator[tuple[str, str]]:
    parts = [np.stack([rows[name].to_numpy() for name in _BOX], axis=1)]
    parts += [tables.matrix(rows[name]) for name in ("landmarks", "chip_to_picture")]
    infinite = int((~np.isfinite(np.concatenate(parts, axis=1)).all(axis=1)).sum())
    if infinite:
        yield "box_wrong", f"boxes or landmarks of {count(infinite, 'face')} are not finite"
    empty = pc.or_(pc.less_equal(rows["x1"], rows["x0"]), pc.less_equal(rows["y1"], rows["y0"]))
    number = pc.sum(empty).as_py() or 0
    if number:
        yield "box_wrong", f"boxes of {count(number, 'face')} are empty"


def _chips(rows: pa.Table, *, stored: bool, deep: bool) -> Iterator[tuple[str, str]]:
    chips = rows["chip"]
    if not stored:
        if chips.null_count < len(chips):
            yield "chip_wrong", "there are chips in a collection without chips"
        return
    places = range(len(chips))
    if not deep and len(chips) > CHIPS_SAMPLED:
        places = range(0, len(chips), -(-len(chips) // CHIPS_SAMPLED))
    wrong = sum(not _is_jpeg(chips[place].as_py()) for place in places)
    if wrong:
        yield "chip_wrong", f"{wrong:,} of {len(places):,} chips looked at can't be decoded"


def _is_jpeg(data: bytes | None) -> bool:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data or b""), formats=["JPEG"]) as chip:
            chip.load()
    except (OSError, ValueError, SyntaxError):
        return False
    return True


def _links(media: pa.Table, faces: pa.Table) -> Iterator[tuple[str, str]]:
    """Yields where a shard's faces and its media rows don't fit together."""
    extracted = media.filter(pc.equal(media["status"], "ok"))
    contents, found = content_keys(extracted), content_keys(faces)
    orphans = len(faces) - int(pc.sum(pc.is_in(faces["media_id"], _one(media))).as_py() or 0)
    if orphans:
        whose, rows = count(orphans, "face"), count(media.num_rows, "row")
        yield "item_missing", f"the items of {whose} are not in {rows}"
    places = pc.index_in(found, contents)
    if places.null_count:
        whose = count(places.null_count, "face")
        yield "item_missing", f"the contents of {whose} were not extracted here"
    # Of rows with one content the first is found; a shard may hold an older row beside it.
    first = pc.index_in(contents, contents).to_numpy()
    counts = np.bincount(places.drop_null().to_numpy(), minlength=len(contents))
    wrong = int((counts[first] != extracted["faces"].to_numpy()).sum())
    if wrong:
        yield "count_wrong", f"{count(wrong, 'item')} with another number of faces than said"


def _one(media: pa.Table) -> pa.Array:
    return media["media_id"].combine_chunks()
