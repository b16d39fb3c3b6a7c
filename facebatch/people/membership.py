"""Who the faces of a collection belong to: people, their faces and their names, as they stand now.

Read from the current generations; a collection that wasn't clustered or identified has nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as Several

import pyarrow.compute as pc

from facebatch.collection.collection import Collection
from facebatch.collection.generation_tables import read_clusters, read_matches
from facebatch.people.identity import Person
from facebatch.people.records import read_people


def current_people(collection: Collection) -> tuple[list[Person], Mapping[bytes, set[bytes]]]:
    """Returns everyone whom the current generation knows, and the faces of those who have any."""
    people = collection.current("people")
    if people is None:
        return [], {}
    known = read_people(collection, people)
    clusters = collection.generation("clusters", people.manifest.clusters)
    if clusters is None:
        return known, {}
    face_ids, labels = read_clusters(collection, clusters)
    by_label: dict[int, set[bytes]] = {}
    for face, label in zip(face_ids.tolist(), labels.tolist(), strict=True):
        by_label.setdefault(label, set()).add(face)
    with_faces = (person for person in known if person.cluster is not None)
    return known, {one.person_id: by_label.get(one.cluster or 0, set()) for one in with_faces}


def people_without_faces(
    collection: Collection, erased: Callable[[bytes], bool], asked: Iterable[bytes] = ()
) -> tuple[set[bytes], set[str]]:
    """Returns the people who go because all their faces do, and the names that they have.

    Args:
        collection: The collection.
        erased: Tells of a face id whether the face goes.
        asked: People who go anyway.

    Returns:
        Person ids, those that were merged into somebody who goes among them; and names.
    """
    people, members = current_people(collection)
    gone = set(asked)
    gone |= {one for one, faces in members.items() if faces and all(map(erased, faces))}
    gone |= {person.person_id for person in people if person.merged_into in gone}
    return gone, {one.name for one in people if one.person_id in gone and one.name is not None}


def known_names(collection: Collection) -> set[str]:
    """Returns the names that people have and matches give."""
    people, _ = current_people(collection)
    matches = collection.current("matches")
    matched = read_matches(collection, matches, ["person"])["person"] if matches else None
    given = set(matched.unique().to_pylist()) if matched is not None else set()
    return {name for name in {*(person.name for person in people), *given} if name}


def unused_names(
    collection: Collection, names: Iterable[str], gone: Several[bytes], faces: set[bytes]
) -> frozenset[str]:
    """Returns which names neither a person who stays nor a face that stays goes by.

    Args:
        collection: The collection.
        names: The names.
        gone: Ids of people who don't stay.
        faces: Faces that don't stay.
    """
    people, _ = current_people(collection)
    kept = {person.name for person in people if person.person_id not in gone}
    return frozenset(
        name for name in names if name not in kept and matched_faces(collection, name) <= faces
    )


def matched_faces(collection: Collection, name: str) -> set[bytes]:
    """Returns the faces that the current matches take for somebody of a gallery."""
    matches = collection.current("matches")
    if matches is None:
        return set()
    rows = read_matches(collection, matches, ["face_id", "person"])
    return set(rows.filter(pc.equal(rows["person"], name))["face_id"].to_pylist())
