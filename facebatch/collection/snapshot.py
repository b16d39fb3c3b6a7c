"""A fixed list of shards, and what it says: for each item the row that won, for each face one row.

For a media id the row with the greatest (commit time, shard name) wins. A face belongs to its
content, a file's bytes or a time segment of them: it counts once per face id, when a winning media
row has that content, and is read from the winning shard among those that extracted the content. So
retries, items extracted twice and files that moved need no repair. The faces of an item that
vanished count until it is pruned, unless another item has its content. Of several contents of one
shot, those of one count (`facebatch.collection.shots`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection.by_shard import places_by_shard
from facebatch.collection.commits import READERS, Committed, committed, hash_of_names
from facebatch.collection.shots import shots
from facebatch.errors import CollectionError
from facebatch.storage.store import Storage

_STORED_AT = ("shard", "row")
_LARGE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}

ITEM_COLUMNS = (
    *("media_id", "root", "path", "path_bytes", "segment", "segments", "size", "marker"),
    *("content_id", "status", "reason", "message", "attempts", "faces", "committed_at", "shard"),
    *("width", "height", "captured_at", "captured_utc_offset", "live_photo_id"),
    *("begin_us", "end_us"),
)
"""Columns of media rows that say what counts and where it lies: half of them all."""

Result = TypeVar("Result")
Shard = TypeVar("Shard")

_SEGMENT_MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
"""Odd numbers, so that no two segments of a file get the same key (as in SplitMix64 and xxHash)."""


def take(storage: Storage) -> Snapshot:
    """Returns the snapshot of the shards that are committed at this moment."""
    return of(storage, committed(storage))


def of(storage: Storage, found: Sequence[Committed]) -> Snapshot:
    """Returns the snapshot of some shards, without those that others of them replace."""
    replaced = {name for shard in found for name in shard.replaces}
    standing = sorted(shard.name for shard in found if not shard.is_among(replaced))
    return Snapshot(storage, tuple(standing), frozenset(shard.name for shard in found))


@dataclass(frozen=True)
class Snapshot:
    """What a collection held at one moment.

    Args:
        storage: Where the collection lies.
        shards: Names of the shards that count, sorted.
        seen: Names of all shards that had a media file, those that were replaced included.
    """

    storage: Storage
    shards: tuple[str, ...]
    seen: frozenset[str] = frozenset()

    @property
    def listing(self) -> str:
        """Hash of the names of all media files that were there, as `listing_of` gives it."""
        return hash_of_names(self.seen)

    @cached_property
    def media(self) -> pa.Table:
        """The winning media rows, ordered by media id, with a column ``shard``.

        Of items with the same content that of the smallest media id is ``ok`` and the others are
        ``duplicate``, whichever of them was extracted: which one that was is chance. An item that
        vanished stays ``vanished``. ``faces`` is what the extraction found that faces are read
        from.
        """
        return self._winning(self.rows)

    @cached_property
    def items(self) -> pa.Table:
        """As `media`, with `ITEM_COLUMNS` alone; the others aren't read for it."""
        if "media" in vars(self):
            return self.media.select(list(ITEM_COLUMNS))
        return self._winning(self.item_rows)

    def _winning(self, stored: pa.Table) -> pa.Table:
        rows = _winners(stored, ids.from_arrow(stored["media_id"]))
        keys = held_contents(rows)
        live = is_live(rows)
        of_live = np.flatnonzero(live)
        first = np.zeros(len(rows), bool)
        first[of_live[ids.first_of_each(ids.from_arrow(keys.filter(pa.array(live))))]] = True
        status = pc.if_else(pa.array(live), "duplicate", rows["status"])
        rows = with_column(rows, "status", pc.if_else(pa.array(first), "ok", status))
        places = pc.index_in(keys, self.extracted["content"].combine_chunks(), skip_nulls=True)
        counts = self.extracted["faces"].take(places)
        return with_column(rows, "faces", pc.coalesce(counts, rows["faces"]))

    @cached_property
    def rows(self) -> pa.Table:
        """Every media row as its shard has it, winning or not, with a column ``shard``."""
        return self.stored([*tables.schema("media").names, "shard"])

    @cached_property
    def item_rows(self) -> pa.Table:
        """As `rows`, with `ITEM_COLUMNS` alone; the others aren't read for it."""
        if "rows" in vars(self):
            return self.rows.select(list(ITEM_COLUMNS))
        return self.stored(ITEM_COLUMNS)

    def stored(self, columns: Sequence[str]) -> pa.Table:
        """Reads every media row as its shard has it, winning or not; nothing is kept.

        Strings are of Arrow's large types, since together they may be longer than 2 GiB; ``shard``
        is a dictionary.

        Args:
            columns: Columns wanted: the table's own, and ``shard``.
        """
        own = [name for name in columns if name != "shard"]
        read = in_threads(
            lambda shard: tables.read(self.storage, f"media/{shard}.parquet", "media", own),
            self.shards,
        )
        rows = pa.concat_tables([tables.schema("media").empty_table().select(own), *read])
        codes = np.repeat(np.arange(len(read), dtype=np.int32), [len(part) for part in read])
        shards = pa.DictionaryArray.from_arrays(codes, pa.array(self.shards, pa.string()))
        return _roomy(rows).append_column("shard", shards).select(list(columns))

    @cached_property
    def extracted(self) -> pa.Table:
        """For every content that any shard extracted: the shard that its faces are read from.

        Columns: content (as `content_keys` gives it), shard, media_id (of the item that was
        extracted there), faces (how many there are).
        """
        read = ["content_id", "segment", "shard", "media_id", "faces", "committed_at"]
        rows = self.item_rows.select(read).filter(pc.equal(self.item_rows["status"], "ok"))
        keys = content_keys(rows)
        rows = rows.append_column("content", keys)
        return _winners(rows, ids.from_arrow(keys)).select(
            ["content", "shard", "media_id", "faces"]
        )

    @cached_property
    def contents(self) -> pa.FixedSizeBinaryArray:
        """The content that each row of `media` holds, as `held_contents` gives it."""
        return held_contents(self.items)

    @cached_property
    def shots(self) -> pa.Table:
        """The contents of shots that have several files, and which of them counts."""
        return shots(self.items, self.contents, is_live(self.items))

    @property
    def n_shots(self) -> int:
        """Number of shots that have several files."""
        return len(self.shots["standing"].unique())

    @cached_property
    def left_out(self) -> pa.Array:
        """The contents whose faces another content of their shot stands for."""
        left_out = pc.not_equal(self.shots["content"], self.shots["standing"])
        return self.shots["content"].filter(left_out).combine_chunks()

    @cached_property
    def _sources(self) -> pa.Table:
        """For every content whose faces count: the shard that its faces are read from.

        Columns: content, shard, media_id (the item that holds the content today; the smallest id
        where several do, a live one if there is one).
        """
        keys, live = self.contents, is_live(self.items)
        held = keys.is_valid().to_numpy(zero_copy_only=False)
        # An item that vanished comes after all that live.
        places = np.concatenate([np.flatnonzero(live), np.flatnonzero(held & ~live)])
        keys = keys.take(pa.array(places))
        first = ids.first_of_each(ids.from_arrow(keys))
        holders = self.items["media_id"].take(pa.array(places[first]))
        found = pc.index_in(self.extracted["content"], keys.take(pa.array(first)))
        sources = self.extracted.select(["content", "shard"]).filter(pc.is_valid(found))
        sources = sources.append_column("media_id", holders.take(pc.drop_null(found)))
        return sources.filter(pc.invert(pc.is_in(sources["content"], self.left_out)))

    def faces(self, columns: Sequence[str], among: pa.Table | None = None) -> pa.Table:
        """Returns the faces that count, ordered by face id.

        Args:
            columns: Columns wanted; ``media_id`` names the item that holds the content today.
                Beside the table's own there are ``shard`` and ``row``: where a face is stored.
            among: The only faces wanted, as columns ``face_id`` and ``media_id`` that this method
                gave; all faces by default. Shards that hold none of their items aren't opened.
        """
        sources = self._sources.combine_chunks()
        wanted = None if among is None else among["face_id"].unique()
        if among is not None:
            sources = sources.filter(pc.is_in(sources["media_id"], among["media_id"].unique()))
        own = [name for name in columns if name not in _STORED_AT]
        read = list(dict.fromkeys(["face_id", "content_id", "segment", *own]))
        places_in = places_by_shard(sources["shard"])

        def visible(shard: str) -> pa.Table:
            rows = _stored_at(self._rows_of(shard, read), shard, columns)
            if wanted is not None:
                rows = rows.filter(pc.is_in(rows["face_id"], wanted))
            mine = sources.take(pa.array(places_in[shard]))
            places = pc.index_in(content_keys(rows), mine["content"].combine_chunks())
            rows = rows.filter(pc.is_valid(places))
            if "media_id" in columns:
                rows = with_column(rows, "media_id", mine["media_id"].take(pc.drop_null(places)))
            return rows.select(list(dict.fromkeys(["face_id", *columns])))

        found = in_threads(visible, sorted(places_in))
        if not found:
            return self._no_faces(columns)
        rows = pa.concat_tables(found).unify_dictionaries()
        counted = ids.first_of_each(ids.from_arrow(rows["face_id"]))
        return rows.take(counted).select(list(columns))

    def vectors(
        self, column: str, length: int, among: npt.NDArray[np.integer] | None = None
    ) -> npt.NDArray[np.float32]:
        """Returns a column of vectors (n, length) of the faces that count, ordered by face id.

        They are read into their places shard by shard, so that they are held once.

        Args:
            column: The column.
            length: Of each vector.
            among: Numbers (m,) of the only faces wanted, in the order wanted; all by default.

        Raises:
            CollectionError: A shard's vectors have another length.
        """
        stored = self.faces(_STORED_AT)
        if among is not None:
            stored = stored.take(pa.array(among))
        result = np.empty((len(stored), length), np.float32)
        row = stored["row"].to_numpy()
        places_in = places_by_shard(stored["shard"])

        def fill(shard: str) -> None:
            mine = places_in[shard]
            found = tables.matrix(self._rows_of(shard, [column])[column])
            if found.shape[1] != length:
                held = f"faces/{shard}.parquet holds vectors of {found.shape[1]} numbers"
                raise CollectionError(f"{held}, not of {length}")
            result[mine] = found[row[mine]]

        in_threads(fill, list(places_in))
        return result

    def _rows_of(self, shard: str, columns: Sequence[str]) -> pa.Table:
        try:
            return tables.read(self.storage, f"faces/{shard}.parquet", "faces", columns)
        except CollectionError as error:
            raise CollectionError(
                f"{error}. Remove media/{shard}.parquet from the collection, and its photos "
                "are extracted again."
            ) from error

    def _no_faces(self, columns: Sequence[str]) -> pa.Table:
        nothing = tables.schema("faces", 1).empty_table()
        nothing = _stored_at(nothing, "", columns)
        return nothing.select(list(columns))

    @cached_property
    def listed(self) -> pa.Table:
        """The faces that count, ordered by face id: columns ``face_id`` and ``media_id``."""
        return self.faces(["face_id", "media_id"])

    @cached_property
    def face_ids(self) -> npt.NDArray[np.void]:
        """Ids of the faces that count, (n,) V16, sorted."""
        return ids.from_arrow(self.listed["face_id"])

    @cached_property
    def faces_hash(self) -> str:
        """Hash of the set of face ids, 32 hex digits: what index and clusters depend on.

        It doesn't know of shards: an archive extracted in one go and one extracted in ten
        interrupted runs have the same hash.
        """
        return hashlib.blake2b(self.face_ids.tobytes(), digest_size=16).hexdigest()


def _roomy(rows: pa.Table) -> pa.Table:
    """Returns rows whose strings are of types that hold more than 2 GiB."""
    for at, field in enumerate(rows.schema):
        if field.type in _LARGE:
            rows = rows.set_column(at, field.name, rows[at].cast(_LARGE[field.type]))
    return rows


def _stored_at(rows: pa.Table, shard: str, columns: Sequence[str]) -> pa.Table:
    """Returns a shard's rows with where they are stored, as far as that is among the columns."""
    if "shard" in columns:
        code = pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), [shard])
        rows = rows.append_column("shard", code)
    if "row" in columns:
        rows = rows.append_column("row", pa.array(np.arange(len(rows), dtype=np.int32)))
    return rows


def content_keys(rows: pa.Table) -> pa.FixedSizeBinaryArray:
    """Returns what names the content of each row: its file's content id and its time segment.

    The key of segment 0, and so of every photo, is the content id itself.

    Args:
        rows: Rows with the columns ``content_id``, without nulls, and ``segment``.
    """
    words = ids.from_arrow(rows["content_id"]).view("<u8").reshape(-1, 2)
    segments = rows["segment"].to_numpy().astype(np.uint64)
    mixed = words ^ (segments[:, None] * np.array(_SEGMENT_MIX, np.uint64))
    kind = pa.binary(ids.ID_BYTES)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(mixed), [None, pa.py_buffer(mixed)])


def is_live(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Returns which winning rows (n,) are of items that were extracted and are still there."""
    live = pc.is_in(rows["status"], pa.array(["ok", "duplicate"]))
    return np.asarray(pc.and_(live, pc.is_valid(rows["content_id"])).to_numpy(), dtype=bool)


def with_notes(media: pa.Table) -> pa.Table:
    """Returns the media rows of items that were processed, with something to say of it."""
    noted = pc.and_(pc.equal(media["status"], "ok"), pc.is_valid(media["message"]))
    return media.filter(pc.fill_null(noted, False))


def held_contents(rows: pa.Table) -> pa.FixedSizeBinaryArray:
    """Returns the key of the content that each winning row holds, by `content_keys`.

    It is null where the item has no faces to hold: where it is quarantined, or was before it
    vanished.
    """
    vanished = pc.and_(pc.equal(rows["status"], "vanished"), pc.is_null(rows["reason"]))
    held = pc.or_(pa.chunked_array([is_live(rows)]), vanished)
    held = pc.and_(held, pc.is_valid(rows["content_id"])).combine_chunks()
    places = pc.subtract(pc.cumulative_sum(held.cast(pa.int64())), 1)
    keys = content_keys(rows.select(["content_id", "segment"]).filter(held))
    return keys.take(pc.if_else(held, places, None))


def with_column(rows: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Returns a table with other values in one of its columns, which keeps its type."""
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.field(at), values.cast(rows.field(at).type))


def in_threads(read: Callable[[Shard], Result], shards: Sequence[Shard]) -> list[Result]:
    """Returns what a function gives for each shard, in their order; several are read at a time."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(read, shards))


def _winners(rows: pa.Table, keys: npt.NDArray[np.void]) -> pa.Table:
    """Returns, for each distinct id (n,) of the rows, the row that wins by (commit time, shard)."""
    by_id = ids.order(keys)
    starts = np.flatnonzero(ids.starts(keys[by_id]))
    winners = by_id[starts]
    sizes = np.diff(starts, append=len(keys))
    if (sizes > 1).any():
        several = by_id[np.repeat(sizes > 1, sizes)]
        commits = rows.select(["committed_at", "shard"]).take(pa.array(several))
        newest_first = pc.sort_indices(
            commits.set_column(1, "shard", commits["shard"].cast(pa.string())),
            sort_keys=[("committed_at", "descending"), ("shard", "descending")],
        )
        several = several[newest_first.to_numpy()]
        winners[sizes > 1] = several[ids.first_of_each(keys[several])]
    return rows.take(pa.array(winners))
