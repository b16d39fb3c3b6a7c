"""Suppression keeps the best of each overlapping set, whatever the boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.examples import examples

from facebatch.detect.nms import suppress_minimum, suppress_union

Boxes = NDArray[np.float32]


def overlap(a: NDArray[np.float32], b: NDArray[np.float32], edge: int, minimum: bool) -> float:
    """Shared area over the union or the smaller box, written from the definition."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + edge
    height = min(a[3], b[3]) - max(a[1], b[1]) + edge
    shared = max(0.0, float(width)) * max(0.0, float(height))
    areas = [float((c[2] - c[0] + edge) * (c[3] - c[1] + edge)) for c in (a, b)]
    return shared / (min(areas) if minimum else sum(areas) - shared)


@st.composite
def scored_boxes(draw: st.DrawFn) -> tuple[Boxes, NDArray[np.float32]]:
    """Boxes with whole edges, so that overlaps are exact, and different scores."""
    n = draw(st.integers(1, 30))
    corner = st.integers(0, 40)
    side = st.integers(1, 30)
    rows = draw(st.lists(st.tuples(corner, corner, side, side), min_size=n, max_size=n))
    ranks = draw(st.permutations(range(n)))
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32)
    return boxes, (np.array(ranks) + 1).astype(np.float32) / np.float32(n + 1)


@pytest.mark.parametrize(
    ("suppress", "edge", "minimum"),
    [(suppress_union, 0, False), (suppress_minimum, 1, True)],
    ids=["union", "minimum"],
)
@examples(25, 150)
@given(scored=scored_boxes(), threshold=st.sampled_from([0.3, 0.5, 0.7]))
def test_kept_boxes_do_not_overlap_and_every_dropped_box_has_a_better_one(
    suppress, edge, minimum, scored, threshold
):
    boxes, scores = scored
    kept = suppress(boxes, scores, threshold)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for i, a in enumerate(kept):
        for b in kept[i + 1 :]:
            assert overlap(boxes[a], boxes[b], edge, minimum) <= threshold + 1e-6
    for dropped in set(range(len(boxes))) - set(kept.tolist()):
        assert any(
            scores[k] > scores[dropped]
            and overlap(boxes[k], boxes[dropped], edge, minimum) > threshold - 1e-6
            for k in kept
        )


@examples(10, 50)
@given(scored=scored_boxes(), seed=st.integers(0, 99))
def test_the_order_of_the_input_does_not_matter(scored, seed):
    boxes, scores = scored
    shuffled = np.random.default_rng(seed).permutation(len(boxes))
    kept = suppress_union(boxes, scores, 0.5)
    assert shuffled[suppress_union(boxes[shuffled], scores[shuffled], 0.5)].tolist() == (
        kept.tolist()
    )


def test_of_equal_scores_the_union_keeps_the_first():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [1, 0, 11, 10]], np.float32)
    assert suppress_union(boxes, np.full(3, 0.9, np.float32), 0.5).tolist() == [0]


def test_a_box_inside_another_goes_by_the_minimum_and_stays_by_the_union():
    boxes = np.array([[0, 0, 100, 100], [40, 40, 60, 60]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert suppress_minimum(boxes, scores, 0.7).tolist() == [0]
    assert suppress_union(boxes, scores, 0.7).tolist() == [0, 1]


def test_empty_boxes_neither_raise_nor_suppress():
    boxes = np.array([[5, 5, 5, 5], [5, 5, 5, 5]], np.float32)
    assert suppress_union(boxes, np.array([0.9, 0.8], np.float32), 0.5).tolist() == [0, 1]


def test_no_boxes_give_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert suppress_union(none, none[:, 0], 0.5).size == 0
    assert suppress_minimum(none, none[:, 0], 0.5).size == 0
