"""What changed between two generations of people: events, and how many faces changed hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from facebatch.ids import to_arrow
from facebatch.people.identity import Clustering, Person

Kind = Literal[
    "founded",
    "joined",
    "left",
    "moved",
    "split",
    "merged",
    "dissolved",
    "returned",
    "named",
    "renamed",
    "unnamed",
    "hidden",
    "shown",
]


@dataclass(frozen=True)
class Event:
    """Something that happened to a person; what the table ``events`` says of it.

    Args:
        kind: What happened.
        person_id: To whom.
        faces: Number of faces concerned.
        other_id: The other person of ``moved``, ``split`` and ``merged``.
        name: The person's name after the event; before it where it was taken away.
        reason: Why.
    """

    kind: Kind
    person_id: bytes
    faces: int
    other_id: bytes | None
    name: str | None
    reason: str


@dataclass(frozen=True)
class Changes:
    """What changed from one generation to the next.

    Args:
        events: What happened, ordered by person and kind.
        kept: Faces that are the same person's as before.
        moved: Faces that are another person's.
        left: Faces that were somebody's and are nobody's.
        joined: Faces that were there, nobody's, and are somebody's.
        new: Faces that are new and somebody's.
        vanished: Faces that were somebody's and are gone.
    """

    events: tuple[Event, ...]
    kept: int
    moved: int
    left: int
    joined: int
    new: int
    vanished: int

    def faces(self) -> dict[str, int]:
        """Returns the numbers of faces by what became of them."""
        names = ("kept", "moved", "left", "joined", "new", "vanished")
        return {name: getattr(self, name) for name in names}


def compare(
    before: Clustering, after: Clustering, reason: str, reasons: Mapping[bytes, str]
) -> Changes:
    """Finds what changed between two generations.

    Args:
        before: The earlier one; without faces and people for the first.
        after: The later one; it knows everyone whom the earlier one knows.
        reason: Why there is a later one.
        reasons: Other reasons, by person id; a person's own goes before the general one.
    """
    numbers = {person.person_id: number for number, person in enumerate(after.people)}
    was, present = _owners_before(before, after, numbers)
    now = _owners(after, numbers)
    pairs, faces = np.unique(np.stack([was, now], axis=1), axis=0, return_counts=True)
    changed = pairs[:, 0] != pairs[:, 1]
    earlier = {person.person_id: person for person in before.people}
    found = [
        *_flows(pairs[changed].tolist(), faces[changed].tolist(), after, earlier),
        *_fates(after, earlier, np.bincount(now[now >= 0], minlength=len(numbers))),
    ]
    events = sorted(
        (
            Event(kind, who, count, other, name, _reason(reasons, who, other) or reason)
            for kind, who, count, other, name in found
        ),
        key=lambda event: (event.person_id, event.kind, event.other_id or b""),
    )
    owned = int((_owners(before, numbers) >= 0).sum())
    return Changes(
        events=tuple(events),
        kept=int(((was >= 0) & (was == now)).sum()),
        moved=int(((was >= 0) & (now >= 0) & (was != now)).sum()),
        left=int(((was >= 0) & (now < 0)).sum()),
        joined=int((present & (was < 0) & (now >= 0)).sum()),
        new=int((~present & (now >= 0)).sum()),
        vanished=owned - int((was >= 0).sum()),
    )


_Found = tuple[Kind, bytes, int, bytes | None, str | None]


def _reason(reasons: Mapping[bytes, str], who: bytes, other: bytes | None) -> str | None:
    return reasons.get(who) or (reasons.get(other) if other else None)


def _owners(clustering: Clustering, numbers: Mapping[bytes, int]) -> npt.NDArray[np.int64]:
    """Returns the number of the person (n,) whom each face belongs to; -1 for nobody."""
    clusters = [person.cluster for person in clustering.people if person.cluster is not None]
    owners = np.full(max([*clusters, clustering.labels.max(initial=-1)]) + 2, -1, np.int64)
    for person in clustering.people:
        if person.cluster is not None:
            owners[person.cluster] = numbers[person.person_id]
    return owners[clustering.labels]


def _owners_before(
    before: Clustering, after: Clustering, numbers: Mapping[bytes, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Returns whose each face of the later generation was, and whether it was there."""
    rows = pc.index_in(to_arrow(after.face_ids), value_set=to_arrow(before.face_ids))
    rows = rows.fill_null(-1).to_numpy(zero_copy_only=False)
    was = np.full(len(rows), -1, np.int64)
    was[rows >= 0] = _owners(before, numbers)[rows[rows >= 0]]
    return was, rows >= 0


def _flows(
    pairs: list[list[int]],
    faces: list[int],
    after: Clustering,
    earlier: Mapping[bytes, Person],
) -> list[_Found]:
    """Returns what became of faces that changed hands."""
    found: list[_Found] = []
    for (source, target), count in zip(pairs, faces, strict=True):
        if target < 0:
            person = after.people[source]
            found.append(("left", person.person_id, count, None, person.name))
        elif source < 0:
            person = after.people[target]
            if person.person_id in earlier:
                found.append(("joined", person.person_id, count, None, person.name))
        else:
            person, other = after.people[source], after.people[target]
            if person.merged_into == other.person_id:
                continue  # told by the merger
            kind: Kind = "moved" if other.person_id in earlier else "split"
            found.append((kind, person.person_id, count, other.person_id, person.name))
    return found


def _fates(
    after: Clustering, earlier: Mapping[bytes, Person], faces: npt.NDArray[np.int64]
) -> list[_Found]:
    """Returns what happened to people as such."""
    found: list[_Found] = []
    for number, person in enumerate(after.people):
        count, who = int(faces[number]), person.person_id
        old = earlier.get(who)
        if old is None:
            found.append(("founded", who, count, None, person.name))
        elif person.status != old.status:
            kind: Kind = "returned" if person.status == "active" else person.status
            found.append((kind, who, count, person.merged_into, person.name))
        name_before = old.name if old else None
        if person.name != name_before:
            change: Kind = "named" if name_before is None else "renamed"
            if person.name is None:
                change = "unnamed"
            found.append((change, who, count, None, person.name or name_before))
        if person.hidden != (old.hidden if old else False):
            found.append(("hidden" if person.hidden else "shown", who, count, None, person.name))
    return found
