import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, roc_auc_score, roc_curve

from facebatch.evaluate.pairs import score_pairs

# A coarse grid, so that ties are common.
DISTANCES = st.integers(0, 16).map(lambda step: step / 4)


@st.composite
def pairs(draw, missing=True, both_kinds=False):
    n = draw(st.integers(2, 40))
    elements = st.one_of(DISTANCES, st.just(np.nan)) if missing else DISTANCES
    distances = draw(hnp.arrays(np.float64, n, elements=elements))
    same = draw(hnp.arrays(np.bool_, n))
    if both_kinds:
        same[:2] = True, False
    return distances, same, draw(hnp.arrays(np.int64, n, elements=st.integers(0, 3)))


def strangers_and_people(seed, n=6000, folds=10):
    """Distances like those of LFW: two overlapping humps, folds of equal size."""
    rng = np.random.default_rng(seed)
    same = np.tile(np.repeat([True, False], n // folds // 2), folds)
    distances = np.where(same, rng.normal(0.5, 0.2, n), rng.normal(1.4, 0.25, n)).clip(0, 4)
    return distances, same, np.repeat(np.arange(folds), n // folds)


@given(pairs(missing=False, both_kinds=True))
def test_the_roc_curve_and_its_area_are_sklearns(case):
    distances, same, folds = case
    score = score_pairs(distances, same, folds)
    fpr, tpr, _ = roc_curve(same, -distances, drop_intermediate=False)
    assert score.curves.fpr == pytest.approx(fpr)
    assert score.curves.tpr == pytest.approx(tpr)
    assert score.auc == pytest.approx(roc_auc_score(same, -distances))


@given(pairs(missing=False, both_kinds=True))
def test_curves_say_what_each_threshold_does(case):
    distances, same, folds = case
    curves = score_pairs(distances, same, folds).curves
    for row, threshold in enumerate(curves.thresholds):
        claimed = distances <= threshold
        assert curves.accuracy[row] == pytest.approx((claimed == same).mean())
        assert curves.f1[row] == pytest.approx(f1_score(same, claimed))
        assert curves.fpr[row] == pytest.approx(claimed[~same].mean())


@given(pairs(missing=False, both_kinds=True))
def test_the_equal_error_rate_lies_on_the_roc_curve(case):
    distances, same, folds = case
    score = score_pairs(distances, same, folds)
    # 1 - x meets the curve of tpr over fpr at x, as davidsandberg/facenet finds by bisection.
    fpr, tpr = score.curves.fpr, score.curves.tpr
    crossing = next(i for i in range(len(fpr)) if tpr[i] + fpr[i] >= 1 - 1e-12)
    lower, upper = fpr[crossing - 1], fpr[crossing]
    assert lower - 1e-12 <= score.eer <= upper + 1e-12
    if upper > lower:
        slope = (tpr[crossing] - tpr[crossing - 1]) / (upper - lower)
        assert tpr[crossing - 1] + slope * (score.eer - lower) == pytest.approx(1 - score.eer)
    claimed = distances <= score.eer_threshold
    gap = abs(claimed[~same].mean() - (1 - claimed[same].mean()))
    assert gap == pytest.approx(np.abs(fpr - (1 - tpr)).min())


@given(pairs())
def test_folds_are_scored_at_the_threshold_of_the_others(case):
    distances, same, folds = case
    score = score_pairs(distances, same, folds)
    alone = len(set(folds)) == 1
    assert score.threshold_chosen_on_itself == alone
    for fold in score.folds:
        training = (folds != fold.fold) | alone
        training &= ~np.isnan(distances)

        def right(threshold, rows=training):
            return int(((distances[rows] <= threshold) == same[rows]).sum())

        tries = [-np.inf, *distances[training]]
        assert right(fold.threshold) == max(map(right, tries))
        strictest = max(t for t in tries if t <= fold.threshold)
        assert all(right(t) < right(fold.threshold) for t in tries if t < strictest)
        own = folds == fold.fold
        answers = (distances[own] <= fold.threshold) == same[own]
        missing = np.isnan(distances[own])
        assert (fold.pairs, fold.missing) == (own.sum(), missing.sum())
        assert fold.accuracy == pytest.approx((answers & ~missing).mean())
        if missing.all():
            assert fold.accuracy_without_missing is None
        else:
            assert fold.accuracy_without_missing == pytest.approx(answers[~missing].mean())


@given(pairs())
def test_no_missing_pair_is_dropped_silently(case):
    distances, same, folds = case
    score = score_pairs(distances, same, folds)
    missing = np.isnan(distances)
    assert (score.same, score.different) == (same.sum(), (~same).sum())
    assert score.missing_same == (missing & same).sum()
    assert score.missing_different == (missing & ~same).sum()
    assert sum(fold.pairs for fold in score.folds) == len(distances)
    assert sum(fold.missing for fold in score.folds) == score.missing == missing.sum()
    right = sum(round(fold.accuracy * fold.pairs) for fold in score.folds)
    assert right <= len(distances) - score.missing


@given(pairs(), st.randoms(use_true_random=False))
def test_the_order_of_pairs_means_nothing(case, random):
    order = list(range(len(case[0])))
    random.shuffle(order)
    shuffled = score_pairs(*(column[order] for column in case))
    assert shuffled.as_json() == score_pairs(*case).as_json()


@given(pairs())
def test_stretching_distances_moves_thresholds_and_nothing_else(case):
    distances, same, folds = case
    # One fold, because a midpoint of the other folds' distances may fall elsewhere among its own.
    folds = np.zeros_like(folds)
    one, other = (score_pairs(d, same, folds) for d in (distances, np.expm1(distances)))
    for name in ("accuracy", "accuracy_without_missing", "auc", "eer"):
        assert getattr(one, name) == getattr(other, name)
    assert [point.tar for point in one.tar_at_far] == [point.tar for point in other.tar_at_far]
    for name in ("fpr", "tpr", "accuracy", "f1"):
        np.testing.assert_array_equal(getattr(one.curves, name), getattr(other.curves, name))


def test_an_example_reckoned_by_hand():
    distances = np.array([0.1, 0.2, 0.6, 0.3, 0.8, 0.9])
    same = np.array([True, True, True, False, False, False])
    score = score_pairs(distances, same, np.zeros(6, np.int64))
    curves = score.curves
    assert curves.thresholds == pytest.approx([-np.inf, 0.15, 0.25, 0.45, 0.7, 0.85, 0.9])
    assert curves.tpr == pytest.approx(np.array([0, 1, 2, 2, 3, 3, 3]) / 3)
    assert curves.fpr == pytest.approx(np.array([0, 0, 0, 1, 1, 2, 3]) / 3)
    # Accuracy is 5/6 at 0.25 and at 0.7; the stricter is taken.
    assert (score.folds[0].threshold, score.accuracy.mean) == pytest.approx((0.25, 5 / 6))
    assert score.threshold_chosen_on_itself
    # Of 9 combinations of a same and a different pair only (0.6, 0.3) is the wrong way round.
    assert score.auc == pytest.approx(8 / 9)
    # At 0.45 a third of both kinds is wrong.
    assert (score.eer, score.eer_threshold) == pytest.approx((1 / 3, 0.45))
    # F1 is 4/5 at 0.25 and 6/7 at 0.7.
    assert score.best_f1.threshold == pytest.approx(0.7)
    assert (score.best_f1.f1, score.best_f1.accuracy) == pytest.approx((6 / 7, 5 / 6))


def test_a_threshold_that_suits_the_other_folds_may_not_suit_this_one():
    distances = np.array([0.1, 0.3, 0.5, 0.7])
    score = score_pairs(distances, np.array([True, False] * 2), np.array([0, 0, 1, 1]))
    assert [fold.threshold for fold in score.folds] == pytest.approx([0.6, 0.2])
    # Fold 0 accepts both its pairs, fold 1 neither.
    assert [fold.accuracy for fold in score.folds] == [0.5, 0.5]
    assert not score.threshold_chosen_on_itself


def test_missing_pairs_are_errors_once_and_left_out_once():
    distances = np.array([0.1, np.nan, 0.9, np.nan, 0.1, 0.1, 0.9, 0.9])
    same = np.array([True, True, False, False] * 2)
    same[4:] = True, True, False, False
    score = score_pairs(distances, same, np.repeat([0, 1], 4))
    assert (score.accuracy.mean, score.accuracy.std) == (0.75, 0.25)
    assert score.accuracy_without_missing.mean == 1.0
    assert (score.missing, score.missing_same, score.missing_different) == (2, 1, 1)


def test_a_collection_without_a_single_face_is_scored_all_the_same():
    score = score_pairs(np.full(4, np.nan), np.array([True, False] * 2), np.array([0, 0, 1, 1]))
    assert (score.accuracy.mean, score.accuracy_without_missing) == (0.0, None)
    assert (score.auc, score.eer, score.best_f1, score.val_at_far) == (None,) * 4
    assert score.missing == 4
    json.dumps(score.as_json(), allow_nan=False)


def test_a_perfect_embedding_scores_one_everywhere():
    _, same, folds = strangers_and_people(0, n=20_000)
    rng = np.random.default_rng(1)
    distances = np.where(same, rng.uniform(0, 0.9, len(same)), rng.uniform(1.1, 4, len(same)))
    score = score_pairs(distances, same, folds)
    assert (score.accuracy.mean, score.accuracy.std, score.auc, score.eer) == (1, 0, 1, 0)
    assert [point.tar for point in score.tar_at_far] == [1, 1, 1, 1, None]
    assert (score.best_f1.f1, score.best_f1.accuracy) == (1, 1)
    # The tolerated thousandth of strangers lies above every same pair.
    assert (score.val_at_far.val, score.val_at_far.std) == (1, 0)


def test_a_random_embedding_is_near_chance():
    _, same, folds = strangers_and_people(0, n=20_000)
    score = score_pairs(np.random.default_rng(2).uniform(0, 4, len(same)), same, folds)
    assert score.auc == pytest.approx(0.5, abs=0.02)
    assert score.eer == pytest.approx(0.5, abs=0.02)
    assert score.accuracy.mean == pytest.approx(0.5, abs=0.03)
    for point in score.tar_at_far[:2]:
        assert point.tar == pytest.approx(point.far, abs=0.02)
    # Claiming every pair has F1 2 * 0.5 / 1.5.
    assert score.best_f1.f1 == pytest.approx(2 / 3, abs=0.01)


def test_a_far_finer_than_the_strangers_bear_has_no_rate():
    distances, same, folds = strangers_and_people(3, n=2000)
    points = score_pairs(distances, same, folds).tar_at_far
    assert [point.far for point in points] == [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]
    # 1,000 strangers just bear 1e-3.
    assert [point.tar is None for point in points] == [False, False, False, True, True]
    fewer = np.flatnonzero(~same)[0] != np.arange(len(same))
    points = score_pairs(distances[fewer], same[fewer], folds[fewer]).tar_at_far
    assert [point.tar is None for point in points] == [False, False, True, True, True]


def test_tar_is_the_most_that_the_far_allows():
    distances, same, folds = strangers_and_people(4)
    for point in score_pairs(distances, same, folds).tar_at_far[:3]:
        claimed = distances <= point.threshold
        assert point.tar == pytest.approx(claimed[same].mean())
        allowed = round(point.far * (~same).sum())
        assert claimed[~same].sum() <= allowed
        beyond = np.sort(distances[~same])[allowed]
        assert point.tar == pytest.approx((distances[same] < beyond).mean())


def test_tar_is_given_at_the_strictest_threshold_that_reaches_it():
    distances = np.array([0.1, 0.2, *np.linspace(0.5, 1.4, 10)])
    score = score_pairs(distances, np.arange(12) < 2, np.zeros(12, np.int64))
    # Of ten strangers one is allowed, but the one at 0.5 isn't needed.
    assert score.tar_at_far[0].tar == 1
    assert score.tar_at_far[0].threshold == pytest.approx(0.35)


@pytest.mark.parametrize("strangers", [1000, 1100, 1999])
def test_the_threshold_of_val_is_interpolated(strangers):
    distances = np.array([0.1, *np.arange(1, strangers + 1)])
    score = score_pairs(distances, np.arange(strangers + 1) < 1, np.zeros(strangers + 1, np.int64))
    # FAR is 1 / strangers at 1.5 and 2 / strangers at 2.5; the second stranger is at 2.
    accepted = 1 if strangers < 1500 else 2
    assert score.val_at_far.measured_far == pytest.approx(accepted / strangers)


def val_on_a_grid(distances, same, folds):
    """VAL@FAR=1e-3 as davidsandberg/facenet reckons it, on thresholds 0..4 in steps of 0.001."""
    grid = np.arange(0, 4, 0.001)
    vals = []
    for fold in np.unique(folds):
        strangers = np.sort(distances[(folds != fold) & ~same])
        far = np.searchsorted(strangers, grid) / len(strangers)
        # The script's interp1d takes the last point below and the first at or above the FAR.
        after = int((far >= 1e-3).argmax())
        threshold = np.interp(1e-3, far[[after - 1, after]], grid[[after - 1, after]])
        vals.append((distances[(folds == fold) & same] < threshold).mean())
    return np.mean(vals), np.std(vals)


def test_val_is_that_of_the_published_script_up_to_its_grid():
    distances, same, folds = strangers_and_people(5)
    val = score_pairs(distances, same, folds).val_at_far
    mean, std = val_on_a_grid(distances, same, folds)
    assert (val.val, val.std) == pytest.approx((mean, std), abs=2e-3)
    assert 0 < val.val < 1
    assert val.measured_far == pytest.approx(1e-3, abs=1e-3)


def test_val_needs_a_thousand_strangers_in_the_other_folds():
    distances, same, folds = strangers_and_people(6, n=2000)
    assert score_pairs(distances, same, folds).val_at_far is None
    assert score_pairs(distances, same, np.zeros_like(folds)).val_at_far is not None


def test_fold_whose_others_are_all_missing_accepts_nothing():
    distances = np.array([0.1, 0.9, np.nan, np.nan])
    score = score_pairs(distances, np.array([True, False] * 2), np.array([0, 0, 1, 1]))
    assert score.folds[0].threshold == -np.inf
    assert score.folds[0].accuracy == 0.5
    assert score.as_json()["folds"][0]["threshold"] is None


@pytest.mark.parametrize("lower", [0.5, np.nextafter(0.5, 1)])
def test_adjacent_distances_are_told_apart(lower):
    upper = np.nextafter(lower, 1)
    score = score_pairs(np.array([lower, upper]), np.array([True, False]), np.array([0, 0]))
    assert (score.accuracy.mean, score.auc) == (1, 1)


def test_results_are_plain_data_without_curves():
    distances, same, folds = strangers_and_people(7, n=200)
    data = json.loads(json.dumps(score_pairs(distances, same, folds).as_json(), allow_nan=False))
    assert "curves" not in data
    assert set(data["accuracy"]) == {"mean", "std"}
    assert len(data["folds"]) == 10
    assert data["tar_at_far"][4] == {"far": 1e-5, "tar": None, "threshold": None}


@pytest.mark.parametrize(
    ("distances", "same", "folds", "message"),
    [
        ([], [], [], "no pairs"),
        ([0.1], [True, False], [0], "don't match"),
        ([0.1, np.inf], [True, False], [0, 0], "distance 1 is infinite"),
    ],
)
def test_what_can_not_be_scored_is_refused(distances, same, folds, message):
    with pytest.raises(ValueError, match=message):
        score_pairs(np.array(distances), np.array(same, bool), np.array(folds, np.int64))
