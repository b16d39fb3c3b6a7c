"""SCRFD's and RetinaFace's outputs are read as their authors read them.

No real weights of theirs are here: the outputs are made up, and so are the networks.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.installed import needs_onnxruntime, needs_openvino
from support.networks import saying

from facebatch.demo.render import render_face
from facebatch.detect import Detections, load_detector
from facebatch.detect.families import FAMILIES
from facebatch.detect.onnx_nets import loaded
from facebatch.detect.second_opinion import SecondOpinion
from facebatch.detect.single_shot import SingleShotDetector
from facebatch.errors import WeightsError
from facebatch.models.card import parse
from facebatch.models.engines import Choice

SIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}


def cells(height: int, width: int, stride: int):
    """Row, column and place of each cell that the picture shows, of a grid over the padded one."""
    columns = math.ceil(width / 128) * 128 // stride
    for row in range(math.ceil(height / stride)):
        for column in range(math.ceil(width / stride)):
            yield row, column, row * columns + column


def count(height: int, width: int, stride: int) -> int:
    return math.ceil(height / 128) * math.ceil(width / 128) * (128 // stride) ** 2


def scrfd_outputs(height: int, width: int, rng) -> dict[str, np.ndarray]:
    sizes = [2 * count(height, width, stride) for stride in SIDES]
    scores = {f"s{n}": rng.uniform(0, 1, (n, 1)).astype(np.float32) for n in sizes}
    boxes = {f"b{n}": rng.uniform(0, 4, (n, 4)).astype(np.float32) for n in sizes}
    return {**scores, **boxes, **{f"k{n}": np.zeros((n, 10), np.float32) for n in sizes}}


def scrfd_faces(outputs, height: int, width: int):
    """insightface's loops: distances from anchor centres, times the stride."""
    values = list(outputs.values())
    for at, stride in enumerate(SIDES):
        for row, column, cell in cells(height, width, stride):
            for anchor in (2 * cell, 2 * cell + 1):
                score = values[at][anchor, 0]
                left, top, right, bottom = values[3 + at][anchor] * stride
                x, y = column * stride, row * stride
                if score >= 0.5:
                    yield x - left, y - top, x + right, y + bottom, score


def retinaface_outputs(height: int, width: int, rng) -> dict[str, np.ndarray]:
    n = sum(2 * count(height, width, stride) for stride in SIDES)
    face = rng.uniform(0, 1, (1, n, 1))
    return {
        "loc": rng.normal(0, 1, (1, n, 4)).astype(np.float32),
        "conf": np.concatenate([1 - face, face], axis=2).astype(np.float32),
        "landms": np.zeros((1, n, 10), np.float32),
    }


def retinaface_faces(outputs, height: int, width: int):
    """Pytorch_Retinaface's priors and decode, in pixels."""
    begin = 0
    for stride, sides in SIDES.items():
        for row, column, cell in cells(height, width, stride):
            for place, side in enumerate(sides):
                at = begin + 2 * cell + place
                dx, dy, dw, dh = outputs["loc"][0, at]
                x = (column + 0.5) * stride + dx * 0.1 * side
                y = (row + 0.5) * stride + dy * 0.1 * side
                w, h = side * math.exp(dw * 0.2), side * math.exp(dh * 0.2)
                shown = (column + 0.5) * stride < width and (row + 0.5) * stride < height
                if (score := outputs["conf"][0, at, 1]) >= 0.6 and shown:
                    yield x - w / 2, y - h / 2, x + w / 2, y + h / 2, score
        begin += 2 * count(height, width, stride)


PLAIN = {
    "scrfd": (scrfd_outputs, scrfd_faces),
    "retinaface": (retinaface_outputs, retinaface_faces),
}


@pytest.mark.parametrize("family", PLAIN)
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_outputs_are_decoded_as_their_authors_do(family, height, width, seed) -> None:
    made_up, plainly = PLAIN[family]
    outputs = made_up(height, width, np.random.default_rng(seed))
    boxes, scores = FAMILIES[family].decode(outputs, (height, width))
    expected = np.array(list(plainly(outputs, height, width))).reshape(-1, 5)
    np.testing.assert_allclose(np.column_stack([boxes, scores]), expected, rtol=1e-4, atol=1e-3)


def scrfd_saying(box, score: float) -> dict[str, np.ndarray]:
    """SCRFD's outputs for a picture of 128 x 128 with one face, at the cell (3, 4) of stride 16."""
    outputs = {}
    for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in SIDES:
            outputs[f"{kind}_{stride}"] = np.zeros((2 * (128 // stride) ** 2, width), np.float32)
    at = 2 * (3 * 8 + 4)
    outputs["score_16"][at] = score
    outputs["bbox_16"][at] = (np.array([64, 48, 64, 48]) - box) / 16 * [1, 1, -1, -1]
    return outputs


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("torch", marks=needs_onnxruntime),
        pytest.param("openvino", marks=needs_openvino),
    ],
)
def test_what_a_network_says_becomes_a_face_with_o_nets_landmarks(engine) -> None:
    picture = render_face(1, size=128)
    expected = load_detector("mtcnn").detect(picture)
    [box] = expected.boxes

    def found(score: float) -> Detections:
        chosen = Choice(engine, "cpu")
        net = loaded(saying(scrfd_saying(box, score)), SOME, chosen)
        opinion = SecondOpinion(chosen)
        return SingleShotDetector("some", FAMILIES["scrfd"], net, opinion, 24).detect(picture)

    sure = found(0.8)
    np.testing.assert_allclose(sure.boxes, [box], atol=0.01)
    assert sure.scores[0] > 0.9
    np.testing.assert_allclose(sure.landmarks, expected.landmarks, atol=0.08 * (box[2] - box[0]))
    assert len(found(0.49)) == 0


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_file_that_holds_no_network_is_named(engine) -> None:
    pytest.importorskip("onnxruntime" if engine == "torch" else "openvino")
    with pytest.raises(WeightsError, match="some: its file holds no network") as refused:
        loaded(b"no network", SOME, Choice(engine, "cpu"))
    assert "\n" not in str(refused.value)


@needs_onnxruntime
def test_a_file_isnt_blamed_for_what_the_system_refuses(monkeypatch) -> None:
    import onnxruntime

    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("Resource temporarily unavailable")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refused)
    with pytest.raises(RuntimeError, match="Resource temporarily unavailable"):
        loaded(b"a network", SOME, Choice("torch", "cpu"))


CARD = """
name = "some"
kind = "detector"
summary = "A network of a test."
format = "onnx"
family = "scrfd"
licence = "none"
source = "made up"

[input]
colour = "RGB"
mean = [127.5, 127.5, 127.5]
std = [128, 128, 128]

[[files]]
name = "some.onnx"
"""

SOME = parse(CARD.encode(), "card")
