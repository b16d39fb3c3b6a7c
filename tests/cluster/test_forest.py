import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.sparse.csgraph import minimum_spanning_tree
from support.examples import examples
from support.synthetic import TAU, at_angles, d2_of_angle, partition, people

from facebatch.cluster.forest import mutual_reachability, spanning_forest
from facebatch.cluster.hdbscan import select_clusters
from facebatch.cluster.links import density
from facebatch.neighbors import exact_neighbors


def links_of(neighbors, min_samples, tau):
    near = density(neighbors, min_samples, tau)
    return mutual_reachability(near.links, near.core, tau)


def forest_of(embeddings, min_samples, tau, k=64):
    links = links_of(exact_neighbors(embeddings, k), min_samples, tau)
    return spanning_forest(links, len(embeddings))


def mutual_reachability_matrix(embeddings, min_samples):
    rows = embeddings.astype(np.float64)
    distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)
    core = np.sort(distances, axis=1)[:, min_samples]
    return np.maximum(distances, np.maximum(core[:, None], core[None]))


def test_weight_is_the_largest_of_length_and_core_distances():
    links = links_of(exact_neighbors(at_angles(0, 1, 10), 2), 2, 4.0)
    # The second neighbours lie at 10, 9 and 10 degrees, so no weight is below 10 for face 0.
    weights = dict(zip(zip(links.sources, links.targets, strict=True), links.lengths, strict=True))
    assert weights[0, 1] == pytest.approx(d2_of_angle(10), rel=1e-5)
    assert weights[1, 2] == pytest.approx(d2_of_angle(10), rel=1e-5)


def test_links_longer_than_tau_are_dropped_and_those_at_tau_kept():
    neighbors = exact_neighbors(at_angles(0, 10, 30), 2)
    at = float(neighbors.distances[0])
    kept = links_of(neighbors, 1, at)
    assert (kept.sources.tolist(), kept.targets.tolist()) == ([0], [1])
    below = links_of(neighbors, 1, np.nextafter(np.float32(at), np.float32(0)))
    assert len(below.lengths) == 0


def test_among_equal_weights_the_nearer_link_comes_first():
    # With the third neighbour as core every link of these four weighs the same or more.
    links = links_of(exact_neighbors(at_angles(0, 1, 3, 7), 3), 3, 4.0)
    tied = links.lengths == links.lengths[-1]
    pairs = zip(links.sources[tied], links.targets[tied], strict=True)
    angles = (0, 1, 3, 7)
    spans = [abs(angles[source] - angles[target]) for source, target in pairs]
    assert len(set(spans)) > 1
    assert spans == sorted(spans)


@pytest.mark.parametrize("min_samples", [1, 3])
def test_forest_weighs_as_much_as_scipys_minimum_spanning_tree(min_samples):
    embeddings, _ = people([60, 30, 10], seed=1)
    forest = forest_of(embeddings, min_samples, 4.0, k=99)
    tree = minimum_spanning_tree(mutual_reachability_matrix(embeddings, min_samples))
    np.testing.assert_allclose(forest.heights**2, np.sort(tree.data), atol=1e-6)


@examples(4, 20)
@given(seed=st.integers(0, 10**6), clusters=st.integers(1, 20))
def test_trees_are_those_of_single_linkage(seed, clusters):
    embeddings, _ = people([12, 8], seed)
    forest = forest_of(embeddings, 1, 4.0)
    tops = np.arange(2 * 20 - 1)[: 20 + 20 - clusters]
    children_of_kept = forest.children[: 20 - clusters].ravel()
    roots = np.setdiff1d(tops, children_of_kept)
    wanted = cut_tree(linkage(embeddings.astype(np.float64), "single"), n_clusters=clusters)
    assert partition(forest.labels(roots)) == partition(wanted.ravel())


def test_trees_stay_apart_at_tau():
    embeddings, _ = people([30, 20, 1, 1], seed=2)
    forest = forest_of(embeddings, 3, TAU)
    assert (forest.heights <= np.sqrt(TAU) * (1 + 1e-6)).all()
    within = mutual_reachability_matrix(embeddings, 3) <= TAU
    roots = np.setdiff1d(np.arange(len(forest.sizes)), forest.children.ravel())
    label = forest.labels(roots)
    assert len(roots) > 2
    assert not within[label[:, None] != label[None]].any()


def test_faces_below_a_node_are_its_childrens():
    embeddings, _ = people([30, 20], seed=3)
    forest = forest_of(embeddings, 3, TAU)
    n = len(embeddings)
    for merge, (left, right) in enumerate(forest.children.tolist()):
        below = forest.faces(n + merge).tolist()
        assert below == [*forest.faces(left).tolist(), *forest.faces(right).tolist()]
    assert sorted(forest.layout.tolist()) == list(range(n))


@pytest.mark.parametrize("n", [0, 1])
def test_forest_of_nothing_to_join(n):
    forest = forest_of(np.ones((n, 1), np.float32), 3, TAU)
    assert len(forest.heights) == 0
    assert forest.labels(select_clusters(forest, 3, TAU)).tolist() == [-1] * n
