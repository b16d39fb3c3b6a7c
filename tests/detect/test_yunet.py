"""YuNet's outputs are read as OpenCV reads them, and its faces lie where they are seen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.data import real_data
from support.installed import needs_onnxruntime, needs_openvino

from facebatch.detect import Detections, Detector, load_detector
from facebatch.detect.yunet import YUNET, decode
from facebatch.errors import WeightsError
from facebatch.faces.boxes import iou

Pixels = NDArray[np.uint8]


def load(**options: Any) -> Detector:
    """YuNet with its real weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEBATCH_MODELS", str(real_data("models")))
        return load_detector("yunet", **options)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("torch", marks=needs_onnxruntime),
        pytest.param("openvino", marks=needs_openvino),
    ],
)
def detector(request) -> Detector:
    return load(engine=request.param)


@pytest.fixture(scope="module")
def photo() -> Pixels:
    """A group photo of 500 x 375 pixels with seven faces, none at its edge."""
    with Image.open(real_data("dlib_faces/2007_007763.jpg")) as picture:
        return np.array(picture.convert("RGB"))


def placed(photo: Pixels, height: int, width: int, y: int = 0, x: int = 0) -> Pixels:
    """The photo on a black ground."""
    ground = np.zeros((height, width, 3), np.uint8)
    ground[y : y + photo.shape[0], x : x + photo.shape[1]] = photo
    return ground


def assert_same(found: Detections, expected: Detections, pixels: float, shift=(0, 0)) -> None:
    """Both hold the same faces, at most so many pixels apart once the shift is undone."""
    assert len(found) == len(expected) > 0
    order, reference = np.argsort(found.boxes[:, 0]), np.argsort(expected.boxes[:, 0])
    boxes, landmarks = found.boxes - np.tile(shift, 2), found.landmarks - np.array(shift)
    np.testing.assert_allclose(boxes[order], expected.boxes[reference], rtol=0, atol=pixels)
    np.testing.assert_allclose(landmarks[order], expected.landmarks[reference], rtol=0, atol=pixels)


def assert_alike(found: Detections, expected: Detections, shift=(0, 0)) -> None:
    """Both hold the same faces: each overlaps its like, and they lie off each other by chance."""
    assert len(found) == len(expected) > 0
    boxes = found.boxes - np.tile(shift, 2).astype(np.float32)
    overlap = iou(boxes[:, None], expected.boxes[None])
    like = overlap.argmax(axis=1)
    assert len({*like.tolist()}) == len(like)
    assert overlap.max(axis=1).min() > 0.7
    assert np.abs((boxes - expected.boxes[like]).mean(axis=0)).max() < 1
    landmarks = found.landmarks - np.array(shift) - expected.landmarks[like]
    assert np.abs(landmarks.mean(axis=(0, 1))).max() < 1


def plainly_decoded(outputs, height: int, width: int) -> list[list[float]]:
    """x0, y0, x1, y1, score of every cell, as OpenCV's loops have them."""
    faces = []
    for stride in (8, 16, 32):
        columns = math.ceil(width / 128) * 128 // stride
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                at = row * columns + column
                clamped = [
                    min(max(outputs[f"{k}_{stride}"][0, at, 0], 0), 1) for k in ("cls", "obj")
                ]
                score = math.sqrt(clamped[0] * clamped[1])
                dx, dy, log_width, log_height = outputs[f"bbox_{stride}"][0, at]
                x, y = (column + dx) * stride, (row + dy) * stride
                w, h = math.exp(log_width) * stride, math.exp(log_height) * stride
                if score >= 0.4:
                    faces.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, score])
    return faces


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_outputs_are_decoded_as_opencv_does(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    outputs = {}
    for stride in (8, 16, 32):
        cells = math.ceil(height / 128) * math.ceil(width / 128) * (128 // stride) ** 2
        for kind in ("cls", "obj"):
            outputs[f"{kind}_{stride}"] = rng.uniform(-0.1, 1.1, (1, cells, 1)).astype(np.float32)
        outputs[f"bbox_{stride}"] = rng.normal(0, 1, (1, cells, 4)).astype(np.float32)
    boxes, scores = decode(outputs, (height, width))
    expected = np.array(plainly_decoded(outputs, height, width)).reshape(-1, 5)
    np.testing.assert_allclose(np.column_stack([boxes, scores]), expected, rtol=1e-4, atol=1e-3)


def test_a_face_needs_yunets_word_or_that_of_both() -> None:
    found = np.array([0.8, 0.79, 0.79, 0.4, 0.95], np.float32)
    seconded = np.array([0.1, 0.69, 0.7, 0.99, 0.97], np.float32)
    np.testing.assert_allclose(YUNET.judged(found, seconded), [0.7, 0, 0.7, 0.99, 0.97])


@needs_openvino
@needs_onnxruntime
def test_engines_find_the_same_faces(photo) -> None:
    one, two = (load(engine=engine).detect(photo) for engine in ("torch", "openvino"))
    assert_same(one, two, pixels=0.01)
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-4)


def test_the_faces_of_a_group_are_found(detector, photo) -> None:
    found = detector.detect(photo)
    assert len(found) == 7
    assert (np.diff(found.scores) <= 0).all()
    eyes, mouths = found.landmarks[:, :2], found.landmarks[:, 3:]
    assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all()
    assert (eyes[:, :, 1].max(axis=1) < mouths[:, :, 1].min(axis=1)).all()
    inside = (found.landmarks > found.boxes[:, None, :2]) & (
        found.landmarks < found.boxes[:, None, 2:]
    )
    assert inside.all()


def test_black_around_a_photo_moves_no_face(detector, photo) -> None:
    alone = detector.detect(photo)
    for height, width in ((375, 501), (512, 512), (600, 1000)):
        assert_same(detector.detect(placed(photo, height, width)), alone, pixels=1)


def test_faces_move_with_the_photo(detector, photo) -> None:
    at_zero = detector.detect(placed(photo, 512, 640))
    # By whole cells of the coarsest grid, so that the network sees the same; and in between.
    assert_same(detector.detect(placed(photo, 512, 640, 64, 32)), at_zero, 1, shift=(32, 64))
    assert_alike(detector.detect(placed(photo, 512, 640, 5, 13)), at_zero, shift=(13, 5))


def test_a_mirrored_photo_has_mirrored_faces(detector, photo) -> None:
    """An origin at the centre of the first pixel would shift every centre by one pixel."""
    ground = placed(photo, 512, 512)
    mirrored = detector.detect(np.ascontiguousarray(ground[:, ::-1]))
    x0, y0, x1, y1 = mirrored.boxes.T
    back = mirrored.landmarks[:, [1, 0, 2, 4, 3]] * np.float32([-1, 1]) + np.float32([512, 0])
    boxes = np.stack([512 - x1, y0, 512 - x0, y1], axis=1)
    upright = detector.detect(ground)
    assert_alike(Detections(boxes, mirrored.scores, back), upright)
    centres = [np.sort(part[:, 0] + part[:, 2]) / 2 for part in (boxes, upright.boxes)]
    assert abs(np.mean(centres[0] - centres[1])) < 0.5


def test_twice_the_photo_has_faces_twice_as_large(detector, photo) -> None:
    large = np.array(Image.fromarray(photo).resize((1000, 750), Image.Resampling.BICUBIC))
    found, expected = detector.detect(large), detector.detect(photo)
    halved = Detections(found.boxes / 2, found.scores, found.landmarks / 2)
    assert_alike(halved, expected)


def test_boxes_of_half_the_smallest_square_are_kept(photo) -> None:
    every = load(min_face=24).detect(photo)
    sides = np.sqrt((every.boxes[:, 2:] - every.boxes[:, :2]).prod(axis=1))
    limit = float(np.sort(sides)[3])
    assert len(load(min_face=math.ceil(2 * limit)).detect(photo)) == 3


@pytest.mark.parametrize(
    "shape", [(0, 0, 3), (1, 1, 3), (8, 10_000, 3), (10_000, 8, 3), (23, 24, 3)]
)
def test_a_picture_too_small_for_a_face_has_none(detector, shape) -> None:
    assert len(detector.detect(np.full(shape, 128, np.uint8))) == 0


@pytest.mark.parametrize("shape", [(24, 24, 3), (24, 3_000, 3), (3_000, 25, 3)])
def test_a_picture_without_a_face_has_none(detector, shape) -> None:
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    assert len(detector.detect(noise)) == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint8)[:, ::2],
    ],
)
def test_what_is_no_picture_is_refused(detector, image) -> None:
    with pytest.raises(ValueError, match="image"):
        detector.detect(image)


def test_missing_weights_are_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"yunet_n_dynamic\.onnx"):
        load_detector("yunet")
