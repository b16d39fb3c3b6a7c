"""One table says how pictures, points and sizes turn upright."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from facebatch.media.orientation import MIRRORS_X, MIRRORS_Y, SWAPS_SIDES, inverse, turned


def stored_picture() -> Image.Image:
    return Image.fromarray(np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_pillow_itself_turns_them(orientation: int) -> None:
    stored = stored_picture()
    stored.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(np.asarray(turned(stored, orientation)), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_table_of_axes_says_the_same_as_the_turn(orientation: int) -> None:
    pixels = np.asarray(stored_picture())
    pixels = pixels.swapaxes(0, 1) if orientation in SWAPS_SIDES else pixels
    pixels = pixels[:, ::-1] if orientation in MIRRORS_X else pixels
    pixels = pixels[::-1] if orientation in MIRRORS_Y else pixels
    assert np.array_equal(np.asarray(turned(stored_picture(), orientation)), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_inverse_gives_the_stored_picture_back(orientation: int) -> None:
    again = turned(turned(stored_picture(), orientation), inverse(orientation))
    assert np.array_equal(np.asarray(again), np.asarray(stored_picture()))
