"""Names by the hundred: who is called how as rows, and many names as one decision.

A row is about a person, or about a face. Rows of faces are what another collection of the same
photos understands too: there the groups may be others, and the faces' ids are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from facebatch import ids
from facebatch.errors import UsageError
from facebatch.people.deciding import Outcome, People, recorded
from facebatch.people.decisions import Decision
from facebatch.people.identity import Person
from facebatch.people.names import folded


@dataclass(frozen=True)
class NamedRow:
    """What one row says.

    Args:
        line: Its line in the file.
        name: The name.
        person: The person's id, the beginning of it, or their name. Of a row of a face it may be
            empty: then all faces of the name are one person.
        face: The face's id, or the beginning of it; empty for a row of a person.
    """

    line: int
    name: str
    person: str = ""
    face: str = ""


def exported_people(people: People) -> list[dict[str, str]]:
    """Returns everyone who has faces, most faces first: person_id, name (may be empty), faces."""
    active = [one for one in people.known.values() if one.status == "active"]
    active.sort(key=lambda one: (-len(people.faces.get(one.person_id, ())), one.person_id))
    return [
        {
            "person_id": one.person_id.hex(),
            "name": one.name or "",
            "faces": str(len(people.faces.get(one.person_id, ()))),
        }
        for one in active
    ]


def exported_faces(people: People) -> list[dict[str, str]]:
    """Returns the faces of everyone who has a name: face_id, person_id and name."""
    named = {who: one.name for who, one in people.known.items() if one.name}
    return [
        {"face_id": face.hex(), "person_id": who.hex(), "name": named[who] or ""}
        for face, who in sorted(people.owner.items())
        if who in named
    ]


def import_names(people: People, rows: Sequence[NamedRow]) -> Outcome:
    """Gives many people their names, by one decision.

    A row of a person names that person. A row of a face says whose it is: a person without a name,
    or all of whose faces are listed so, becomes that person whole; of one who is called otherwise
    only the listed faces leave. Faces that are nobody's found a person, or join the one who has
    the name. Rows without a name, and those that say what is so already, change nothing.

    Args:
        people: The people.
        rows: What is said, in the order of the file.

    Raises:
        UsageError: A row means nobody or several, or two rows contradict each other; nothing is
            recorded then.
    """
    said = _Said(people)
    for row in rows:
        if row.name:
            said.take(row)
    plan = _Plan(people, said)
    changes, names = plan.made()
    unknown = f"{said.unknown} rows are about faces or people that aren't here"
    notes = [unknown] if said.unknown else []
    if not names and not changes:
        return Outcome(Decision("import"), "everybody is called so already", tuple(notes))
    decision = Decision("import", names=names, concerns=people.concerns(sorted(changes.items())))
    moved = sum(one.before != one.after for one in decision.concerns)
    message = f"{len(names)} names given, {moved} faces given to whom they are said to be"
    return recorded(people, decision, message, notes)


@dataclass
class _Said:
    """What rows say, with their ids found."""

    people: People
    persons: dict[bytes, str] = field(default_factory=dict)
    faces: dict[bytes, str] = field(default_factory=dict)
    """By face, the key of the person: see `keys`."""
    keys: dict[str, tuple[str, bytes | None]] = field(default_factory=dict)
    """By key of a person whom rows of faces are about: the name, and the id where it is given."""
    unknown: int = 0

    @cached_property
    def _known_faces(self) -> frozenset[bytes]:
        return frozenset(face.tobytes() for face in self.people.face_ids)

    def take(self, row: NamedRow) -> None:
        """Takes in a row."""
        try:
            if row.face:
                self._face(row)
            else:
                self._person(row)
        except UsageError as error:
            raise UsageError(f"line {row.line}: {error}") from error

    def _face(self, row: NamedRow) -> None:
        whole = _whole_id(row.face)
        if whole is not None and whole not in self._known_faces:
            self.unknown += 1
            return
        face = whole or self.people.find_faces([row.face])[0]
        given = self._person_id(row.person) if row.person else None
        key = given.hex() if given else folded(row.name)
        name, _ = self.keys.setdefault(key, (row.name, given))
        if name != row.name:
            raise UsageError(f"{row.person!r} is called {name!r} and {row.name!r}")
        if self.faces.setdefault(face, key) != key:
            raise UsageError(f"face {row.face!r} is given to two people")

    def _person_id(self, said: str) -> bytes:
        """Returns the id of a person, who needn't be known where the id is whole."""
        return _whole_id(said) or self.people.find(said).person_id

    def _person(self, row: NamedRow) -> None:
        whole = _whole_id(row.person)
        if whole in self._known_faces:
            self._face(NamedRow(row.line, row.name, face=row.person))
            return
        known = self.people.by_id(row.person) if whole is not None else None
        if whole is not None and (known is None or known.status != "active"):
            self.unknown += 1
            return
        person = known or self.people.found(row.person)
        if person is None:
            meant = self.people.meant_anyone(row.person)
            self._face(NamedRow(row.line, row.name, face=meant.faces[0].hex()))
            return
        name = self.persons.setdefault(person.person_id, row.name)
        if name != row.name:
            raise UsageError(f"{row.person!r} is called {name!r} and {row.name!r}")


class _Plan:
    """Who gets which faces and which name."""

    def __init__(self, people: People, said: _Said) -> None:
        self._people = people
        self._said = said
        self._target = {key: self._person_of(key) for key in said.keys}

    def made(self) -> tuple[dict[bytes, bytes], dict[bytes, str]]:
        """Returns the person of each face concerned, and the names; nothing that is so already."""
        after: dict[bytes, bytes] = {}
        names = dict(self._said.persons)
        for key, who in self._target.items():
            name, known = self._said.keys[key][0], self._people.known.get(who)
            same = known is not None and known.name and folded(known.name) == folded(name)
            names.setdefault(who, str(known.name) if known and same else name)
        for who, key in self._whole.items():
            after |= dict.fromkeys(self._people.faces[who], self._target[key])
        for face, key in self._said.faces.items():
            after[face] = self._target[key]
        moved = {face for face, who in after.items() if self._people.owner.get(face) != who}
        touched = {self._people.owner[face] for face in moved if face in self._people.owner}
        touched |= {after[face] for face in moved}
        names = {who: name for who, name in names.items() if not self._is_called(who, name)}
        touched |= set(names)
        changes = {face: who for face, who in after.items() if who in touched or face in moved}
        for who in touched:
            for face in self._people.faces.get(who, ()):
                changes.setdefault(face, who)
        return changes, names

    def _is_called(self, who: bytes, name: str) -> bool:
        known = self._people.known.get(who)
        return known is not None and (known.name, known.named_by) == (name, "decision")

    @cached_property
    def _listed(self) -> Mapping[bytes, Counter[str]]:
        """By person who has listed faces: how many of them are said to be whose."""
        found: dict[bytes, Counter[str]] = {}
        for face, key in self._said.faces.items():
            owner = self._people.owner.get(face)
            if owner is not None:
                found.setdefault(owner, Counter())[key] += 1
        return found

    @cached_property
    def _whole(self) -> Mapping[bytes, str]:
        """People all of whose faces go to one key, listed or not."""
        return dict(self._adoptable())

    def _adoptable(self) -> Iterator[tuple[bytes, str]]:
        for who, counts in self._listed.items():
            key, _ = min(counts.items(), key=lambda item: (-item[1], item[0]))
            name = self._people.known[who].name
            everything = sum(counts.values()) == len(self._people.faces[who])
            if name is None or folded(name) == folded(self._said.keys[key][0]) or everything:
                yield who, key

    def _person_of(self, key: str) -> bytes:
        """Returns whom a key means: the one of its id, of its name, of most of its faces, or new.

        Raises:
            UsageError: Several people have the name.
        """
        name, given = self._said.keys[key]
        if given is not None:
            known = self._people.known.get(given)
            return known.merged_into or given if known else given
        named = {who for who, called in self._said.persons.items() if folded(called) == key}
        found = self._called(name)
        named |= {found.person_id} if found else set()
        if len(named) > 1:
            raise UsageError(f"several people are called {name!r}: give the person's id as well")
        if named:
            return named.pop()
        theirs = [
            (self._listed[who][key], who) for who, whose in self._whole.items() if whose == key
        ]
        if theirs:
            return max(theirs)[1]
        mine = [face for face, whose in self._said.faces.items() if whose == key]
        return self._people.new_person_id(mine)

    def _called(self, name: str) -> Person | None:
        alike = [one for one in self._people.by_name(name) if one.status == "active"]
        if len(alike) > 1:
            raise UsageError(f"several people are called {name!r}: give the person's id as well")
        return alike[0] if alike else None


def _whole_id(said: str) -> bytes | None:
    if len(said) != 2 * ids.ID_BYTES or not set(said.lower()) <= set("0123456789abcdef"):
        return None
    return bytes.fromhex(said)
