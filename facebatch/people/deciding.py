"""What taking a decision needs: who or which face is meant, and how it is recorded.

A decision fixes every face that the person has when it is taken: the user has seen them and says
whose they are. It is recorded first, which is what counts; the next clustering follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection, Snapshot
from facebatch.errors import DecisionRefused, UsageError
from facebatch.people import recording
from facebatch.people.decisions import Concern, Concerns, Decision, hash_of_names
from facebatch.people.effective import EffectiveDecisions, fold, followed
from facebatch.people.identity import Person
from facebatch.people.locating import Located, locate
from facebatch.people.overlay import Overlay
from facebatch.people.view import SHORTEST_PREFIX, PeopleView, is_hex


@dataclass(frozen=True)
class Meant:
    """Whom a user means: a person, or a face of nobody's, of which a decision makes one.

    Args:
        person_id: The person's id; for a face that of the person who is founded on it.
        faces: Their faces.
        shown: How a message calls them.
        person: The person; None for a face.
    """

    person_id: bytes
    faces: tuple[bytes, ...]
    shown: str
    person: Person | None = None

    @property
    def name(self) -> str | None:
        """The person's name, where there is one."""
        return self.person.name if self.person else None


@dataclass(frozen=True, eq=False)
class People(PeopleView):
    """The people of a collection as they are today, to decide about.

    They are those of the current generation, and what was decided since holds among them already.

    Args:
        decisions: All decisions, oldest first.
        unwritten: Takes decisions in the place of the collection, so that many are recorded
            together; None where each is recorded at once.
    """

    decisions: tuple[Decision, ...] = ()
    unwritten: list[Decision] | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, collection: Collection, snapshot: Snapshot | None = None) -> Self:
        """Returns a collection's people.

        Args:
            collection: The collection.
            snapshot: Its faces, where they were read already.

        Raises:
            CollectionError: It has none yet, or lost their clusters.
        """
        base = PeopleView.of(collection).require()
        decisions = tuple(recording.read(collection))
        people = cls(collection, base.generation, base.clusters, decisions)
        if snapshot is not None:
            people.__dict__["snapshot"] = snapshot
        return people

    def following(self, decision: Decision) -> Self:
        """Returns the people when one more decision was taken; nothing is read for it."""
        people = replace(self, decisions=(*self.decisions, decision))
        fresh = [face for face in decision.columns[0] if face not in self._rows]
        rows = {**self._rows, **self.places.rows(fresh)}
        effective = followed(self.effective_decisions, decision, Located(rows))
        # What was read stays; what follows from it is as it is now.
        known = {"base": self.base, "places": self.places, "_rows": rows}
        people.__dict__.update(known, effective_decisions=effective)
        if decision.kind != "undo":  # which takes back what others led to: all are followed anew
            after = self._overlay.with_decisions([decision], rows, effective, self._generation)
            people.__dict__["_overlay"] = after
        return people

    def collecting(self) -> Self:
        """Returns the same people, with decisions collected in ``unwritten`` and not recorded."""
        people = replace(self, unwritten=[])
        known = {name: value for name, value in vars(self).items() if name not in vars(people)}
        people.__dict__.update(known)
        return people

    @cached_property
    def base(self) -> PeopleView:
        """The people of the current generation, without what was decided since."""
        return PeopleView(self.collection, self.generation, self.clusters)

    @cached_property
    def pending(self) -> tuple[Decision, ...]:
        """The decisions that the current generation doesn't follow yet, oldest first."""
        newest = self.clusters.manifest.decisions if self.clusters else None
        before = [one for one in self.decisions if newest and one.decision <= newest]
        applied = self.clusters.manifest.decisions_hash if self.clusters else None
        if hash_of_names(one.decision for one in before) != applied:
            # One has come since that is older, or some were erased.
            return self.decisions
        return self.decisions[len(before) :]

    @property
    def _generation(self) -> str:
        return self.generation.name if self.generation else ""

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        """The row of each face that decisions are about."""
        faces = set[bytes]().union(*(decision.columns[0] for decision in self.decisions))
        rows = self.places.rows(list(faces))
        new = set[bytes]().union(*(decision.columns[0] for decision in self.pending))
        return rows if rows.keys() >= new else dict(self._located.rows)

    @cached_property
    def _located(self) -> Located:
        """Where all decided faces are today, those too whose files were written anew."""
        concerned = {one.face_id: one for each in self.decisions for one in each.concerns}
        by_id = self.places.rows(list(concerned))
        if len(by_id) == len(concerned):
            return Located(by_id)
        located = locate(list(concerned.values()), self.collection, self.snapshot)
        today = {face: self.snapshot.face_ids[row].tobytes() for face, row in located.rows.items()}
        rows = self.places.rows(list(today.values()))
        found = {face: rows[one] for face, one in today.items() if one in rows}
        return Located(found, located.resting)

    @cached_property
    def _overlay(self) -> Overlay:
        before = Overlay.of(self.base.labels, self.base.known)
        if not self.pending:
            return before
        return before.with_decisions(
            self.pending, self._rows, self.effective_decisions, self._generation
        )

    @property
    def face_ids(self) -> npt.NDArray[np.void]:
        """The faces that were clustered, (n,) V16, sorted."""
        return self.base.face_ids

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Their clusters, (n,) int32; -1 for a face on its own."""
        return self._overlay.labels

    @property
    def known(self) -> Mapping[bytes, Person]:
        """Everyone ever known, by person id."""
        return self._overlay.known

    @property
    def by_cluster(self) -> Mapping[int, bytes]:
        """The person of every cluster."""
        return self._overlay.by_cluster

    @property
    def sizes(self) -> Sequence[int]:
        """The number of faces of every cluster."""
        return self._overlay.sizes

    @property
    def emptied(self) -> Mapping[bytes, bytes | None]:
        """By person whom pending decisions left without a face, who took over; None for nobody.

        In the order of time. Those of whom only a regrouping says where they went aren't there.
        """
        return self._overlay.emptied

    @cached_property
    def table(self) -> pa.Table:
        """The rows of the table ``people``; null is what a regrouping will say of who changed."""
        before = self.base.table
        if not self.pending:
            return before
        was = dict(zip(before["person_id"].to_pylist(), before["faces"].to_pylist(), strict=True))
        faces = {who: self.sizes[cluster] for cluster, who in self.by_cluster.items()}
        changed = [
            one
            for who, one in self.known.items()
            if one != self.base.known.get(who) or faces.get(who, 0) != was.get(who)
        ]
        new = [{**vars(one), "faces": faces.get(one.person_id, 0)} for one in changed]
        rows = tables.from_rows("people", new)
        kept = before.filter(pc.invert(pc.is_in(before["person_id"], rows["person_id"])))
        rows = pa.concat_tables([kept, rows])
        order = ids.order(ids.from_arrow(rows["person_id"]))
        return rows.take(pa.array(order))

    @cached_property
    def snapshot(self) -> Snapshot:
        """The collection's faces, as they stood when this was first asked for."""
        return self.collection.snapshot()

    @cached_property
    def effective_decisions(self) -> EffectiveDecisions:
        """What stands of the decisions so far, over the faces of today by their ids."""
        return fold(self.decisions, Located(self._rows))

    @cached_property
    def relocated(self) -> EffectiveDecisions:
        """The same, with the faces whose files were written anew; it looks at all photos."""
        return fold(self.decisions, self._located)

    def find(self, said: str) -> Person:
        """Returns the person whom a user means, as `PeopleView.find` does.

        Raises:
            UsageError: Nobody or several are meant; for a face's id it says whose that is.
        """
        meant = self.found(said)
        if meant is None:
            face = self._face(said)
            if face is not None:
                raise self._is_a_face(said, face)
        return meant or super().find(said)

    def meant(self, said: str) -> Meant:
        """Returns the person whom a user means, or the face of nobody's.

        Raises:
            UsageError: Nobody or several are meant, or a face that is somebody's.
        """
        person = self.found(said)
        face = self._face(said) if person is None else None
        if face is None:
            person = person or super().find(said)
            faces = tuple(self.faces_of(person))
            return Meant(person.person_id, faces, self.shown(person), person)
        if self.owner_of(face) is not None:
            raise self._is_a_face(said, face)
        return Meant(self.new_person_id([face]), (face,), f"face {face.hex()[:12]}")

    def meant_anyone(self, said: str) -> Meant:
        """Returns the person or the face that a user means, whosever the face is.

        Raises:
            UsageError: Nobody or several are meant.
        """
        face = self._face(said) if self.found(said) is None else None
        if face is None:
            return self.meant(said)
        return Meant(b"", (face,), f"face {face.hex()[:12]}")

    def new_person_id(self, faces: Iterable[bytes]) -> bytes:
        """Returns the id of a person whom the next decision founds on some faces."""
        return ids.digest(recording.next_name(self.decisions).encode(), min(faces))

    def _face(self, said: str) -> bytes | None:
        """Returns the face whose id begins so; None for no face.

        Raises:
            UsageError: It begins the ids of several.
        """
        found = self._faces_beginning(said)
        if len(found) > 1:
            raise UsageError(f"{said!r} begins the ids of {len(found)} faces: give more digits")
        return found[0] if found else None

    def _faces_beginning(self, said: str, among: Iterable[bytes] | None = None) -> list[bytes]:
        prefix = said.lower()
        if len(prefix) < SHORTEST_PREFIX or not is_hex(prefix):
            return []
        if among is None:
            return [self.face_ids[row].tobytes() for row in self.places.beginning(prefix)]
        return [face for face in among if face.hex().startswith(prefix)]

    def _is_a_face(self, said: str, face: bytes) -> DecisionRefused:
        owner = self.known.get(self.owner_of(face) or b"")
        if owner is None:
            return DecisionRefused(
                "nobodys",
                f"{said!r} is a face of nobody's: `facebatch people name {said} NAME` makes a "
                f"person of it, `facebatch people assign PERSON {said}` gives it to one",
            )
        whose = self.shown(owner)
        return DecisionRefused(
            "somebodys",
            f"{said!r} is a face of {whose}: say {whose!r}, or `facebatch people split {whose} "
            f"--faces {said}` first, or `facebatch people assign PERSON {said}`",
            whose,
        )

    def find_faces(self, said: Iterable[str], person: Person | None = None) -> list[bytes]:
        """Returns the faces that a user means by their ids, or beginnings of them.

        Args:
            said: The ids.
            person: Whose they must be; anybody's or nobody's by default.

        Raises:
            UsageError: No face has the id, or several do, or the face isn't the person's.
        """
        among = self.faces_of(person) if person else None
        whose = f" of {self.shown(person)}" if person else ""
        found = []
        for text in said:
            if len(text) < SHORTEST_PREFIX and is_hex(text):
                raise UsageError(f"{text!r} is too short: {SHORTEST_PREFIX} digits at least")
            meant = self._faces_beginning(text, among)
            if len(meant) != 1:
                what = "no face" if not meant else f"{len(meant)} faces"
                raise DecisionRefused(
                    "no_such_face",
                    f"{text!r} begins the id of {what}{whose}: give at least {SHORTEST_PREFIX} "
                    "digits of one; `facebatch people show PERSON` lists them",
                )
            found.append(meant[0])
        return list(dict.fromkeys(found))

    def concerns(self, changes: Sequence[tuple[bytes, bytes | None]]) -> Concerns:
        """Returns faces as a decision records them.

        Args:
            changes: Each face and the person whom it belongs to by the decision.
        """
        faces = tuple(face for face, _ in changes)
        owners = self.owners_of(faces)
        return Concerns((faces, tuple(map(owners.get, faces)), tuple(who for _, who in changes)))

    def unsaid(self, faces: Sequence[bytes]) -> tuple[Concern, ...]:
        """Returns faces of which a decision says neither whose they were nor whose they are."""
        return tuple(Concern(face, None, None) for face in faces)


@dataclass(frozen=True)
class Outcome:
    """What a decision came to.

    Args:
        decision: It, recorded; without a name where there was nothing to record.
        message: What it does, in a sentence.
        notes: What it overrules, and what a user should know.
    """

    decision: Decision
    message: str
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Returns plain data."""
        person = self.decision.person_id
        return {
            "decision": self.decision.decision or None,
            "kind": self.decision.kind,
            "person_id": person.hex() if person else None,
            "faces": len(self.decision.concerns),
            "message": self.message,
            "notes": list(self.notes),
        }


def recorded(people: People, decision: Decision, message: str, notes: Sequence[str]) -> Outcome:
    """Records a decision, and says what it overrules."""
    overruled: dict[str, int] = {}
    effective = people.effective_decisions
    faces, _, owners = decision.columns
    rows = people.places.rows(faces)
    for row, after in zip(map(rows.get, faces), owners, strict=True):
        pin = None if row is None else effective.pins.get(row)
        if pin and pin[0] != after and pin[1] != decision.cancels:
            by = pin[1]
            overruled[by] = overruled.get(by, 0) + 1
    kinds = {one.decision: one.kind for one in people.decisions}
    told = [f"this overrules {kinds[by]} {by} for {count} faces" for by, count in overruled.items()]
    named = replace(decision, decision=recording.next_name(people.decisions))
    if people.unwritten is None:
        recording.record(people.collection, [named])
    else:
        people.unwritten.append(named)
    return Outcome(named, message, (*notes, *told))
