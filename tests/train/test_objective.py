"""The miners choose the triplets that their papers say, by trying all of them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pytorch_metric_learning", reason="the extra train isn't installed")

import torch

from facebatch.train.objective import MARGIN, Objective, miner_of


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(20, 6, generator=generator)
    labels = torch.arange(5).repeat_interleave(4)
    unit = torch.nn.functional.normalize(embeddings).double().numpy()
    d2 = np.square(unit[:, None] - unit[None]).sum(axis=2)
    return embeddings, labels, d2


def all_triplets(labels: np.ndarray) -> list[tuple[int, int, int]]:
    n = range(len(labels))
    return [
        (a, p, k)
        for a in n
        for p in n
        for k in n
        if a != p and labels[a] == labels[p] and labels[a] != labels[k]
    ]


@pytest.mark.parametrize("seed", range(5))
def test_batch_hard_takes_the_farthest_positive_and_the_nearest_negative(seed):
    embeddings, labels, d2 = drawn(seed)
    hardest: dict[int, tuple[float, tuple[int, int, int]]] = {}
    for a, p, n in all_triplets(labels.numpy()):
        hardness = d2[a, p] - d2[a, n]
        if a not in hardest or hardness > hardest[a][0]:
            hardest[a] = hardness, (a, p, n)
    found = {
        tuple(map(int, each))
        for each in zip(*miner_of("batch-hard")(embeddings, labels), strict=True)
    }
    assert found == {triplet for _, triplet in hardest.values()}


@pytest.mark.parametrize("seed", range(5))
def test_semi_hard_takes_negatives_beyond_the_positive_within_the_margin(seed):
    embeddings, labels, d2 = drawn(seed)
    wanted = {
        (a, p, n)
        for a, p, n in all_triplets(labels.numpy())
        if d2[a, p] < d2[a, n] <= d2[a, p] + MARGIN
    }
    found = {
        tuple(map(int, each))
        for each in zip(*miner_of("semi-hard")(embeddings, labels), strict=True)
    }
    assert wanted
    assert found == wanted


def test_the_triplet_loss_is_the_mean_hinge_of_those_that_are_wrong():
    embeddings, labels, d2 = drawn(0)
    triplets = zip(*miner_of("batch-hard")(embeddings, labels), strict=True)
    hinges = np.array([max(0.0, d2[a, p] - d2[a, n] + MARGIN) for a, p, n in triplets])
    parts = Objective("triplet", "batch-hard", 6, 5)(embeddings, labels)
    assert float(parts["triplet"]) == pytest.approx(hinges[hinges > 0].mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "names"),
    [
        ("triplet", {"triplet"}),
        ("ce", {"classification"}),
        ("arcface", {"classification"}),
        ("ce+triplet", {"classification", "triplet"}),
    ],
)
def test_a_loss_has_its_parts_and_a_gradient(loss, names):
    embeddings, labels, _ = drawn(1)
    embeddings.requires_grad_()
    parts = Objective(loss, "batch-hard", 6, 5)(embeddings, labels)
    assert set(parts) == names
    sum(parts.values()).backward()
    assert float(embeddings.grad.abs().sum()) > 0
