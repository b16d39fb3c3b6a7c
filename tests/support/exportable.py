"""A small collection on the disk, built row by row: its photos, their faces and who they show."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support.rows import faces, media_row

from facebatch import ids, tables
from facebatch.collection import Collection, Generation, generation_name
from facebatch.collection.manifests import MANIFESTS
from facebatch.collection.snapshot import with_column
from facebatch.config import ExtractSettings

Box = tuple[float, float, float, float]
EDGES = ("x0", "y0", "x1", "y1")
WIDTH, HEIGHT = 100, 50
SCORE = 0.25
_LAST_CONTENT = 255


class Archive:
    """A collection whose items are committed one at a time.

    Args:
        collection: An empty collection.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._shards = 0

    def put(
        self,
        path: str,
        boxes: Sequence[Box] = (),
        *,
        root: str = "photos",
        of: int | None = None,
        status: str = "ok",
        path_bytes: bytes | None = None,
        segments: int | None = None,
        **columns: Any,
    ) -> tuple[bytes, ...]:
        """Commits a media row with its faces, and returns the ids of those.

        ``of`` is the number of its content, by default one that no other item has.
        """
        number = _LAST_CONTENT - self._shards if of is None else of
        row = media_row(
            path,
            status,
            number,
            **{
                "media_id": ids.media_id(root, os.fsdecode(path_bytes or path.encode())),
                "root": root,
                "path_bytes": path_bytes,
                "segments": segments,
                "width": WIDTH,
                "height": HEIGHT,
                "orientation": 1,
                "faces": len(boxes),
                **columns,
            },
        )
        found = faces([(path, number, place) for place in range(len(boxes))])
        found = _placed(found, row["media_id"], boxes)
        self._shards += 1
        self.collection.commit_shard(
            f"shard{self._shards}", tables.from_rows("media", [row]), found
        )
        return tuple(found["face_id"].to_pylist())

    def match(self, people: Mapping[bytes, str | None]) -> None:
        """Writes matches of some faces: the name that each has in a gallery, None for nobody."""
        rows = [
            {"face_id": face, "person": name, "nearest": name or "Nobody", "score": SCORE}
            for face, name in sorted(people.items())
        ]
        self._write("matches", tables.from_rows("matches", rows), parents=())

    def name(self, people: Mapping[str | None, Sequence[bytes]]) -> None:
        """Writes clusters and people: the faces of each name, None for a person without one."""
        cluster_of = {face: number for number, mine in enumerate(people.values()) for face in mine}
        clusters = [
            {"face_id": face.tobytes(), "cluster": cluster_of.get(face.tobytes())}
            for face in self.collection.snapshot().face_ids
        ]
        noise = len(clusters) - len(cluster_of)
        table = tables.from_rows("clusters", clusters)
        made = self._write("clusters", table, parents=(), faces=len(clusters), unclustered=noise)
        described = [
            {
                "person_id": ids.digest(b"person", str(number).encode()),
                "name": name,
                "status": "active",
                "cluster": number,
                "faces": len(mine),
                "media": 1,
                "cover_face_id": min(mine),
                "founded": made.name,
            }
            for number, (name, mine) in enumerate(people.items())
        ]
        table = tables.from_rows("people", described)
        self._write("people", table, parents=(made.name,), active=len(people))

    def _write(
        self, stage: str, rows: pa.Table, parents: Sequence[str], **figures: int
    ) -> Generation:
        collection = self.collection
        made = Generation(
            generation_name(collection.current(stage)),
            MANIFESTS[stage](
                faces_hash=collection.snapshot().faces_hash,
                parents=tuple(parents),
                space=collection.space,
                **figures,
            ),
        )
        path = f"{made.folder}/{stage}.parquet"
        tables.write(collection.storage, path, stage, rows, collection.fingerprint)
        return collection.finish(made)


def _placed(found: pa.Table, media_id: bytes, boxes: Sequence[Box]) -> pa.Table:
    """Returns face rows as those of an item, in its boxes."""
    edges = np.array(boxes, np.float32).reshape(-1, 4)
    columns: dict[str, Any] = {
        "media_id": [media_id] * len(boxes),
        "size": (edges[:, 2:] - edges[:, :2]).min(axis=1),
        **dict(zip(EDGES, edges.T, strict=True)),
    }
    for name, column in columns.items():
        found = with_column(found, name, pa.array(column, found.schema.field(name).type))
    return found


def archive_at(folder: Path) -> Archive:
    """Returns an archive of nothing yet, whose collection lies in a folder."""
    return Archive(Collection.create(str(folder), ExtractSettings()))
