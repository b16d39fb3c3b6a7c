"""Thresholds from stated error rates: what is measured, what is derived, and where it came from."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from support.synthetic import people

from facebatch.errors import UsageError
from facebatch.identify import Calibration, classifier
from facebatch.identify.calibration import Identification, Point
from facebatch.identify.fit_calibration import (
    FAR_RATES,
    calibrate_gallery,
    calibrate_pairs,
    fit_logistic,
    leave_out,
    pair_distances,
)
from facebatch.identify.thresholds import default_for, threshold_for
from facebatch.models.space_thresholds import shipped

ABOUT = {"embedder": "dlib-resnet", "tta": "mirror", "space": "s", "source": "the test"}
EMBEDDINGS, TRUTH = people([8] * 6 + [5] * 8 + [1] * 30, seed=8)
NAMES = [f"person {number}" for number in TRUTH]
DEFAULTS = {
    ("dlib-resnet", tta): default_for("dlib-resnet", tta, None)
    for tta in ("none", "mirror", "full")
}
MIRROR = DEFAULTS["dlib-resnet", "mirror"]
UNKNOWN = Calibration("another", "none")

distances = arrays(np.float32, st.integers(4, 60), elements=st.floats(0, 4, width=32))


def calibrated(embeddings=EMBEDDINGS, names=NAMES):
    return calibrate_pairs(*pair_distances(embeddings, names), **ABOUT)


def thresholds(calibration):
    return [point.threshold for point in calibration.far]


@given(distances, st.integers(0, 2**31))
def test_no_more_strangers_are_accepted_than_stated(values, seed):
    same = np.random.default_rng(seed).random(len(values)) < 0.5
    assume(0 < same.sum() < len(same))
    many, kinds = np.tile(values, 300), np.tile(same, 300)
    try:
        calibration = calibrate_pairs(many, kinds, **ABOUT)
    except UsageError:
        assume(False)
    for point in calibration.far:
        if point.threshold is not None:
            assert np.mean(many[~kinds] <= point.threshold) <= point.rate
            assert point.found == np.mean(many[kinds] <= point.threshold)
    measured = [value for value in thresholds(calibration) if value is not None]
    assert measured == sorted(measured, reverse=True)


def test_the_threshold_lies_just_below_the_first_stranger_too_many():
    strangers = np.arange(1, 1001, dtype=np.float32) / 1000
    values = np.concatenate([strangers, [0.0005, 0.0105]]).astype(np.float32)
    same = np.arange(1002) >= 1000
    points = {point.rate: point for point in calibrate_pairs(values, same, **ABOUT).far}
    assert points[1e-2].threshold == pytest.approx(0.011, abs=1e-6)
    assert (strangers <= points[1e-2].threshold).sum() == 10
    assert points[1e-2].found == 1.0
    assert (strangers <= points[1e-3].threshold).sum() == 1
    assert points[1e-3].found == 0.5


def test_a_rate_of_less_than_one_pair_has_no_threshold_and_says_so():
    calibration = calibrated(EMBEDDINGS[:40], NAMES[:40])
    assert [point.rate for point in calibration.far] == list(FAR_RATES)
    assert calibration.far[0].threshold is not None
    last = calibration.far[-1]
    assert last.threshold is None
    assert "needs 100,000 pairs of two people" in last.source
    assert "the test" in last.source


@pytest.mark.parametrize("kind", [True, False])
def test_pairs_of_both_kinds_are_needed(kind):
    with pytest.raises(UsageError, match="needs both"):
        calibrate_pairs(np.ones(3), np.full(3, kind), **ABOUT)


def test_labels_that_contradict_the_distances_are_refused():
    values = np.array([0.3, 0.4, 0.1, 0.2])
    with pytest.raises(UsageError, match="check the labels"):
        calibrate_pairs(values, np.array([True, True, False, False]), **ABOUT)


def test_pairs_are_all_pairs(monkeypatch):
    values, same = pair_distances(EMBEDDINGS, NAMES)
    expected = [
        (((EMBEDDINGS[a].astype(float) - EMBEDDINGS[b]) ** 2).sum(), NAMES[a] == NAMES[b])
        for a in range(len(NAMES))
        for b in range(a + 1, len(NAMES))
    ]
    np.testing.assert_allclose(values, [d2 for d2, _ in expected], atol=1e-6)
    assert same.tolist() == [alike for _, alike in expected]
    monkeypatch.setattr("facebatch.identify.fit_calibration._BLOCK_BYTES", 1)
    for whole, in_blocks in zip((values, same), pair_distances(EMBEDDINGS, NAMES), strict=True):
        np.testing.assert_array_equal(whole, in_blocks)


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_face_makes_no_pair(n):
    values, same = pair_distances(EMBEDDINGS[:n], NAMES[:n])
    assert len(values) == len(same) == 0


@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(2, 40))
def test_the_probability_falls_with_the_distance(seed, n_same, n_other):
    generator = np.random.default_rng(seed)
    near, far = generator.normal(0.1, 0.05, n_same), generator.normal(0.4, 0.05, n_other)
    values = np.abs(np.concatenate([near, far]))
    calibration = calibrate_pairs(values, np.arange(len(values)) < n_same, **ABOUT)
    grid = calibration.probability(np.linspace(0, 4, 100))
    assert ((grid >= 0) & (grid <= 1)).all()
    assert (np.diff(grid) <= 0).all()
    assert calibration.probability(0.1) > 0.5 > calibration.probability(0.4)


def test_the_fit_is_the_maximum_of_platts_likelihood():
    values, same = pair_distances(EMBEDDINGS, NAMES)
    plus, minus = same.sum(), (~same).sum()
    target = np.where(same, (plus + 1) / (plus + 2), 1 / (minus + 2))
    weight = np.where(same, 1 / plus, 1 / minus)

    def loss(parameters):
        z = parameters[0] * values.astype(float) + parameters[1]
        return (weight * (target * np.logaddexp(0, z) + (1 - target) * np.logaddexp(0, -z))).sum()

    best = minimize(
        loss, [50.0, -8.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}
    )
    assert fit_logistic(values, same) == pytest.approx(best.x, rel=1e-4)


def test_priors_are_equal_whatever_the_numbers():
    values, same = pair_distances(EMBEDDINGS, NAMES)
    ten_times = (
        np.concatenate([values, *[values[~same]] * 9]),
        np.concatenate([same, *[same[~same]] * 9]),
    )
    # Were every pair to weigh the same, the intercept would move by log 10, a sixth of it. What is
    # left is Platt's target for strangers, which depends on their number.
    assert fit_logistic(*ten_times) == pytest.approx(fit_logistic(values, same), rel=0.02)


def test_a_fit_of_kinds_that_do_not_overlap_is_finite():
    slope, intercept = fit_logistic(np.array([0.1, 0.5]), np.array([True, False]))
    assert math.isfinite(slope)
    assert 1 / (1 + math.exp(slope * 0.1 + intercept)) == pytest.approx(2 / 3, abs=1e-6)


def test_leaving_out_scores_strangers_against_everyone_else():
    scores = leave_out("nearest", EMBEDDINGS, NAMES)
    assert scores.people == len(set(NAMES)) - 1
    difference = EMBEDDINGS[:, None].astype(float) - EMBEDDINGS
    d2 = np.square(difference).sum(axis=-1)
    d2[TRUTH[:, None] == TRUTH] = np.inf
    np.testing.assert_allclose(np.sort(scores.non_mated), np.sort(d2.min(axis=1)), atol=1e-6)
    # Everyone with two photos or more is a known face once.
    counts = np.bincount(TRUTH)
    assert len(scores.mated) == len(scores.right) == counts[counts > 1].sum()


def test_leaving_out_leaves_the_probe_itself_out():
    twins, names = EMBEDDINGS[:3].repeat(2, axis=0), list("aabbcc")
    scores = leave_out("nearest", twins, names)
    np.testing.assert_array_equal(scores.mated, 0)  # its twin is another photo
    alone = leave_out("nearest", EMBEDDINGS[:4], ["a", "a", "b", "b"])
    assert (alone.mated > 0).all()


def test_of_many_photos_a_tenth_is_left_out_at_a_time(monkeypatch):
    sizes = []
    fit = classifier.fit
    monkeypatch.setattr(
        "facebatch.identify.fit_calibration.fit",
        lambda *arguments, **options: sizes.append(len(arguments[2])) or fit(*arguments, **options),
    )
    embeddings, truth = people([40, 3], seed=2)
    leave_out("centroid", embeddings, [str(number) for number in truth])
    assert sorted(sizes[2:]) == [38] * 3 + [39] * 7


@pytest.mark.parametrize("method", classifier.METHODS)
def test_every_method_can_be_calibrated(method):
    made = calibrate_gallery(method, EMBEDDINGS, NAMES, source="the test")
    assert made.method == method
    measured = [point for point in made.points if point.threshold is not None]
    assert len(measured) >= 3  # 118 photos: 10 %, 3 % and 1 %
    assert [point.threshold for point in measured] == sorted(
        (point.threshold for point in measured), reverse=True
    )
    assert all(0 <= point.found <= 1 for point in measured)
    assert "118 photos" in measured[0].source
    assert "needs 1,000 photos of impostors, there are 118" in made.points[-1].source
    if method != "svm":
        wrong = leave_out(method, EMBEDDINGS, NAMES).non_mated
        for point in measured:
            assert np.mean(wrong <= point.threshold) <= point.rate


def test_a_known_face_that_is_taken_for_somebody_else_is_not_found():
    names = [f"person {number}" for number in np.random.default_rng(1).permutation(TRUTH)]
    scores = leave_out("nearest", EMBEDDINGS, names)
    point = calibrate_gallery("nearest", EMBEDDINGS, names, source="").points[0]
    near = scores.mated <= point.threshold
    assert point.found == np.mean(near & scores.right) < np.mean(near)


def test_one_person_is_too_few_to_calibrate_with():
    with pytest.raises(UsageError, match="two people or more"):
        calibrate_gallery("nearest", EMBEDDINGS[:2], ["a", "a"], source="")


def test_a_calibration_from_its_json_is_the_same():
    measured = calibrate_gallery("centroid", EMBEDDINGS, NAMES, source="the test")
    whole = calibrated().with_identification(measured)
    assert Calibration.from_json(json.loads(json.dumps(whole.as_json()))) == whole
    for ours in DEFAULTS.values():
        assert Calibration.from_json(json.loads(json.dumps(ours.as_json()))) == ours


@pytest.mark.parametrize(
    "damage",
    [
        {"format_version": 2},
        {"format_version": None},
        {"far": None},
        {"far": [{"rate": 1}]},
        {"far": [{"rate": "much", "threshold": 1, "source": ""}]},
        {"fpir": [{}]},
        {"curve": 3},
        {"nonsense": 1},
    ],
)
def test_json_that_is_no_calibration_is_refused(damage):
    with pytest.raises(ValueError, match="calibration"):
        Calibration.from_json({**calibrated().as_json(), **damage})
    with pytest.raises(ValueError, match="calibration"):
        Calibration.from_json([])


def test_a_method_measured_anew_replaces_what_was_measured():
    calibration = Calibration("e", "none")
    for people_there in (10, 20):
        calibration = calibration.with_identification(Identification("nearest", people_there, ()))
    calibration = calibration.with_identification(Identification("vote", 5, ()))
    assert [(made.method, made.people) for made in calibration.fpir] == [
        ("nearest", 20),
        ("vote", 5),
    ]


def test_without_a_fit_there_is_no_probability():
    with pytest.raises(UsageError, match="no probability"):
        UNKNOWN.probability(0.1)


def test_shipped_thresholds_are_those_that_were_measured():
    # The tables of docs/concepts.md and of the clustering's tau.
    links = shipped("dlib-resnet")["mirror"].links
    assert {point.rate: point.threshold for point in MIRROR.far} == links.far
    assert links.far == {1e-3: 0.134, 1e-4: 0.110, 1e-5: 0.090, 1e-6: 0.074}
    for ours in DEFAULTS.values():
        points = [*ours.far, *(point for made in ours.fpir for point in made.points)]
        assert all("measurement" in point.source for point in points)
        assert thresholds(ours) == sorted(thresholds(ours), reverse=True)


def test_shipped_probabilities_part_strangers_from_a_person():
    for ours in DEFAULTS.values():
        # Strangers lie at about .33 (docs/concepts.md), photos of one person at about .1.
        assert ours.probability(0.1) > 0.99
        assert ours.probability(0.33) < 0.001


def test_nothing_is_shipped_for_what_was_not_measured():
    with pytest.raises(UsageError, match="facenet-vggface2"):
        default_for("facenet-vggface2", "mirror", None)


@pytest.mark.parametrize("method", ["nearest", "centroid", "both"])
@given(
    st.floats(1e-9, 0.9),
    st.floats(1e-9, 0.9),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.sampled_from(sorted(DEFAULTS)),
)
def test_thresholds_grow_with_the_rate_and_shrink_with_the_people(method, a, b, g, h, key):
    def at(rate, size):
        try:
            return threshold_for(DEFAULTS[key], method, size, fpir=rate)[0]
        except UsageError:
            return -1.0  # nothing reaches so low

    assert at(min(a, b), g) <= at(max(a, b), g) + 1e-12
    assert at(a, max(g, h)) <= at(a, min(g, h)) + 1e-12


@given(st.floats(1e-7, 0.9), st.floats(1e-7, 0.9))
def test_thresholds_grow_with_the_far(a, b):
    low, high = (threshold_for(MIRROR, "nearest", 9, far=far)[0] for far in sorted([a, b]))
    assert low <= high


@pytest.mark.parametrize("far", [1e-3, 1e-4, 1e-5, 1e-6])
def test_a_measured_far_gives_its_own_threshold(far):
    threshold, source = threshold_for(MIRROR, "centroid", 7, far=far)
    [point] = [point for point in MIRROR.far if point.rate == far]
    assert threshold == pytest.approx(point.threshold)
    assert point.source in source


def test_between_measured_fars_the_threshold_is_linear_in_the_logarithm():
    threshold, _ = threshold_for(MIRROR, "nearest", 1, far=10**-4.5)
    assert threshold == pytest.approx((0.110 + 0.090) / 2)


def test_outside_what_was_measured_the_source_says_so():
    threshold, source = threshold_for(MIRROR, "nearest", 1, far=0.3)
    assert threshold == 0.134
    assert "largest rate measured" in source
    threshold, source = threshold_for(MIRROR, "nearest", 1, far=1e-7)
    assert threshold == pytest.approx(0.074 - 0.016)
    assert "extrapolated" in source
    with pytest.raises(UsageError, match="no threshold is known"):
        threshold_for(MIRROR, "nearest", 1, far=1e-9)


def test_two_decades_below_the_smallest_rate_are_still_known():
    threshold, _ = threshold_for(default_for("dlib-resnet", "full", None), "nearest", 1, far=1e-7)
    assert threshold == pytest.approx(0.088 - 2 * (0.111 - 0.088))


def test_an_fpir_is_spread_over_the_people():
    # 1 - (1 - 1e-4)^100 = 0.00995
    fpir = 1 - (1 - 1e-4) ** 100
    threshold, source = threshold_for(MIRROR, "both", 100, fpir=fpir)
    assert threshold == pytest.approx(0.110)
    assert "FPIR = 1 - (1 - FAR)^100" in source


@pytest.mark.parametrize(("method", "measured"), [("centroid", 0.083), ("nearest", 0.0905)])
def test_what_was_measured_against_a_gallery_comes_before_the_rule(method, measured):
    for tta in ("none", "mirror"):
        threshold, source = threshold_for(
            default_for("dlib-resnet", tta, None), method, 1680, fpir=0.01
        )
        assert threshold == pytest.approx(measured)
        assert "1,680 people" in source


def test_beside_the_one_size_measured_the_threshold_follows_the_line_of_pairs():
    at = {
        (method, size): threshold_for(MIRROR, method, size, fpir=0.01)[0]
        for method in ("centroid", "both")
        for size in (100, 1680, 9000)
    }
    for size in (100, 9000):
        moved = at["centroid", size] - at["centroid", 1680]
        assert moved == pytest.approx(at["both", size] - at["both", 1680])


def test_a_gallerys_own_measurement_comes_before_the_shipped_one():
    measured = Identification(
        "nearest", 50, (Point(0.1, 0.2, "mine"), Point(0.01, 0.1, "mine"), Point(1e-3, None, "no"))
    )
    calibration = Calibration("dlib-resnet", "mirror", "s", fpir=(measured,))
    assert threshold_for(calibration, "nearest", 50, fpir=0.01) == (
        pytest.approx(0.1),
        "nearest at FPIR 0.01 with 50 people: mine",
    )

    # Twice the people: each may err half as often.
    def far(fpir, people_there):
        return math.log10(1 - (1 - fpir) ** (1 / people_there))

    threshold, source = threshold_for(calibration, "nearest", 100, fpir=0.1)
    share = (far(0.1, 100) - far(0.01, 50)) / (far(0.1, 50) - far(0.01, 50))
    assert threshold == pytest.approx(0.1 + 0.1 * share)
    assert "at FPIR 0.1 with 100 people, by FPIR = 1 - (1 - FAR)^g from 50: mine" in source
    # A method that wasn't measured takes the shipped line.
    assert threshold_for(calibration, "both", 50, fpir=0.01) == threshold_for(
        MIRROR, "both", 50, fpir=0.01
    )


def test_scores_that_are_no_distance_need_a_measurement():
    measured = Identification("svm", 50, (Point(0.1, 0.5, "mine"), Point(0.01, -0.2, "mine")))
    calibration = Calibration("dlib-resnet", "mirror", "s", fpir=(measured,))
    assert threshold_for(calibration, "svm", 50, fpir=0.01)[0] == pytest.approx(-0.2)
    assert threshold_for(calibration, "svm", 50, fpir=0.5)[0] == 0.5
    for fpir in (0.005, 1e-4):
        with pytest.raises(UsageError, match="no threshold is known for svm"):
            threshold_for(calibration, "svm", 50, fpir=fpir)
    with pytest.raises(UsageError, match="state an FPIR"):
        threshold_for(calibration, "svm", 50, far=0.01)
    with pytest.raises(UsageError, match="no threshold is known for knn"):
        threshold_for(MIRROR, "knn", 50, fpir=0.01)


def test_an_embedder_nobody_measured_has_no_threshold():
    with pytest.raises(UsageError, match="another, tta none"):
        threshold_for(UNKNOWN, "nearest", 5, fpir=0.01)


@pytest.mark.parametrize(
    ("arguments", "rates", "message"),
    [
        (("nonsense", 5), {"fpir": 0.1}, "no method"),
        (("nearest", 0), {"fpir": 0.1}, "empty"),
        (("nearest", 5), {}, "one error rate"),
        (("nearest", 5), {"fpir": 0.1, "far": 0.1}, "one error rate"),
        (("nearest", 5), {"fpir": 0.0}, "between 0 and 1"),
        (("nearest", 5), {"far": 1.0}, "between 0 and 1"),
        (("nearest", 5), {"far": float("nan")}, "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, rates, message):
    with pytest.raises(UsageError, match=message):
        threshold_for(MIRROR, *arguments, **rates)


def test_sources_of_two_neighbouring_points_are_both_named():
    points = (Point(1e-2, 0.2, "one"), Point(1e-3, 0.1, "other"))
    calibration = Calibration("e", "none", "s", far=points)
    source = threshold_for(calibration, "nearest", 1, far=5e-3)[1]
    assert source == "d2 at FAR 0.005: one; other"
    for (rate, threshold), wanted in zip(((1e-2, 0.2), (1e-3, 0.1)), ("one", "other"), strict=True):
        found, source = threshold_for(calibration, "nearest", 1, far=rate)
        assert found == pytest.approx(threshold)
        assert source.endswith(f": {wanted}")


def test_rates_are_listed_from_the_largest():
    for ours in DEFAULTS.values():
        assert all(a.rate > b.rate for a, b in pairwise(ours.far))
