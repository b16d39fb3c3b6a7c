"""Pictures as bytes, in every format and state that an archive has them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

ORIENTATION = 0x0112
"""EXIF 2.32's tag of the orientation."""


def encode(
    picture: Image.Image | npt.NDArray[np.uint8], kind: str = "JPEG", **options: Any
) -> bytes:
    """Returns a picture's bytes in one of Pillow's formats."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 80, height: int = 60) -> Image.Image:
    """Returns an RGB picture in which every place has a colour of its own."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns * 255 // max(1, width - 1), rows * 255 // max(1, height - 1)
    return Image.fromarray(np.stack([red, green, (rows * columns) % 256], -1).astype(np.uint8))


def with_orientation(orientation: object) -> Image.Exif:
    """Returns EXIF data that hold an orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def as_stored(upright: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Returns the raster that a camera stores for an upright one.

    By EXIF 2.32, tag 0x0112: it says at which visual side the stored row 0 and column 0 lie.
    """
    axes = (1, 0, *range(2, upright.ndim))
    stored = {
        1: upright,  # row 0 at the top, column 0 at the left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.transpose(axes),  # left, top
        6: upright[:, ::-1].transpose(axes),  # right, top
        7: upright[::-1, ::-1].transpose(axes),  # right, bottom
        8: upright[::-1].transpose(axes),  # left, bottom
    }
    return np.ascontiguousarray(stored[orientation])
