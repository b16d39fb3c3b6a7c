"""The people as they are at one moment, as the pages list them.

After a decision there is another roster; only what the decision is about is reckoned anew, so that
fifty thousand people cost no more than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from facebatch.people import Person
from facebatch.people.deciding import People
from facebatch.people.decisions import Decision, about_all
from facebatch.people.names import folded
from facebatch.review.faces import FaceStore, Rows


@dataclass(frozen=True, eq=False)
class Progress:
    """How far the naming is.

    Args:
        named: People who have a name.
        people: People there are, without those that are hidden.
        faces_named: Faces of people who have a name.
        faces: Faces there are.
        next_faces: Faces that naming the next people in the queue adds.
    """

    named: int
    people: int
    faces_named: int
    faces: int
    next_faces: int

    @property
    def share(self) -> float:
        """Share of the faces that are named, 0..1."""
        return self.faces_named / self.faces if self.faces else 0.0

    @property
    def next_share(self) -> float:
        """The same once the next people in the queue are named."""
        return (self.faces_named + self.next_faces) / self.faces if self.faces else 0.0


@dataclass(frozen=True, eq=False)
class Roster:
    """Everyone, by number.

    Args:
        people: Who they are.
        store: Their faces.
        covers: The face that stands for each, by id, as it was clustered.
        numbers: Everyone's number, by id; shared by later rosters, which may know more people.
        ids: (p,) V16.
        faces: (p,) int64, faces of each; 0 for whoever isn't there any more.
        purity: (p,) float32, mean cosine between a person's faces, 0..1, as it was clustered.
        shown: (p,) whether they are there and not hidden.
        named: (p,) whether they have a name.
    """

    people: People
    store: FaceStore
    covers: Mapping[bytes, bytes]
    numbers: dict[bytes, int]
    ids: npt.NDArray[np.void]
    faces: npt.NDArray[np.int64]
    purity: npt.NDArray[np.float32]
    shown: npt.NDArray[np.bool_]
    named: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, people: People, store: FaceStore) -> Roster:
        """Returns the roster of people, whose faces are given."""
        table = people.table
        who = table["person_id"].to_pylist()
        spread = dict(zip(who, table["spread"].to_pylist(), strict=True))
        covers = zip(who, table["cover_face_id"].to_pylist(), strict=True)
        everyone = list(people.known)
        empty = cls(
            people,
            store,
            covers={each: face for each, face in covers if face is not None},
            numbers={},
            ids=np.zeros(0, "V16"),
            faces=np.zeros(0, np.int64),
            purity=np.zeros(0, np.float32),
            shown=np.zeros(0, bool),
            named=np.zeros(0, bool),
        )
        made = empty._adapted(people, everyone)
        purity = [1.0 if spread.get(who) is None else 1 - spread[who] / 2 for who in everyone]
        made.purity[:] = np.clip(np.array(purity, np.float32), 0, 1)
        return made

    def following(self, people: People, decision: Decision) -> Roster:
        """Returns the roster after a decision, which the people follow already."""
        about = set(about_all(decision, {one.decision: one for one in people.decisions}))
        heirs = (one.merged_into for one in map(people.known.get, tuple(about)) if one)
        about |= {who for who in heirs if who is not None}
        if decision.kind == "undo":
            about |= {who for who in people.known if who not in self.numbers}
        return self._adapted(people, sorted(who for who in about if who in people.known))

    def _adapted(self, people: People, changed: Iterable[bytes]) -> Roster:
        changed = list(changed)
        fresh = [who for who in changed if who not in self.numbers]
        for who in fresh:
            self.numbers[who] = len(self.numbers)
        more = len(self.numbers) - len(self.ids)
        own = np.concatenate([self.ids, np.frombuffer(b"".join(fresh), "V16")])
        faces = np.concatenate([self.faces, np.zeros(more, np.int64)])
        purity = np.concatenate([self.purity, np.ones(more, np.float32)])
        shown, named = (
            np.concatenate([flags, np.zeros(more, bool)]) for flags in (self.shown, self.named)
        )
        for who in changed:
            person, number = people.known[who], self.numbers[who]
            count = 0 if person.cluster is None else people.sizes[person.cluster]
            faces[number] = count
            shown[number] = count > 0 and not person.hidden
            named[number] = person.name is not None
        return Roster(
            people, self.store, self.covers, self.numbers, own, faces, purity, shown, named
        )

    def person(self, number: int) -> Person:
        """Returns a person by number."""
        return self.people.known[self.ids[number].tobytes()]

    def count(self, person: Person) -> int:
        """Returns how many faces a person has."""
        number = self.numbers.get(person.person_id)
        return 0 if number is None or number >= len(self.faces) else int(self.faces[number])

    def rows(self, person: Person) -> Rows:
        """Returns the rows of a person's faces in the store."""
        if person.status != "active" or person.cluster is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.people.labels == person.cluster)

    def cover(self, person: Person) -> int | None:
        """Returns the row of the face that stands for a person; None where they have none."""
        cover = self.covers.get(person.person_id)
        row = self.store.directory.row(cover) if cover else None
        if row is not None and self.people.labels[row] == person.cluster:
            return row
        rows = self.rows(person)
        return int(rows[0]) if len(rows) else None

    def typical(self, rows: Rows) -> Rows:
        """Returns some faces, those nearest their mean first; as they are until all are read."""
        if not self.store.is_read:
            return rows
        vectors = self.store.embeddings[rows]
        order = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")
        return rows[order]

    def distance(self, person: Person, other: Person) -> float:
        """Returns the d2 of the directions in which two people's faces lie, 0..4."""
        means = [self.store.embeddings[self.rows(one)].mean(axis=0) for one in (person, other)]
        first, second = (mean / max(float(np.linalg.norm(mean)), 1e-12) for mean in means)
        return float(((first - second) ** 2).sum())

    @cached_property
    def queue(self) -> Rows:
        """Numbers of those who have no name, whom it pays most to name first.

        That is who has the most faces times how alike those are: a group that mixes people up is
        of little use under any name.
        """
        asked = np.flatnonzero(self.shown & ~self.named)
        worth = self.faces[asked] * self.purity[asked]
        return asked[np.argsort(-worth, kind="stable")]

    @cached_property
    def by_size(self) -> Rows:
        """Numbers of those who are shown: who has a name first, then by their faces."""
        shown = np.flatnonzero(self.shown)
        return shown[np.lexsort((-self.faces[shown], ~self.named[shown]))]

    @cached_property
    def names(self) -> list[tuple[str, str, int]]:
        """The names there are: each as it is compared, as it is written, and whose number."""
        found = (
            (self.people.known[self.ids[number].tobytes()].name or "", int(number))
            for number in np.flatnonzero(self.shown & self.named)
        )
        return sorted((folded(name), name, number) for name, number in found)

    def progress(self, ahead: int) -> Progress:
        """Returns how far the naming is, and how far the next so many people bring it."""
        shown = self.shown
        return Progress(
            named=int((shown & self.named).sum()),
            people=int(shown.sum()),
            faces_named=int(self.faces[shown & self.named].sum()),
            faces=len(self.store),
            next_faces=int(self.faces[self.queue[:ahead]].sum()),
        )
