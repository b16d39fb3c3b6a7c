import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.synthetic import at_angles, d2_of_angle, people

from facebatch.cluster import ClusterSettings
from facebatch.cluster.joining import Rules, attach, join
from facebatch.neighbors import exact_neighbors

TAU = d2_of_angle(10)
SETTINGS = ClusterSettings(tau=TAU, burst_factor=0)


def rules(n, conflict=None, forbidden=(), named=None):
    free = Rules.none(n)
    return Rules(
        free.conflict if conflict is None else np.array(conflict, np.int32),
        np.array(forbidden, np.int64).reshape(-1, 2),
        free.named if named is None else np.array(named, np.int32),
    )


def nearest_of(embeddings, rows):
    found = exact_neighbors(embeddings, 8)
    return found.take(rows)


def joined(labels, angles, **said):
    embeddings, labels = at_angles(*angles), np.array(labels, np.int32)
    rows = np.flatnonzero(labels < 0)
    near = nearest_of(embeddings, rows)
    given_rules = rules(len(labels), **said)
    return join(embeddings, labels, rows, near, SETTINGS, 0, given_rules).tolist()


def attached(labels, angles, **said):
    embeddings, labels = at_angles(*angles), np.array(labels, np.int32)
    rows = np.flatnonzero(labels < 0)
    near = nearest_of(embeddings, rows)
    return attach(labels, rows, near, TAU, rules(len(labels), **said)).tolist()


def test_a_face_joins_whom_it_is_near_to_and_one_that_is_near_to_nobody_stays_alone():
    assert attached([0, 0, 1, -1, -1], [0, 2, 60, 3, 30]) == [0, 0, 1, 0, -1]


def test_two_near_neighbours_pull_harder_than_one():
    assert attached([0, 0, 1, -1], [0, 1, 12, 6.4]) == [0, 0, 1, 0]


def test_faces_that_join_draw_nobody_after_them():
    assert attached([0, 0, -1, -1], [0, 1, 9, 17]) == [0, 0, 0, -1]


def test_of_two_faces_in_one_picture_the_nearer_joins_and_the_other_goes_to_its_next_choice():
    said = {"conflict": [-1, -1, 3, 3]}
    assert attached([0, 1, -1, -1], [0, 12, 2, 5], **said) == [0, 1, 0, 1]
    assert attached([0, 1, -1, -1], [0, 40, 2, 5], **said) == [0, 1, 0, -1]
    # One that is there already has the place.
    assert attached([0, 1, -1], [0, 40, 1], conflict=[5, -1, 5]) == [0, 1, -1]


def test_a_face_never_joins_whom_it_was_rejected_from():
    assert attached([0, 1, -1], [0, 9, 2], forbidden=[(2, 0)]) == [0, 1, 1]


def test_faces_of_two_names_never_meet():
    assert attached([0, 0, 1, -1], [0, 1, 60, 2], named=[4, -1, -1, 6]) == [0, 0, 1, -1]
    assert attached([0, 0, 1, -1], [0, 1, 60, 2], named=[6, -1, -1, 6]) == [0, 0, 1, 0]


def test_new_faces_among_themselves_found_people():
    assert joined([0, 0, -1, -1, -1], [0, 1, 60, 61, 62]) == [0, 0, 1, 1, 1]


def test_a_group_goes_where_most_of_it_votes_for():
    # Two of the three new faces reach the person; the third comes along.
    assert joined([0, 0, -1, -1, -1], [0, 1, 6, 7, 12]) == [0, 0, 0, 0, 0]


def test_a_face_between_does_not_draw_its_group_along():
    # One of four reaches the person, and is pulled harder by its own.
    result = joined([0, 0, -1, -1, -1, -1], [0, 1, 10.5, 13, 14, 15])
    assert result == [0, 0, 1, 1, 1, 1]


def test_half_of_a_group_is_not_most_of_it():
    # Two of four reach the first person, one reaches the second.
    result = joined([0, 0, 1, 1, -1, -1, -1, -1], [0, 1, 23, 24, 8, 9, 12, 14])
    assert result == [0, 0, 1, 1, 2, 2, 2, 2]


def test_a_face_leaves_its_group_for_whom_it_is_pulled_to_harder():
    result = joined([0, 0, 0, -1, -1, -1, -1], [0, 1, 2, 4, 13, 14, 15])
    assert result[3] == 0
    assert len({*result[4:]}) == 1
    assert result[4] != 0


def test_new_faces_reach_others_through_new_faces():
    assert joined([0, 0, 0, 0, -1, -1], [0, 1, 2, 3, 8, 17]) == [0, 0, 0, 0, 0, 0]


def test_two_new_faces_of_one_picture_found_no_person_together():
    assert joined([0, -1, -1], [60, 0, 1], conflict=[-1, 2, 2]) == [0, -1, -1]


def test_nothing_new_changes_nothing():
    assert joined([0, 0, 1, 1], [0, 1, 60, 61]) == [0, 0, 1, 1]


@pytest.mark.parametrize("n", [1, 2])
def test_the_first_faces_of_all_need_nobody_to_join(n):
    assert joined([-1] * n, [0, 1][:n]) == [[-1], [0, 0]][n - 1]


@examples(5, 15)
@given(st.integers(0, 50), st.floats(0.05, 0.5))
def test_nobody_who_is_there_changes(seed, share):
    embeddings, truth = people([8, 6, 5, 4, 3, 1, 1], seed)
    generator = np.random.default_rng(seed)
    new = generator.random(len(truth)) < share
    labels = np.where(new, -1, truth).astype(np.int32)
    conflict = generator.integers(-1, 6, len(truth)).astype(np.int32)
    rows = np.flatnonzero(new)
    given_rules = rules(len(truth), conflict=conflict)
    near = nearest_of(embeddings, rows)
    settings_of = ClusterSettings(tau=0.09)
    result = join(embeddings, labels, rows, near, settings_of, 0, given_rules)
    np.testing.assert_array_equal(result[~new], labels[~new])
    for row in rows:
        if result[row] >= 0 and conflict[row] >= 0:
            same = (result == result[row]) & (conflict == conflict[row])
            assert same.sum() == 1
