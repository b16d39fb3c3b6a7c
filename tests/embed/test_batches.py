"""Batches of one shape, and single chips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.embed import load_embedder
from facebatch.embed.views import in_batches

BATCH, SIDE = 8, 3


def sums(chips: np.ndarray) -> np.ndarray:
    return chips.sum((1, 2, 3), dtype=np.float32)[:, None]


@given(st.integers(0, 20), st.booleans())
def test_every_chip_has_its_own_output_whatever_the_number(count: int, has_single: bool) -> None:
    chips = np.random.default_rng(count).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    calls: list[int] = []

    def run(given: np.ndarray) -> np.ndarray:
        calls.append(len(given))
        return sums(given)

    forward = in_batches(run, BATCH, SIDE, 1, lambda: run if has_single else None)
    np.testing.assert_array_equal(forward(chips), sums(chips))
    assert set(calls) <= ({1, BATCH} if has_single else {BATCH})
    few = count % BATCH
    assert calls.count(1) == (few if has_single and few <= BATCH // 2 else 0)


def test_one_face_has_the_embedding_that_it_has_in_company() -> None:
    pytest.importorskip("openvino")
    embedder = load_embedder("dlib-resnet", "mirror", "openvino", "cpu")
    noise = np.random.default_rng(0).integers(0, 256, (9, 1, 150, 150, 3), dtype=np.uint8)
    together, alone = embedder.embed(noise), [embedder.embed(one[None])[0] for one in noise]
    assert (together * np.stack(alone)).sum(1).min() > 0.99999
