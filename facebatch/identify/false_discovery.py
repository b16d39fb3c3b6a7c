"""How many of the names given are wrong: the false discovery rate (FDR) of an archive's claims.

A threshold at a stated FPIR lets the same share of impostors pass whoever is in the archive: of a
thousand bystanders ten are named at 1 %, and where only ten faces are known people's, half of the
names are wrong. What a reader of names wants controlled is that share. Both functions start from
each face's FPIR at its own score, which is the p-value of the hypothesis that it is an impostor.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.identify.calibration import Calibration
from facebatch.identify.distances import Doubles, Floats
from facebatch.identify.thresholds import threshold_for

_STEPS_PER_DECADE, _DECADES = 20, 9
_LEAST_RATE = 1e-12
"""Rates aren't followed below it: no archive has as many faces."""


def rates_of(scores: Floats, calibration: Calibration, method: str, people: int) -> Doubles | None:
    """Returns the FPIR at each score: the share of impostors who are at least as near to somebody.

    It is the inverse of `facebatch.identify.thresholds.threshold_for`, on a grid of twenty rates a
    decade. Scores beyond the largest rate that was measured have rate 1. Below the smallest that
    is known the line goes on as in its last decade, down to 1e-12. That isn't measured; but were
    all nearer faces reckoned at one rate, a large archive would name nobody or everybody of them.

    Args:
        scores: (n,) score of each face's nearest person.
        calibration: What was measured for the gallery, or for its space.
        method: The method of the scores.
        people: People in the gallery.

    Returns:
        (n,) float64, 1e-12 to 1; None where nothing was measured for the method.
    """
    grid = np.logspace(-_DECADES, 0, _DECADES * _STEPS_PER_DECADE, endpoint=False)
    known: list[tuple[float, float]] = []
    for rate in grid.tolist():
        try:
            threshold, _ = threshold_for(calibration, method, people, fpir=rate)
        except UsageError:  # so small a rate isn't known
            continue
        known.append((rate, threshold))
    if not known:
        return None
    rates, thresholds = np.array(known).T
    thresholds = np.maximum.accumulate(thresholds)
    # Above the largest measured rate the threshold stays, and says nothing of larger scores.
    measured = np.searchsorted(thresholds, thresholds[-1])
    found = np.append(rates[: measured + 1], 1.0)[
        np.searchsorted(thresholds[: measured + 1], scores)
    ]
    last = min(_STEPS_PER_DECADE, measured)
    if thresholds[last] > thresholds[0]:
        slope = np.log10(rates[last] / rates[0]) / (thresholds[last] - thresholds[0])
        beyond = np.minimum(scores.astype(np.float64) - thresholds[0], 0.0) * slope
        found = np.maximum(found * 10.0**beyond, _LEAST_RATE)
    return found


def q_values(rates: Doubles) -> Doubles:
    """Returns each face's q-value: the share of wrong names if it and all likelier ones are named.

    It is min over the rates r(k) >= r(i) of n r(k) / k, r(k) being the k-th smallest (Benjamini
    and Hochberg 1995, "Controlling the False Discovery Rate", as q-values of Storey 2002 with all
    faces reckoned as impostors, which errs on the safe side). It holds for faces that depend on
    each other positively, as several of one stranger do (Benjamini and Yekutieli 2001).

    Args:
        rates: (n,) from `rates_of`.

    Returns:
        (n,) float64, 0..1, rising with the rate.
    """
    n = len(rates)
    order = np.argsort(rates, kind="stable")
    ascending = rates[order]
    places = np.searchsorted(ascending, ascending, side="right")
    q = np.minimum.accumulate((n * ascending / np.maximum(places, 1))[::-1])[::-1]
    found = np.empty(n)
    found[order] = np.minimum(q, 1.0)
    return found


def impostor_probabilities(rates: Doubles) -> Doubles:
    """Returns how likely each face is an impostor, given how many others are as near: 0..1.

    It is the local FDR f0(r) / f(r) (Efron 2004). Impostors' rates are uniform, so f0 is 1, again
    with all faces reckoned as impostors. f falls with the rate, since mated faces are near, and is
    estimated without further assumptions: by the slopes of the least concave majorant of the
    empirical distribution (Grenander 1956), which isotonic regression of its steps gives.

    Args:
        rates: (n,) from `rates_of`.
    """
    from scipy.optimize import isotonic_regression

    if not len(rates):
        return np.empty(0)
    steps, counts = np.unique(rates, return_counts=True)
    if steps[-1] < 1:
        steps, counts = np.append(steps, 1.0), np.append(counts, 0)
    widths = np.diff(steps, prepend=0.0)
    density = counts / len(rates) / widths
    falling: npt.NDArray[np.float64] = isotonic_regression(
        density, weights=widths, increasing=False
    ).x
    return np.minimum(1.0, 1.0 / np.maximum(falling[np.searchsorted(steps, rates)], 1.0))
