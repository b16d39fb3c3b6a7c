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


def test_a_burst_that_fills_its_own_list_has_those_who_list_it():
    faces = at_angles(0, *np.linspace(-1, -2, 8), 4.9, 4.95, 4.97)
    stand_ins = np.array([0] * 9 + [9, 10, 11], np.int32)
    neighbors = exact_neighbors(faces, 4)
    found = density_of_moments(neighbors, faces, stand_ins, 3, d2_of_angle(5))
    assert {(0, 1), (0, 2), (0, 3)} <= set(pairs_of(found.links))
    assert found.core[0] == pytest.approx(d2_of_angle(4.97), rel=1e-4)


def test_missing_neighbours_are_no_links():
    found = density(exact_neighbors(at_angles(0, 2, 90), 2, d2_of_angle(20)), 1, d2_of_angle(10))
    assert list(pairs_of(found.links)) == [(0, 1)]
    assert np.isinf(found.core[2])


@examples(4, 20)
@given(
    seed=st.integers(0, 10**6),
    k=st.integers(2, 12),
    size=st.integers(2, 30),
    radius=st.floats(0.005, 0.06),
)
def test_bursts_looked_for_anew_have_those_that_comparing_with_all_gives(seed, k, size, radius):
    embeddings, _ = people([12, 8, 6, 3, 1], seed)
    generator = np.random.default_rng(seed)
    # No two alike: of faces that are exactly as near, which are listed is the search's choice.
    copies = np.repeat(embeddings[:4], size, axis=0)
    copies += generator.normal(0, 1e-3, copies.shape).astype(np.float32)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    crowd = np.concatenate([embeddings, copies])
    crowd = crowd[generator.permutation(len(crowd))]
    neighbors = exact_neighbors(crowd, k, TAU)
    stand_ins = representatives(crowd, neighbors, radius)
    found = density_of_moments(neighbors, crowd, stand_ins, 3, TAU)
    rows = np.unique(stand_ins)
    number = {row: place for place, row in enumerate(rows.tolist())}
    lists = []
    for row in rows.tolist():
        faces, _ = listed(neighbors, row)
        left = {number[stand_ins[face]] for face in faces} - {number[row]}
        if len(faces) == neighbors.k and len(left) < neighbors.k // 2:
            left = set(range(len(rows))) - {number[row]}
        gaps = {other: _d2(crowd[row], crowd[rows[other]]) for other in left}
        near = sorted((d2, other) for other, d2 in gaps.items() if d2 <= np.float32(TAU))
        lists.append(near[: neighbors.k])
    wanted = {
        (min(face, other), max(face, other)) for face, near in enumerate(lists) for _, other in near
    }
    place = min(3, neighbors.k) - 1
    core = [near[place][0] if len(near) > place else np.inf for near in lists]
    assert set(pairs_of(found.links)) == wanted
    np.testing.assert_allclose(found.core, core, atol=1e-6)


def _d2(one, other):
    return float(np.square(one - other).sum())
