"""Clustering of real embeddings: 24 people of 22 to 936 photos, many of them near-identical."""

import numpy as np
import pytest
from support.data import real_data
from support.synthetic import unit

from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.tau import choose_tau
from facebatch.evaluate.clustering import pairwise_scores
from facebatch.models.space_thresholds import shipped
from facebatch.neighbors import exact_neighbors


@pytest.fixture(scope="module")
def glint():
    stored = np.load(real_data("glint24_dlib.npz"))
    return unit(stored["emb"].astype(np.float32)), stored["label"]


def scores(embeddings, truth, neighbors, **changes):
    settings = ClusterSettings(
        choose_tau(len(truth), shipped("dlib-resnet")["none"].links), **changes
    )
    return pairwise_scores(truth, cluster_faces(embeddings, neighbors, settings, seed=1))


def test_drawing_bursts_together_merges_nobody(glint):
    embeddings, truth = glint
    neighbors = exact_neighbors(embeddings, 64)
    together = scores(embeddings, truth, neighbors)
    assert together.precision > 0.99
    assert together.recall > 0.78
    assert scores(embeddings, truth, neighbors, burst_factor=0).precision > 0.99


def test_half_of_their_photos_merge_nobody_either(glint):
    embeddings, truth = glint
    half = np.random.default_rng(4).random(len(truth)) < 0.5
    embeddings, truth = embeddings[half], truth[half]
    neighbors = exact_neighbors(embeddings, 64)
    # Without the guard's look at both parts of a merge: .952, two large people in one.
    assert scores(embeddings, truth, neighbors, burst_factor=0).precision > 0.99
    assert scores(embeddings, truth, neighbors).precision > 0.99
