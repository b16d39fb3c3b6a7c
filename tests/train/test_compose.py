"""An embedder with a head behind it is one file, which gives what the two give in turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra train isn't installed")

import torch
from support.spread import spread

from facebatch.embed import load_embedder
from facebatch.embed.card_embedder import load_card_embedder
from facebatch.errors import UsageError, WeightsError
from facebatch.models import onnx_runtime, registry
from facebatch.models.card import Card, Input
from facebatch.models.registry import CARDS
from facebatch.train.compose import composed
from facebatch.train.export import onnx_bytes
from facebatch.train.heads import apply_head
from facebatch.train.nets import MobileNetV1

pytestmark = pytest.mark.skipif(
    not onnx_runtime.can_run(), reason="nothing that runs ONNX files is installed"
)
SIDE = 40


def own(dimension: int = 128) -> Card:
    reads = Input(SIDE, "RGB", (127.5,) * 3, (128.0,) * 3, "NCHW", "float32")
    points = tuple(map(tuple, (CARDS["retail-0095"].points)))
    return replace(CARDS["sface"], template="", points=points, dimension=dimension, input=reads)


def content() -> bytes:
    torch.manual_seed(0)
    return onnx_bytes(spread(MobileNetV1(128, 0.25), chips(SIDE)[:, 0]), SIDE)


def matrix(directions: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(128, directions)).astype(np.float32)


def chips(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 1, side, side, 3), dtype=np.uint8)


def embedded(card: Card, file: bytes, side: int) -> np.ndarray:
    return load_card_embedder(card, [file], "mirror", "auto", "cpu").embed(chips(side))


def test_an_onnx_file_gets_a_head():
    head = matrix(40)
    file, reads = composed(own(), [content()], head)
    assert reads == own().input
    found = embedded(own(40), file, SIDE)
    wanted = apply_head(head, embedded(own(), content(), SIDE))
    assert np.abs(found - wanted).max() < 1e-4


def test_dlibs_network_gets_a_head():
    head = matrix(128)
    card = registry.card("dlib-resnet")
    file, reads = composed(card, [registry.read(each) for each in card.files], head)
    with_head = replace(card, format="onnx", input=reads)
    found = embedded(with_head, file, 150)
    alone = load_embedder("dlib-resnet", "mirror", "torch", "cpu").embed(chips(150))
    assert (found * apply_head(head, alone)).sum(axis=1).min() > 0.999


def test_what_cant_have_a_head_is_refused():
    with pytest.raises(UsageError, match="not behind retail-0095"):
        composed(CARDS["retail-0095"], [b"", b""], matrix(8))
    with pytest.raises(WeightsError, match="isn't an ONNX network of one output"):
        composed(own(), [b"no network"], matrix(8))
