"""An embedder is run as its card says, by OpenVINO or onnxruntime, in any batch the same."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.data import real_data
from support.installed import needs_bfloat16, needs_openvino

from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.embed import TTA_CHOICES, load_embedder
from facebatch.embed.card_embedder import load_card_embedder, runtime_of
from facebatch.errors import UsageError, WeightsError
from facebatch.models import registry
from facebatch.models.card import Card, Input
from facebatch.models.engines import Choice
from facebatch.models.registry import CARDS

needs_onnxruntime = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime isn't installed"
)
SIDE = 16
POINTS = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def card(dimension: int = 3, **reads: object) -> Card:
    asked = Input(SIDE, "RGB", (0, 0, 0), (1, 1, 1), "NCHW", "float32")
    return replace(
        CARDS["retail-0095"],
        dimension=dimension,
        points=POINTS,
        input=replace(asked, **reads),  # type: ignore[arg-type]
    )


def network(reads: Input, batch: int, tmp_path: Path, tail: str = "rows") -> list[bytes]:
    """IR of a network that gives the mean of each colour plane, as it is fed."""
    from facebatch.models.openvino_runtime import openvino, opset

    sides, spatial = [SIDE, SIDE], [2, 3]
    shape = [batch, 3, *sides]
    if reads.layout == "NHWC":
        shape, spatial = [batch, *sides, 3], [1, 2]
    x = opset.parameter(shape, getattr(np, reads.dtype))
    means = opset.reduce_mean(opset.convert(x, "f32"), np.array(spatial, np.int64), False)
    if tail == "one row":
        means = opset.reshape(means, np.array([1, -1], np.int64), False)
    if tail == "mixed rows":
        means = opset.subtract(means, opset.reduce_mean(means, np.array([0], np.int64), True))
        means = opset.add(means, opset.constant(np.ones((1, 3), np.float32)))
    if tail == "batch 1 only":
        means = opset.reshape(means, np.array([1, 3], np.int64), False)
    openvino.save_model(openvino.Model([means], [x]), tmp_path / "net.xml", False)
    return [(tmp_path / f"net.{end}").read_bytes() for end in ("xml", "bin")]


def chips(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 1, SIDE, SIDE, 3), dtype=np.uint8)


@needs_openvino
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("colour", "dtype", "mean", "std"),
    [
        ("RGB", "float32", (0, 0, 0), (1, 1, 1)),
        ("BGR", "float32", (0, 0, 0), (1, 1, 1)),
        ("RGB", "float32", (123.0, 116.0, 103.0), (58.0, 57.0, 128.0)),
        ("BGR", "float32", (103.0, 116.0, 123.0), (128.0, 57.0, 58.0)),
        ("RGB", "uint8", (0, 0, 0), (1, 1, 1)),
        ("BGR", "uint8", (0, 0, 0), (1, 1, 1)),
    ],
)
def test_the_network_is_fed_what_the_card_says(tmp_path, layout, colour, dtype, mean, std):
    described = card(layout=layout, colour=colour, dtype=dtype, mean=mean, std=std)
    files = network(described.input, 1, tmp_path)
    embedder = load_card_embedder(described, files, "none", "openvino", "cpu")
    given = chips(11)
    pixels = given[:, 0] if colour == "RGB" else given[:, 0, :, :, ::-1]
    expected = ((pixels - np.array(mean)) / np.array(std)).mean(axis=(1, 2))
    np.testing.assert_allclose(embedder.raw(given), expected, rtol=1e-4, atol=1e-4)
    lengths = np.linalg.norm(embedder.embed(given), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


@needs_openvino
@pytest.mark.parametrize("tail", ["rows", "one row", "mixed rows", "batch 1 only"])
@pytest.mark.parametrize("batch", [1, 8])
def test_a_face_has_the_same_embedding_whatever_batch_the_file_has(tmp_path, tail, batch):
    if tail == "batch 1 only" and batch == 8:
        pytest.skip("that file can't be made")
    described = card()
    files = network(described.input, batch, tmp_path, tail)
    embedder = load_card_embedder(described, files, "none", "openvino", "cpu")
    given = chips(19)
    together = embedder.raw(given)
    alone = np.concatenate([embedder.raw(given[face : face + 1]) for face in range(19)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert (tail == "mixed rows") == (np.ptp(together, axis=0).max() < 1e-3)


@needs_openvino
def test_a_chip_and_its_mirror_image_have_one_embedding(tmp_path):
    embedder = load_card_embedder(
        card(), network(card().input, 1, tmp_path), "mirror", "openvino", "cpu"
    )
    given = chips(3)
    np.testing.assert_allclose(
        embedder.embed(given), embedder.embed(given[:, :, :, ::-1].copy()), atol=1e-6
    )


@needs_openvino
def test_files_that_are_not_as_the_card_says_are_refused(tmp_path):
    files = network(card().input, 1, tmp_path)
    for wrong, given, told in (
        (card(dimension=4), files, "6 values for 2 chips, the card says 4 each"),
        (card(size=12), [files[0][:200], files[1]], "can't read it"),
        (card(), [b"nonsense"], "can't read it"),
        (card(layout="NHWC"), files, "isn't as its card says"),
    ):
        with pytest.raises(WeightsError, match=told) as refused:
            load_card_embedder(wrong, given, "none", "openvino", "cpu")
        assert "\n" not in str(refused.value)


@needs_openvino
def test_an_ir_needs_openvino_and_the_cpu():
    ir, onnx = CARDS["retail-0095"], CARDS["mobilefacenet"]
    assert runtime_of(ir, Choice("torch", "cpu")) == ("openvino", "cpu")
    assert runtime_of(onnx, Choice("openvino", "cpu")) == ("openvino", "cpu")
    with pytest.raises(UsageError, match="--device cpu"):
        runtime_of(ir, Choice("torch", "cuda"))


def test_a_missing_runtime_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in ("mobilefacenet", "retail-0095"):
        with pytest.raises(UsageError, match=r"pip install 'facebatch\[openvino\]'"):
            runtime_of(CARDS[name], Choice("torch", "cpu"))


def test_missing_weights_are_refused_with_where_they_come_from(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"MobileFaceNet\.onnx"):
        load_embedder("mobilefacenet")


@needs_openvino
@needs_onnxruntime
def test_onnxruntime_and_openvino_give_mobilefacenets_same_embeddings(monkeypatch):
    monkeypatch.setenv("FACEBATCH_MODELS", str(real_data("models")))
    faces = np.stack([render_face(identity, size=112) for identity in range(9)])[:, None]
    found = {
        engine: load_embedder("mobilefacenet", "mirror", engine, "cpu")
        for engine in ("openvino", "torch")
    }
    assert found["torch"].provenance.engine == "onnxruntime"
    assert found["openvino"].template == "arcface-112"
    embedded = [embedder.embed(faces) for embedder in found.values()]
    assert embedded[0].shape == (9, 128)
    np.testing.assert_allclose(*embedded, atol=2e-5)
    with pytest.raises(WeightsError, match="isn't as its card says"):
        load_card_embedder(CARDS["mobilefacenet"], [b"no network"], "none", "torch", "cpu")


@needs_openvino
@needs_bfloat16
def test_mobilefacenet_in_bfloat16_is_near_the_one_of_float32_and_a_space_of_its_own(monkeypatch):
    monkeypatch.setenv("FACEBATCH_MODELS", str(real_data("models")))
    faces = np.stack([render_face(identity, size=112) for identity in range(9)])[:, None]
    names = ("mobilefacenet", "mobilefacenet-bf16")
    exact, short = (load_embedder(name, "mirror", "torch", "cpu") for name in names)
    assert (short.provenance.engine, short.provenance.precision) == ("openvino", "bfloat16")
    cosines = (exact.embed(faces) * short.embed(faces)).sum(axis=1)
    assert cosines.min() > 0.99
    assert cosines.max() < 0.99999, "it was computed in float32"
    once = load_embedder("mobilefacenet-bf16", "none", "torch", "cpu")
    for embedder in (short, once):
        alone = np.concatenate([embedder.embed(faces[face : face + 1]) for face in range(9)])
        np.testing.assert_allclose(embedder.embed(faces), alone, atol=1e-6)
    spaces = {ExtractSettings(embedder=name).space() for name in names}
    assert len(spaces) == 2


def test_what_the_network_is_fed_is_part_of_the_space(monkeypatch):
    mine = CARDS["mobilefacenet"]
    spaces = set()
    for reads in (
        mine.input,
        replace(mine.input, colour="BGR"),
        replace(mine.input, std=(1, 1, 1)),
    ):
        monkeypatch.setattr(registry, "CARDS", {**CARDS, mine.name: replace(mine, input=reads)})
        spaces |= {
            ExtractSettings(embedder="mobilefacenet", tta=tta).space() for tta in TTA_CHOICES
        }
    assert len(spaces) == 9
