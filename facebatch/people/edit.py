"""What users decide about people: who is meant, which faces it concerns, and what it overrules.

A decision fixes every face that the person has when it is taken: the user has seen them and says
whose they are. It is recorded first, which is what counts; the next clustering follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.collection import Collection, Snapshot
from facebatch.errors import UsageError
from facebatch.people import decisions
from facebatch.people.decisions import PLACE, Concern, Decision, EffectiveDecisions
from facebatch.people.identity import Person
from facebatch.people.undo import going_back
from facebatch.people.view import SHORTEST_PREFIX, PeopleView


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
        return decisions.effective_decisions(self.collection, self.snapshot)

    def find_faces(self, said: Iterable[str], person: Person | None = None) -> list[bytes]:
        """Returns the faces that a user means by their ids, or beginnings of them.

        Args:
            said: The ids.
            person: Whose they must be; anybody's or nobody's by default.

        Raises:
            UsageError: An id is nobody's or ambiguous, or the face isn't the person's.
        """
        among = self.faces_of(person) if person else [face.tobytes() for face in self.face_ids]
        whose = f" of {self.shown(person)}" if person else ""
        found = []
        for text in said:
            prefix = text.lower()
            meant = [face for face in among if face.hex().startswith(prefix)]
            if len(meant) != 1 or len(prefix) < SHORTEST_PREFIX:
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
        rows = self.snapshot.faces(["face_id", *PLACE], among=listed).to_pylist() if changes else []
        places = {row.pop("face_id"): row for row in rows}
        return tuple(
            Concern(face, self.owner.get(face), after, places[face])
            for face, after in changes
            if face in places
        )


@dataclass(frozen=True)
class Outcome:
    """What a decision came to.

    Args:
        decision: It, recorded.
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
            "decision": self.decision.decision,
            "kind": self.decision.kind,
            "person_id": person.hex() if person else None,
            "faces": len(self.decision.concerns),
            "message": self.message,
            "notes": list(self.notes),
        }


def name_person(people: People, said: str, name: str) -> Outcome:
    """Gives a person a name.

    Raises:
        UsageError: Nobody or several are meant, or the name is empty.
    """
    person = people.find(said)
    name = name.strip()
    if not name:
        raise UsageError("a name is empty: `facebatch people undo` takes a name away")
    notes = [
        f"{one.person_id.hex()[:12]} is called {name!r} too: if the two are one, "
        f"`facebatch people merge {person.person_id.hex()[:12]} {one.person_id.hex()[:12]}`"
        for one in people.known.values()
        if one.name == name and one.status == "active" and one.person_id != person.person_id
    ]
    kept = [(face, person.person_id) for face in people.faces_of(person)]
    decision = Decision("name", person.person_id, name, concerns=people.concerns(kept))
    message = f"{people.shown(person)} is called {name}, with {len(kept)} faces"
    return _recorded(people, decision, message, notes)


def merge_people(people: People, said: str, others: Sequence[str]) -> Outcome:
    """Says that people are one, the first; the others' ids lead to it from then on.

    Raises:
        UsageError: Nobody or several are meant, or a person is to be merged into itself.
    """
    person = people.find(said)
    gone = list({one.person_id: one for one in map(people.find, others)}.values())
    if not gone or any(one.person_id == person.person_id for one in gone):
        raise UsageError(f"{said!r} can only be merged with other people than themselves")
    notes = [
        f"{people.shown(person)} keeps the name; {one.name!r} stays with the old id"
        for one in gone
        if one.name and person.name and one.name != person.name
    ]
    faces = [face for one in (person, *gone) for face in people.faces_of(one)]
    kept = people.concerns([(face, person.person_id) for face in faces])
    decision = Decision("merge", person.person_id, concerns=kept)
    merged = ", ".join(people.shown(one) for one in gone)
    message = f"{merged} and {people.shown(person)} are one person, with {len(faces)} faces"
    return _recorded(people, decision, message, notes)


def split_person(people: People, said: str, faces: Sequence[str]) -> Outcome:
    """Says that some faces of a person are another, who is new.

    Raises:
        UsageError: Nobody or several are meant, or the faces are all of the person's or none.
    """
    person = people.find(said)
    chosen = people.find_faces(faces, person)
    mine = people.faces_of(person)
    if not chosen or len(chosen) == len(mine):
        raise UsageError(f"some of the faces of {people.shown(person)} must stay, and some leave")
    moment = decisions.next_name(people.collection)
    new = ids.digest(moment.encode(), min(chosen))
    changes = [(face, new if face in set(chosen) else person.person_id) for face in mine]
    decision = Decision("split", person.person_id, concerns=people.concerns(changes))
    message = (
        f"{len(chosen)} of {len(mine)} faces of {people.shown(person)} are another person, "
        f"{new.hex()[:12]}"
    )
    return _recorded(people, decision, message, [])


def reject_faces(people: People, said: str, faces: Sequence[str], *, no_face: bool) -> Outcome:
    """Says that faces aren't a person's, or no faces at all.

    Raises:
        UsageError: Nobody or several are meant, a face isn't the person's, or all of the person's
            faces are rejected, so that nothing says any more who the person is.
    """
    person = people.find(said)
    chosen = people.find_faces(faces, person)
    if not chosen:
        raise UsageError("say which faces: `facebatch people show PERSON` lists them")
    changes = [
        (face, None if face in set(chosen) else person.person_id)
        for face in people.faces_of(person)
    ]
    if not no_face and len(set(chosen)) == len(changes):
        raise UsageError(
            f"these are all faces of {people.shown(person)}: leave one, or say --not-a-face, or "
            "hide the person"
        )
    kind = "not_a_face" if no_face else "reject"
    concerns = people.concerns(changes)
    decision = Decision(kind, person.person_id, concerns=concerns)
    what = "no faces" if no_face else f"not {people.shown(person)}"
    message = f"{len(chosen)} of {len(changes)} faces are {what}"
    return _recorded(people, decision, message, [])


def hide_person(people: People, said: str) -> Outcome:
    """Leaves a person out of lists and reports.

    Raises:
        UsageError: Nobody or several are meant.
    """
    person = people.find(said)
    kept = people.concerns([(face, person.person_id) for face in people.faces_of(person)])
    decision = Decision("hide", person.person_id, concerns=kept)
    return _recorded(people, decision, f"{people.shown(person)} is hidden", [])


def undo(people: People, name: str | None = None) -> Outcome:
    """Cancels a decision: the newest one that stands, or one by its name.

    Faces that it moved go back to whose they were. An undo can be undone by its name.

    Raises:
        UsageError: There is no such decision, or it was cancelled already.
    """
    known = people.effective_decisions.decisions
    gone = people.effective_decisions.cancelled
    effective = [one for one in known if one.decision not in gone]
    if name is None:
        candidates = [one for one in effective if one.kind != "undo"]
    else:
        candidates = [one for one in effective if one.decision.startswith(name)]
    if not candidates or (name is not None and len(candidates) > 1):
        what = "no decision that stands" if not candidates else "several decisions"
        raise UsageError(f"there is {what}{f' called {name!r}' if name else ''}")
    target = candidates[-1]
    back, held = going_back(people.effective_decisions, people.snapshot, target)
    decision = Decision("undo", target.person_id, cancels=target.decision, concerns=back)
    count = sum(one.before != one.after for one in back)
    message = f"{target.kind} {target.decision} is undone; {count} faces go back"
    notes = [f"{held} faces stay where later decisions put them"] if held else []
    return _recorded(people, decision, message, notes)


def _recorded(people: People, decision: Decision, message: str, notes: Sequence[str]) -> Outcome:
    """Records a decision, and says what it overrules."""
    overruled: dict[str, int] = {}
    rows = decisions.locate(decision.concerns, people.snapshot)
    pins = people.effective_decisions.pins
    for one in decision.concerns:
        who, by = pins.get(rows.get(one.face_id, -1), (one.after, ""))
        if who != one.after and by != decision.cancels:
            overruled[by] = overruled.get(by, 0) + 1
    kinds = {one.decision: one.kind for one in people.effective_decisions.decisions}
    told = [f"this overrules {kinds[by]} {by} for {count} faces" for by, count in overruled.items()]
    return Outcome(decisions.record(people.collection, decision), message, (*notes, *told))


def list_people(people: People, *, hidden: bool) -> list[dict[str, Any]]:
    """Returns the active people as plain data, those of most faces first.

    Args:
        people: The people.
        hidden: Whether those that are hidden are listed too.
    """
    rows = people.table.to_pylist()
    active = [row for row in rows if row["status"] == "active" and (hidden or not row["hidden"])]
    active.sort(key=lambda row: (-row["faces"], row["person_id"]))
    return [
        {
            "person_id": row["person_id"].hex(),
            "name": row["name"],
            "named_by": row["named_by"],
            "faces": row["faces"],
            "media": row["media"],
            "mean_d2": row["spread"],
            "hidden": bool(row["hidden"]),
            "founded": row["founded"],
        }
        for row in active
    ]
