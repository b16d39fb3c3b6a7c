"""What an erasure takes: from what was asked for to items, contents, faces, people and names.

An item goes with every version that the collection still holds of it, with all copies of its
content, and with the other files of its shot; a face or a person goes alone, with what users
decided about when the photo was another version, and the photos stay. A face whose embedding equals
an erased one is of the same pixels under another content, and goes as well, as do those that don't
count in other files of its shot. Nothing is changed here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.collection import Collection, Snapshot, Suppression
from facebatch.collection.suppression import word_id
from facebatch.erasure.closure import (
    every_face,
    every_media_row,
    id_array,
    left_out_beside,
    looks_of,
    with_copies,
    with_equal_faces,
)
from facebatch.erasure.erased_items import erased_items, hidden_in, versions_of
from facebatch.erasure.verification import ErasureTargets
from facebatch.errors import UsageError
from facebatch.people import PeopleView, Person
from facebatch.people.effective import earlier_versions
from facebatch.people.membership import (
    known_names,
    matched_faces,
    people_without_faces,
    unused_names,
)
from facebatch.storage.store import Storage

_ID = re.compile(r"[0-9a-f]{32}")
_LEAST_DIGITS = 8

Place = tuple[str, str]
"""A root's name and a path inside it."""


@dataclass(frozen=True)
class Request:
    """What is to be erased, as a user says it.

    Args:
        faces: Face ids, 32 hex digits.
        media: Media ids, 32 hex digits, or ``root/path``.
        people: Names, or person ids or the first of their digits; see `PeopleView.by_id`.
        prefixes: What ``root/path`` begins with; ``root/`` is everything of a root.
    """

    faces: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tells whether anything was asked for."""
        return any((self.faces, self.media, self.people, self.prefixes))


@dataclass(frozen=True, eq=False)
class Selection:
    """What goes.

    Args:
        media: Ids of items.
        contents: Ids of their contents.
        versions: What tells their files from others under the same paths, as the suppression list
            has it.
        blocked: Ids of those whose content was never known, so that nothing can be told from them.
        faces: Ids of faces.
        people: Ids of people who have no face left.
        names: Names that nobody has any more.
        places: Roots and paths of the items.
        chips: The faces' chips, as JPEG, where there are any.
        embeddings: Their embeddings, (e, d) float32.
        copies: How many of the items were not asked for, but have the content of one that was, or
            are of its shot.
        equal_faces: How many of the faces were not asked for, but equal one that was, are what it
            was before its photo was edited, or are of a file of its shot that doesn't count.
        asked: The people, names and prefixes that were asked for, as the suppression list has them.
        erased_before: What was asked for and is on that list already.
    """

    media: frozenset[bytes] = frozenset()
    contents: frozenset[bytes] = frozenset()
    versions: frozenset[bytes] = frozenset()
    blocked: frozenset[bytes] = frozenset()
    faces: frozenset[bytes] = frozenset()
    people: frozenset[bytes] = frozenset()
    names: frozenset[str] = frozenset()
    places: frozenset[Place] = frozenset()
    chips: tuple[bytes, ...] = ()
    embeddings: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), "f4"))
    copies: int = 0
    equal_faces: int = 0
    asked: frozenset[bytes] = frozenset()
    erased_before: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tells whether anything goes."""
        return any((self.media, self.contents, self.faces, self.people, self.names))

    def as_json(self) -> dict[str, Any]:
        """Returns the numbers, items and names as plain data."""
        return {
            "items": sorted(f"{root}/{path}" for root, path in self.places),
            "media": len(self.media),
            "copies": self.copies,
            "faces": len(self.faces),
            "equal_faces": self.equal_faces,
            "people": len(self.people),
            "names": sorted(self.names),
            "erased_before": list(self.erased_before),
        }


def select(collection: Collection, snapshot: Snapshot, request: Request) -> Selection:
    """Says what an erasure takes.

    Args:
        collection: The collection.
        snapshot: What counts in it; what was superseded or replaced is looked through as well.
        request: What was asked for.

    Raises:
        UsageError: Something asked for isn't there, and wasn't erased earlier either, or is
            ambiguous.
    """
    storage = collection.storage
    listed = every_media_row(storage)
    asked = _Asked(storage, Suppression.load(storage), listed)
    media = {item for text in request.media for item in asked.items(text)}
    media |= {item for text in request.prefixes for item in asked.below(text)}
    items, contents = with_copies(snapshot, listed, media)
    found = every_face(storage)
    view = PeopleView.of(collection)
    people, names, faces = _of_people(asked, view, request.people)
    faces |= {face for text in request.faces for face in asked.face(text, found)}
    of_contents = pc.is_in(found["content_id"], id_array(contents))
    faces |= set(found.filter(of_contents)["face_id"].to_pylist())
    n_asked = len(faces)
    faces |= earlier_versions(collection, snapshot, faces)
    faces |= left_out_beside(snapshot, found, faces)
    chips, embeddings = looks_of(storage, faces)
    faces, chips, embeddings = with_equal_faces(snapshot, faces, chips, embeddings)
    gone, their_names = people_without_faces(view, faces.__contains__, people)
    words = {*request.people, *request.prefixes, *their_names}
    return Selection(
        frozenset(items),
        frozenset(contents),
        *versions_of(listed, items),
        frozenset(faces),
        frozenset(gone),
        unused_names(view, names | their_names, gone, faces),
        frozenset(places_of(listed, items)),
        chips,
        embeddings,
        len(items) - len(media),
        len(faces) - n_asked,
        frozenset(gone | set(map(word_id, words))),
        tuple(asked.erased_before),
    )


def _of_people(
    asked: _Asked, view: PeopleView, texts: Iterable[str]
) -> tuple[set[bytes], set[str], set[bytes]]:
    """Returns the ids, the names and the faces of the people asked for."""
    people: set[bytes] = set()
    names: set[str] = set()
    faces: set[bytes] = set()
    for text in texts:
        persons, theirs = asked.person(text, view)
        people |= {person.person_id for person in persons}
        names |= {text, *(person.name for person in persons if person.name)}
        faces |= theirs
    return people, names & known_names(view) if names else names, faces


class _Asked:
    """Finds what single words of a request mean."""

    def __init__(self, storage: Storage, suppression: Suppression, listed: pa.Table) -> None:
        self._storage = storage
        self._suppression = suppression
        self._named: dict[str, set[bytes]] = {}
        for row in listed.select(["media_id", "root", "path"]).to_pylist():
            self._named.setdefault(f"{row['root']}/{row['path']}", set()).add(row["media_id"])
        self._names = {item: name for name, items in self._named.items() for item in items}
        self.erased_before: list[str] = []

    def _not_there(self, text: str, erased: bool, message: str) -> None:
        if not erased:
            raise UsageError(message)
        self.erased_before.append(text)

    def items(self, text: str) -> set[bytes]:
        """Returns the media ids of an item: of a video those of all segments."""
        if _ID.fullmatch(text):
            asked = {bytes.fromhex(text)}
        else:
            parts = [text[:at] for at in range(len(text)) if text[at] == "/"]
            asked = {ids.media_id(root, text[len(root) + 1 :]) for root in parts}
        names = {text, *(self._names[one] for one in asked if one in self._names)}
        items = {item for name in names for item in self._named.get(name, ())}
        if not items:
            erased = any(self._suppression.hides_media(one) for one in asked)
            where = f"no item {text} in {self._storage.public}"
            self._not_there(text, erased, f"there is {where}: give its media id or root/path")
        return items

    def below(self, prefix: str) -> set[bytes]:
        """Returns the media ids of all items whose root and path begin like this."""
        if "/" not in prefix:
            raise UsageError(
                f"--path-prefix {prefix!r}: it must be ROOT/PREFIX, or ROOT/ for all of it"
            )
        below = (items for name, items in self._named.items() if name.startswith(prefix))
        found = {item for items in below for item in items}
        if not found:
            message = f"no item of {self._storage.public} begins with {prefix}"
            self._not_there(prefix, self._suppression.was_asked([word_id(prefix)]), message)
        return found

    def face(self, text: str, found: pa.Table) -> set[bytes]:
        """Returns the id of a face that some file holds."""
        if not _ID.fullmatch(text):
            raise UsageError(f"--face {text!r} is no face id: it has 32 hex digits")
        face = bytes.fromhex(text)
        if pc.any(pc.equal(found["face_id"], pa.scalar(face, pa.binary(ids.ID_BYTES)))).as_py():
            return {face}
        message = f"there is no face {text} in {self._storage.public}"
        self._not_there(text, self._suppression.hides_face(face), message)
        return set()

    def _by_id(self, text: str, view: PeopleView) -> Person | None:
        """Returns the person of an id; more is asked of it than elsewhere, since erasing is final.

        Raises:
            UsageError: It is short, or of somebody who became a part of another.
        """
        found = view.by_id(text)
        if found is None:
            return None
        if len(text) < _LEAST_DIGITS:
            raise UsageError(
                f"--person {text!r} is short for what is final: give 8 digits at least"
            )
        if not found.person_id.hex().startswith(text.lower()):
            raise UsageError(
                f"--person {text!r} became a part of {found.person_id.hex()}: give that id"
            )
        return found

    def person(self, text: str, view: PeopleView) -> tuple[list[Person], set[bytes]]:
        """Returns everyone of that name, or the one of that id, and their faces."""
        persons, faces = view.by_name(text), matched_faces(view.collection, text)
        # A name that only matches give is a name as well, and not the beginning of an id.
        by_id = self._by_id(text, view) if not persons and not faces else None
        persons += [by_id] if by_id else []
        faces |= {face for one in persons for face in view.faces.get(one.person_id, ())}
        if not persons and not faces:
            whole = [bytes.fromhex(text)] if _ID.fullmatch(text) else []
            erased = self._suppression.was_asked([word_id(text), *whole])
            message = f"{self._storage.public} has nobody called {text!r}: give a name or person id"
            self._not_there(text, erased, message)
        return persons, faces


def places_of(listed: pa.Table, media: Iterable[bytes]) -> set[Place]:
    """Returns the roots and paths of items."""
    return _places(listed.filter(pc.is_in(listed["media_id"], id_array(media))))


def _places(rows: pa.Table) -> set[Place]:
    found = set()
    for row in rows.select(["root", "path", "path_bytes"]).to_pylist():
        found.add((row["root"], row["path"]))
        if row["path_bytes"] is not None:
            found.add((row["root"], os.fsdecode(row["path_bytes"])))
    return found


def targets_of(
    suppression: Suppression, selection: Selection, names: Iterable[str], snapshot: Snapshot
) -> ErasureTargets:
    """Returns what a verification looks for while an erasure is under way."""
    lengths = np.linalg.norm(selection.embeddings, axis=1, keepdims=True)
    standing = snapshot.media.filter(pa.array(~erased_items(suppression, snapshot.media)))
    again = standing.filter(pa.array(hidden_in(standing, "media_id", suppression.hidden_media)))
    return ErasureTargets(
        suppression,
        selection.places,
        selection.names | frozenset(names),
        selection.chips,
        (selection.embeddings / np.maximum(lengths, 1e-12)).astype(np.float32),
        frozenset(_places(snapshot.media) - selection.places),
        ids.from_arrow(again["media_id"]),
        frozenset(_places(again)),
    )
