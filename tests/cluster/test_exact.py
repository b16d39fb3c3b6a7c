"""The package hdbscan on all faces: its own labels, within its limits."""

from __future__ import annotations

import hdbscan
import numpy as np
import pytest
from support.synthetic import at_angles, partition, people

from facebatch.cluster.exact import exact_labels
from facebatch.errors import UsageError


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_the_packages_numbered_by_first_row(seed: int) -> None:
    embeddings, _ = people([30, 25, 20, 9, 5, 3, 1, 1], seed)
    ours = exact_labels(embeddings, 3, 3)
    theirs = hdbscan.HDBSCAN(
        min_cluster_size=3, min_samples=3, algorithm="generic", metric="euclidean"
    ).fit_predict(embeddings.astype(np.float64))
    assert ours.dtype == np.int32
    assert ours.max() >= 3
    assert (ours < 0).any()
    assert partition(ours) == partition(theirs)
    first = [np.flatnonzero(ours == label)[0] for label in range(ours.max() + 1)]
    assert first == sorted(first)


def test_more_faces_than_the_limit_are_refused_with_the_way_out() -> None:
    embeddings, _ = people([6, 6], seed=1)
    assert len(exact_labels(embeddings, 3, 3, most=12)) == 12
    with pytest.raises(UsageError, match=r"12 faces are more than the 11 .*--algorithm graph"):
        exact_labels(embeddings, 3, 3, most=11)


@pytest.mark.parametrize("n", range(5))
def test_hardly_any_faces_are_noise(n: int) -> None:
    faces = at_angles(*range(n)) if n else np.zeros((0, 2), np.float32)
    assert exact_labels(faces, 3, 3).tolist() == [-1] * n


def test_identical_faces_beside_others_are_one_cluster() -> None:
    faces = np.repeat(at_angles(0, 40), 5, axis=0)
    assert exact_labels(faces, 3, 3).tolist() == [0] * 5 + [1] * 5
