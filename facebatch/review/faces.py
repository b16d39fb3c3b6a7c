"""The faces of a collection for looking at: where each is, what it looks like, its chip.

Small facts lie in memory, embeddings in a temporary file that is mapped into it and filled beside
the pages, and chips in the collection, from which they are read one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.cluster.photos import conflicts
from facebatch.collection import Snapshot
from facebatch.errors import CollectionError
from facebatch.ids import SortedIds
from facebatch.storage.store import Storage
from facebatch.workers.scratch import scratch
from facebatch.workers.threads import in_order

Rows = npt.NDArray[np.int64]
Embeddings = npt.NDArray[np.float32]

_COLUMNS = (
    *("face_id", "media_id", "timestamp_us", "score", "size", "x0", "y0", "x1", "y1"),
    *("shard", "row"),
)
_MEDIA = (
    *("media_id", "root", "path", "path_bytes", "segment", "size", "marker", "content_id"),
    *("status", "reason", "message", "width", "height", "captured_at", "latitude", "longitude"),
    "sidecar_orientation",
)
_READERS = 2
"""Threads that read embeddings, beside which pages are made."""

_CHIPS_KEPT = 4096
"""Chips that are remembered: about 25 MB."""


@dataclass(frozen=True, eq=False)
class FaceStore:
    """The faces that were clustered, in the order of their ids.

    Args:
        storage: Where the collection lies.
        directory: Their ids.
        media: Rows of the table ``media`` that count, with the columns that are shown, by media id.
        media_directory: Their ids.
        media_rows: (n,) int32, the row in `media` of each face; -1 where the face is gone since.
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels of the upright full-size picture.
        timestamps: (n,) int64, time of the frame in microseconds; 0 for a photo.
        scores: (n,) float32, the detector's probability.
        sizes: (n,) float32, shorter side of the box in pixels.
        shards: Names of shards.
        places: (n, 2) int32, number of the shard and row in it.
        reading: Gives the embeddings (n, d) float32, mapped from a file, once they are read.
        unclustered: Faces that are too new to have been clustered.
    """

    storage: Storage
    directory: SortedIds
    media: pa.Table
    media_directory: SortedIds
    media_rows: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.float32]
    timestamps: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    sizes: npt.NDArray[np.float32]
    shards: tuple[str, ...]
    places: npt.NDArray[np.int32]
    reading: Future[Embeddings]
    unclustered: int

    @classmethod
    def load(cls, snapshot: Snapshot, face_ids: npt.NDArray[np.void]) -> FaceStore:
        """Reads the faces of a snapshot that were clustered.

        Args:
            snapshot: What holds them.
            face_ids: (n,) V16, sorted.

        Raises:
            CollectionError: A shard can't be read.
        """
        _chip.cache_clear()  # among them may be what was erased since
        media = snapshot.media.select(list(_MEDIA)).combine_chunks()
        media_directory = SortedIds(ids.from_arrow(media["media_id"]))
        table = snapshot.faces(list(_COLUMNS))
        known = SortedIds(face_ids)
        at = _positions(ids.from_arrow(table["face_id"]), known)
        table, at, fresh = table.filter(pa.array(at >= 0)), at[at >= 0], int((at < 0).sum())
        codes = table["shard"].combine_chunks()
        shards = tuple(codes.dictionary.to_pylist()) if len(codes) else ()
        places = np.zeros((len(face_ids), 2), np.int32)
        if len(at):
            places[at] = np.stack([codes.indices.to_numpy(), table["row"].to_numpy()], axis=1)
        holders = _positions(ids.from_arrow(table["media_id"]), media_directory)
        sides = [table[side].to_numpy() for side in ("x0", "y0", "x1", "y1")]
        n = len(face_ids)
        return cls(
            storage=snapshot.storage,
            directory=known,
            media=media,
            media_directory=media_directory,
            media_rows=_scattered(holders.astype(np.int32), at, n, fill=-1),
            boxes=_scattered(np.stack(sides, axis=1), at, n),
            timestamps=_scattered(table["timestamp_us"].to_numpy(), at, n),
            scores=_scattered(table["score"].to_numpy(), at, n),
            sizes=_scattered(table["size"].to_numpy(), at, n),
            shards=shards,
            places=places,
            reading=_beside(partial(_mapped_embeddings, snapshot.storage, shards, places, at)),
            unclustered=fresh,
        )

    def __len__(self) -> int:
        return len(self.directory.ids)

    @property
    def embeddings(self) -> Embeddings:
        """The embeddings (n, d); where they aren't read yet, it waits for that.

        Raises:
            CollectionError: They can't be read.
        """
        return self.reading.result()

    @property
    def is_read(self) -> bool:
        """Whether the embeddings are there."""
        return self.reading.done() and self.reading.exception() is None

    @property
    def is_lost(self) -> bool:
        """Whether the embeddings couldn't be read, of shards that were compacted meanwhile say."""
        return self.reading.done() and self.reading.exception() is not None

    @cached_property
    def pictures(self) -> npt.NDArray[np.int32]:
        """Which faces (n,) are different people, as `facebatch.cluster.photos.conflicts` gives it.

        It is -1 for a face that is gone.
        """
        there = np.flatnonzero(self.media_rows >= 0)
        _, moment = np.unique(self.timestamps[there], return_inverse=True)
        frames = self.media_rows[there].astype(np.int64) * (moment.max(initial=0) + 1) + moment
        pictures = np.full(len(self), -1, np.int32)
        pictures[there] = conflicts(frames, self.boxes[there], self.scores[there])
        return pictures

    def id_of(self, row: int) -> bytes:
        """Returns the id of the face in a row."""
        return bytes(self.directory.ids[row].tobytes())

    def media_of(self, row: int) -> dict[str, Any] | None:
        """Returns the media row of a face; None where the face is gone."""
        at = int(self.media_rows[row])
        return None if at < 0 else self.media.slice(at, 1).to_pylist()[0]

    def in_media(self, media_row: int) -> Rows:
        """Returns the rows of the faces of a media item."""
        return np.flatnonzero(self.media_rows == media_row)

    def facts(self, rows: Rows, columns: Sequence[str]) -> dict[str, list[Any]]:
        """Returns columns of the media rows of some faces; null where a face is gone."""
        at = self.media_rows[rows]
        wanted = pa.array(at, mask=at < 0)
        return {name: self.media[name].take(wanted).to_pylist() for name in columns}

    def chip(self, row: int) -> bytes | None:
        """Returns a face's chip, a JPEG; None where there is none (any more)."""
        if self.media_rows[row] < 0:
            return None
        shard, place = self.places[row].tolist()
        return _chip(self.storage, self.shards[shard], place)


@lru_cache(_CHIPS_KEPT)
def _chip(storage: Storage, shard: str, place: int) -> bytes | None:
    path = f"faces/{shard}.parquet"
    try:
        found = tables.read_rows(storage, path, "faces", ["chip"], np.array([place]))
    except CollectionError:
        return None  # compacted or erased a moment ago
    chip: bytes | None = found["chip"][0].as_py()
    return chip


def _positions(wanted: npt.NDArray[np.void], among: SortedIds) -> Rows:
    """Returns the row of each id (n,), -1 where it isn't among those."""
    if np.array_equal(wanted, among.ids):
        return np.arange(len(wanted))
    places = pc.index_in(ids.to_arrow(wanted), ids.to_arrow(among.ids))
    return np.asarray(places.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def _scattered(values: npt.NDArray[Any], at: Rows, n: int, fill: float = 0) -> npt.NDArray[Any]:
    """Returns an array (n, ...) with values at some rows, and the same value elsewhere."""
    made = np.full((n, *values.shape[1:]), fill, values.dtype)
    made[at] = values
    return made


def _beside(read: Callable[[], Embeddings]) -> Future[Embeddings]:
    """Returns what a function will give that runs beside everything else."""
    promised: Future[Embeddings] = Future()

    def fulfil() -> None:
        try:
            promised.set_result(read())
        except Exception as error:
            promised.set_exception(error)

    threading.Thread(target=fulfil, name="embeddings", daemon=True).start()
    return promised


def _mapped_embeddings(
    storage: Storage, shards: Sequence[str], places: npt.NDArray[np.int32], at: Rows
) -> Embeddings:
    """Returns embeddings (n, d) float32 in a temporary file; zeros in rows that aren't in ``at``.

    Raises:
        CollectionError: A shard can't be read.
    """
    mine = places[at]
    order = np.argsort(mine[:, 0], kind="stable")
    bounds = np.searchsorted(mine[order, 0], np.arange(len(shards) + 1))

    def read(number: int) -> tuple[Rows, Embeddings]:
        chosen = order[bounds[number] : bounds[number + 1]]
        rows = tables.read(storage, f"faces/{shards[number]}.parquet", "faces", ["embedding"])
        return at[chosen], tables.matrix(rows["embedding"])[mine[chosen, 1]]

    mapped: Embeddings = np.zeros((len(places), 1), np.float32)
    for number, (rows, vectors) in enumerate(in_order(read, range(len(shards)), _READERS)):
        if not number:
            try:
                mapped = scratch(len(places), vectors.shape[1])
            except OSError as error:
                raise CollectionError(f"there is no room for the embeddings: {error}") from error
        mapped[rows] = vectors
    return mapped
