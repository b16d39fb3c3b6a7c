"""The network gives dlib's own descriptors, and the embedder averages and normalises them."""

from __future__ import annotations

import functools
from collections.abc import Callable

import dlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.data import real_data
from support.installed import needs_bfloat16, needs_openvino

from facebatch.demo.render import render_face
from facebatch.embed import SCALES, TTA_CHOICES, load_embedder
from facebatch.embed.dlib_resnet import DlibResnetEmbedder, load_network
from facebatch.errors import DatFormatError, UsageError
from facebatch.models import registry

FLOAT32 = [
    ("torch", "float32"),
    pytest.param(("openvino", "float32"), marks=needs_openvino),
]
BFLOAT16 = [
    pytest.param(("torch", "bfloat16"), marks=needs_bfloat16),
    pytest.param(("openvino", "bfloat16"), marks=[needs_openvino, needs_bfloat16]),
]


@pytest.fixture(scope="module", params=FLOAT32)
def exact(request) -> DlibResnetEmbedder:
    return DlibResnetEmbedder("none", *request.param)


@pytest.fixture(scope="module", params=[*FLOAT32, *BFLOAT16])
def ran_by(request) -> tuple[str, str]:
    """Engine and precision."""
    return request.param


@pytest.fixture(scope="module")
def plain(ran_by) -> DlibResnetEmbedder:
    return DlibResnetEmbedder("none", *ran_by)


@pytest.fixture(scope="module")
def mirrored(ran_by) -> DlibResnetEmbedder:
    return DlibResnetEmbedder("mirror", *ran_by)


@pytest.fixture(scope="module")
def chips():
    """Five rendered faces and one chip of noise, uint8 (6, 1, 150, 150, 3)."""
    faces = [render_face(identity, size=150, noise_seed=identity) for identity in range(5)]
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    return np.stack([*faces, noise])[:, None]


@pytest.fixture(scope="module")
def describe():
    """dlib's own descriptors, float64 (n, 128)."""
    model = dlib.face_recognition_model_v1(str(registry.path(registry.DLIB_RESNET)))

    def descriptors(chips):
        return np.array([model.compute_face_descriptor(chip) for chip in chips])

    return descriptors


def test_rendered_chips_have_the_descriptors_of_dlib(exact, chips, describe):
    np.testing.assert_allclose(exact.raw(chips), describe(chips[:, 0]), rtol=0, atol=1e-5)


def test_photographed_chips_have_the_descriptors_of_dlib(exact, describe):
    paths = sorted(real_data("dlib_johns").rglob("*.jpg"))[::4]
    chips = np.stack([np.array(Image.open(path).convert("RGB")) for path in paths])
    assert len(chips) > 10
    np.testing.assert_allclose(exact.raw(chips[:, None]), describe(chips), rtol=0, atol=1e-5)


@functools.cache
def rendered_chips() -> NDArray[np.uint8]:
    return np.stack([render_face(identity, size=150) for identity in range(40)])[:, None]


@functools.cache
def photographed_chips() -> NDArray[np.uint8]:
    paths = sorted(real_data("dlib_johns").rglob("*.jpg"))
    return np.stack([np.array(Image.open(path).convert("RGB")) for path in paths])[:, None]


@functools.cache
def in_float32(chips: Callable[[], NDArray[np.uint8]], tta: str) -> NDArray[np.float32]:
    return DlibResnetEmbedder(tta, "torch", "float32").embed(chips())


@pytest.mark.parametrize("ran_by", BFLOAT16)
@pytest.mark.parametrize("tta", ["none", "mirror"])
@pytest.mark.parametrize("chips", [rendered_chips, photographed_chips])
def test_bfloat16_keeps_the_direction_of_float32(chips, ran_by, tta):
    fast, exact = DlibResnetEmbedder(tta, *ran_by).embed(chips()), in_float32(chips, tta)
    cosines = (fast * exact).sum(axis=1)
    assert cosines.max() < 1 - 1e-7, "bfloat16 was asked for and not used"
    assert cosines.min() > 0.9999


@needs_openvino
def test_openvino_gives_the_float32_embeddings_of_torch(chips):
    compiled = DlibResnetEmbedder("mirror", "openvino", "float32").embed(chips)
    eager = DlibResnetEmbedder("mirror", "torch", "float32").embed(chips)
    np.testing.assert_allclose(compiled, eager, rtol=0, atol=2e-6)


def test_provenance_names_engine_and_precision(plain, ran_by):
    found = plain.provenance
    assert (found.engine, found.precision, found.device) == (*ran_by, "cpu")


def test_swapped_colours_move_the_descriptor(plain, chips, describe):
    swapped = np.ascontiguousarray(chips[..., ::-1])
    distance = np.linalg.norm(plain.raw(swapped) - describe(chips[:, 0]), axis=1)
    assert distance.min() > 0.05  # parity is a thousand times closer; accuracy would not show it


def test_embeddings_have_unit_length(mirrored, chips):
    embeddings = mirrored.embed(chips)
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (6, mirrored.dimension)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    assert np.abs(np.linalg.norm(mirrored.raw(chips), axis=1) - 1).min() > 0.1


def test_a_chip_and_its_mirror_image_have_one_embedding(mirrored, plain, chips):
    flipped = np.ascontiguousarray(chips[:, :, :, ::-1])
    np.testing.assert_allclose(mirrored.embed(chips), mirrored.embed(flipped), atol=1e-6)
    assert np.abs(plain.embed(chips) - plain.embed(flipped)).max() > 1e-3


def test_raw_outputs_are_averaged_before_normalisation(mirrored, plain, chips):
    flipped = np.ascontiguousarray(chips[:, :, :, ::-1])
    mean = (plain.raw(chips) + plain.raw(flipped)) / 2
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(mirrored.embed(chips), expected, atol=1e-6)


def test_full_averaging_is_the_mean_of_three_mirrored_scales(mirrored, chips, ran_by):
    full = DlibResnetEmbedder("full", *ran_by)
    assert full.scales == (0.95, 1.0, 1.05)
    three = np.concatenate([chips[0:2], chips[2:4], chips[4:6]], axis=1)
    expected = sum(mirrored.raw(three[:, scale : scale + 1]) for scale in range(3)) / 3
    np.testing.assert_allclose(full.raw(three), expected, atol=1e-5)


def test_a_face_has_the_same_embedding_in_any_batch(plain, chips):
    many = np.concatenate([chips] * 6)  # 36: more than one batch
    together = plain.embed(many)
    np.testing.assert_allclose(together, np.concatenate([plain.embed(chips)] * 6), atol=1e-6)
    np.testing.assert_allclose(together[7], plain.embed(chips[1:2])[0], atol=1e-6)


def test_read_only_chips_are_embedded(plain, chips):
    frozen = chips[:1].copy()
    frozen.flags.writeable = False
    np.testing.assert_allclose(plain.embed(frozen), plain.embed(chips[:1]), atol=1e-7)


def test_no_faces_give_no_embeddings(mirrored, chips):
    assert mirrored.embed(chips[:0]).shape == (0, 128)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 150, 150, 3), np.uint8),
        np.zeros((1, 3, 150, 150, 3), np.uint8),
        np.zeros((1, 1, 160, 160, 3), np.uint8),
        np.zeros((1, 1, 150, 150, 3), np.float32),
    ],
)
def test_other_arrays_are_refused(mirrored, wrong):
    with pytest.raises(ValueError, match=r"chips are uint8 \(n, 1, 150, 150, 3\)"):
        mirrored.embed(wrong)


def test_the_factory_gives_each_kind_of_averaging():
    for tta in TTA_CHOICES:
        embedder = load_embedder("dlib-resnet", tta, "torch")
        assert embedder.scales == SCALES[tta]
        assert (embedder.name, embedder.template) == ("dlib-resnet", "dlib-150")
        assert embedder.provenance.engine == "torch"


def test_the_factory_refuses_what_it_does_not_know():
    with pytest.raises(UsageError, match="dlib-resnet"):
        load_embedder("arcface")
    with pytest.raises(UsageError, match="mirror"):
        load_embedder("dlib-resnet", "twice")


@pytest.mark.parametrize(("old", "new"), [(b"max_pool_2", b"avg_pool_2"), (b"add_prev_", b"relu_")])
def test_a_file_with_another_wiring_is_refused(old, new):
    content = registry.read(registry.DLIB_RESNET)
    tagged = bytes([1, len(old)]) + old
    assert tagged in content
    with pytest.raises(DatFormatError, match="aren't those"):
        load_network(content.replace(tagged, bytes([1, len(new)]) + new, 1))
