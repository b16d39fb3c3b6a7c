"""What is true of a rendered album, as plain data, and how found faces are matched to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facebatch.faces.boxes import iou

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in corner coordinates of the upright full-size picture."""

Point = tuple[float, float]

_MIN_OVERLAP = 0.3


@dataclass(frozen=True, slots=True)
class TrueFace:
    """A face that was rendered.

    Args:
        identity: Seed of the person.
        box: Where a detector is expected to find the face.
        landmarks: Eye, eye, nose tip, mouth corner, mouth corner; image-left first.
    """

    identity: int
    box: Box
    landmarks: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class TrueFile:
    """A file of an album and what should become of it.

    Args:
        path: Path inside the album, with forward slashes.
        outcome: ``ok``, ``duplicate``, ``quarantined`` or ``ignored``.
        reason: Why it is quarantined (``truncated``, ``empty``, ``not_an_image``), else empty.
        same_as: Path of the file with the same bytes. The pair's outcomes follow the order of
            paths; whoever commits them in another order may swap the two.
        width: Width of the upright full-size picture, 0 where there is none.
        height: Its height.
        orientation: EXIF orientation, 1..8; 0 where the file has none.
        faces: What the picture shows; empty for a quarantined file.
    """

    path: str
    outcome: str
    reason: str = ""
    same_as: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 0
    faces: tuple[TrueFace, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """All that is true of an album.

    Args:
        people: Identities that appear in several photos.
        strangers: Identities that appear once.
        files: Every file, sorted by path.
    """

    people: tuple[int, ...]
    strangers: tuple[int, ...]
    files: tuple[TrueFile, ...]

    def by_path(self) -> dict[str, TrueFile]:
        """Return the files by their path."""
        return {file.path: file for file in self.files}

    def to_json(self) -> str:
        """Return the truth as JSON; ``from_json`` reads it back."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Truth:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: The text isn't JSON.
            KeyError: A field is missing.
            TypeError: A field isn't known.
        """
        raw = json.loads(text)
        files = tuple(
            TrueFile(**{**file, "faces": tuple(_face(face) for face in file["faces"])})
            for file in raw["files"]
        )
        return cls(tuple(raw["people"]), tuple(raw["strangers"]), files)


def _face(raw: Mapping[str, Any]) -> TrueFace:
    points = tuple((float(x), float(y)) for x, y in raw["landmarks"])
    x0, y0, x1, y1 = (float(edge) for edge in raw["box"])
    return TrueFace(int(raw["identity"]), (x0, y0, x1, y1), points)


def match_truth(
    faces: Sequence[TrueFace], boxes: Sequence[Sequence[float]]
) -> tuple[int | None, ...]:
    """Say who each found face is.

    Pairs are taken greedily by falling overlap; each true face is matched once, by an overlap
    (intersection over union) of at least 0.3.

    Args:
        faces: The true faces of one picture.
        boxes: Found boxes, x0, y0, x1, y1 in corner coordinates of the upright full-size picture.

    Returns:
        The identity of each found face; None where no true face is.
    """
    if not faces or not len(boxes):
        return (None,) * len(boxes)
    overlap = iou(np.array([[face.box] for face in faces]), np.array([boxes]))
    shares = [(float(share), t, f) for (t, f), share in np.ndenumerate(overlap)]
    pairs = sorted(shares, key=lambda pair: (-pair[0], pair[1], pair[2]))
    found: dict[int, int] = {}
    taken: set[int] = set()
    for share, t, f in pairs:
        if share >= _MIN_OVERLAP and t not in taken and f not in found:
            found[f] = faces[t].identity
            taken.add(t)
    return tuple(found.get(f) for f in range(len(boxes)))


def label_faces(
    truth: Truth, paths: Sequence[str], boxes: Sequence[Sequence[float]]
) -> tuple[int | None, ...]:
    """Say who each face of a table is.

    Args:
        truth: The album's truth.
        paths: For each face, the path of its picture inside the album.
        boxes: For each face, x0, y0, x1, y1.

    Returns:
        The identity of each face, in the table's order; None where no true face is.

    Raises:
        KeyError: A path isn't in the album.
        ValueError: ``paths`` and ``boxes`` differ in length.
    """
    rows: dict[str, list[int]] = {}
    for row, (path, _) in enumerate(zip(paths, boxes, strict=True)):
        rows.setdefault(path, []).append(row)
    files = truth.by_path()
    labels: list[int | None] = [None] * len(paths)
    for path, members in rows.items():
        matched = match_truth(files[path].faces, [boxes[row] for row in members])
        for row, identity in zip(members, matched, strict=True):
            labels[row] = identity
    return tuple(labels)
