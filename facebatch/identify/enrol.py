"""Enrolment: whom a photo shows, and which faces of a collection a gallery is made of.

Entries come from a collection: from one folder of photos a person, or from people that were named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch.collection import Collection, Snapshot
from facebatch.faces.central import central_face
from facebatch.identify.gallery import ENTRY_COLUMNS
from facebatch.people import PeopleView

Rule = Literal["central", "strict"]


@dataclass(frozen=True)
class PhotoFaces:
    """The faces of one photo of a person.

    Args:
        source: Where the photo came from.
        boxes: (m, 4) float32, x0, y0, x1, y1 in pixels of the upright full-size picture.
        scores: (m,) float32, the detector's probabilities.
        width: Width of the picture in the same pixels.
        height: Its height.
    """

    source: str
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    width: int
    height: int


@dataclass(frozen=True)
class Choice:
    """A face to enrol: the number of its photo and its row in the photo's boxes."""

    photo: int
    face: int


@dataclass(frozen=True)
class Problem:
    """What a person should look at after an enrolment.

    Args:
        code: ``no_face``; ``several_faces`` (with the rule ``central`` one of them was enrolled);
            ``nobody_enrolled``, of a whole folder; ``no_person``, a photo outside the folders of
            people; ``bad_name``, a folder whose name isn't UTF-8; ``video``, which isn't enrolled
            from; ``several_people``, a photo that lies in the folders of several people; else the
            reason code of a photo that couldn't be read.
        folder: The person's folder; empty where there is none.
        source: The photo; empty where the whole folder is meant.
        message: What a person reads beside it.
    """

    code: str
    folder: str
    source: str
    message: str


def choose_enrolled(
    folder: str, photos: Sequence[PhotoFaces], rule: Rule = "central"
) -> tuple[list[Choice], list[Problem]]:
    """Chooses the faces by which a person is known, from a folder of their photos.

    A photo with one face gives that face. One with several gives its `central_face` (of equally
    central ones that with the greater score) by the rule ``central`` and none by ``strict``.

    Args:
        folder: The person's folder, for the problems.
        photos: The folder's photos that could be read.
        rule: What to do with several faces.

    Returns:
        The choices in the order of the photos, and the problems in the same order; where nothing
        was chosen the last problem is ``nobody_enrolled``.
    """
    chosen, problems = [], []
    for number, photo in enumerate(photos):
        if len(photo.boxes) == 0:
            problems.append(Problem("no_face", folder, photo.source, "no face was found"))
            continue
        face = 0
        if len(photo.boxes) > 1:
            message = f"{len(photo.boxes)} faces: " + (
                "the one nearest the centre was enrolled" if rule == "central" else "none enrolled"
            )
            problems.append(Problem("several_faces", folder, photo.source, message))
            if rule == "strict":
                continue
            by_score = np.argsort(-photo.scores, kind="stable")
            face = by_score[central_face(photo.boxes[by_score], photo.width, photo.height)]
        chosen.append(Choice(number, int(face)))
    if not chosen:
        message = f"none of {len(photos)} readable photos gave a face to enrol"
        problems.append(Problem("nobody_enrolled", folder, "", message))
    return chosen, problems


def enrol_snapshot(snapshot: Snapshot, rule: Rule = "central") -> tuple[pa.Table, list[Problem]]:
    """Chooses entries from a collection that has one folder of photos a person.

    A photo's person is the first folder of its path inside its root, by its name as it is. Photos
    with the same content count in every folder that they lie in.

    Args:
        snapshot: What the collection holds.
        rule: What to do with several faces; see `choose_enrolled`.

    Returns:
        Rows for `Gallery.add`, and the problems, by folder and photo.
    """
    faces = snapshot.faces(
        ["face_id", "media_id", "content_id", "ordinal", "x0", "y0", "x1", "y1", "score"]
    )
    boxes = np.stack([faces[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)
    scores = faces["score"].to_numpy()
    rows_of = _rows_by_content(faces)
    folders, problems = _folders(snapshot)
    problems += _several_people(folders)
    names, sources, chosen_rows = [], [], []
    for folder, media in folders.items():
        rows = [rows_of.get(photo["content_id"], []) for photo in media]
        photos = [
            PhotoFaces(_source(photo), boxes[mine], scores[mine], photo["width"], photo["height"])
            for photo, mine in zip(media, rows, strict=True)
        ]
        chosen, found = choose_enrolled(folder, photos, rule)
        problems += found
        names += [folder] * len(chosen)
        sources += [photos[choice.photo].source for choice in chosen]
        chosen_rows += [rows[choice.photo][choice.face] for choice in chosen]
    entries = _entries(snapshot, faces.take(pa.array(chosen_rows, pa.int64())), names, sources)
    return entries, sorted(problems, key=lambda problem: (problem.folder, problem.source))


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
    faces = snapshot.faces(["face_id", "media_id"])
    names = people.people_of(faces["face_id"])["name"]
    chosen = faces.filter(pc.is_valid(names))
    media = snapshot.media.select(["media_id", "root", "path"])
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
    media = snapshot.media.select(columns).to_pylist()
    folders: dict[str, list[dict[str, Any]]] = {}
    problems = []
    for row in sorted(media, key=lambda row: (row["path"], row["root"])):
        folder, inside, _ = row["path"].partition("/")
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
        else:
            photos.append(row)
    return dict(sorted(folders.items())), problems


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _several_people(folders: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Problem]:
    people = defaultdict(set)
    for folder, photos in folders.items():
        for photo in photos:
            people[photo["content_id"]].add(folder)
    return [
        Problem(
            "several_people",
            folder,
            _source(photo),
            f"the same photo is in the folders {', '.join(sorted(people[photo['content_id']]))}",
        )
        for folder, photos in folders.items()
        for photo in photos
        if len(people[photo["content_id"]]) > 1
    ]


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
