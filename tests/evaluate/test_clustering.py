from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import adjusted_rand_score, homogeneity_completeness_v_measure
from sklearn.metrics.cluster import pair_confusion_matrix

from facebatch.evaluate.clustering import (
    ClusterSizeScores,
    bcubed_scores,
    pairwise_scores,
    purity_scores,
    scores_by_size,
    v_measure,
)
from facebatch.evaluate.clusters import score_clusters

ALL_SCORES = [pairwise_scores, bcubed_scores, v_measure, purity_scores, scores_by_size]


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
    for score in ALL_SCORES:
        assert score(truth, labels) == score(truth, single_faces_labelled(labels))


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
    assert (v_measure(truth, labels).v == perfect) == equal
    assert (purity_scores(truth, labels).f == perfect) == equal


def test_scores_of_an_example_reckoned_by_hand():
    truth, labels = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, -1])
    pairwise = pairwise_scores(truth, labels)
    # Pairs claimed: 1 + 3, of them true: 1 + 1; pairs true: 3 + 1.
    assert (pairwise.precision, pairwise.recall, pairwise.f) == pytest.approx((0.5, 0.5, 0.5))
    bcubed = bcubed_scores(truth, labels)
    # Precision 1, 1, 1/3, 2/3, 2/3, 1; recall 2/3, 2/3, 1/3, 1, 1, 1.
    assert bcubed.precision == pytest.approx((3 + 1 / 3 + 4 / 3) / 6)
    assert bcubed.recall == pytest.approx((5 / 3 + 3) / 6)

    v = v_measure(truth, labels)
    # H(people) = ln(6) - ln(3)/2 - ln(2)/3, H(clusters) the same; within the cluster of three
    # people are 1:2, within the person of three clusters are 2:1.
    entropy = np.log(6) - np.log(3) / 2 - np.log(2) / 3
    within = (np.log(3) - np.log(2) * 2 / 3) / 2
    assert (v.homogeneity, v.completeness) == pytest.approx((1 - within / entropy,) * 2)
    purity = purity_scores(truth, labels)
    assert (purity.purity, purity.inverse_purity) == pytest.approx((5 / 6, 5 / 6))
    assert scores_by_size(truth, labels) == (
        ClusterSizeScores(1, 1, 1, 1, 1.0),
        ClusterSizeScores(2, 2, 1, 2, 1.0),
        ClusterSizeScores(3, 5, 1, 3, 2 / 3),
        ClusterSizeScores(6, 20, 0, 0, None),
        ClusterSizeScores(21, None, 0, 0, None),
    )


@given(truth_and_labels(smallest=-1))
def test_v_measure_is_sklearns(case):
    truth, labels = case
    v = v_measure(truth, labels)
    expected = homogeneity_completeness_v_measure(truth, single_faces_labelled(labels))
    assert (v.homogeneity, v.completeness, v.v) == pytest.approx(expected, abs=1e-9)


@given(truth_and_labels(smallest=-1))
def test_purity_is_the_share_of_the_commonest(case):
    truth, labels = case
    labels = single_faces_labelled(labels)

    def share(groups, members):
        rows = (members[groups == group] for group in np.unique(groups))
        return sum(np.unique(row, return_counts=True)[1].max() for row in rows) / len(groups)

    scores = purity_scores(truth, labels)
    assert scores.purity == pytest.approx(share(labels, truth))
    assert scores.inverse_purity == pytest.approx(share(truth, labels))


@given(truth_and_labels(smallest=-1))
def test_sizes_share_out_every_cluster_and_face(case):
    truth, labels = case
    clusters, sizes = np.unique(single_faces_labelled(labels), return_counts=True)
    rows = scores_by_size(truth, labels)
    assert sum(row.clusters for row in rows) == len(clusters)
    for row in rows:
        within = (sizes >= row.smallest) & (sizes <= (row.largest or len(truth)))
        assert (row.clusters, row.faces) == (within.sum(), sizes[within].sum())
    pure = sum(row.purity * row.faces for row in rows if row.faces)
    assert pure / len(truth) == pytest.approx(purity_scores(truth, labels).purity)


@given(truth_and_labels(smallest=-1), st.randoms(use_true_random=False))
def test_the_order_of_faces_means_nothing(case, random):
    truth, labels = case
    order = list(range(len(truth)))
    random.shuffle(order)
    for score in (pairwise_scores, purity_scores, scores_by_size):
        assert score(truth[order], labels[order]) == score(truth, labels)


def test_random_clusters_are_near_chance():
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(0, 10, 20_000), rng.integers(0, 10, 20_000)
    assert v_measure(truth, labels).v < 0.01
    assert purity_scores(truth, labels).purity == pytest.approx(0.1, abs=0.02)
    assert pairwise_scores(truth, labels).f == pytest.approx(0.1, abs=0.01)


def test_claiming_nothing_is_precise_and_finds_nothing():
    scores = pairwise_scores(np.array([4, 4, 4]), np.array([-1, -1, -1]))
    assert (scores.precision, scores.recall, scores.f) == (1.0, 0.0, 0.0)


def test_strangers_alone_leave_nothing_to_find():
    scores = pairwise_scores(np.array([1, 2, 3]), np.array([-1, 0, 0]))
    assert (scores.precision, scores.recall) == (0.0, 1.0)


@pytest.mark.parametrize("score", [pairwise_scores, bcubed_scores, v_measure, purity_scores])
def test_no_faces_are_scored_as_perfect(score):
    nothing = score(np.empty(0, np.int64), np.empty(0, np.int32))
    assert astuple(nothing) == (1.0, 1.0, 1.0)


def test_no_faces_have_no_clusters_of_any_size():
    rows = scores_by_size(np.empty(0, np.int64), np.empty(0, np.int32))
    assert [(row.clusters, row.faces, row.purity) for row in rows] == [(0, 0, None)] * 5


def test_pairs_of_a_million_faces_do_not_overflow():
    everyone = np.zeros(1_000_000, np.int32)
    scores = pairwise_scores(np.arange(1_000_000) % 2, everyone)
    assert scores.precision == pytest.approx(0.5, abs=1e-5)
    assert scores.recall == 1.0


@pytest.mark.parametrize("score", ALL_SCORES)
def test_lengths_must_agree(score):
    with pytest.raises(ValueError, match="3 faces have an identity but 2 have a label"):
        score(np.array([1, 2, 3]), np.array([0, 0]))


def test_scores_count_what_is_in_no_cluster_under_its_former_name_too():
    said = score_clusters(np.array([1, 1, 2, 3]), np.array([0, 0, -1, -1])).as_json()
    assert said["unclustered"] == said["alone"] == 2
    assert said["unclustered_share"] == said["alone_share"] == 0.5
