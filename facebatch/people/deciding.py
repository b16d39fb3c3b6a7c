"""What taking a decision needs: who or which face is meant, and how it is recorded.

A decision fixes every face that the person has when it is taken: the user has seen them and says
whose they are. It is recorded first, which is what counts; the next clustering follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection, Snapshot
from facebatch.errors import UsageError
from facebatch.people import decisions
from facebatch.people.decisions import PLACE, Concern, Decision
from facebatch.people.effective import EffectiveDecisions, effective_decisions
from facebatch.people.identity import Person
from facebatch.people.locating import rows_of
from facebatch.people.view import SHORTEST_PREFIX, PeopleView


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


class People(PeopleView):
    """The people of a collection as they are today, to decide about."""

    @classmethod
    def of(cls, collection: Collection) -> Self:
        """Returns a collection's people.

        Raises:
            CollectionError: It has none yet, or lost their clusters.
        """
        return super().of(collection).require()

    @cached_property
    def snapshot(self) -> Snapshot:
        """The collection's faces, as they stood when this was first asked for."""
        return self.collection.snapshot()

    @cached_property
    def effective_decisions(self) -> EffectiveDecisions:
        """What stands of the decisions so far."""
        return effective_decisions(self.collection, self.snapshot)

    def find(self, said: str) -> Person:
        """Returns the person whom a user means, as `PeopleView.find` does.

        Raises:
            UsageError: Nobody or several are meant; for a face's id it says whose that is.
        """
        meant = self.found(said)
        if meant is None:
            face = self._face(said)
            if face is not None:
                raise UsageError(self._is_a_face(said, face))
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
        if face in self.owner:
            raise UsageError(self._is_a_face(said, face))
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
        return ids.digest(decisions.next_name(self.collection).encode(), min(faces))

    def _face(self, said: str) -> bytes | None:
        """Returns the face whose id begins so; None for no face.

        Raises:
            UsageError: It begins the ids of several.
        """
        found = self._faces_beginning(said, [face.tobytes() for face in self.face_ids])
        if len(found) > 1:
            raise UsageError(f"{said!r} begins the ids of {len(found)} faces: give more digits")
        return found[0] if found else None

    @staticmethod
    def _faces_beginning(said: str, among: Iterable[bytes]) -> list[bytes]:
        prefix = said.lower()
        if len(prefix) < SHORTEST_PREFIX or not set(prefix) <= set("0123456789abcdef"):
            return []
        return [face for face in among if face.hex().startswith(prefix)]

    def _is_a_face(self, said: str, face: bytes) -> str:
        owner = self.known.get(self.owner.get(face, b""))
        if owner is None:
            return (
                f"{said!r} is a face of nobody's: `facebatch people name {said} NAME` makes a "
                f"person of it, `facebatch people assign PERSON {said}` gives it to one"
            )
        whose = self.shown(owner)
        return (
            f"{said!r} is a face of {whose}: say {whose!r}, or `facebatch people split {whose} "
            f"--faces {said}` first, or `facebatch people assign PERSON {said}`"
        )

    def find_faces(self, said: Iterable[str], person: Person | None = None) -> list[bytes]:
        """Returns the faces that a user means by their ids, or beginnings of them.

        Args:
            said: The ids.
            person: Whose they must be; anybody's or nobody's by default.

        Raises:
            UsageError: No face has the id, or several do, or the face isn't the person's.
        """
        among = self.faces_of(person) if person else [face.tobytes() for face in self.face_ids]
        whose = f" of {self.shown(person)}" if person else ""
        found = []
        for text in said:
            meant = self._faces_beginning(text, among)
            if len(meant) != 1:
                what = "no face" if not meant else f"{len(meant)} faces"
                raise UsageError(
                    f"{text!r} begins the id of {what}{whose}: give at least {SHORTEST_PREFIX} "
                    "digits of one; `facebatch people show PERSON` lists them"
                )
            found.append(meant[0])
        return list(dict.fromkeys(found))

    def concerns(self, changes: Sequence[tuple[bytes, bytes | None]]) -> tuple[Concern, ...]:
        """Returns faces as a decision records them.

        Args:
            changes: Each face and the person whom it belongs to by the decision.
        """
        wanted = pa.array([face for face, _ in changes], pa.binary(ids.ID_BYTES))
        listed = self.snapshot.faces(["face_id", "media_id"])
        listed = listed.filter(pc.is_in(listed["face_id"], wanted))
        rows = self.snapshot.faces(["face_id", *PLACE, "embedding"], among=listed)
        vectors = tables.matrix(rows["embedding"]) if len(rows) else ()
        places = rows.drop_columns(["embedding"]).to_pylist()
        found = {
            place.pop("face_id"): (place, vector)
            for place, vector in zip(places, vectors, strict=True)
        }
        return tuple(
            Concern(face, self.owner.get(face), after, *found[face])
            for face, after in changes
            if face in found
        )

    def unsaid(self, faces: Sequence[bytes]) -> tuple[Concern, ...]:
        """Returns faces of which a decision says neither whose they were nor whose they are."""
        concerns = self.concerns([(face, None) for face in faces])
        return tuple(replace(one, before=None) for one in concerns)


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
    rows = dict(people.effective_decisions.located.rows)
    rows |= rows_of((one.face_id for one in decision.concerns), people.snapshot)
    pins = people.effective_decisions.pins
    for one in decision.concerns:
        who, by = pins.get(rows.get(one.face_id, -1), (one.after, ""))
        if who != one.after and by != decision.cancels:
            overruled[by] = overruled.get(by, 0) + 1
    kinds = {one.decision: one.kind for one in people.effective_decisions.decisions}
    told = [f"this overrules {kinds[by]} {by} for {count} faces" for by, count in overruled.items()]
    return Outcome(decisions.record(people.collection, decision), message, (*notes, *told))
