"""A picture's values are the same whether its shape has a network of its own, in strips, or not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.data import real_data
from support.installed import needs_bfloat16, needs_openvino

from facebatch.detect import Detections, load_detector
from facebatch.detect.yunet import YUNET
from facebatch.models.registry import CARDS

pytestmark = needs_openvino


@pytest.fixture(scope="module")
def content() -> bytes:
    """YuNet with its real weights."""
    return (real_data("models") / "yunet" / CARDS["yunet"].files[0].name).read_bytes()


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed)
    return noise.integers(0, 256, (1, height, width, 3), dtype=np.uint8)


def copied(values: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    return [each.copy() for each in values]


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)])
@pytest.mark.parametrize(
    "shape", [(768, 1024), (1024, 640), (512, 1024), (128, 1024), (1024, 512), (256, 256)]
)
def test_a_frequent_shape_changes_no_value(content, monkeypatch, shape, precision):
    from facebatch.models import openvino_pictures as pictures

    monkeypatch.setattr(pictures, "OFTEN", 2)
    network = pictures.PictureNetwork(content, CARDS["yunet"].input, YUNET.strips, precision)
    given = picture(*shape)
    first = copied(network(given))
    for _ in range(2):
        for before, now in zip(first, network(given), strict=True):
            np.testing.assert_allclose(now, before, rtol=1e-4, atol=1e-5)


def test_many_shapes_take_turns_in_threads(content, monkeypatch):
    from facebatch.models import openvino_pictures as pictures

    monkeypatch.setattr(pictures, "OFTEN", 3)
    network = pictures.PictureNetwork(content, CARDS["yunet"].input, YUNET.strips)
    shapes = [(128 * rows, 128 * columns) for rows in (1, 2) for columns in (1, 2, 3)]
    given = [picture(*shapes[turn % len(shapes)], turn) for turn in range(48)]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda each: copied(network(each)), given))
    alone = pictures.PictureNetwork(content, CARDS["yunet"].input)
    monkeypatch.setattr(pictures, "OFTEN", 1000)
    for values, each in zip(found, given, strict=True):
        for value, expected in zip(values, alone(each), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_such_layers_is_compiled_whole(content, monkeypatch):
    from facebatch.models import openvino_pictures as pictures
    from facebatch.models.onnx_runtime import Strips

    monkeypatch.setattr(pictures, "OFTEN", 2)
    network = pictures.PictureNetwork(content, CARDS["yunet"].input, Strips("no such node", 8, 24))
    given = picture(768, 1024)
    first = copied(network(given))
    for before, now in zip(first, network(given), strict=True):
        np.testing.assert_allclose(now, before, rtol=1e-4, atol=1e-5)


def faces_of_a_frequent_shape(name: str, monkeypatch) -> list[Detections]:
    """What a detector finds in one picture, whose shape has a network of its own from the second
    time on."""
    from facebatch.demo.render import render_face
    from facebatch.models import openvino_pictures as pictures

    monkeypatch.setattr(pictures, "OFTEN", 2)
    monkeypatch.setenv("FACEBATCH_MODELS", str(real_data("models")))
    detector = load_detector(name, engine="openvino")
    photo = np.zeros((768, 1024, 3), np.uint8)
    for number, (y, x) in enumerate([(10, 20), (200, 400), (250, 800), (500, 150), (640, 700)]):
        photo[y : y + 112, x : x + 112] = render_face(number, size=112)
    return [detector.detect(photo) for _ in range(3)]


def test_the_faces_of_a_frequent_shape_stay_the_same(monkeypatch):
    first, *others = faces_of_a_frequent_shape("yunet", monkeypatch)
    assert len(first) == 5
    for found in others:
        np.testing.assert_allclose(found.boxes, first.boxes, atol=1e-3)
        np.testing.assert_allclose(found.scores, first.scores, atol=1e-5)


@needs_bfloat16
def test_yunet_in_bfloat16_finds_the_same_faces(monkeypatch):
    exact, *_ = faces_of_a_frequent_shape("yunet", monkeypatch)
    for found in faces_of_a_frequent_shape("yunet-bf16", monkeypatch):
        order = np.linalg.norm(exact.boxes[:, None] - found.boxes, axis=2).argmin(axis=1)
        assert sorted(order) == [0, 1, 2, 3, 4]
        np.testing.assert_allclose(found.boxes[order], exact.boxes, atol=4)
        np.testing.assert_allclose(found.landmarks[order], exact.landmarks, atol=3)
        assert np.abs(found.boxes[order] - exact.boxes).max() > 1e-3, "it was computed in float32"
