"""Contact sheets: which people and faces a report shows, and their thumbnails.

How much is shown is bounded by the constants here, so that the report of the largest archive
still opens in a browser. Chips are read for the faces shown and for no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.people import PeopleView
from facebatch.report.faces import FaceList, Rows, ShownFace, evenly

PEOPLE_SHOWN = 200
"""People with a sheet of their own, the largest first."""

CHIPS_PER_PERSON = 12
"""Faces on a person's sheet beside the cover, of the `LARGE` largest people."""

LARGE, MIDDLING = 40, 100
"""People with full sheets, and those with any faces beside the cover: a report in which every sheet
is full has about 2 MB."""

CHIPS_OF_OTHERS = 5
"""Faces beside the cover of the people after those with full sheets."""

CANDIDATES_PER_PERSON = 100
"""Faces that a sheet's are chosen from: bounds the embeddings that are looked at."""

UNCLUSTERED_SHOWN = 48
"""Faces shown of those that belong to nobody."""

UNCLUSTERED, NOT_CLUSTERED = -1, -2


@dataclass(frozen=True)
class PersonSheet:
    """One person.

    Args:
        person_id: 32 hex digits.
        name: The person's name, where one is known.
        recognised: Whether a gallery gave the name.
        faces: Number of faces.
        media: Number of photos they are in.
        spread: Mean d2 over all pairs of the faces, 0..4; None where it isn't known.
        captured: Earliest and latest capture time, where any is known.
        cover: The face that stands for the person.
        others: More of the faces, the most typical first; at most `CHIPS_PER_PERSON`.
    """

    person_id: str
    name: str | None
    recognised: bool
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
        active: Number of people that have faces and aren't hidden.
        named: How many of them have a name.
        hidden: Number of people that have faces and are hidden.
        merged: Number of former people that were merged into others.
        dissolved: Number of former people that have no face left.
        unclustered: Number of faces that belong to nobody and that no gallery knows.
        not_clustered: Number of faces that came after the grouping.
        vanished: Number of grouped faces that the collection no longer holds.
        loose: Some faces that belong to nobody; at most `UNCLUSTERED_SHOWN`.
    """

    grouped: bool
    people: tuple[PersonSheet, ...]
    active: int
    named: int
    hidden: int
    merged: int
    dissolved: int
    unclustered: int
    not_clustered: int
    vanished: int
    loose: tuple[ShownFace, ...]


@dataclass(frozen=True, eq=False)
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

    def members(self, cluster: int) -> Rows:
        """Returns the rows of a cluster's faces, ascending."""
        bounds = np.searchsorted(self._ordered, [cluster, cluster + 1])
        return self._order[bounds[0] : bounds[1]]

    @cached_property
    def _order(self) -> Rows:
        return np.argsort(self.labels, kind="stable")

    @cached_property
    def _ordered(self) -> npt.NDArray[np.int64]:
        return self.labels[self._order]

    @cached_property
    def present(self) -> tuple[tuple[dict[str, Any], Rows], ...]:
        """Everyone who has faces, with their rows: the most faces first."""
        active = (one for one in self.people if one["cluster"] is not None)
        found = [(one, self.members(one["cluster"])) for one in active if one["status"] == "active"]
        found = [(one, rows) for one, rows in found if len(rows)]
        return tuple(sorted(found, key=lambda one: (-len(one[1]), one[0]["person_id"])))


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
        people: The largest people that aren't hidden.
        nobodys: Rows of the faces that belong to nobody and that no gallery knows.
        loose: Some of these.
    """

    groups: Groups | None
    people: tuple[ChosenPerson, ...]
    nobodys: Rows
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
    faces: FaceList, groups: Groups | None, recognised: npt.NDArray[np.bool_]
) -> SheetPlan:
    """Chooses the people and the faces that are shown of them.

    Args:
        faces: The snapshot's faces.
        groups: How they are grouped.
        recognised: (n,) whether a gallery knows each face.
    """
    if groups is None:
        every = np.arange(len(faces))
        return SheetPlan(None, (), every, evenly(every, UNCLUSTERED_SHOWN))
    shown = [one for one in groups.present if not one[0]["hidden"]][:PEOPLE_SHOWN]
    nobodys = np.flatnonzero((groups.labels == UNCLUSTERED) & ~recognised)
    chosen = tuple(_choose(faces, shown))
    return SheetPlan(groups, chosen, nobodys, evenly(nobodys, UNCLUSTERED_SHOWN))


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
        return Sheets(False, (), 0, 0, 0, 0, 0, 0, len(faces), 0, loose)
    present = [one for one, _ in groups.present if not one["hidden"]]
    return Sheets(
        grouped=True,
        people=tuple(_sheet(person, faces, shown) for person in plan.people),
        active=len(present),
        named=sum(one["name"] is not None for one in present),
        hidden=len(groups.present) - len(present),
        merged=sum(row["status"] == "merged" for row in groups.people),
        dissolved=sum(row["status"] == "dissolved" for row in groups.people),
        unclustered=len(plan.nobodys),
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


def _choose(faces: FaceList, people: Sequence[tuple[dict[str, Any], Rows]]) -> list[ChosenPerson]:
    """Chooses the faces of each sheet: cover, then evenly from the most typical to the least."""
    covers = covers_of(people, faces)
    chosen = [
        ChosenPerson(person, rows, np.array([cover]))
        for (person, rows), cover in zip(people, covers, strict=True)
    ]
    if faces.collection.settings.chips:
        full = typical_first(faces, [members for _, members in people[:MIDDLING]])
        for place, typical in enumerate(full):
            one, most = chosen[place], CHIPS_PER_PERSON if place < LARGE else CHIPS_OF_OTHERS
            others = evenly(typical[typical != covers[place]], most)
            chosen[place] = replace(one, shown=np.concatenate([one.shown, others]))
    return chosen


def typical_first(faces: FaceList, people: Sequence[Rows]) -> list[Rows]:
    """Returns people's faces, or an even sample of them, from the most typical to the least.

    Args:
        faces: The snapshot's faces.
        people: Rows of each person's faces, ascending.
    """
    if not people:
        return []
    candidates = [evenly(members, CANDIDATES_PER_PERSON) for members in people]
    read = np.unique(np.concatenate(candidates))
    embeddings = faces.embeddings(read)
    ordered = []
    for mine in candidates:
        looks = embeddings[np.searchsorted(read, mine)]
        mean = looks.mean(axis=0, dtype=np.float64)
        ordered.append(mine[np.argsort(-(looks @ mean), kind="stable")])
    return ordered


def covers_of(people: Sequence[tuple[dict[str, Any], Rows]], faces: FaceList) -> list[np.intp]:
    """Returns the row of each person's cover; of the first face where the cover has vanished."""
    wanted = pa.array([person["cover_face_id"] for person, _ in people], pa.binary(ids.ID_BYTES))
    places = pc.index_in(faces.ids["face_id"], value_set=wanted, skip_nulls=True)
    found = np.flatnonzero(places.is_valid().to_numpy())
    rows = dict(zip(places.drop_null().to_pylist(), found, strict=True))
    return [rows.get(number, members[0]) for number, (_, members) in enumerate(people)]


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
        recognised=person.row["named_by"] == "gallery",
        faces=len(person.members),
        media=len(items),
        spread=person.row["spread"],
        captured=(first, last) if first is not None else None,
        cover=cover,
        others=tuple(others),
    )
