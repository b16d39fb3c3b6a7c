"""Contact sheets: which people and faces a report shows, and their thumbnails.

How much is shown is bounded by the constants here, so that the report of the largest archive
still opens in a browser. Chips are read for the faces shown and for no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection, Snapshot
from facebatch.faces.thumbnails import thumbnail
from facebatch.people import PeopleView

PEOPLE_SHOWN = 200
"""People with a sheet of their own, the largest first."""

CHIPS_PER_PERSON = 24
"""Faces on a person's sheet beside the cover."""

CANDIDATES_PER_PERSON = 500
"""Faces that a sheet's are chosen from: bounds the embeddings in memory, to 51 MB of 128-d ones."""

UNCLUSTERED_SHOWN = 60
"""Faces shown of those that belong to nobody."""

CHIP_SIDE = 80
"""Side of a thumbnail in pixels. A report in which every sheet is full has 10 MB."""

COVER_SIDE = 144
"""Side of a cover in pixels."""

UNCLUSTERED, NOT_CLUSTERED = -1, -2

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ShownFace:
    """One face as a sheet shows it.

    Args:
        jpeg: Its thumbnail; None in a collection without chips.
        root: Root of the photo it was found in.
        path: Path of that photo inside the root.
        captured_at: When the photo was taken, on the camera's clock.
    """

    jpeg: bytes | None
    root: str
    path: str
    captured_at: datetime | None


@dataclass(frozen=True)
class PersonSheet:
    """One person.

    Args:
        person_id: 32 hex digits.
        name: The person's name, where one is known.
        faces: Number of faces.
        media: Number of photos they are in.
        spread: Mean d2 over all pairs of the faces, 0..4; None where it isn't known.
        captured: Earliest and latest capture time, where any is known.
        cover: The face that stands for the person.
        others: More of the faces, the most typical first; at most `CHIPS_PER_PERSON`.
    """

    person_id: str
    name: str | None
    faces: int
    media: int
    spread: float | None
    captured: tuple[datetime, datetime] | None
    cover: ShownFace
    others: tuple[ShownFace, ...]


@dataclass(frozen=True)
class Sheets:
    """The people of a collection and the faces that belong to nobody.

    Args:
        grouped: Whether the faces were ever grouped into people.
        people: The largest people, by descending number of faces; at most `PEOPLE_SHOWN`.
        active: Number of people that have faces.
        merged: Number of former people that were merged into others.
        dissolved: Number of former people that have no face left.
        unclustered: Number of faces that belong to nobody.
        not_clustered: Number of faces that came after the grouping.
        vanished: Number of grouped faces that the collection no longer holds.
        loose: Some faces that belong to nobody; at most `UNCLUSTERED_SHOWN`.
    """

    grouped: bool
    people: tuple[PersonSheet, ...]
    active: int
    merged: int
    dissolved: int
    unclustered: int
    not_clustered: int
    vanished: int
    loose: tuple[ShownFace, ...]


@dataclass(frozen=True)
class FaceList:
    """Every face of a snapshot, by its place in the order of face ids.

    Args:
        ids: Columns ``face_id`` and ``media_id``, n rows.
        media: The snapshot's media rows.
        media_rows: Row in ``media`` of each face's item, (n,).
    """

    ids: pa.Table
    media: pa.Table
    media_rows: npt.NDArray[np.int64]

    @classmethod
    def of(cls, snapshot: Snapshot) -> FaceList:
        """Returns a snapshot's faces."""
        faces = snapshot.listed
        keys = snapshot.media["media_id"].combine_chunks()
        rows = pc.index_in(faces["media_id"], value_set=keys).to_numpy().astype(np.int64)
        return cls(faces, snapshot.media, rows)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Groups:
    """The current clusters and people.

    Args:
        people: Rows of the table of people.
        labels: The cluster of each face, (n,); `UNCLUSTERED` or `NOT_CLUSTERED` where it has none.
        vanished: Number of grouped faces that the collection no longer holds.
    """

    people: Sequence[dict[str, Any]]
    labels: npt.NDArray[np.int64]
    vanished: int


@dataclass(frozen=True)
class ChosenPerson:
    """A person with the rows of all their faces and of those shown, cover first."""

    row: dict[str, Any]
    members: Rows
    shown: Rows


@dataclass(frozen=True)
class SheetPlan:
    """Which people and faces the sheets show, before any thumbnail is made.

    Args:
        groups: The clusters and people; None before the first grouping.
        people: The largest people.
        active: Number of people with faces.
        loose: Rows of some faces that belong to nobody.
    """

    groups: Groups | None
    people: tuple[ChosenPerson, ...]
    active: int
    loose: Rows

    @property
    def covers(self) -> Rows:
        """Rows of the people's covers."""
        return np.array([person.shown[0] for person in self.people], np.intp)

    @property
    def wanted(self) -> Rows:
        """Rows of all faces shown."""
        return np.concatenate([self.loose, *(person.shown for person in self.people)])


def read_groups(view: PeopleView, faces: FaceList) -> Groups | None:
    """Reads the current people and the clusters they were made of; None where there are none."""
    if view.clusters is None:
        return None
    return Groups(view.table.to_pylist(), *_labels(view, faces))


def plan_sheets(
    collection: Collection, snapshot: Snapshot, faces: FaceList, groups: Groups | None
) -> SheetPlan:
    """Chooses the people and the faces that are shown of them.

    Args:
        collection: The collection.
        snapshot: Its shards.
        faces: The snapshot's faces.
        groups: How they are grouped.
    """
    if groups is None:
        return SheetPlan(None, (), 0, evenly(np.arange(len(faces)), UNCLUSTERED_SHOWN))
    largest, active = _largest(groups.people, groups.labels)
    chosen = _choose(collection, snapshot, faces, largest)
    loose = evenly(np.flatnonzero(groups.labels == UNCLUSTERED), UNCLUSTERED_SHOWN)
    return SheetPlan(groups, tuple(chosen), active, loose)


def make_sheets(plan: SheetPlan, faces: FaceList, shown: Mapping[np.intp, ShownFace]) -> Sheets:
    """Returns the sheets that were planned.

    Args:
        plan: What they show.
        faces: The snapshot's faces.
        shown: The faces in the rows that the plan wants, of `show`.
    """
    loose = tuple(shown[row] for row in plan.loose)
    groups = plan.groups
    if groups is None:
        return Sheets(False, (), 0, 0, 0, 0, len(faces), 0, loose)
    return Sheets(
        grouped=True,
        people=tuple(_sheet(person, faces, shown) for person in plan.people),
        active=plan.active,
        merged=sum(row["status"] == "merged" for row in groups.people),
        dissolved=sum(row["status"] == "dissolved" for row in groups.people),
        unclustered=int((groups.labels == UNCLUSTERED).sum()),
        not_clustered=int((groups.labels == NOT_CLUSTERED).sum()),
        vanished=groups.vanished,
        loose=loose,
    )


def _labels(view: PeopleView, faces: FaceList) -> tuple[npt.NDArray[np.int64], int]:
    """Returns each face's cluster, (n,), and how many clustered faces there are no more."""
    places = pc.index_in(faces.ids["face_id"], value_set=ids.to_arrow(view.face_ids))
    clustered = np.flatnonzero(places.is_valid().to_numpy())
    labels = np.full(len(faces), NOT_CLUSTERED, np.int64)
    labels[clustered] = view.labels[places.drop_null().to_numpy()]
    return labels, len(view.face_ids) - len(clustered)


def _largest(
    people: Sequence[dict[str, Any]], labels: npt.NDArray[np.int64]
) -> tuple[list[tuple[dict[str, Any], Rows]], int]:
    """Returns the largest people with the rows of their faces, and how many have faces."""
    by_label = np.argsort(labels, kind="stable")
    ordered = labels[by_label]
    found = []
    for person in people:
        shown = person["status"] == "active" and not person["hidden"]
        if shown and person["cluster"] is not None:
            bounds = np.searchsorted(ordered, [person["cluster"], person["cluster"] + 1])
            if bounds[0] < bounds[1]:
                found.append((person, by_label[bounds[0] : bounds[1]]))
    found.sort(key=lambda one: (-len(one[1]), one[0]["person_id"]))
    return found[:PEOPLE_SHOWN], len(found)


def _choose(
    collection: Collection,
    snapshot: Snapshot,
    faces: FaceList,
    people: Sequence[tuple[dict[str, Any], Rows]],
) -> list[ChosenPerson]:
    """Chooses the faces of each sheet: cover, then evenly from the most typical to the least."""
    covers = _covers(people, faces)
    if not collection.settings.chips or not people:
        pairs = zip(people, covers, strict=True)
        return [ChosenPerson(person, rows, np.array([cover])) for (person, rows), cover in pairs]
    candidates = [evenly(members, CANDIDATES_PER_PERSON) for _, members in people]
    read = np.unique(np.concatenate(candidates))
    rows = snapshot.faces(["embedding"], among=faces.ids.take(read))
    embeddings = tables.matrix(rows["embedding"])
    chosen = []
    for (person, members), cover, mine in zip(people, covers, candidates, strict=True):
        places = np.searchsorted(read, mine)
        mean = embeddings[places].mean(axis=0, dtype=np.float64)
        typical_first = mine[np.argsort(-(embeddings[places] @ mean), kind="stable")]
        others = evenly(typical_first[typical_first != cover], CHIPS_PER_PERSON)
        chosen.append(ChosenPerson(person, members, np.concatenate([[cover], others])))
    return chosen


def _covers(people: Sequence[tuple[dict[str, Any], Rows]], faces: FaceList) -> list[np.intp]:
    """Returns the row of each person's cover; of the first face where the cover has vanished."""
    wanted = pa.array([person["cover_face_id"] for person, _ in people], pa.binary(ids.ID_BYTES))
    places = pc.index_in(faces.ids["face_id"], value_set=wanted, skip_nulls=True)
    found = np.flatnonzero(places.is_valid().to_numpy())
    rows = dict(zip(places.drop_null().to_pylist(), found, strict=True))
    return [rows.get(number, members[0]) for number, (_, members) in enumerate(people)]


def evenly(rows: Rows, most: int) -> Rows:
    """Returns at most so many of the rows, evenly spaced, the first and the last among them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.intp)]


def show(
    collection: Collection, snapshot: Snapshot, faces: FaceList, rows: Rows, covers: Rows
) -> dict[np.intp, ShownFace]:
    """Returns what is shown of the faces in some rows, by row."""
    rows = np.unique(rows)
    media = faces.media.select(["root", "path", "captured_at"])
    items = media.take(faces.media_rows[rows]).to_pylist()
    chips: Sequence[bytes | None] = [None] * len(rows)
    if collection.settings.chips and len(rows):
        chips = snapshot.faces(["chip"], among=faces.ids.take(rows))["chip"].to_pylist()
    large = set(covers.tolist())
    return {
        row: ShownFace(jpeg=thumbnail(chip, COVER_SIDE if row in large else CHIP_SIDE), **item)
        for row, item, chip in zip(rows, items, chips, strict=True)
    }


def _sheet(
    person: ChosenPerson, faces: FaceList, shown: Mapping[np.intp, ShownFace]
) -> PersonSheet:
    items = np.unique(faces.media_rows[person.members])
    moments = pc.min_max(faces.media["captured_at"].take(items))
    first, last = moments["min"].as_py(), moments["max"].as_py()
    cover, *others = (shown[row] for row in person.shown)
    return PersonSheet(
        person_id=person.row["person_id"].hex(),
        name=person.row["name"],
        faces=len(person.members),
        media=len(items),
        spread=person.row["spread"],
        captured=(first, last) if first is not None else None,
        cover=cover,
        others=tuple(others),
    )
