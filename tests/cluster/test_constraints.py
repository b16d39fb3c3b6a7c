import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.synthetic import at_angles, partition, unit

from facebatch.cluster.constraints import join_named
from facebatch.cluster.labels import canonical


def joined(labels, named, angles=None):
    embeddings = None if angles is None else at_angles(*angles)
    return join_named(np.array(labels, np.int32), np.array(named, np.int32), embeddings).tolist()


@st.composite
def clusterings(draw):
    """Labels, names and embeddings of some faces."""
    n = draw(st.integers(0, 25))
    labels = draw(hnp.arrays(np.int32, n, elements=st.integers(-1, 4)))
    named = draw(hnp.arrays(np.int32, n, elements=st.integers(-1, 3)))
    raw = draw(hnp.arrays(np.int8, (n, 2), elements=st.integers(1, 9)))
    return labels, named, unit(raw.astype(float)) if n else np.zeros((0, 2), np.float32)


def test_a_name_joins_the_clusters_that_hold_it():
    assert joined([0, 0, 1, 1, 2, 2], [5, -1, -1, 5, -1, -1]) == [0, 0, 0, 0, 1, 1]


def test_a_named_face_on_its_own_joins_its_name_alone():
    assert joined([0, 0, -1, -1], [3, -1, 3, -1]) == [0, 0, 0, -1]


def test_a_name_of_a_single_face_leaves_it_on_its_own():
    assert joined([-1, 0, 0], [2, -1, -1]) == [-1, 0, 0]


def test_a_cluster_of_two_names_is_parted_by_the_nearest():
    labels, named = [0] * 6, [0, 0, 1, 1, -1, -1]
    assert joined(labels, named, [0, 10, 60, 70, 20, 50]) == [0, 0, 1, 1, 0, 1]


def test_it_is_the_mean_of_a_name_that_counts():
    # The stray lies nearer to one face of name 0, and nearer to the mean of name 1.
    assert joined([0] * 4, [0, 0, 1, -1], [0, 60, 90, 70]) == [0, 0, 1, 1]


def test_only_the_faces_of_a_name_in_this_cluster_count():
    # Name 0 has a face in another cluster, with which its mean would be next to the stray.
    labels, named = [0, 0, 0, 1, 1], [0, 1, -1, 0, -1]
    assert joined(labels, named, [0, 60, 35, 60, 61]) == [0, 1, 1, 0, 0]


def test_faces_as_near_to_two_names_stay_together_without_one():
    assert joined([0] * 4, [0, 1, -1, -1], [0, 60, 30, 30]) == [-1, -1, 0, 0]


def test_without_embeddings_the_unnamed_of_a_parted_cluster_stay_together():
    assert joined([0] * 5, [0, 1, -1, -1, 1]) == [-1, 0, 1, 1, 0]


@given(clusterings())
def test_without_names_nothing_changes(case):
    labels, named, embeddings = case
    nobody = np.full_like(named, -1)
    np.testing.assert_array_equal(join_named(labels, nobody, embeddings), canonical(labels))


@given(clusterings(), st.booleans())
def test_names_are_musts_and_cannots(case, with_embeddings):
    labels, named, embeddings = case
    result = join_named(labels, named, embeddings if with_embeddings else None)
    groups = partition(result)
    np.testing.assert_array_equal(canonical(result), result)
    assert all(len({named[row] for row in group if named[row] >= 0}) <= 1 for group in groups)
    for name in set(named[named >= 0].tolist()):
        assert len({frozenset(g) for g in groups if any(named[row] == name for row in g)}) == 1


@given(clusterings(), st.booleans())
def test_nothing_else_is_joined_or_parted(case, with_embeddings):
    labels, named, embeddings = case
    result = partition(join_named(labels, named, embeddings if with_embeddings else None))
    before = partition(labels)
    for cluster in before:
        names = {named[row] for row in cluster if named[row] >= 0}
        if len(names) <= 1:  # stays whole
            assert any(cluster <= group for group in result)
        if not names:  # and nobody joins it
            assert cluster in result
    for group in result:
        if all(named[row] < 0 for row in group):  # no name, no joining
            assert any(group <= cluster for cluster in before)


@given(clusterings())
def test_doing_it_twice_changes_nothing(case):
    labels, named, embeddings = case
    once = join_named(labels, named, embeddings)
    np.testing.assert_array_equal(join_named(once, named, embeddings), once)


def test_arguments_must_be_of_one_length():
    for labels, named, embeddings in (([0], [], None), ([0], [0], np.ones((2, 1), np.float32))):
        with pytest.raises(ValueError, match="labels for"):
            join_named(np.array(labels, np.int32), np.array(named, np.int32), embeddings)
