"""Rates of wrong names among those given: q-values, and how likely a face is an impostor."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facebatch.identify.false_discovery import impostor_probabilities, q_values, rates_of
from facebatch.identify.thresholds import default_for, threshold_for

CALIBRATION = default_for("dlib-resnet", "mirror")
RATES = arrays.arrays(
    np.float64, st.integers(1, 40), elements=st.floats(1e-9, 1.0, exclude_min=False)
)


def benjamini_hochberg(rates: np.ndarray, level: float) -> np.ndarray:
    """The step-up procedure as its paper states it: reject the k smallest, k the largest that fits.

    Y. Benjamini and Y. Hochberg (1995), J. R. Statist. Soc. B 57, 289-300, (1).
    """
    n = len(rates)
    fitting = [k for k in range(1, n + 1) if np.sort(rates)[k - 1] <= level * k / n]
    return rates <= (np.sort(rates)[max(fitting) - 1] if fitting else -1)


@given(RATES, st.sampled_from([0.01, 0.05, 0.2]))
def test_q_values_name_whom_the_step_up_procedure_names(rates: np.ndarray, level: float) -> None:
    near = np.abs(q_values(rates) - level) < 1e-12  # equal but for rounding
    expected = benjamini_hochberg(rates, level)
    assert (((q_values(rates) <= level) == expected) | near).all()


@given(RATES)
def test_both_rise_with_the_rate_and_are_probabilities(rates: np.ndarray) -> None:
    order = np.argsort(rates, kind="stable")
    for found in (q_values(rates), impostor_probabilities(rates)):
        assert (np.diff(found[order]) >= -1e-12).all()
        assert ((found >= 0) & (found <= 1)).all()


def test_wrong_names_are_as_rare_as_stated() -> None:
    rng = np.random.default_rng(5)
    named = wrong = 0
    for _ in range(50):
        impostors = rng.uniform(size=1000)
        mated = rng.uniform(size=100) ** 6  # near, but not all of them
        found = q_values(np.concatenate([impostors, mated])) <= 0.1
        named += int(found.sum())
        wrong += int(found[:1000].sum())
    assert named > 1000
    assert 0.05 < wrong / named < 0.1 * 1.15


def test_a_face_is_an_impostor_as_often_as_it_is_said_to_be() -> None:
    rng = np.random.default_rng(6)
    rates = np.concatenate([rng.uniform(size=40_000), rng.uniform(size=10_000) ** 12])
    truth = np.arange(50_000) < 40_000
    said = impostor_probabilities(rates)
    for low, high in ((0.02, 0.2), (0.2, 0.5), (0.5, 0.9)):
        these = (said >= low) & (said < high)
        assert these.sum() > 100
        # All are reckoned as impostors, and 4 of 5 are: it errs to the safe side by as much.
        assert 0.8 * said[these].mean() - 0.05 < truth[these].mean() < said[these].mean() + 0.02


def test_nobody_to_name_is_no_error() -> None:
    nothing = np.empty(0)
    assert len(q_values(nothing)) == len(impostor_probabilities(nothing)) == 0


@pytest.mark.parametrize("people", [20, 1000])
@pytest.mark.parametrize("method", ["centroid", "nearest"])
def test_a_rate_is_that_of_its_threshold(method: str, people: int) -> None:
    for fpir in (1e-3, 1e-4):
        threshold, _ = threshold_for(CALIBRATION, method, people, fpir=fpir)
        rates = rates_of(np.array([threshold], np.float32), CALIBRATION, method, people)
        assert rates is not None
        assert fpir / 1.13 <= rates[0] <= fpir * 1.13


def test_rates_rise_with_the_score_and_end_at_one() -> None:
    scores = np.linspace(0, 4, 200, dtype=np.float32)
    rates = rates_of(scores, CALIBRATION, "centroid", 20)
    assert rates is not None
    assert (np.diff(rates) >= 0).all()
    assert 1e-12 <= rates[0] < 1e-6
    assert rates[-1] == 1


def test_in_a_million_faces_nearer_ones_are_surer_beyond_what_was_measured() -> None:
    """1,680 people are enrolled; what is known of their FPIR ends at 1.7e-5."""
    scores = np.repeat(np.array([0.001, 0.03, 0.3], np.float32), [50, 50, 1_000_000])
    rates = rates_of(scores, CALIBRATION, "centroid", 1680)
    assert rates is not None
    named = q_values(rates) <= 0.01
    assert named[:50].all()
    assert not named[50:].any()


def test_a_method_that_nothing_was_measured_for_has_no_rates() -> None:
    assert rates_of(np.zeros(3, np.float32), CALIBRATION, "svm", 5) is None
