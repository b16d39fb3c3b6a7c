"""A fixed list of shards, and what it says: for each item the row that won, for each face one row.

For a media id the row with the greatest (commit time, shard name) wins. A face belongs to its
file's content: it counts once per face id, when a winning media row has that content, and is read
from the winning shard among those that extracted the content. So retries, items extracted twice
and files that moved need no repair.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.errors import CollectionError
from facebatch.storage import Storage

_READERS = 8
"""Threads that read shard files; what they wait for is the store."""


def take(storage: Storage) -> Snapshot:
    """Returns the snapshot of the shards that are committed at this moment."""
    names = [file.path for file in storage.files("media") if file.path.endswith(".parquet")]
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda path: tables.read_metadata(storage, path, "media"), names))
    replaced = {name for metadata in found for name in json.loads(metadata.get("replaces", "[]"))}
    shards = (path.removeprefix("media/").removesuffix(".parquet") for path in names)
    return Snapshot(storage, tuple(sorted(name for name in shards if name not in replaced)))


@dataclass(frozen=True)
class Snapshot:
    """What a collection held at one moment.

    Args:
        storage: Where the collection lies.
        shards: Names of the shards that count, sorted.
    """

    storage: Storage
    shards: tuple[str, ...]

    @cached_property
    def media(self) -> pa.Table:
        """The winning media rows, ordered by media id, with a column ``shard``.

        Of items with the same content that of the smallest media id is ``ok`` and the others are
        ``duplicate``, whichever of them was extracted: which one that was is chance.
        """
        rows = _winners(self._every_media_row, "media_id")
        alive = np.flatnonzero(pc.is_in(rows["status"], pa.array(["ok", "duplicate"])))
        contents = ids.from_arrow(rows["content_id"].take(alive))
        status = np.array(rows["status"].to_pylist(), dtype=object)
        status[alive] = "duplicate"
        status[alive[ids.first_of_each(contents)]] = "ok"
        at = rows.schema.get_field_index("status")
        return rows.set_column(at, rows.field(at), pa.array(status, pa.string()))

    @cached_property
    def _every_media_row(self) -> pa.Table:
        def read(shard: str) -> pa.Table:
            rows = tables.read(self.storage, f"media/{shard}.parquet", "media")
            return rows.append_column("shard", pa.array([shard] * len(rows), pa.string()))

        empty = tables.from_rows("media", []).append_column("shard", pa.array([], pa.string()))
        return pa.concat_tables([empty, *_in_threads(read, self.shards)])

    @cached_property
    def _sources(self) -> pa.Table:
        """For every content that a winning row has: the shard that its faces are read from.

        Columns: content_id, shard, media_id (the item that holds the content today; the
        smallest id where several do).
        """
        rows = self._every_media_row
        extracted = _winners(rows.filter(pc.equal(rows["status"], "ok")), "content_id")
        holding = self.media.filter(pc.equal(self.media["status"], "ok"))
        holding = holding.select(["content_id", "media_id"])
        return extracted.select(["content_id", "shard"]).join(
            holding, "content_id", join_type="inner"
        )

    def faces(self, columns: Sequence[str], among: pa.Table | None = None) -> pa.Table:
        """Returns the faces that count, ordered by face id.

        Args:
            columns: Columns wanted; ``media_id`` names the item that holds the content today.
            among: The only faces wanted, as columns ``face_id`` and ``media_id`` that this method
                gave; all faces by default. Shards that hold none of their items aren't opened.
        """
        sources = self._sources.combine_chunks()
        wanted = None if among is None else among["face_id"].unique()
        if among is not None:
            sources = sources.filter(pc.is_in(sources["media_id"], among["media_id"].unique()))
        read = list(dict.fromkeys(["face_id", "content_id", *columns]))
        shards = pc.unique(sources["shard"]).to_pylist()

        def visible(shard: str) -> pa.Table:
            try:
                rows = tables.read(self.storage, f"faces/{shard}.parquet", "faces", read)
            except CollectionError as error:
                raise CollectionError(
                    f"{error}. Remove media/{shard}.parquet from the collection, and its photos "
                    "are extracted again."
                ) from error
            if wanted is not None:
                rows = rows.filter(pc.is_in(rows["face_id"], wanted))
            mine = sources.filter(pc.equal(sources["shard"], shard))
            places = pc.index_in(rows["content_id"], mine["content_id"].combine_chunks())
            rows = rows.filter(pc.is_valid(places))
            if "media_id" in columns:
                holders = mine["media_id"].take(pc.drop_null(places))
                at = rows.schema.get_field_index("media_id")
                rows = rows.set_column(at, rows.field(at), holders)
            return rows.select(list(dict.fromkeys(["face_id", *columns])))

        found = _in_threads(visible, sorted(shards))
        if not found:
            return self._no_faces(columns)
        rows = pa.concat_tables(found)
        counted = ids.first_of_each(ids.from_arrow(rows["face_id"]))
        return rows.take(counted).select(list(columns))

    def _no_faces(self, columns: Sequence[str]) -> pa.Table:
        nothing = tables.schema("faces", 1).empty_table()
        return nothing.select(list(columns))

    @cached_property
    def face_ids(self) -> npt.NDArray[np.void]:
        """Ids of the faces that count, (n,) V16, sorted."""
        return ids.from_arrow(self.faces(["face_id"])["face_id"])

    @cached_property
    def faces_hash(self) -> str:
        """Hash of the set of face ids, 32 hex digits: what index and clusters depend on.

        It doesn't know of shards: an archive extracted in one go and one extracted in ten
        interrupted runs have the same hash.
        """
        return hashlib.blake2b(self.face_ids.tobytes(), digest_size=16).hexdigest()


def _in_threads(read: Callable[[str], pa.Table], shards: Sequence[str]) -> list[pa.Table]:
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(read, shards))


def _winners(rows: pa.Table, key: str) -> pa.Table:
    """Returns, for each id in the key's column, the row that wins by (commit time, shard)."""
    newest_first = rows.take(
        pc.sort_indices(rows, sort_keys=[("committed_at", "descending"), ("shard", "descending")])
    )
    return newest_first.take(ids.first_of_each(ids.from_arrow(newest_first[key])))
