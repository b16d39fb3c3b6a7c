"""Grouping embeddings of no collection."""

from __future__ import annotations

import numpy as np
import pytest
from support.synthetic import partition, people

import facebatch
from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.exact import exact_labels
from facebatch.cluster.tau import choose_tau
from facebatch.models.space_thresholds import shipped
from facebatch.neighbors import exact_neighbors

SIZES = [20, 15, 9, 5, 1]


def test_labels_are_those_of_the_room() -> None:
    embeddings, _ = people(SIZES, seed=2)
    settings = ClusterSettings(
        tau=choose_tau(len(embeddings), shipped("dlib-resnet")["mirror"].links)
    )
    expected = cluster_faces(embeddings, exact_neighbors(embeddings, 49), settings, 0)
    found = facebatch.cluster_embeddings(embeddings)
    assert found.max() >= 3
    np.testing.assert_array_equal(found, expected)
    exact = facebatch.cluster_embeddings(embeddings.astype(np.float64), algorithm="hdbscan")
    np.testing.assert_array_equal(exact, exact_labels(embeddings, 3, 3))
    loose = facebatch.cluster_embeddings(embeddings, tau=0.4)
    assert partition(loose) != partition(found)


@pytest.mark.parametrize("algorithm", ["graph", "hdbscan"])
def test_faces_of_one_photo_are_apart(algorithm: str) -> None:
    embeddings, truth = people([9, 9], seed=3)
    photos = np.arange(len(truth))
    first = np.flatnonzero(truth == 0)
    photos[first[1]] = photos[first[0]]
    free = facebatch.cluster_embeddings(embeddings, algorithm=algorithm)
    assert free[first[0]] == free[first[1]] >= 0
    labels = facebatch.cluster_embeddings(embeddings, photos=photos, algorithm=algorithm)
    assert labels[first[0]] != labels[first[1]]
    unknown = facebatch.cluster_embeddings(
        embeddings, photos=np.full(len(truth), -1), algorithm=algorithm
    )
    np.testing.assert_array_equal(unknown, free)


def test_none_are_none() -> None:
    for algorithm in ("graph", "hdbscan"):
        labels = facebatch.cluster_embeddings(np.zeros((0, 128), np.float32), algorithm=algorithm)
        assert labels.shape == (0,)
        assert labels.dtype == np.int32


def test_what_cant_be_grouped_is_refused() -> None:
    embeddings, _ = people([3], seed=1)
    for wrong, message in (
        ({"embeddings": embeddings * 2}, "length"),
        ({"embeddings": embeddings[0]}, "shape"),
        ({"photos": np.zeros(2, int)}, r"shape \(2,\) for 3"),
        ({"algorithm": "magic"}, "magic.*graph, hdbscan"),
        ({"photos": [0.5, 1, 2]}, "integers"),
        ({"photos": [1, 1]}, r"shape \(2,\) for 3"),
        ({"tau": 5.0}, "tau"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(facebatch.UsageError, match=message):
            facebatch.cluster_embeddings(**{"embeddings": embeddings, **wrong})  # type: ignore[arg-type]
