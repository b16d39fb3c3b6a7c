"""Which faces a person is known by: chosen from a folder of their photos, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.faces.central import central_face
from facebatch.faces.choice import largest_face
from facebatch.identify.consensus import Limit, recurring

Rule = Literal["consensus", "largest", "central"]

RULES: tuple[Rule, ...] = get_args(Rule)

CONSENSUS: Rule = "consensus"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PhotoFaces:
    """The faces of one photo of a person.

    Args:
        source: Where the photo came from.
        boxes: (m, 4) float32, x0, y0, x1, y1 in pixels of the upright full-size picture.
        scores: (m,) float32, the detector's probabilities.
        width: Width of the picture in the same pixels.
        height: Its height.
        good: (m,) bool, which are good enough to be recognised by (`Gate`).
        embeddings: (m, d) float32, rows of length 1.
    """

    source: str
    boxes: Floats
    scores: Floats
    width: int
    height: int
    good: npt.NDArray[np.bool_]
    embeddings: Floats


@dataclass(frozen=True)
class Choice:
    """A face to enrol: the number of its photo and its row in the photo's boxes.

    Args:
        photo: Number of the photo.
        face: Row of the face.
        agrees: Whether faces of the person's other photos agree with it.
    """

    photo: int
    face: int
    agrees: bool = False


@dataclass(frozen=True)
class Problem:
    """What a person should look at after an enrolment.

    Args:
        code: Of a photo that was left out: ``no_face``; ``poor_quality``, no face is good enough;
            ``none_agrees``, no face is like those of the person's other photos; ``several_people``,
            the face would be enrolled for several people; ``no_person``, it lies outside the
            folders of people; ``video``, which isn't enrolled from; ``bad_name``, the folder's
            name isn't UTF-8; of photos that name people themselves ``several_names``, of one face,
            ``no_face_there``, where a name is, and ``bad_xmp``; else the reason code of a photo
            that couldn't be read. Of a photo that was enrolled: ``several_faces``, one of which was
            (with ``strict`` none, so that it is left out). Of a whole folder:
            ``photos_disagree``, nobody recurs in half of the photos; ``nobody_enrolled``.
        folder: The person's folder, or name; empty where there is none.
        source: The photo; empty where the whole folder is meant.
        message: What a person reads beside it.
        enrolled: Whether the photo or the folder gave a face all the same.
    """

    code: str
    folder: str
    source: str
    message: str
    enrolled: bool = False

    @property
    def is_left_out(self) -> bool:
        """Whether a photo gave nothing."""
        return bool(self.source) and not self.enrolled


def choose_enrolled(
    folder: str,
    photos: Sequence[PhotoFaces],
    rule: Rule = CONSENSUS,
    *,
    strict: bool = False,
    limit: Limit | None = None,
    known: Floats | None = None,
) -> tuple[list[Choice], list[Problem]]:
    """Chooses the faces by which a person is known, from a folder of their photos.

    Every rule looks at faces that are good enough alone, but ``central``, which takes what LFW's
    rule takes (`facebatch.faces.central.central_face`). ``largest`` takes the largest of each
    photo. ``consensus`` takes the face that recurs through the photos
    (`facebatch.identify.consensus.recurring`) and leaves out photos without it; of a single photo
    it takes the largest. Of two photos that disagree those that show one good face are taken: two
    photos of one person are missed often enough. More that disagree give nobody.

    Args:
        folder: The person's folder, for the problems.
        photos: The folder's photos that could be read.
        rule: What to do with several faces.
        strict: Whether photos of several faces, good or not, give nothing.
        limit: How near two faces must lie to agree, for ``consensus``.
        known: (k, d) embeddings that the person is known by already; they agree or not as a
            photo of that one face would.

    Returns:
        The choices in the order of the photos, and the problems; where nothing was chosen the last
        one is of the whole folder.

    Raises:
        UsageError: The rule is unknown, or ``consensus`` has no limit.
    """
    if rule not in RULES or (rule == CONSENSUS and limit is None):
        raise UsageError(f"faces can't be chosen by {rule!r}; there are {', '.join(RULES)}")
    usable, problems = _usable(folder, photos, rule, strict)
    whole: list[Problem] = []
    if (
        rule == CONSENSUS
        and limit is not None
        and len(usable) + (0 if known is None else len(known)) > 1
    ):
        chosen, found, whole = _by_consensus(folder, photos, usable, limit, known)
        problems += found
    else:
        chosen = [Choice(number, _one_of(photos[number], rule)) for number in usable]
    for choice in chosen:
        if (faces := len(photos[choice.photo].boxes)) > 1:
            which = (
                "the one that recurs"
                if choice.agrees
                else f"the {'central' if rule == 'central' else 'largest'} one"
            )
            message = f"{faces} faces: {which} was enrolled"
            source = photos[choice.photo].source
            problems.append(Problem("several_faces", folder, source, message, enrolled=True))
    if not chosen and not whole:
        message = f"none of {len(photos)} readable photos gave a face to enrol"
        whole = [Problem("nobody_enrolled", folder, "", message)]
    place = {photo.source: number for number, photo in enumerate(photos)}
    return chosen, [*sorted(problems, key=lambda problem: place[problem.source]), *whole]


def _usable(
    folder: str, photos: Sequence[PhotoFaces], rule: Rule, strict: bool
) -> tuple[list[int], list[Problem]]:
    """Returns the photos that may give a face, and why the others don't."""
    usable, problems = [], []
    for number, photo in enumerate(photos):
        faces = len(photo.boxes)
        if not faces:
            problems.append(Problem("no_face", folder, photo.source, "no face was found"))
        elif strict and faces > 1:
            message = f"{faces} faces: none enrolled"
            problems.append(Problem("several_faces", folder, photo.source, message))
        elif rule != "central" and not photo.good.any():
            message = (
                "its faces are too small, cut off or unsure"
                if faces > 1
                else ("its face is too small, cut off or unsure")
            )
            problems.append(Problem("poor_quality", folder, photo.source, message))
        else:
            usable.append(number)
    return usable, problems


def _one_of(photo: PhotoFaces, rule: Rule) -> int:
    if rule == "central":
        return central_face(photo.boxes, photo.width, photo.height)
    return largest_face(photo.boxes, photo.scores, photo.good)


def _by_consensus(
    folder: str,
    photos: Sequence[PhotoFaces],
    usable: Sequence[int],
    limit: Limit,
    known: Floats | None,
) -> tuple[list[Choice], list[Problem], list[Problem]]:
    """Returns the recurring faces, the photos without them, and what is wrong with the folder."""
    places = [
        (number, int(face)) for number in usable for face in np.flatnonzero(photos[number].good)
    ]
    own = [photos[number].embeddings[face] for number, face in places]
    first = 0 if known is None else len(known)
    largest = {
        number: largest_face(photos[number].boxes, photos[number].scores, photos[number].good)
        for number in usable
    }
    members = recurring(
        np.stack([*(() if known is None else known), *own]),
        np.array([*range(first), *(first + number for number, _ in places)], np.int64),
        np.array([True] * first + [face == largest[number] for number, face in places]),
        limit,
    )
    if members is not None:
        agreeing = [places[row - first] for row in members.tolist() if row >= first]
        chosen = [Choice(number, face, agrees=True) for number, face in agreeing]
        whole = []
    else:
        alone = [number for number in usable if photos[number].good.sum() == 1]
        kept = alone if first + len(usable) == 2 else []
        chosen = [Choice(number, largest[number]) for number in kept]
        whole = [_disagreement(folder, first + len(usable), len(kept))]
    taken = {choice.photo for choice in chosen}
    message = "no face is like those of the person's other photos"
    left = [
        Problem("none_agrees", folder, photos[number].source, message)
        for number in usable
        if number not in taken
    ]
    return chosen, left, whole


def _disagreement(folder: str, photos: int, kept: int) -> Problem:
    who = "nobody recurs in half of them" if photos > 2 else "they show different faces"
    what = f"{kept} enrolled as {'it is' if kept == 1 else 'they are'}" if kept else "none enrolled"
    message = f"{photos} photos disagree, {who}: {what}; look at them"
    return Problem("photos_disagree", folder, "", message, enrolled=kept > 0)
