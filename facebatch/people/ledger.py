"""The decisions that were taken, for a user to look at: what each says, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from facebatch.collection.generations import moment_of
from facebatch.people.deciding import People
from facebatch.people.decisions import Decision
from facebatch.people.identity import Person


def list_decisions(people: People, person: Person | None = None) -> list[dict[str, Any]]:
    """Returns decisions as plain data, oldest first.

    Args:
        people: The people.
        person: Whom they must be about; by default all are listed.
    """
    decisions = people.decisions
    about = (one for one in decisions if person is None or person.person_id in one.about)
    return described(people, about)


def described(people: People, decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Returns some of the people's decisions as plain data."""
    effective = people.relocated
    standing = [one for one in effective.decisions if one.decision not in effective.cancelled]
    by = {one.cancels: one.decision for one in standing if one.cancels}
    return [_described(people, one, by.get(one.decision)) for one in decisions]


def _described(people: People, decision: Decision, cancelled_by: str | None) -> dict[str, Any]:
    located = people.relocated.located
    faces = [one.face_id for one in decision.concerns]
    resting = [face for face in faces if face in located.resting]
    person = decision.person_id
    known = people.known.get(person) if person else None
    return {
        "decision": decision.decision,
        "time": moment_of(decision.decision).isoformat(timespec="seconds"),
        "kind": decision.kind,
        "person_id": person.hex() if person else None,
        "person": people.shown(known) if known else None,
        "name": decision.name,
        "names": {who.hex(): name for who, name in decision.names.items()},
        "cancels": decision.cancels,
        "cancelled_by": cancelled_by,
        "faces": len(faces),
        "found": sum(face in located.rows for face in faces),
        "resting": len(resting),
        "resting_faces": [face.hex() for face in resting],
    }
