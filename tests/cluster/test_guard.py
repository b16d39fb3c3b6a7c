import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import TAU, at_angles, d2_of_angle, people, unit

from facebatch.cluster.forest import mutual_reachability, spanning_forest
from facebatch.cluster.guard import FARTHEST_PARTS, break_wide_clusters, mean_pairwise_d2
from facebatch.cluster.links import density
from facebatch.neighbors import exact_neighbors


def mean_of_all_pairs(embeddings):
    rows = embeddings.astype(np.float64)
    distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=-1)
    return distances[np.triu_indices(len(rows), 1)].mean()


def links_of(neighbors, min_samples, tau):
    near = density(neighbors, min_samples, tau)
    return mutual_reachability(near.links, near.core, tau)


def forest_of(embeddings, tau, min_samples=1):
    links = links_of(exact_neighbors(embeddings, 64), min_samples, tau)
    return spanning_forest(links, len(embeddings))


def broken(forest, nodes, embeddings, widest):
    return break_wide_clusters(forest, nodes, mean_pairwise_d2(forest, embeddings), widest, 3)


def mean_between(some, others):
    rows, columns = some.astype(np.float64), others.astype(np.float64)
    return ((rows[:, None] - columns[None]) ** 2).sum(axis=-1).mean()


def roots_of(forest):
    return np.setdiff1d(np.arange(len(forest.sizes)), forest.children.ravel()).astype(np.int32)


@given(n=st.integers(2, 30), seed=st.integers(0, 2**32 - 1))
def test_width_is_the_mean_of_all_pairs(n, seed):
    embeddings = unit(np.random.default_rng(seed).standard_normal((n, 8)))
    forest = forest_of(embeddings, tau=4.0)
    mean_d2 = mean_pairwise_d2(forest, embeddings)
    for merge, width in enumerate(mean_d2.tolist()):
        wanted = mean_of_all_pairs(embeddings[forest.faces(n + merge)])
        assert width == pytest.approx(wanted, abs=1e-5)


def test_widths_of_several_trees_and_of_chosen_rows():
    embeddings, _ = people([30, 20, 10], seed=3)
    rows = np.flatnonzero(np.arange(60) % 3)
    forest = forest_of(embeddings[rows], tau=0.1)
    assert len(roots_of(forest)) > 2
    mean_d2 = mean_pairwise_d2(forest, embeddings, rows)
    for merge, width in enumerate(mean_d2.tolist()):
        faces = forest.faces(len(rows) + merge)
        assert width == pytest.approx(mean_of_all_pairs(embeddings[rows[faces]]), abs=1e-5)


def test_two_people_joined_by_a_bridge_fall_apart():
    embeddings = at_angles(0, 1, 2, 3, *range(8, 40, 5), 43, 44, 45, 46)
    forest = forest_of(embeddings, tau=0.01)
    whole = roots_of(forest)
    assert len(whole) == 1
    parts = broken(forest, whole, embeddings, 0.01)
    labels = forest.labels(parts)
    assert labels[0] == labels[1] == labels[2] >= 0
    assert labels[-1] == labels[-2] == labels[-3] >= 0
    assert labels[0] != labels[-1]


def test_somebody_with_few_faces_does_not_hide_among_many():
    many, few = np.linspace(0, 6, 40), [18, 19, 20]
    embeddings = at_angles(*many, *few)
    forest = forest_of(embeddings, d2_of_angle(13))
    assert len(roots_of(forest)) == 1
    widest = d2_of_angle(7)
    assert mean_of_all_pairs(embeddings) < widest
    parts = broken(forest, roots_of(forest), embeddings, widest)
    assert forest.labels(parts).tolist() == [0] * 40 + [1] * 3
    # Nearer than that, it is one person seen in two ways.
    assert len(broken(forest, roots_of(forest), embeddings, d2_of_angle(14))) == 1


def test_strays_part_nobody():
    embeddings = at_angles(*np.linspace(0, 6, 40), 18, 19)
    forest = forest_of(embeddings, d2_of_angle(13))
    assert len(broken(forest, roots_of(forest), embeddings, d2_of_angle(7))) == 1


@given(seed=st.integers(0, 2**32 - 1))
def test_no_cluster_holds_two_parts_too_far_apart(seed):
    embeddings, _ = people([25, 12, 6, 4], seed)
    forest = forest_of(embeddings, tau=0.2)
    n = len(embeddings)
    for part in broken(forest, roots_of(forest), embeddings, 0.12).tolist():
        below = [part]
        while below:
            node = below.pop()
            if node < n:
                continue
            left, right = forest.children[node - n].tolist()
            below += [left, right]
            if min(forest.sizes[left], forest.sizes[right]) >= 3:
                sides = embeddings[forest.faces(left)], embeddings[forest.faces(right)]
                assert mean_between(*sides) <= FARTHEST_PARTS * 0.12 + 1e-5


def test_each_wide_cluster_falls_apart_by_itself():
    crowd = [0, 1, 2, 3, 4, 20, 21, 22]
    embeddings = at_angles(*crowd, *(angle + 90 for angle in crowd))
    tau, widest = d2_of_angle(17), d2_of_angle(4)
    forest = forest_of(embeddings, tau)
    assert forest.sizes[roots_of(forest)].tolist() == [8, 8]
    parts = broken(forest, roots_of(forest), embeddings, widest)
    faces = sorted(sorted(forest.faces(node).tolist()) for node in parts)
    assert faces == [[0, 1, 2, 3, 4], [5, 6, 7], [8, 9, 10, 11, 12], [13, 14, 15]]


def test_parts_that_are_too_small_are_left_on_their_own():
    embeddings = at_angles(0, 1, 20, 21, 22)
    forest = forest_of(embeddings, d2_of_angle(20))
    parts = broken(forest, roots_of(forest), embeddings, d2_of_angle(4))
    assert forest.labels(parts).tolist() == [-1, -1, 0, 0, 0]


def test_every_part_is_tight_and_as_high_as_it_can_be():
    embeddings, _ = people([40, 30, 20, 10], seed=1)
    forest = forest_of(embeddings, tau=0.3)
    parts = broken(forest, roots_of(forest), embeddings, 0.12).tolist()
    n = len(embeddings)
    parent = {
        child: n + merge for merge, pair in enumerate(forest.children.tolist()) for child in pair
    }
    assert len(parts) > 1
    for node in parts:
        assert forest.sizes[node] >= 3
        assert mean_of_all_pairs(embeddings[forest.faces(node)]) <= 0.12
        if node in parent:
            assert mean_of_all_pairs(embeddings[forest.faces(parent[node])]) > 0.12


def test_tight_clusters_are_left_as_they_are():
    embeddings, _ = people([40, 30], seed=2)
    forest = forest_of(embeddings, TAU)
    nodes = roots_of(forest)
    nodes = nodes[forest.sizes[nodes] >= 3]
    assert broken(forest, nodes, embeddings, 4.0).tolist() == nodes.tolist()
    assert len(nodes) > 0


def test_no_clusters_stay_none():
    forest = forest_of(at_angles(0, 90), TAU)
    none = np.empty(0, np.int32)
    assert broken(forest, none, at_angles(0, 90), 0.1).tolist() == []
