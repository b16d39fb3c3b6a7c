"""The faces of a collection as a report needs them: which there are, where they lie, how they look.

Where a collection is small enough all embeddings are read at once, which costs less than asking
for some of them several times; of larger ones those that are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection import Collection, Snapshot
from facebatch.collection.sources import Sources
from facebatch.faces.thumbnails import thumbnail
from facebatch.report.photos import link_of

READ_AT_ONCE = 150_000
"""Faces up to which all embeddings are read: 307 MB of 512-d ones."""

CHIP_SIDE = 64
"""Side of a thumbnail in pixels."""

COVER_SIDE = 96
"""Side of a cover in pixels."""

_STORED_AT = ["shard", "row"]

Rows = npt.NDArray[np.intp]
Embeddings = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ShownFace:
    """One face as a report shows it.

    Args:
        jpeg: Its thumbnail; None in a collection without chips.
        root: Root of the photo it was found in.
        path: Path of that photo inside the root.
        link: A ``file://`` address of the photo, where it lies on this computer.
        captured_at: When the photo was taken, on the camera's clock.
    """

    jpeg: bytes | None
    root: str
    path: str
    link: str | None
    captured_at: datetime | None


@dataclass(frozen=True, eq=False)
class FaceList:
    """Every face of a snapshot, by its place in the order of face ids.

    Args:
        collection: The collection.
        snapshot: Its shards.
        ids: Columns ``face_id`` and ``media_id``, n rows.
        media: The snapshot's media rows.
        media_rows: Row in ``media`` of each face's item, (n,).
    """

    collection: Collection
    snapshot: Snapshot
    ids: pa.Table
    media: pa.Table
    media_rows: npt.NDArray[np.int64]

    @classmethod
    def of(cls, collection: Collection, snapshot: Snapshot) -> FaceList:
        """Returns a snapshot's faces."""
        faces = snapshot.listed
        keys = snapshot.media["media_id"].combine_chunks()
        rows = pc.index_in(faces["media_id"], value_set=keys).to_numpy().astype(np.int64)
        return cls(collection, snapshot, faces, snapshot.media, rows)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def are_few(self) -> bool:
        """Whether all embeddings are read at once."""
        return len(self) <= READ_AT_ONCE

    def embeddings(self, rows: Rows) -> Embeddings:
        """Returns the embeddings (m, d) of the faces in some rows, ascending."""
        if self.are_few:
            return self.every_embedding[rows]
        found = self.snapshot.faces(["embedding"], among=self.ids.take(rows))
        return tables.matrix(found["embedding"])

    @cached_property
    def every_embedding(self) -> Embeddings:
        """All embeddings (n, d), to be asked for where there are few."""
        return tables.matrix(self._stored["embedding"])

    @cached_property
    def _stored(self) -> pa.Table:
        return self.snapshot.faces([*_STORED_AT, "embedding"])

    def chips(self, rows: Rows) -> list[bytes | None]:
        """Returns the chips of the faces in some rows, JPEGs; None where there are none."""
        found: list[bytes | None] = [None] * len(rows)
        if not self.collection.settings.chips or not len(rows):
            return found
        if self.are_few:
            stored = self._stored.select(_STORED_AT).take(rows)
        else:
            stored = self.snapshot.faces(_STORED_AT, among=self.ids.take(rows))
        shards = stored["shard"].combine_chunks().dictionary_encode()
        numbers, lines = shards.indices.to_numpy(), stored["row"].to_numpy()
        for number, shard in enumerate(shards.dictionary.to_pylist()):
            mine = np.flatnonzero(numbers == number)
            path = f"faces/{shard}.parquet"
            read = tables.read_rows(
                self.collection.storage, path, "faces", ["chip"], lines[mine].astype(np.int64)
            )
            for place, chip in zip(mine.tolist(), read["chip"].to_pylist(), strict=True):
                found[place] = chip
        return found


def evenly(rows: Rows, most: int) -> Rows:
    """Returns at most so many of the rows, evenly spaced, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.intp)]


def show(faces: FaceList, rows: Rows, covers: Rows) -> Mapping[np.intp, ShownFace]:
    """Returns what is shown of the faces in some rows, by row; covers are larger."""
    rows = np.unique(rows)
    media = faces.media.select(["root", "path", "path_bytes", "captured_at"])
    items = media.take(faces.media_rows[rows]).to_pylist()
    places = Sources.read(faces.collection.storage).roots
    large = set(covers.tolist())
    return {
        row: ShownFace(
            jpeg=thumbnail(chip, COVER_SIDE if row in large else CHIP_SIDE),
            root=item["root"],
            path=item["path"],
            link=link_of(item, places),
            captured_at=item["captured_at"],
        )
        for row, item, chip in zip(rows, items, faces.chips(rows), strict=True)
    }
