import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.synthetic import TAU, at_angles, d2_of_angle, people

from facebatch.cluster.bursts import representatives
from facebatch.cluster.links import density, density_of_moments
from facebatch.neighbors import exact_neighbors


def listed(neighbors, row):
    own = slice(neighbors.starts[row], neighbors.starts[row + 1])
    return neighbors.indices[own].tolist(), neighbors.distances[own]


def pairs_of(links):
    ends = zip(links.sources.tolist(), links.targets.tolist(), strict=True)
    return dict(zip(ends, links.lengths.tolist(), strict=True))


@examples(4, 20)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 39), tau=st.floats(0.02, 0.4))
def test_links_are_the_pairs_that_either_end_lists_within_tau(seed, k, tau):
    embeddings, _ = people([20, 20], seed)
    neighbors = exact_neighbors(embeddings, k)
    wanted = {
        (min(row, other), max(row, other))
        for row in range(40)
        for other, d2 in zip(*listed(neighbors, row), strict=True)
        if d2 <= np.float32(tau)
    }
    found = density(neighbors, 3, tau)
    assert set(pairs_of(found.links)) == wanted
    assert len(found.links) == len(wanted)


def test_core_distance_is_that_of_the_last_of_min_samples():
    neighbors = exact_neighbors(at_angles(0, 1, 3), 2)
    last = neighbors.distances.reshape(3, 2)[:, 1]
    np.testing.assert_array_equal(density(neighbors, 2, 4.0).core, last)
    np.testing.assert_array_equal(density(neighbors, 9, 4.0).core, last)


def test_a_face_without_neighbours_has_no_core():
    assert np.isinf(density(exact_neighbors(at_angles(0), 64), 3, TAU).core).all()


def test_density_of_moments_is_that_of_their_representatives():
    embeddings, _ = people([30] * 3, seed=1)
    crowd = np.repeat(embeddings, 2, axis=0)
    neighbors = exact_neighbors(crowd, 179)
    found = density_of_moments(neighbors, crowd, representatives(crowd, neighbors, 1e-6), 3, TAU)
    alone = density(exact_neighbors(embeddings, 89), 3, TAU)
    assert pairs_of(found.links) == pytest.approx(pairs_of(alone.links))
    np.testing.assert_allclose(found.core, alone.core)


def test_a_burst_that_fills_its_own_list_still_has_neighbours():
    embeddings, _ = people([30], seed=1)
    crowd = np.concatenate([embeddings, np.repeat(embeddings[:1], 80, axis=0)])
    neighbors = exact_neighbors(crowd, 20)
    stand_ins = np.concatenate([np.arange(30), np.zeros(80)]).astype(np.int32)
    found = density_of_moments(neighbors, crowd, stand_ins, 3, TAU)
    alone = density(exact_neighbors(embeddings, 20), 3, TAU)
    assert pairs_of(found.links) == pytest.approx(pairs_of(alone.links))
    np.testing.assert_allclose(found.core, alone.core)


def test_missing_neighbours_are_no_links():
    found = density(exact_neighbors(at_angles(0, 2, 90), 2, d2_of_angle(20)), 1, d2_of_angle(10))
    assert list(pairs_of(found.links)) == [(0, 1)]
    assert np.isinf(found.core[2])
