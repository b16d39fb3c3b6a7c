"""Which face of a single photo is meant, by what its user asks for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.errors import InputError, UsageError
from facebatch.extract.detect_and_crop import Faces
from facebatch.faces.central import central_face
from facebatch.faces.choice import largest_face, numbers
from facebatch.faces.quality import Gate, inside_picture, pose, size
from facebatch.storage.printable import count

LARGEST, CENTRAL = "largest", "central"

DEFAULT_FACE = LARGEST
"""A photo's subject is large; what is in its middle may be a child, a hand or a bystander."""


def sure_faces(found: Faces, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Returns which faces (n,) of a photo are good enough to be recognised by, as `Gate` has it.

    Args:
        found: The faces.
        width: Width of the upright full-size photo in pixels.
        height: Its height.
    """
    pictures = np.tile(np.array([width, height], np.int32), (len(found), 1))
    inside = inside_picture(found.chip_to_picture, found.views.shape[3], pictures)
    return Gate().passes(size(found.boxes), found.scores, inside, yaw=pose(found.landmarks).yaw)


def check_choice(asked: str) -> None:
    """Refuses what `choose_face` can't do with any photo.

    Raises:
        UsageError: It is neither a rule nor a number of 1 or more.
    """
    if asked not in (LARGEST, CENTRAL) and not (
        asked.isascii() and asked.isdecimal() and int(asked)
    ):
        raise UsageError(
            f"--face {asked} is neither {LARGEST} nor {CENTRAL}, nor a number: faces count from "
            "the left, from 1"
        )


def choose_face(
    asked: str,
    boxes: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    sure: npt.NDArray[np.bool_],
    picture: tuple[int, int],
) -> int:
    """Returns the row of the face that is meant.

    Args:
        asked: ``largest`` (see `largest_face`), ``central`` (see `central_face`) or a number,
            which counts the faces from the left, from 1 (see `numbers`).
        boxes: As for `largest_face`.
        scores: As for `largest_face`.
        sure: As for `largest_face`.
        picture: Width and height in the pixels of the boxes.

    Raises:
        InputError: There are fewer faces than the number.
        UsageError: As for `check_choice`.
        ValueError: There is no box.
    """
    check_choice(asked)
    if asked == LARGEST:
        return largest_face(boxes, scores, sure)
    if asked == CENTRAL:
        return central_face(boxes, *picture)
    found = np.flatnonzero(numbers(boxes) == int(asked))
    if not len(found):
        raise InputError(f"there is no face {asked}: {count(len(boxes), 'face')} in it")
    return int(found[0])
