"""EXIF orientation (EXIF 2.32, tag 0x0112): the one table of what turns a stored picture upright.

Sides change places first (a transposition); then x, then y may count from the other end.
"""

from __future__ import annotations

from functools import cache

from PIL import Image

SWAPS_SIDES = frozenset({5, 6, 7, 8})
MIRRORS_X = frozenset({2, 3, 6, 7})
MIRRORS_Y = frozenset({3, 4, 7, 8})
_INVERSE = {6: 8, 8: 6}
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def inverse(orientation: int) -> int:
    """Returns the orientation whose turn undoes another's: what stores an upright picture."""
    return _INVERSE.get(orientation, orientation)


@cache
def composed(first: int, second: int) -> int:
    """Returns the orientation that turns a picture as two do, one after the other.

    Args:
        first: 1..8.
        second: 1..8.
    """
    corners = Image.new("L", (2, 2))
    corners.putdata([0, 1, 2, 3])
    wanted = turned(turned(corners, first), second).tobytes()
    return next(one for one in range(1, 9) if turned(corners, one).tobytes() == wanted)


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """Returns a stored picture upright.

    Args:
        picture: The picture as it is stored.
        orientation: 1..8; anything else leaves the picture as it is.
    """
    method = _TRANSPOSES.get(orientation)
    return picture if method is None else picture.transpose(method)
