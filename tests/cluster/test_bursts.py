import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.synthetic import at_angles, d2_of_angle, people

from facebatch.cluster.bursts import representatives
from facebatch.neighbors import exact_neighbors


def stand_ins(angles, degrees):
    faces = at_angles(*angles)
    return representatives(faces, exact_neighbors(faces, 64), d2_of_angle(degrees)).tolist()


def test_first_face_stands_for_those_near_it():
    assert stand_ins([0, 20, 0.5, 21, 60], 2) == [0, 1, 0, 1, 4]


def test_chains_do_not_run_on():
    assert stand_ins([0, 1.5, 3, 4.5], 2) == [0, 0, 2, 2]


def test_radius_zero_leaves_even_duplicates_alone():
    assert stand_ins([5, 5, 5], 0) == [0, 1, 2]


@examples(4, 20)
@given(seed=st.integers(0, 10**6), radius=st.floats(0.01, 0.2))
def test_representatives_are_within_the_radius_and_stand_for_themselves(seed, radius):
    embeddings, _ = people([20, 20], seed)
    found = representatives(embeddings, exact_neighbors(embeddings, 39), radius)
    np.testing.assert_array_equal(found[found], found)
    gaps = ((embeddings - embeddings[found]) ** 2).sum(axis=1)
    assert (gaps < radius + 1e-6).all()
    chosen = embeddings[np.unique(found)].astype(np.float64)
    apart = ((chosen[:, None] - chosen[None]) ** 2).sum(axis=-1) + 4 * np.eye(len(chosen))
    assert (apart >= radius - 1e-6).all()


def test_faces_of_one_picture_are_of_different_bursts():
    faces = at_angles(0, 0.1, 0.2, 0.3)
    neighbors = exact_neighbors(faces, 64)
    conflicts = np.array([-1, 4, 4, 5], np.int32)
    found = representatives(faces, neighbors, d2_of_angle(2), conflicts)
    assert found.tolist() == [0, 0, 2, 0]


def test_one_face_stands_for_a_burst_longer_than_its_list_of_neighbours():
    faces = at_angles(*np.linspace(0, 1.5, 50), 30, 31.5, 33)
    found = representatives(faces, exact_neighbors(faces, 4), d2_of_angle(2))
    assert found.tolist() == [0] * 50 + [50, 50, 52]


def test_faces_of_one_picture_in_a_long_burst_are_of_different_ones():
    faces = at_angles(*np.linspace(0, 1.5, 50))
    conflicts = np.full(50, -1, np.int32)
    conflicts[[3, 40, 45]] = 10**9
    found = representatives(faces, exact_neighbors(faces, 4), d2_of_angle(2), conflicts)
    assert len(set(found[[3, 40, 45]].tolist())) == 3
