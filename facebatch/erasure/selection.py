"""What an erasure takes: from what was asked for to items, contents, faces, people and names.

An item goes with every version that the collection still holds of it, and with all copies of its
content; a face or a person goes alone, with what users decided about when the photo was another
version, and the photos stay. A face whose embedding equals an erased one is of the same pixels
under another content, and goes as well. Nothing is changed here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Collection, Snapshot, Suppression
from facebatch.collection.suppression import word_id
from facebatch.erasure import file_contents
from facebatch.erasure.erased_items import erased_items, hidden_in, versions_of
from facebatch.erasure.verification import ErasureTargets, same_faces
from facebatch.errors import CollectionError, UsageError
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
_FACE_IDS = ("face_id", "media_id", "content_id")

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
        copies: How many of the items were not asked for, but have the content of one that was.
        equal_faces: How many of the faces were not asked for, but equal one that was, or are what
            it was before its photo was edited.
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
    with_copies, contents = _with_copies(snapshot, listed, media)
    found = every_face(storage)
    view = PeopleView.of(collection)
    people, names, faces = _of_people(asked, view, request.people)
    faces |= {face for text in request.faces for face in asked.face(text, found)}
    of_contents = pc.is_in(found["content_id"], _array(contents))
    faces |= set(found.filter(of_contents)["face_id"].to_pylist())
    n_asked = len(faces)
    faces |= earlier_versions(collection, snapshot, faces)
    chips, embeddings = _looks(storage, faces)
    faces, chips, embeddings = _with_equal_faces(snapshot, faces, chips, embeddings)
    gone, their_names = people_without_faces(view, faces.__contains__, people)
    words = {*request.people, *request.prefixes, *their_names}
    return Selection(
        frozenset(with_copies),
        frozenset(contents),
        *versions_of(listed, with_copies),
        frozenset(faces),
        frozenset(gone),
        unused_names(view, names | their_names, gone, faces),
        frozenset(places_of(listed, with_copies)),
        chips,
        embeddings,
        len(with_copies) - len(media),
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


def every_media_row(storage: Storage) -> pa.Table:
    """Returns the rows of every media file that can be read, superseded and replaced ones too."""
    columns = ["media_id", "root", "path", "path_bytes", "segment", "content_id"]
    columns += ["size", "marker", "captured_at"]
    empty = tables.from_rows("media", []).select(columns)
    return pa.concat_tables([empty, *_readable(storage, "media", columns)])


def every_face(storage: Storage) -> pa.Table:
    """Returns the ids in every faces file that can be read, orphans too, and the file's path."""
    empty = tables.schema("faces", 1).empty_table().select(list(_FACE_IDS))
    return pa.concat_tables([empty, *_readable(storage, "faces", list(_FACE_IDS))])


def _readable(storage: Storage, table: str, columns: list[str]) -> Iterator[pa.Table]:
    for file in storage.files(table):
        try:
            yield tables.read(storage, file.path, table, columns)
        except (CollectionError, KeyError, ValueError):
            continue  # the verification names it


def places_of(listed: pa.Table, media: Iterable[bytes]) -> set[Place]:
    """Returns the roots and paths of items."""
    return _places(listed.filter(pc.is_in(listed["media_id"], _array(media))))


def _places(rows: pa.Table) -> set[Place]:
    found = set()
    for row in rows.select(["root", "path", "path_bytes"]).to_pylist():
        found.add((row["root"], row["path"]))
        if row["path_bytes"] is not None:
            found.add((row["root"], os.fsdecode(row["path_bytes"])))
    return found


def _with_copies(
    snapshot: Snapshot, listed: pa.Table, media: set[bytes]
) -> tuple[set[bytes], set[bytes]]:
    """Returns items with all that have their content today, and the contents that go.

    An older content of an item goes too, unless another item holds it today.
    """
    if not media:
        return set(), set()
    winning = snapshot.media.filter(pc.is_valid(snapshot.media["content_id"]))
    mine = pc.is_in(winning["media_id"], _array(media))
    held = winning.filter(mine)["content_id"].unique()
    copies = winning.filter(pc.is_in(winning["content_id"], held.cast(pa.binary(ids.ID_BYTES))))
    media = media | set(copies["media_id"].to_pylist())
    others = pc.invert(pc.is_in(winning["media_id"], _array(media)))
    kept = set(winning.filter(others)["content_id"].to_pylist())
    ever = listed.filter(pc.is_in(listed["media_id"], _array(media)))["content_id"]
    found = every_face(snapshot.storage)
    seen = found.filter(pc.is_in(found["media_id"], _array(media)))["content_id"]
    contents = {*held.to_pylist(), *ever.drop_null().to_pylist(), *seen.to_pylist()}
    return media, contents - kept


def _looks(
    storage: Storage, faces: Iterable[bytes]
) -> tuple[tuple[bytes, ...], npt.NDArray[np.float32]]:
    """Returns the chips and embeddings of faces, from whatever files hold them."""
    wanted = _array(faces)
    chips: list[bytes] = []
    embeddings = []
    columns = ["face_id", "chip", "embedding"]
    for rows in _readable(storage, "faces", columns) if len(wanted) else ():
        mine = rows.filter(pc.is_in(rows["face_id"], wanted))
        if len(mine):
            chips += mine["chip"].drop_null().to_pylist()
            embeddings.append(file_contents.vectors_of(mine, "embedding"))
    found = np.concatenate(embeddings) if embeddings else np.zeros((0, 0), np.float32)
    return tuple(dict.fromkeys(chips)), found


def _with_equal_faces(
    snapshot: Snapshot,
    faces: set[bytes],
    chips: tuple[bytes, ...],
    embeddings: npt.NDArray[np.float32],
) -> tuple[set[bytes], tuple[bytes, ...], npt.NDArray[np.float32]]:
    """Adds the faces of the same pixels, those equal to them, and so on."""
    fresh = embeddings
    while len(fresh):
        equal: set[bytes] = set()
        for shard in snapshot.shards:
            path = f"faces/{shard}.parquet"
            rows = tables.read(snapshot.storage, path, "faces", ["face_id", "embedding"])
            if len(rows):
                same = same_faces(file_contents.vectors_of(rows, "embedding"), fresh)
                equal |= set(rows.filter(pa.array(same))["face_id"].to_pylist())
        more_chips, fresh = _looks(snapshot.storage, equal - faces)
        if len(fresh):
            embeddings = np.concatenate([embeddings, fresh])
        faces, chips = faces | equal, chips + more_chips
    return faces, chips, embeddings


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


def _array(values: Iterable[bytes]) -> pa.Array:
    return pa.array(list(values), pa.binary(ids.ID_BYTES))
