"""Faces of panoramas and crowds are found in tiles, each once and where it is in the picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import encode

from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.detect import Detections, Detector, load_detector
from facebatch.detect.tiled import CROWD, Tile, detect_closer, merged, panorama_gain, tiles
from facebatch.extract.detect_and_crop import Faces, find_faces
from facebatch.faces.boxes import iou
from facebatch.media.photo.decode import Photo

SIDE, MIN_FACE = 320, 24


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector("mtcnn", min_face=MIN_FACE)


def found(*boxes: tuple[float, ...]) -> Detections:
    """Faces of x0, y0, x1, y1 and score, with their landmarks at the box's middle."""
    values = np.array(boxes, np.float32).reshape(-1, 5)
    middle = (values[:, :2] + values[:, 2:4]) / 2
    order = np.argsort(-values[:, 4], kind="stable")
    landmarks = np.repeat(middle[:, None], 5, axis=1)
    return Detections(values[order, :4], values[order, 4], landmarks[order])


def faces_of(picture: np.ndarray, detector: Detector, which: str) -> Faces:
    chosen = ExtractSettings(detector="mtcnn", max_side=SIDE, min_face=MIN_FACE, tiles=which)
    return find_faces(Photo(encode(picture, quality=95)), detector, chosen)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5_000), st.integers(1, 5_000), st.floats(1, 8), st.integers(64, 1_024))
def test_tiles_cover_the_picture_and_share_what_they_are_asked_to(
    width, height, gain, side
) -> None:
    overlap, long_side = side // 4, round(gain * side)
    every = list(tiles((width, height), long_side, side, overlap))
    for axis, length in enumerate((width, height)):
        seen = max(1, round(length * long_side / max(width, height)))
        spans = sorted(
            {(t.box[axis], t.box[axis + 2], t.inner[axis], t.inner[axis + 2]) for t in every}
        )
        assert spans[0][0] == 0
        assert spans[-1][1] == pytest.approx(length)
        assert [span[2] for span in spans] == [False] + [True] * (len(spans) - 1)
        assert [span[3] for span in spans] == [True] * (len(spans) - 1) + [False]
        assert max(tile.size[axis] for tile in every) <= side
        for before, after in pairwise(spans):
            assert (before[1] - after[0]) * seen / length >= overlap - 1.001


BOX = st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(5, 60), st.integers(0, 100))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(BOX, max_size=6), min_size=1, max_size=4))
def test_what_looks_saw_is_kept_or_seen_more_surely_by_another(looks) -> None:
    parts = [found(*((x, y, x + s, y + s, p / 100) for x, y, s, p in look)) for look in looks]
    every = merged(parts)
    assert (np.diff(every.scores) <= 0).all()
    for part in parts:
        for box, score in zip(part.boxes, part.scores, strict=True):
            surer = every.boxes[every.scores >= score]
            low, high = np.maximum(surer[:, :2], box[:2]), np.minimum(surer[:, 2:], box[2:])
            inside = np.maximum(high - low, 0).prod(axis=1) / (box[2:] - box[:2]).prod()
            assert ((iou(surer, box) > 0.45) | (inside > 0.7)).any()


def test_one_look_is_left_as_it_is() -> None:
    twice = found((0, 0, 10, 10, 0.9), (1, 1, 10, 10, 0.8))
    assert len(merged([twice])) == 2


def test_a_surer_face_within_another_hides_it_not() -> None:
    whole, tile = found((0, 0, 100, 100, 0.9)), found((40, 40, 60, 60, 0.99))
    assert len(merged([whole, tile])) == 2
    assert merged([whole, found((40, 40, 60, 60, 0.8))]).boxes.tolist() == [[0, 0, 100, 100]]


def test_a_face_that_an_edge_between_tiles_cuts_is_left_to_the_tile_that_shows_it() -> None:
    full = (4_000, 400)

    def look(image: np.ndarray) -> Detections:
        width = image.shape[1]
        return found((width - 20, 10, width + 5, 30, 0.99))

    def cut(tile: Tile) -> np.ndarray:
        return np.zeros((*tile.size[::-1], 3), np.uint8)

    closer = detect_closer(Detections.empty(), full, SIDE, MIN_FACE, look, cut)
    [x0, _, x1, _] = closer.boxes[0]
    assert len(closer) == 1
    assert x0 < full[0] < x1


def test_panoramas_begin_at_eight_to_three() -> None:
    gains = panorama_gain([4_000, 8_000, 8_000, 900, 8_000], [3_000, 3_001, 3_000, 300, 100], 1_024)
    assert gains.tolist() == pytest.approx([1, 1, 2, 1, 8_000 / 1_024])


@pytest.mark.parametrize("stands", [False, True])
def test_faces_of_a_panorama_are_found_where_they_are(detector: Detector, stands: bool) -> None:
    face = render_face(5, size=300)
    places = (40, 900, 4_190)
    picture = np.full((4_500, 300, 3) if stands else (300, 4_500, 3), 120, np.uint8)
    for x in places:
        picture[(slice(x, x + 300), slice(None))[:: 1 if stands else -1]] = face
    assert len(faces_of(picture, detector, "off")) == 0
    seen = faces_of(picture, detector, "auto")
    [alone] = faces_of(face, detector, "off").landmarks
    expected = [alone + np.roll((x, 0), int(stands)) for x in places]
    order = np.argsort(seen.landmarks.sum(axis=(1, 2)))
    np.testing.assert_allclose(seen.landmarks[order], expected, atol=8)


def test_a_crowd_is_looked_at_twice_as_large_and_a_few_small_faces_arent(
    detector: Detector,
) -> None:
    def crowd(faces: int) -> np.ndarray:
        picture = np.full((600, 600, 3), 120, np.uint8)
        for number in range(faces):
            row, column = divmod(number, 6)
            picture[row * 98 : row * 98 + 60, column * 98 : column * 98 + 60] = face
        return picture

    face = render_face(5, size=60)
    few, many = crowd(CROWD - 1), crowd(36)
    assert len(faces_of(few, detector, "auto")) == len(faces_of(few, detector, "off"))
    plain, closer = (faces_of(many, detector, which) for which in ("off", "auto"))
    assert 36 >= len(closer) > len(plain) >= CROWD
    overlap = iou(closer.boxes[:, None], closer.boxes[None])
    assert (overlap[~np.eye(len(closer), dtype=bool)] < 0.45).all()
