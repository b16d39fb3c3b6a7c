import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

from facebatch.evaluate.clustering import bcubed_scores, pairwise_scores


@st.composite
def truth_and_labels(draw, smallest=0):
    n = draw(st.integers(2, 40))
    truth = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 6)))
    return truth, draw(hnp.arrays(np.int32, n, elements=st.integers(smallest, 6)))


def single_faces_labelled(labels):
    return np.where(labels < 0, 1000 + np.arange(len(labels)), labels)


@given(truth_and_labels(smallest=-1))
def test_pairwise_scores_are_those_of_sklearns_confusion_of_pairs(case):
    truth, labels = case
    (_, false_positives), (false_negatives, both) = pair_confusion_matrix(
        truth, single_faces_labelled(labels)
    )
    scores = pairwise_scores(truth, labels)
    if both + false_positives:
        assert scores.precision == pytest.approx(both / (both + false_positives))
    if both + false_negatives:
        assert scores.recall == pytest.approx(both / (both + false_negatives))


@given(truth_and_labels(smallest=-1))
def test_bcubed_scores_are_means_over_faces(case):
    truth, labels = case
    labels = single_faces_labelled(labels)
    same_cluster, same_person = labels[:, None] == labels, truth[:, None] == truth
    both = (same_cluster & same_person).sum(axis=1)
    scores = bcubed_scores(truth, labels)
    assert scores.precision == pytest.approx((both / same_cluster.sum(axis=1)).mean())
    assert scores.recall == pytest.approx((both / same_person.sum(axis=1)).mean())


@given(truth_and_labels(smallest=-1))
def test_single_faces_are_clusters_of_one(case):
    truth, labels = case
    assert pairwise_scores(truth, labels) == pairwise_scores(truth, single_faces_labelled(labels))
    assert bcubed_scores(truth, labels) == bcubed_scores(truth, single_faces_labelled(labels))


@given(truth_and_labels())
def test_swapping_truth_and_labels_swaps_precision_and_recall(case):
    for score in (pairwise_scores, bcubed_scores):
        one, other = score(*case), score(*reversed(case))
        assert (one.precision, one.recall) == pytest.approx((other.recall, other.precision))
        assert one.f == pytest.approx(other.f)


@given(truth_and_labels())
def test_all_scores_are_one_exactly_for_the_true_partition(case):
    truth, labels = case
    perfect = pytest.approx(1.0)
    equal = adjusted_rand_score(truth, labels) == 1.0
    assert (pairwise_scores(truth, labels).f == perfect) == equal
    assert (bcubed_scores(truth, labels).f == perfect) == equal


def test_scores_of_an_example_reckoned_by_hand():
    truth, labels = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, -1])
    pairwise = pairwise_scores(truth, labels)
    # Pairs claimed: 1 + 3, of them true: 1 + 1; pairs true: 3 + 1.
    assert (pairwise.precision, pairwise.recall, pairwise.f) == pytest.approx((0.5, 0.5, 0.5))
    bcubed = bcubed_scores(truth, labels)
    # Precision 1, 1, 1/3, 2/3, 2/3, 1; recall 2/3, 2/3, 1/3, 1, 1, 1.
    assert bcubed.precision == pytest.approx((3 + 1 / 3 + 4 / 3) / 6)
    assert bcubed.recall == pytest.approx((5 / 3 + 3) / 6)


def test_claiming_nothing_is_precise_and_finds_nothing():
    scores = pairwise_scores(np.array([4, 4, 4]), np.array([-1, -1, -1]))
    assert (scores.precision, scores.recall, scores.f) == (1.0, 0.0, 0.0)


def test_strangers_alone_leave_nothing_to_find():
    scores = pairwise_scores(np.array([1, 2, 3]), np.array([-1, 0, 0]))
    assert (scores.precision, scores.recall) == (0.0, 1.0)


@pytest.mark.parametrize("score", [pairwise_scores, bcubed_scores])
def test_no_faces_are_scored_as_perfect(score):
    nothing = score(np.empty(0, np.int64), np.empty(0, np.int32))
    assert (nothing.precision, nothing.recall, nothing.f) == (1.0, 1.0, 1.0)


def test_pairs_of_a_million_faces_do_not_overflow():
    everyone = np.zeros(1_000_000, np.int32)
    scores = pairwise_scores(np.arange(1_000_000) % 2, everyone)
    assert scores.precision == pytest.approx(0.5, abs=1e-5)
    assert scores.recall == 1.0


@pytest.mark.parametrize("score", [pairwise_scores, bcubed_scores])
def test_lengths_must_agree(score):
    with pytest.raises(ValueError, match="3 faces have an identity but 2 have a label"):
        score(np.array([1, 2, 3]), np.array([0, 0]))
