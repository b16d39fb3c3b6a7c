"""Which face of today a decided face is: the same content, or the same place and the same look.

A face's id follows its content, so a file that was moved, renamed or copied keeps its decisions. A
file that was written anew has another content. Its place, the item and the box, is what replaced
portraits, webcams and memory cards share as well: it counts only where the face there resembles
the one that was decided about. Else the decision rests, until the face comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.cluster.tau import choose_tau
from facebatch.collection import Collection, Snapshot
from facebatch.errors import UsageError
from facebatch.faces.boxes import iou
from facebatch.people.decisions import Concern
from facebatch.people.recording import PLACE, Embedding, recorded_places

_Places = Mapping[bytes, Mapping[str, Any]]

SAME_PLACE_IOU = 0.5
"""Overlap of two boxes in one picture from which on they are taken for the same face."""


@dataclass(frozen=True)
class Located:
    """Where decided faces are today.

    Args:
        rows: Their rows in the snapshot, by the face id that decisions have.
        resting: Those whose place holds a face that doesn't resemble them.
    """

    rows: Mapping[bytes, int] = field(default_factory=dict)
    resting: frozenset[bytes] = frozenset()


def longest_d2(collection: Collection) -> float:
    """Returns the d2 up to which a face in a decided face's place resembles it.

    It is the longest link of a small archive, at which the collection's space takes one of 100,000
    pairs of strangers for one person: a place holds one face, so the archive's size doesn't
    matter. Of 1,645 pairs of strangers' portraits in one place none was nearer than .134, and of
    1,471 faces of 40 pixels or more whose photos were edited 14 were farther (docs/people.md).
    In a space that nobody measured it is the collection's longest link.
    """
    try:
        return choose_tau(1, collection.settings.thresholds().links)
    except UsageError:  # nothing was measured of the space
        current = collection.current("clusters")
        measured = current is not None and current.manifest.is_of(collection.space)
        return current.manifest.tau if current and measured else 0.0


def locate(concerns: Sequence[Concern], collection: Collection, snapshot: Snapshot) -> Located:
    """Finds faces in a snapshot: by their ids, else in the same content, else by place and look.

    Args:
        concerns: The faces.
        collection: Where they were decided about.
        snapshot: Where they are looked for.

    Raises:
        CollectionError: What a face looked like can't be read.
    """
    if not concerns:
        return Located()
    found = rows_of([one.face_id for one in concerns], snapshot)
    missing = [one for one in concerns if one.face_id not in found]
    if not missing:
        return Located(found)
    places, recorded = recorded_places(collection, [one.face_id for one in missing])
    same_content, same_item = _in_place(places, snapshot)
    # A face that was decided about by its own id, as one whose file took another's name, isn't
    # what is looked for.
    own = set(found.values())
    same_item = {face: row for face, row in same_item.items() if row not in own}
    doubtful = [one for one in missing if one.face_id in same_item]
    looks = _Looks(collection, snapshot, concerns, found)
    alike = looks.alike(doubtful, same_item, places, recorded)
    found |= same_content | {face: same_item[face] for face in alike}
    return Located(found, frozenset(same_item) - alike)


def rows_of(face_ids: Iterable[bytes], snapshot: Snapshot) -> dict[bytes, int]:
    """Returns the row of each face that a snapshot has, by its id."""
    wanted = list(face_ids)
    listed = pa.array(wanted, pa.binary(ids.ID_BYTES))
    places = pc.index_in(listed, ids.to_arrow(snapshot.face_ids)).to_pylist()
    return {face: at for face, at in zip(wanted, places, strict=True) if at is not None}


def _in_place(places: _Places, snapshot: Snapshot) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """Returns the rows of faces in nearly the same boxes: of the same content, and of the item."""
    faces = snapshot.faces([*PLACE])
    boxes = np.stack([faces[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)
    contents, items = (
        _overlapping(places, faces, boxes, key) for key in ("content_id", "media_id")
    )
    return contents, {face: row for face, row in items.items() if face not in contents}


def _overlapping(
    places: _Places, faces: pa.Table, boxes: npt.NDArray[np.float32], key: str
) -> dict[bytes, int]:
    wanted = pa.array([place[key] for place in places.values()], pa.binary(ids.ID_BYTES))
    rows = np.flatnonzero(pc.is_in(faces[key], wanted).to_numpy(zero_copy_only=False))
    moments: dict[tuple[Any, ...], list[int]] = {}
    for row, face in zip(rows.tolist(), faces.take(pa.array(rows)).to_pylist(), strict=True):
        moments.setdefault((face[key], face["segment"], face["timestamp_us"]), []).append(row)
    found = {}
    for face_id, place in places.items():
        near = moments.get((place[key], place["segment"], place["timestamp_us"]))
        if near:
            box = np.array([place[side] for side in ("x0", "y0", "x1", "y1")], np.float64)
            overlap = iou(boxes[near], box)
            if overlap.max() >= SAME_PLACE_IOU:
                found[face_id] = near[int(overlap.argmax())]
    return found


class _Looks:
    """What decided faces looked like: as was recorded, or as old shards still have it.

    Where neither knows, the other faces that the same person was given stand for it.
    """

    def __init__(
        self,
        collection: Collection,
        snapshot: Snapshot,
        concerns: Sequence[Concern],
        found: Mapping[bytes, int],
    ) -> None:
        self._collection = collection
        self._snapshot = snapshot
        self._found = found
        self._given: dict[bytes, list[int]] = {}
        for one in concerns:
            if one.after is not None and one.face_id in found:
                self._given.setdefault(one.after, []).append(found[one.face_id])

    def alike(
        self,
        concerns: Sequence[Concern],
        rows: Mapping[bytes, int],
        places: _Places,
        recorded: Mapping[bytes, Embedding],
    ) -> set[bytes]:
        """Returns the ids of the faces that resemble what is in their rows.

        Args:
            concerns: The faces.
            rows: What is in their places.
            places: The places, as decisions have them.
            recorded: What decisions recorded of looks.
        """
        if not concerns:
            return set()
        known = {one.face_id: recorded[one.face_id] for one in concerns if one.face_id in recorded}
        known |= self._of_shards(
            {one.face_id: places[one.face_id] for one in concerns if one.face_id not in known}
        )
        others = {
            one.face_id: self._given.get(one.after, []) if one.after else []
            for one in concerns
            if one.face_id not in known
        }
        asked = {rows[one.face_id] for one in concerns}
        today = self._of_rows(asked.union(*others.values()))
        longest = longest_d2(self._collection)
        found = set()
        for one in concerns:
            looks = [known[one.face_id]] if one.face_id in known else []
            looks += [today[row] for row in others.get(one.face_id, ())]
            there = today[rows[one.face_id]]
            if any(_d2(look, there) <= longest for look in looks):
                found.add(one.face_id)
        return found

    def _of_shards(self, places: _Places) -> dict[bytes, Embedding]:
        """Returns the embeddings of faces that no longer count, from the shards that have them."""
        if not places:
            return {}
        contents = [place["content_id"] for place in places.values()]
        media = self._snapshot.item_rows.select(["content_id", "shard"])
        wanted = pa.array(contents, pa.binary(ids.ID_BYTES))
        shards = media.filter(pc.is_in(media["content_id"], wanted))["shard"].unique().to_pylist()
        faces = pa.array(list(places), pa.binary(ids.ID_BYTES))
        found: dict[bytes, Embedding] = {}
        for shard in shards:
            columns = ["face_id", "embedding"]
            path = f"faces/{shard}.parquet"
            rows = tables.read(self._snapshot.storage, path, "faces", columns)
            rows = rows.filter(pc.is_in(rows["face_id"], faces))
            found |= dict(zip(rows["face_id"].to_pylist(), _vectors(rows), strict=True))
        return found

    def _of_rows(self, rows: Iterable[int]) -> dict[int, Embedding]:
        listed = self._snapshot.listed
        wanted = sorted(rows)
        # Ordered by face id, as the rows are.
        some = listed.take(pa.array(wanted, pa.int64()))
        faces = self._snapshot.faces(["face_id", "embedding"], among=some)
        return dict(zip(wanted, _vectors(faces), strict=True))


def _vectors(rows: pa.Table) -> list[Embedding]:
    return list(tables.matrix(rows["embedding"])) if len(rows) else []


def _d2(one: Embedding, other: Embedding) -> float:
    # Of another dimension is what another space recorded: nobody can tell.
    return float(((one - other) ** 2).sum()) if one.shape == other.shape else np.inf
