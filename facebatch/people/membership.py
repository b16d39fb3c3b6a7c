"""Which people, names and faces go when some faces do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Collection as Several

import pyarrow.compute as pc

from facebatch.collection import Collection, read_matches
from facebatch.people.view import PeopleView


def people_without_faces(
    people: PeopleView, erased: Callable[[bytes], bool], asked: Iterable[bytes] = ()
) -> tuple[set[bytes], set[str]]:
    """Returns the people who go because all their faces do, and the names that they have.

    Args:
        people: The people.
        erased: Tells of a face id whether the face goes.
        asked: People who go anyway.

    Returns:
        Person ids, those that were merged into somebody who goes among them; and names.
    """
    known = people.known.values()
    gone = set(asked)
    gone |= {one for one, faces in people.faces.items() if all(map(erased, faces))}
    gone |= {person.person_id for person in known if person.merged_into in gone}
    return gone, {one.name for one in known if one.person_id in gone and one.name is not None}


def known_names(people: PeopleView) -> set[str]:
    """Returns the names that people have and matches give."""
    matches = people.collection.current("matches")
    matched = read_matches(people.collection, matches, ["person"])["person"] if matches else None
    given = set(matched.unique().to_pylist()) if matched is not None else set()
    return {name for name in {*(one.name for one in people.known.values()), *given} if name}


def unused_names(
    people: PeopleView, names: Iterable[str], gone: Several[bytes], faces: set[bytes]
) -> frozenset[str]:
    """Returns which names neither a person who stays nor a face that stays goes by.

    Args:
        people: The people.
        names: The names.
        gone: Ids of people who don't stay.
        faces: Faces that don't stay.
    """
    kept = {person.name for who, person in people.known.items() if who not in gone}
    return frozenset(
        name
        for name in names
        if name not in kept and matched_faces(people.collection, name) <= faces
    )


def matched_faces(collection: Collection, name: str) -> set[bytes]:
    """Returns the faces that the current matches take for somebody of a gallery."""
    matches = collection.current("matches")
    if matches is None:
        return set()
    rows = read_matches(collection, matches, ["face_id", "person"])
    return set(rows.filter(pc.equal(rows["person"], name))["face_id"].to_pylist())
