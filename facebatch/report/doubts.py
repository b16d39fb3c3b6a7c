"""What is worth a second look: people who may be two, and two who may be one.

Two who may be one are those that `facebatch people suggest` asks about; people who may be two are
those whose faces differ more than one person's do (`facebatch.people.health`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.collection import Collection, Snapshot
from facebatch.people import PeopleView
from facebatch.report.faces import FaceList, Rows, ShownFace, evenly
from facebatch.report.sheets import Groups, covers_of, typical_first

Suggest = Callable[
    [Collection, Snapshot, npt.NDArray[np.float32], int],
    Sequence[tuple[bytes, bytes, float]] | None,
]
"""Says which people may be one: of a collection, its shards, their embeddings (n, d) in the order
of their ids, and how many pairs at most; see `facebatch.stages.likely_pairs`."""

PAIRS_SHOWN = 12
"""Pairs of people who may be one."""

LEAST_LIKELY = 0.05
"""Probability from which on two are shown as maybe one."""

FACES_OF_A_PAIR, FACES_OF_THE_WIDE = 3, 8
"""Faces shown of each person."""


@dataclass(frozen=True)
class DoubtfulPerson:
    """Somebody who may be two people, or one with somebody else.

    Args:
        person_id: 32 hex digits.
        name: The person's name, where one is known.
        faces: Number of faces.
        spread: Mean d2 over all pairs of the faces, 0..4; None where it isn't known.
        shown: Some of them: the cover and even ones, or the least typical first.
    """

    person_id: str
    name: str | None
    faces: int
    spread: float | None
    shown: tuple[ShownFace, ...]


@dataclass(frozen=True)
class LikelyPair:
    """Two people who may be one, and how likely that is."""

    first: DoubtfulPerson
    second: DoubtfulPerson
    probability: float


@dataclass(frozen=True)
class Doubts:
    """What is worth a second look.

    Args:
        wide: People who may be two, the widest first.
        pairs: Two who may be one, in the order in which asking is worth most; None where they
            weren't looked for: there are too many faces, or nothing was measured of the embedder.
    """

    wide: tuple[DoubtfulPerson, ...] = ()
    pairs: tuple[LikelyPair, ...] | None = None


@dataclass(frozen=True)
class _Chosen:
    person: dict[str, Any]
    faces: int
    shown: Rows

    def made(self, shown: Mapping[np.intp, ShownFace]) -> DoubtfulPerson:
        return DoubtfulPerson(
            person_id=self.person["person_id"].hex(),
            name=self.person["name"],
            faces=self.faces,
            spread=self.person["spread"],
            shown=tuple(shown[row] for row in self.shown),
        )


@dataclass(frozen=True)
class DoubtPlan:
    """Which people and faces are shown, before any thumbnail is made."""

    wide: tuple[_Chosen, ...] = ()
    pairs: tuple[tuple[_Chosen, _Chosen, float], ...] | None = None

    @property
    def wanted(self) -> Rows:
        """Rows of all faces shown."""
        of_pairs = [one.shown for pair in self.pairs or () for one in pair[:2]]
        parts = [np.zeros(0, np.intp), *(one.shown for one in self.wide), *of_pairs]
        return np.concatenate(parts)


def plan_doubts(
    faces: FaceList, view: PeopleView, groups: Groups | None, suggest: Suggest | None
) -> DoubtPlan:
    """Chooses what is worth a second look.

    Args:
        faces: The snapshot's faces.
        view: The collection's people.
        groups: How the faces are grouped.
        suggest: Says who may be one.

    Raises:
        CollectionError: A table can't be read.
    """
    if groups is None or view.generation is None or view.clusters is None:
        return DoubtPlan()
    health = view.generation.manifest.health or {}
    widest = view.clusters.manifest.widest
    wanted = [one["person_id"] for one in health.get("widest", ()) if one["mean_d2"] > widest]
    present = {
        person["person_id"]: (person, members)
        for person, members in groups.present
        if not person["hidden"]
    }
    wide = [present[who] for who in map(bytes.fromhex, wanted) if who in present]
    ordered = typical_first(faces, [members for _, members in wide])
    found = None
    if suggest is not None and faces.are_few:
        found = suggest(faces.collection, faces.snapshot, faces.every_embedding, PAIRS_SHOWN)
    pairs = [
        (_of_a_pair(faces, *present[first]), _of_a_pair(faces, *present[second]), probability)
        for first, second, probability in found or ()
        if probability >= LEAST_LIKELY and first in present and second in present
    ]
    return DoubtPlan(
        tuple(
            _Chosen(person, len(members), _even_from_the_end(typical))
            for (person, members), typical in zip(wide, ordered, strict=True)
        ),
        None if found is None else tuple(pairs),
    )


def _even_from_the_end(typical: Rows) -> Rows:
    return evenly(typical[::-1], FACES_OF_THE_WIDE)


def _of_a_pair(faces: FaceList, person: dict[str, Any], members: Rows) -> _Chosen:
    (cover,) = covers_of([(person, members)], faces)
    others = evenly(members[members != cover], FACES_OF_A_PAIR - 1)
    return _Chosen(person, len(members), np.concatenate([[cover], others]).astype(np.intp))


def make_doubts(plan: DoubtPlan, shown: Mapping[np.intp, ShownFace]) -> Doubts:
    """Returns what was planned, with the faces in the rows that the plan wants."""
    pairs = None
    if plan.pairs is not None:
        pairs = tuple(
            LikelyPair(first.made(shown), second.made(shown), probability)
            for first, second, probability in plan.pairs
        )
    return Doubts(tuple(one.made(shown) for one in plan.wide), pairs)
