"""One intersection over union for all: truth, tracks, photos, decisions and evaluations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.boxes import iou

EDGES = st.floats(-1e3, 1e3, width=32)
BOXES = st.tuples(EDGES, EDGES, EDGES, EDGES)


def test_overlap_is_intersection_over_union() -> None:
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(2 / 6)
    assert iou((0, 0, 1, 1), (1, 0, 2, 1)) == 0
    assert iou((0, 0, 1, 1), (5, 5, 6, 6)) == 0
    assert iou((3, 3, 3, 3), (3, 3, 3, 3)) == 0, "empty boxes share nothing"


@given(BOXES, BOXES)
def test_overlap_is_a_share_whichever_comes_first(one: tuple[float], other: tuple[float]) -> None:
    share = float(iou(one, other))
    assert 0 <= share <= 1
    assert share == iou(other, one)


def test_every_box_is_compared_with_every_other() -> None:
    left, right = np.array([[0, 0, 2, 2], [9, 9, 10, 10]]), np.array([[1, 0, 3, 2], [0, 0, 2, 2]])
    assert iou(left[:, None], right[None]).tolist() == [[pytest.approx(1 / 3), 1], [0, 0]]
