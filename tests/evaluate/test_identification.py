import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facebatch.evaluate.identification import open_set_split, score_identification


@st.composite
def searches(draw):
    p, g = draw(st.integers(0, 25)), draw(st.integers(1, 6))
    scores = draw(hnp.arrays(np.float64, (p, g), elements=st.integers(0, 8).map(lambda x: x / 2)))
    scores[draw(hnp.arrays(np.bool_, p, elements=st.booleans()))] = np.nan
    return scores, draw(hnp.arrays(np.int64, p, elements=st.integers(-1, g - 1)))


@given(searches())
def test_rates_are_those_of_counting_search_by_search(case):
    scores, truth = case
    result = score_identification(scores, truth)
    mated = [row for row in range(len(truth)) if truth[row] >= 0]
    strangers = [row for row in range(len(truth)) if truth[row] < 0]
    seen = [row for row in strangers if not np.isnan(scores[row]).any()]
    assert (result.mated, result.non_mated) == (len(mated), len(strangers))
    assert result.missing_non_mated == len(strangers) - len(seen)
    assert result.missing_mated == sum(bool(np.isnan(scores[row]).all()) for row in mated)

    def rank(row):
        own = scores[row, truth[row]]
        return np.inf if np.isnan(own) else sum(scores[row] < own) + sum(scores[row] == own)

    for k, share in enumerate(result.cmc, start=1):
        assert share == pytest.approx(np.mean([rank(row) <= k for row in mated]))
    assert len(result.cmc) == (scores.shape[1] if mated else 0)
    for threshold, fpir, fnir in zip(
        result.det.threshold, result.det.fpir, result.det.fnir, strict=True
    ):
        if seen:
            assert fpir == pytest.approx(np.mean([min(scores[row]) <= threshold for row in seen]))
        if mated:
            hits = [bool(scores[row, truth[row]] <= threshold) for row in mated]
            assert fnir == pytest.approx(1 - np.mean(hits))
    for point in result.at_fpir:
        supported = len(seen) * point.fpir >= 1 and mated
        assert (point.tpir is not None) == bool(supported)
        if supported:
            bearable = result.det.fpir <= point.fpir
            assert point.tpir == pytest.approx(1 - result.det.fnir[bearable].min())
            right = [rank(row) == 1 and scores[row, truth[row]] <= point.threshold for row in mated]
            assert point.rank_1 == pytest.approx(np.mean(right))
            assert point.rank_1 <= min(point.tpir, result.rank_1)


@given(searches(), st.randoms(use_true_random=False))
def test_the_order_of_probes_and_identities_means_nothing(case, random):
    scores, truth = case
    probes, columns = list(range(scores.shape[0])), list(range(scores.shape[1]))
    random.shuffle(probes)
    random.shuffle(columns)
    moved = np.append(np.argsort(columns), -1)[truth]
    shuffled = score_identification(scores[probes][:, columns], moved[probes])
    assert shuffled.as_json() == score_identification(scores, truth).as_json()


@given(searches())
def test_stretching_distances_moves_thresholds_and_nothing_else(case):
    scores, truth = case
    one, other = (score_identification(s, truth) for s in (scores, np.expm1(scores)))
    assert one.cmc == other.cmc
    assert [(p.tpir, p.rank_1) for p in one.at_fpir] == [(p.tpir, p.rank_1) for p in other.at_fpir]
    np.testing.assert_array_equal(one.det.fpir, other.det.fpir)
    np.testing.assert_array_equal(one.det.fnir, other.det.fnir)


def test_an_example_reckoned_by_hand():
    scores = np.array(
        [
            [0.1, 0.9, 0.8],  # right and nearest
            [0.4, 0.3, 0.9],  # its own is second
            [0.5, 0.9, 0.5],  # tied with a stranger: second
            [np.nan] * 3,  # no face
            *[[0.35, 0.9, 0.9]] + [[0.9, 0.8, 0.9]] * 9,
        ]
    )
    truth = np.array([0, 0, 2, 1] + [-1] * 10)
    result = score_identification(scores, truth, ranks=2)
    assert result.cmc == (0.25, 0.75)
    assert (result.rank_1, result.missing_mated) == (0.25, 1)
    at_tenth, at_hundredth, _ = result.at_fpir
    # The one stranger at 0.35 may be taken for someone, those at 0.8 not: 0.1, 0.4 and 0.5 pass.
    assert (at_tenth.tpir, at_tenth.rank_1) == (0.75, 0.25)
    assert at_tenth.threshold == pytest.approx(0.65)
    assert (at_hundredth.tpir, at_hundredth.threshold) == (None, None)


def test_ties_count_against_the_system():
    result = score_identification(np.zeros((5, 3)), np.zeros(5, np.int64))
    assert result.cmc == (0, 0, 1)


def test_a_perfect_embedding_scores_one_everywhere():
    truth = np.concatenate((np.arange(50), np.full(1000, -1)))
    scores = np.full((1050, 50), 1.5)
    scores[np.arange(50), np.arange(50)] = 0.1
    result = score_identification(scores, truth)
    assert set(result.cmc) == {1.0}
    assert [(point.tpir, point.rank_1) for point in result.at_fpir] == [(1, 1)] * 3
    assert (result.det.fpir + result.det.fnir).min() == 0


def test_a_random_embedding_is_near_chance():
    rng = np.random.default_rng(0)
    truth = np.concatenate((rng.integers(0, 10, 5000), np.full(5000, -1)))
    result = score_identification(rng.uniform(0, 4, (10_000, 10)), truth)
    assert result.cmc == pytest.approx(np.arange(1, 11) / 10, abs=0.02)
    # Each of ten identities is as likely to raise the alarm: FPIR 0.1 is about 0.01 for one.
    assert result.at_fpir[0].tpir == pytest.approx(0.01, abs=0.01)


def test_identities_without_a_face_are_never_found():
    result = score_identification(np.array([[np.nan, 0.3], [np.nan, 0.2]]), np.array([0, 1]))
    assert (result.cmc, result.missing_mated) == ((0.5, 0.5), 0)


def test_results_are_plain_data_without_the_curve():
    data = score_identification(np.array([[0.3, 0.5]]), np.array([0])).as_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert "det" not in data
    assert data["at_fpir"][0] == {"fpir": 0.1, "tpir": None, "rank_1": None, "threshold": None}


@pytest.mark.parametrize(
    ("scores", "truth", "ranks", "message"),
    [
        (np.zeros((2, 3)), [0], 1, "don't match"),
        (np.zeros((1, 0)), [-1], 1, "gallery is empty"),
        (np.zeros((1, 3)), [3], 1, "3 is no column"),
        (np.zeros((1, 3)), [-2], 1, "-2 is no column"),
        (np.full((1, 3), np.inf), [0], 1, "infinite"),
        (np.zeros((1, 3)), [0], 0, "at least 1"),
    ],
)
def test_what_can_not_be_scored_is_refused(scores, truth, ranks, message):
    with pytest.raises(ValueError, match=message):
        score_identification(scores, np.array(truth), ranks)


@given(hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(-1, 9)), st.integers(0, 99))
def test_a_split_has_one_image_of_everyone_with_two_and_no_other_person_twice(labels, seed):
    gallery, mated, non_mated = open_set_split(labels, seed)
    assert sorted([*gallery, *mated, *non_mated]) == list(range(len(labels)))
    people, counts = np.unique(labels, return_counts=True)
    assert list(labels[gallery]) == list(people[counts >= 2])
    assert sorted(labels[non_mated]) == list(people[counts == 1])
    truth = np.searchsorted(labels[gallery], labels[mated])
    np.testing.assert_array_equal(labels[gallery][truth], labels[mated])
    for one, other in zip(open_set_split(labels, seed), (gallery, mated, non_mated), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_image_of_a_person_may_be_the_one_in_the_gallery():
    labels = np.zeros(4, np.int64)
    assert {int(open_set_split(labels, seed)[0][0]) for seed in range(50)} == {0, 1, 2, 3}
