import numpy as np
import pytest
from support.synthetic import TAU, at_angles, d2_of_angle, people

from facebatch.cluster.labels import canonical
from facebatch.cluster.links import density
from facebatch.cluster.vote import group_nodes, vote_over
from facebatch.neighbors import Neighbors, exact_neighbors

TEN_DEGREES = d2_of_angle(10)


def vote(neighbors, labels, tau, seed, conflicts=None):
    links = density(neighbors, 1, tau).links
    return vote_over(links, labels, tau, seed, group_nodes(conflicts, len(labels)))[0]


def listing(distances, indices):
    flat = np.array(distances, np.float32).reshape(-1), np.array(indices, np.int32).reshape(-1)
    n, k = np.shape(distances)
    return Neighbors(np.arange(0, n * k + 1, k), flat[1], flat[0], k)


def vote_at(angles, labels, tau=TEN_DEGREES, seed=0):
    neighbors = exact_neighbors(at_angles(*angles), 64)
    return vote(neighbors, np.array(labels, np.int32), tau, seed).tolist()


def test_a_pair_on_its_own_becomes_a_cluster():
    assert vote_at([0, 5, 60], [-1, -1, -1]) == [0, 0, -1]


def test_a_stray_joins_the_cluster_that_pulls_hardest():
    assert vote_at([0, 1, 2, 8, 17, 18, 19], [0, 0, 0, -1, 1, 1, 1]) == [0, 0, 0, 0, 1, 1, 1]


def test_nobody_beyond_tau_is_reached():
    assert vote_at([0, 1, 2, 12.5], [0, 0, 0, -1]) == [0, 0, 0, -1]


def test_clusters_without_links_between_them_stay():
    assert vote_at([50, 51, 52, 0, 1, 2], [0, 0, 0, 1, 1, 1]) == [0, 0, 0, 1, 1, 1]


def test_one_side_of_a_link_is_enough():
    # Face 0 lists nobody near, but face 1 lists face 0.
    neighbors = listing([[4.0, 4.0], [0.01, 0.05], [0.01, 4.0]], [[1, 2], [2, 0], [1, 0]])
    assert vote(neighbors, np.array([-1, 0, 0], np.int32), TAU, 0).tolist() == [0, 0, 0]


def test_a_face_between_two_equal_pulls_keeps_its_label():
    # Faces 1 and 2 pull at face 0 alike, and each has a companion, 3 and 4, that holds it.
    distances = [[0.05, 0.05], [0.01, 0.05], [0.01, 0.05], [0.01, 4.0], [0.01, 4.0]]
    indices = [[1, 2], [3, 0], [4, 0], [1, 0], [2, 0]]
    neighbors = listing(distances, indices)
    for own in (0, 1):
        labels = np.array([own, 0, 1, 0, 1], np.int32)
        for seed in range(5):
            np.testing.assert_array_equal(vote(neighbors, labels, TAU, seed), canonical(labels))


def test_result_is_stable_and_depends_on_the_seed_alone():
    embeddings, _ = people([30, 20, 10, 2, 2] + [1] * 20, seed=1)
    neighbors = exact_neighbors(embeddings, 64)
    nobody = np.full(len(embeddings), -1, np.int32)
    first = vote(neighbors, nobody, TAU, 7)
    np.testing.assert_array_equal(first, vote(neighbors, nobody, TAU, 7))
    for seed in range(5):
        np.testing.assert_array_equal(first, vote(neighbors, first, TAU, seed))


def test_no_face_would_rather_have_another_label():
    embeddings, _ = people([30, 20, 10], seed=2)
    neighbors = exact_neighbors(embeddings, 59)
    result = vote(neighbors, np.full(60, -1, np.int32), TAU, 0)
    pull = np.zeros((60, 60))
    pull[neighbors.askers, neighbors.indices] = np.maximum(TAU - neighbors.distances, 0)
    for face, own in enumerate(result.tolist()):
        others = set(result.tolist()) - {own, -1}
        of_others = [pull[face, result == label].sum() for label in others]
        mine = pull[face, result == own].sum() if own >= 0 else 0.0
        assert mine >= max(of_others, default=0.0) - 1e-9


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_vote_on(n):
    neighbors = exact_neighbors(np.ones((n, 1), np.float32), 64)
    assert vote(neighbors, np.full(n, -1, np.int32), TAU, 0).tolist() == [-1] * n


def apart(angles, labels, conflicts, seed=0):
    neighbors = exact_neighbors(at_angles(*angles), 64)
    start, groups = np.array(labels, np.int32), np.array(conflicts, np.int32)
    return vote(neighbors, start, TEN_DEGREES, seed, groups).tolist()


def test_a_face_never_joins_a_cluster_that_holds_one_of_its_group():
    assert apart([0, 1, 2, 4], [0, 0, 0, -1], [-1, -1, 7, 7]) == [0, 0, 0, -1]
    assert apart([0, 1, 2, 4], [0, 0, 0, -1], [-1, -1, 7, 8]) == [0, 0, 0, 0]


def test_a_face_that_is_held_apart_takes_the_next_best_cluster():
    angles = [0, 1, 2, 8, 15, 16, 17]
    assert apart(angles, [0, 0, 0, -1, 1, 1, 1], [7, -1, -1, 7, -1, -1, -1])[3] == 1


def test_of_two_in_a_cluster_the_better_placed_stays():
    for seed in range(3):
        assert apart([0, 1, 2, 9], [0] * 4, [-1, 3, -1, 3], seed) == [0, 0, 0, -1]
        assert apart([0, 1, 2, 9], [0] * 4, [3, -1, -1, 3], seed) == [0, 0, 0, -1]


def test_groups_of_one_change_nothing():
    embeddings, _ = people([30, 20, 10, 2, 2] + [1] * 20, seed=1)
    neighbors = exact_neighbors(embeddings, 64)
    nobody = np.full(len(embeddings), -1, np.int32)
    alone = np.arange(len(embeddings), dtype=np.int32)
    np.testing.assert_array_equal(
        vote(neighbors, nobody, TAU, 7), vote(neighbors, nobody, TAU, 7, alone)
    )
