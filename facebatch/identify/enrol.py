"""Enrolment: whom a photo shows, and which faces of a collection a gallery is made of.

Entries come from a collection: from one folder of photos a person, from faces that photos' own
regions name, or from people that were named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection import Collection, Snapshot
from facebatch.identify.choosing import Choice, PhotoFaces, Problem, Rule, choose_enrolled
from facebatch.identify.consensus import Limit
from facebatch.identify.gallery import ENTRY_COLUMNS
from facebatch.people import PeopleView
from facebatch.people.names import folded, written

_SIDES = ("x0", "y0", "x1", "y1")

Known = Mapping[str, npt.NDArray[np.float32]]
"""Embeddings (k, d) that people are known by already, by name."""


@dataclass(frozen=True)
class Enrolling:
    """How faces are chosen.

    Args:
        rule: See `choose_enrolled`.
        strict: Whether photos of several faces give nothing.
        limit: How near two faces must lie; the rule ``consensus`` needs it.
        known: People who are known already.
    """

    rule: Rule
    strict: bool = False
    limit: Limit | None = None
    known: Known | None = None


def enrol_snapshot(
    snapshot: Snapshot, good: npt.NDArray[np.bool_], how: Enrolling
) -> tuple[pa.Table, list[Problem]]:
    """Chooses entries from a collection that has one folder of photos a person.

    A photo's person is the first folder of its path inside its root, by its name as it is. Of
    photos with the same content in one folder the first counts. A face that several people's
    folders gave is the one's whose other photos agree with it, and nobody's where these are several
    or none.

    Args:
        snapshot: What the collection holds.
        good: (n,) which of its faces are good enough.
        how: How faces are chosen.

    Returns:
        Rows for `Gallery.add`, and the problems, by folder and photo.
    """
    detected = _Detected.of(snapshot, good)
    folders, problems = _folders(snapshot)
    chosen: list[_Chosen] = []
    for folder, media in folders.items():
        rows = [detected.rows.get(photo["content_id"], []) for photo in media]
        taken, found = _choose(folder, media, rows, detected, how)
        chosen += taken
        problems += found
    chosen, found = _one_person_each(chosen)
    problems += found
    return _enrolled(snapshot, detected, chosen), _ordered(problems)


def enrol_named(
    snapshot: Snapshot, good: npt.NDArray[np.bool_], names: Mapping[bytes, str], how: Enrolling
) -> tuple[pa.Table, list[Problem]]:
    """Chooses entries from faces of which it is said whom they show.

    Those that are unlike the person's others are left out as photos of a folder are: of a photo
    only faces of that name count. Names that differ in case alone are one person's, who is called
    as most of them say.

    Args:
        snapshot: What the collection holds.
        good: (n,) which of its faces are good enough.
        names: By face id, whom a face shows.
        how: How faces are chosen.

    Returns:
        As `enrol_snapshot`; a problem's folder is the person's name.
    """
    detected = _Detected.of(snapshot, good)
    media = snapshot.items.select(["media_id", "root", "path", "width", "height"]).to_pylist()
    holder = {row["media_id"]: row for row in media}
    shown: dict[str, dict[bytes, list[int]]] = {}
    spelt: dict[str, Counter[str]] = defaultdict(Counter)
    face_ids, owners = (detected.faces[name].to_pylist() for name in ("face_id", "media_id"))
    for row, (face, owner) in enumerate(zip(face_ids, owners, strict=True)):
        if name := written(names.get(face, "")):
            spelt[folded(name)][name] += 1
            shown.setdefault(folded(name), {}).setdefault(owner, []).append(row)
    chosen: list[_Chosen] = []
    problems: list[Problem] = []
    for key, photos in sorted(shown.items()):
        person = spelt[key].most_common(1)[0][0]
        items = [holder[owner] for owner in photos]
        taken, found = _choose(person, items, list(photos.values()), detected, how)
        chosen += taken
        problems += found
    return _enrolled(snapshot, detected, chosen), _ordered(problems)


@dataclass(frozen=True, eq=False)
class _Detected:
    """The faces of a collection, and the rows of each content's, by ordinal."""

    faces: pa.Table
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float32]
    good: npt.NDArray[np.bool_]
    rows: Mapping[bytes, list[int]]

    @classmethod
    def of(cls, snapshot: Snapshot, good: npt.NDArray[np.bool_]) -> _Detected:
        faces = snapshot.faces(
            ["face_id", "media_id", "content_id", "ordinal", *_SIDES, "score", "embedding"]
        )
        boxes = np.stack([faces[side].to_numpy() for side in _SIDES], axis=1)
        embeddings = tables.matrix(faces["embedding"])
        rows = _rows_by_content(faces)
        return cls(faces, boxes, faces["score"].to_numpy(), embeddings, good, rows)


def _choose(
    person: str,
    media: Sequence[Mapping[str, Any]],
    rows: Sequence[list[int]],
    detected: _Detected,
    how: Enrolling,
) -> tuple[list[_Chosen], list[Problem]]:
    """Chooses one person's faces among those rows of each photo."""
    photos = [
        PhotoFaces(
            _source(photo),
            detected.boxes[mine],
            detected.scores[mine],
            photo["width"],
            photo["height"],
            detected.good[mine],
            detected.embeddings[mine],
        )
        for photo, mine in zip(media, rows, strict=True)
    ]
    known = (how.known or {}).get(person)
    choices, problems = choose_enrolled(
        person, photos, how.rule, strict=how.strict, limit=how.limit, known=known
    )
    chosen = [
        _Chosen(person, photos[choice.photo].source, rows[choice.photo][choice.face], choice)
        for choice in choices
    ]
    return chosen, problems


def _enrolled(snapshot: Snapshot, detected: _Detected, chosen: Sequence[_Chosen]) -> pa.Table:
    return _entries(
        snapshot,
        detected.faces.take(pa.array([each.row for each in chosen], pa.int64())),
        [each.folder for each in chosen],
        [each.source for each in chosen],
    )


def _ordered(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.folder, problem.source))


@dataclass(frozen=True)
class _Chosen:
    """A chosen face: its person, photo and row among the collection's faces."""

    folder: str
    source: str
    row: int
    choice: Choice


def _one_person_each(chosen: Sequence[_Chosen]) -> tuple[list[_Chosen], list[Problem]]:
    """Leaves faces that were chosen for several people to one of them, or to nobody."""
    claims = defaultdict(list)
    for each in chosen:
        claims[each.row].append(each)
    kept, problems = [], []
    for each in chosen:
        rivals = claims[each.row]
        agreed = [rival for rival in rivals if rival.choice.agrees]
        if len(rivals) == 1 or (len(agreed) == 1 and each.choice.agrees):
            kept.append(each)
            continue
        names = ", ".join(sorted({rival.folder for rival in rivals}))
        message = f"the same face would be enrolled for {names}"
        problems.append(Problem("several_people", each.folder, each.source, message))
    lost = {each.folder for each in chosen} - {each.folder for each in kept}
    message = "all of its faces are other people's too"
    problems += [Problem("nobody_enrolled", folder, "", message) for folder in sorted(lost)]
    return kept, problems


def from_people(collection: Collection, snapshot: Snapshot) -> pa.Table:
    """Returns entries for every named active person of a collection, with all of its faces.

    Args:
        collection: The collection, with its people found.
        snapshot: Its faces; those of the people that have vanished from it are left out.

    Returns:
        Rows for `Gallery.add`.

    Raises:
        CollectionError: The collection has no people yet, or lost their clusters.
    """
    people = PeopleView.of(collection).require()
    faces = snapshot.listed
    names = people.people_of(faces["face_id"])["name"]
    chosen = faces.filter(pc.is_valid(names))
    media = snapshot.items.select(["media_id", "root", "path"])
    holders = media.take(pc.index_in(chosen["media_id"], media["media_id"].combine_chunks()))
    sources = [_source(row) for row in holders.to_pylist()]
    return _entries(snapshot, chosen, names.drop_null().to_pylist(), sources)


def _rows_by_content(faces: pa.Table) -> Mapping[bytes, list[int]]:
    rows: dict[bytes, list[int]] = defaultdict(list)
    by_ordinal = np.argsort(faces["ordinal"].to_numpy(), kind="stable")
    contents = faces["content_id"].to_pylist()
    for row in by_ordinal.tolist():
        rows[contents[row]].append(row)
    return rows


def _folders(snapshot: Snapshot) -> tuple[dict[str, list[dict[str, Any]]], list[Problem]]:
    """Returns each person's readable photos, by folder and path, and the other photos' problems."""
    columns = ["root", "path", "path_bytes", "content_id", "status", "reason", "message"]
    columns += ["segment", "segments", "width", "height"]
    media = snapshot.items.select(columns).to_pylist()
    folders: dict[str, list[dict[str, Any]]] = {}
    problems = []
    copies = set()
    for row in sorted(media, key=lambda row: (row["path"], row["root"])):
        folder, inside, _ = row["path"].partition("/")
        folder = written(folder) or folder
        source = _source(row)
        if not inside:
            message = "the photo lies in no person's folder"
            problems.append(Problem("no_person", "", source, message))
            continue
        if not _is_utf8((row["path_bytes"] or b"").partition(b"/")[0]):
            # Two such names may look the same: their people must not become one.
            message = "the folder's name isn't UTF-8: rename it"
            problems.append(Problem("bad_name", folder, source, message))
            continue
        photos = folders.setdefault(folder, [])
        if row["segments"]:
            if not row["segment"]:
                message = "people are enrolled from photos, not from videos"
                problems.append(Problem("video", folder, source, message))
            continue
        if row["status"] == "quarantined":
            message = row["message"] or ""
            problems.append(Problem(row["reason"], folder, source, message))
        elif (folder, row["content_id"]) not in copies:
            # A copy would agree with its original, whoever is in it.
            copies.add((folder, row["content_id"]))
            photos.append(row)
    return dict(sorted(folders.items())), problems


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _entries(
    snapshot: Snapshot, chosen: pa.Table, names: Sequence[str], sources: Sequence[str]
) -> pa.Table:
    """Returns rows for `Gallery.add` of chosen faces, which may repeat."""
    among = chosen.select(["face_id", "media_id"])
    columns = [name for name in ENTRY_COLUMNS if name not in ("name", "source")]
    faces = snapshot.faces(columns, among=among)
    rows = faces.take(pc.index_in(among["face_id"], faces["face_id"].combine_chunks()))
    rows = rows.append_column("name", pa.array(names, pa.string()))
    rows = rows.append_column("source", pa.array(sources, pa.string()))
    return rows.select(list(ENTRY_COLUMNS))


def _source(media: Mapping[str, Any]) -> str:
    return f"{media['root']}/{media['path']}"
