"""How much an extraction saw too small: what a closer look, in tiles, would see more of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Snapshot
from facebatch.collection.by_shard import places_by_shard
from facebatch.collection.snapshot import in_threads
from facebatch.config import ExtractSettings
from facebatch.detect.tiled import CROWD, at_smallest_size, panorama_gain
from facebatch.errors import CollectionError

_BOX = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class SeenSmall:
    """What was seen too small in photos, as far as tiles would show more.

    Args:
        faces: Faces of all the photos.
        smallest: Those of them that are in crowds and at the smallest size that is found.
        panoramas: Photos that were shrunk to less than half the height of others.
    """

    faces: int = 0
    smallest: int = 0
    panoramas: int = 0


def seen_small(snapshot: Snapshot, before: Sequence[str], settings: ExtractSettings) -> SeenSmall:
    """Counts what the shards hold that came after those before."""
    if settings.tiles != "off":
        return SeenSmall()
    rows = snapshot.item_rows
    is_photo = pc.and_(pc.equal(rows["status"], "ok"), pc.is_null(rows["segments"]))
    is_old = pc.is_in(rows["shard"], pa.array(before, pa.string()))
    rows = rows.filter(pc.and_(is_photo, pc.invert(is_old)))
    # Copies that were planned in different slices are extracted each.
    rows = rows.take(ids.first_of_each(ids.from_arrow(rows["content_id"]))).combine_chunks()
    sides = np.stack([rows["width"].to_numpy(), rows["height"].to_numpy()]).astype(np.float64)
    long_sides = sides.max(axis=0)
    gain = panorama_gain(long_sides, sides.min(axis=0), settings.max_side)
    places_in = places_by_shard(rows["shard"])

    def counted(shard: str) -> tuple[int, int]:
        faces = tables.read(
            snapshot.storage, f"faces/{shard}.parquet", "faces", ["media_id", *_BOX]
        )
        # Faces belong to items of their own shard.
        mine = places_in[shard]
        items = rows["media_id"].take(pa.array(mine)).combine_chunks()
        owners = pc.index_in(faces["media_id"], items)
        faces = faces.filter(pc.is_valid(owners))
        owner = pc.drop_null(owners).to_numpy()
        boxes = np.stack([faces[edge].to_numpy() for edge in _BOX], axis=1)
        small = at_smallest_size(
            boxes, long_sides[mine[owner]], settings.max_side, settings.min_face
        )
        each = np.bincount(owner[small])
        return len(boxes), int(each[each >= CROWD].sum())

    shards = pc.unique(rows["shard"].filter(pc.greater(rows["faces"], 0))).to_pylist()
    try:
        found = np.array(in_threads(counted, shards), np.int64).reshape(-1, 2).sum(axis=0)
    except CollectionError:  # whoever needs the faces says so; a hint isn't worth a run
        return SeenSmall()
    return SeenSmall(int(found[0]), int(found[1]), int((gain > 1).sum()))
