"""Whom a photo shows: the face nearest the centre, weighted by size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.central import central_face

WIDTH, HEIGHT = 200, 100
MIDDLE = (80.0, 30.0, 120.0, 70.0)
CORNER = (0.0, 0.0, 30.0, 30.0)


def test_the_central_face_is_near_the_centre_and_large() -> None:
    assert central_face(np.array([CORNER, MIDDLE]), WIDTH, HEIGHT) == 1
    # Area 1600 in the middle; area 10,000 at 30 pixels from it: 10,000 - 1,800 is more.
    large = (80.0, 0.0, 180.0, 100.0)
    assert central_face(np.array([MIDDLE, large]), WIDTH, HEIGHT) == 1
    # The same at 80 pixels from it: 10,000 - 12,800 is less.
    aside = (130.0, 0.0, 230.0, 100.0)
    assert central_face(np.array([MIDDLE, aside]), WIDTH, HEIGHT) == 0
    assert central_face(np.array([MIDDLE, MIDDLE]), WIDTH, HEIGHT) == 0


boxes = st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(51, 100)] * 2)


@given(st.lists(boxes, min_size=1, max_size=5), st.integers(1, 8))
def test_the_central_face_is_the_same_at_any_size_of_the_picture(
    found: list[tuple[int, ...]], scale: int
) -> None:
    values = np.array(found, np.float32)
    chosen = central_face(values, WIDTH, HEIGHT)
    assert central_face(values * scale, WIDTH * scale, HEIGHT * scale) == chosen


def test_no_box_has_no_central_face() -> None:
    with pytest.raises(ValueError, match="empty"):
        central_face(np.zeros((0, 4)), WIDTH, HEIGHT)
