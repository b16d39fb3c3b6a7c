import hdbscan
import numpy as np
import pytest
from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters
from sklearn.metrics import adjusted_rand_score
from support.synthetic import TAU, at_angles, d2_of_angle, partition, people, unit

from facebatch.cluster.forest import mutual_reachability, spanning_forest
from facebatch.cluster.hdbscan import select_clusters
from facebatch.cluster.labels import own_labels
from facebatch.cluster.links import density
from facebatch.neighbors import exact_neighbors

MANY = [90, 60, 45, 30, 25, 20, 12, 9, 7, 5, 4, 3, 2, 2] + [1] * 40


def links_of(neighbors, min_samples, tau):
    near = density(neighbors, min_samples, tau)
    return mutual_reachability(near.links, near.core, tau)


def forest_of(embeddings, tau, k=64, min_samples=3):
    links = links_of(exact_neighbors(embeddings, k), min_samples, tau)
    return spanning_forest(links, len(embeddings))


def cut_by_the_package(forest, min_cluster_size, tau):
    """Joins the trees at tau and lets the package's own functions choose the clusters."""
    n, merges = len(forest.layout), len(forest.heights)
    rows = [
        (left, right, height, size)
        for (left, right), height, size in zip(
            forest.children, forest.heights, forest.sizes[n:], strict=True
        )
    ]
    roots = np.setdiff1d(np.arange(n + merges), forest.children.ravel())
    # Largest first, so that single faces fall off the common root and not off a cluster.
    roots = roots[np.argsort(-forest.sizes[roots], kind="stable")]
    joined, size = roots[0], forest.sizes[roots[0]]
    for root in roots[1:]:
        size += forest.sizes[root]
        rows.append((joined, root, np.sqrt(tau), size))
        joined = n + len(rows) - 1
    condensed = condense_tree(np.array(rows, np.float64), min_cluster_size)
    return get_clusters(condensed, compute_stability(condensed))[0]


@pytest.mark.parametrize("min_cluster_size", [2, 3, 5, 10])
@pytest.mark.parametrize("tau", [TAU, 0.115, 0.13])
@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_the_packages_with_trees_joined_at_tau(seed, tau, min_cluster_size):
    embeddings, _ = people(MANY, seed)
    forest = forest_of(embeddings, tau, min_samples=2)
    nodes = select_clusters(forest, min_cluster_size, tau)
    ours = forest.labels(nodes)
    assert len(nodes) > 4
    assert (ours >= 0).sum() == forest.sizes[nodes].sum(), "a cluster lies in another"
    assert partition(ours) == partition(cut_by_the_package(forest, min_cluster_size, tau))


@pytest.mark.parametrize("min_samples", [1, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_without_a_cut_the_whole_method_is_the_packages(seed, min_samples):
    # Apart far enough that the package, which may choose the root here as we may, doesn't.
    embeddings, truth = people([80, 60, 40, 20, 10, 6], seed)
    embeddings = unit(embeddings + np.eye(6, 128, dtype=np.float32)[truth] / 2)
    forest = forest_of(embeddings, 4.0, k=len(truth) - 1, min_samples=min_samples)
    ours = forest.labels(select_clusters(forest, 3, np.inf))
    theirs = hdbscan.HDBSCAN(
        min_cluster_size=3, min_samples=min_samples, algorithm="generic", allow_single_cluster=True
    ).fit_predict(embeddings.astype(np.float64))
    assert ours.max() > 1
    # Equal but for ties of mutual reachability, which the package leaves to chance.
    assert adjusted_rand_score(own_labels(ours), own_labels(theirs)) >= 0.999


@pytest.mark.parametrize(("gap", "clusters"), [(1.7, 1), (1.85, 2)])
def test_the_more_stable_of_a_whole_and_its_halves_is_chosen(gap, clusters):
    # Two halves of three faces, one degree apart, joined across the gap, and the trees at eight
    # degrees. For small angles lambda is 1 / degrees: each half weighs 3 * (1 - 1 / gap) and the
    # whole 6 * (1 / gap - 1 / 8), which are equal at a gap of 2 / (1 + 1 / 8) = 1.78.
    faces = at_angles(0, 1, 2, 2 + gap, 3 + gap, 4 + gap)
    forest = forest_of(faces, d2_of_angle(8), min_samples=1)
    assert len(select_clusters(forest, 3, d2_of_angle(8))) == clusters


def test_one_person_alone_is_a_cluster():
    embeddings, _ = people([40], seed=1)
    forest = forest_of(embeddings, 4.0)
    nodes = select_clusters(forest, 3, 4.0)
    assert forest.sizes[nodes].tolist() == [40]


def test_groups_below_the_smallest_size_are_no_clusters():
    forest = forest_of(at_angles(0, 1, 40, 41, 42), tau=0.01, min_samples=1)
    labels = forest.labels(select_clusters(forest, 3, 0.01))
    assert labels.tolist() == [-1, -1, 0, 0, 0]


def test_identical_faces_are_one_cluster():
    forest = forest_of(np.repeat(at_angles(20), 50, axis=0), TAU)
    assert forest.labels(select_clusters(forest, 3, TAU)).tolist() == [0] * 50
