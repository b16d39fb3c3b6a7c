"""What the plots of a collection's report show: sizes of people, history, faces on a plane.

Its cost is bounded by the constants here, whatever the size of the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from facebatch.collection import Collection
from facebatch.faces.thumbnails import thumbnail
from facebatch.people.health import warning_text
from facebatch.report import projection
from facebatch.report.faces import FaceList, Rows, ShownFace, evenly
from facebatch.report.html.words import person_name
from facebatch.report.plots.data import PEOPLE_COLOURED, Clustered
from facebatch.report.sheets import SheetPlan

FACES_ON_PLANE = 300
"""Faces that are projected; t-SNE took .84 s for so many on a busy machine."""

FACES_PER_PERSON = 24
"""Faces projected of each of these; a random sample of all others fills the plane."""

FACES_PICTURED = 24
"""Covers that may lie on the plane, where there is room."""

_PICTURE_SIDE = 48
_STAMP, _STAMP_DIGITS = "%Y%m%dT%H%M%S", 15


@dataclass(frozen=True, eq=False)
class Plane:
    """Some faces on a plane.

    Args:
        method: What made it.
        points: (n, 2) places.
        people: (n,) number of each face's person among the names, -1 for others.
        names: Names of the people that have a colour.
        pictures: Small JPEG by row, of the largest people first.
    """

    method: str
    points: npt.NDArray[np.float64]
    people: npt.NDArray[np.int64]
    names: tuple[str, ...]
    pictures: Mapping[int, bytes]


@dataclass(frozen=True, eq=False)
class Overview:
    """What the plots show.

    Args:
        sizes: (n,) faces of each person; None before the first grouping.
        history: The clusterings that are kept, oldest first.
        plane: Faces on a plane; None where there is nobody.
        warnings: What is unlike the collections on which the method was measured.
    """

    sizes: npt.NDArray[np.int64] | None
    history: tuple[Clustered, ...]
    plane: Plane | None = None
    warnings: tuple[str, ...] = ()


def collect_overview(
    faces: FaceList, plan: SheetPlan, shown: Mapping[np.intp, ShownFace]
) -> Overview:
    """Reads what the plots show.

    Args:
        faces: The snapshot's faces.
        plan: The people.
        shown: Their covers among others, by row.
    """
    history = _history(faces.collection)
    if plan.groups is None:
        return Overview(None, history)
    sizes = np.array([len(members) for _, members in plan.groups.present], np.int64)
    plane = _plane(faces, plan, shown) if plan.people else None
    return Overview(sizes, history, plane, _warnings(faces.collection))


def _warnings(collection: Collection) -> tuple[str, ...]:
    people = collection.current("people")
    health = people.manifest.health if people else None
    return tuple(warning_text(warning) for warning in health["warnings"]) if health else ()


def _history(collection: Collection) -> tuple[Clustered, ...]:
    people = {
        made.manifest.clusters: made.manifest.active for made in collection.generations("people")
    }
    kept = collection.generations("clusters")
    return tuple(
        Clustered(
            day=day,
            faces=made.manifest.faces or 0,
            people=people.get(made.name),
            unclustered=(made.manifest.unclustered or 0) / max(1, made.manifest.faces or 0),
            tau=made.manifest.tau,
        )
        for made, day in zip(kept, _moments([made.name for made in kept]), strict=True)
    )


def _moments(generations: Sequence[str]) -> list[str]:
    """Returns the days of generations; their times of day where all are of one."""
    moments = [datetime.strptime(name[:_STAMP_DIGITS], _STAMP) for name in generations]
    one_day = len({moment.date() for moment in moments}) == 1
    return [moment.strftime("%H:%M UTC" if one_day else "%Y-%m-%d") for moment in moments]


def _plane(faces: FaceList, plan: SheetPlan, shown: Mapping[np.intp, ShownFace]) -> Plane:
    seed = int(faces.snapshot.faces_hash[:8], 16)
    covers = plan.covers[:FACES_PICTURED]
    rows = _sample(len(faces), plan, covers, seed)
    person_of = np.full(len(faces), -1, np.int64)
    for number, person in enumerate(plan.people[:PEOPLE_COLOURED]):
        person_of[person.members] = number
    names = tuple(
        person_name(one.row["name"], one.row["person_id"].hex())
        for one in plan.people[:PEOPLE_COLOURED]
    )
    pictures = {row: thumbnail(shown[row].jpeg, _PICTURE_SIDE) for row in covers}
    method = projection.best_method(len(rows))
    return Plane(
        method,
        projection.project(faces.embeddings(rows), method, seed),
        person_of[rows],
        names,
        {
            int(np.searchsorted(rows, row)): picture
            for row, picture in pictures.items()
            if picture is not None
        },
    )


def _sample(n: int, plan: SheetPlan, covers: Rows, seed: int) -> Rows:
    """Returns rows of some faces of the largest people, of covers and of others, ascending."""
    largest = [evenly(one.members, FACES_PER_PERSON) for one in plan.people[:PEOPLE_COLOURED]]
    chosen = np.unique(np.concatenate([covers, *largest])).astype(np.intp)
    room = max(0, FACES_ON_PLANE - len(chosen))
    others = np.setdiff1d(np.arange(n), chosen)
    drawn = np.random.default_rng(seed).permutation(others)[:room]
    return np.union1d(chosen, drawn).astype(np.intp)
