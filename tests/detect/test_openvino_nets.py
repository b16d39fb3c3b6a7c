"""The compiled networks give what torch gives, in any shape, from any thread, in bounded memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
from support.installed import needs_openvino

from facebatch.detect.nets import Cascade
from facebatch.detect.torch_nets import eager

pytestmark = needs_openvino


@pytest.fixture(scope="module")
def reference() -> Cascade:
    return Cascade(eager)


@pytest.fixture(scope="module")
def compiled() -> Cascade:
    from facebatch.detect import openvino_nets

    return Cascade(openvino_nets.compiled)


def normalised(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.uniform(-1, 1, shape).astype(np.float32)


def assert_same(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)  # probabilities and fractions


@pytest.mark.parametrize(
    "shape", [(12, 12), (12, 13), (13, 12), (15, 15), (14, 51), (52, 16), (97, 131), (384, 512)]
)
def test_proposals_are_those_of_torch_at_even_and_odd_sizes(reference, compiled, shape):
    level = normalised(np.random.default_rng(0), 3, *shape)
    assert_same(compiled.propose(level), reference.propose(level))


@pytest.mark.parametrize("count", [1, 3, 4, 8, 9, 64, 256])
def test_crops_are_judged_as_by_torch_in_batches_of_any_size(reference, compiled, count):
    random = np.random.default_rng(count)
    small, large = normalised(random, count, 3, 24, 24), normalised(random, count, 3, 48, 48)
    assert_same(compiled.refine(small), reference.refine(small))
    assert_same(compiled.output(large), reference.output(large))


def test_results_outlive_the_next_call(compiled):
    random = np.random.default_rng(1)
    first, second = normalised(random, 3, 40, 40), normalised(random, 3, 40, 40)
    scores = compiled.propose(first)[1]
    before = scores.copy()
    compiled.propose(second)
    np.testing.assert_array_equal(scores, before)


def test_threads_may_share_the_networks(compiled):
    random = np.random.default_rng(2)
    levels = [normalised(random, 3, side, 60) for side in range(40, 60)] * 5
    alone = [compiled.propose(level)[1] for level in levels]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda level: compiled.propose(level)[1], levels))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.full
def test_memory_does_not_grow_with_every_new_shape(compiled):
    shapes = [(12 + i // 50, 12 + i % 50) for i in range(1_300)]
    sizes = []
    for i, shape in enumerate(shapes):
        compiled.propose(np.zeros((3, *shape), np.float32))
        if i in (300, len(shapes) - 1):
            sizes.append(psutil.Process().memory_info().rss)
    # 28 MB here; with OpenVINO's own bound of the cache 259 MB.
    assert sizes[1] - sizes[0] < 40e6
