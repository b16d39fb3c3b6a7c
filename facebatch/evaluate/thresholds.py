"""Thresholds on distances: which ones are worth trying, and which rates a count of trials bears.

Everywhere in this package a comparison is accepted when its distance is at most the threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

_ROUNDING = 1e-9
"""Slack for rates such as 1e-5, whose reciprocal isn't exactly 100,000 in floating point."""


def candidate_thresholds(distances: Floats) -> npt.NDArray[np.float64]:
    """Lists one threshold for every way in which these distances can be divided.

    Args:
        distances: (n,) finite distances in any order, repeated or not.

    Returns:
        (m + 1,) float64, ascending, for m distinct distances: minus infinity, which accepts
        nothing; the midpoints of neighbours; the largest distance, which accepts everything.
    """
    distinct = np.unique(np.asarray(distances, np.float64))
    if len(distinct) == 0:
        return np.array([-np.inf])
    lower, upper = distinct[:-1], distinct[1:]
    middle = lower + (upper - lower) / 2
    # The midpoint of adjacent floating point numbers may round to the upper one and accept it.
    middle = np.where(middle < upper, middle, lower)
    return np.concatenate(([-np.inf], middle, distinct[-1:]))


def accepted(distances: Floats, thresholds: Floats) -> npt.NDArray[np.int64]:
    """Counts the distances that each threshold accepts.

    Args:
        distances: (n,) distances without NaN.
        thresholds: (m,) thresholds.

    Returns:
        (m,) int64.
    """
    return np.searchsorted(np.sort(distances), thresholds, side="right").astype(np.int64)


def share(counts: npt.NDArray[np.int64], total: int) -> npt.NDArray[np.float64]:
    """Divides counts by their total; NaN throughout where the total is 0."""
    return counts / total if total else np.full(len(counts), np.nan)


def supports(trials: int, rate: float) -> bool:
    """Whether so many trials can show an error rate: there are at least 1/rate of them."""
    return trials * rate >= 1 - _ROUNDING


def errors_allowed(trials: int, rate: float) -> int:
    """The largest number of errors among so many trials that keeps within the rate."""
    return int(np.floor(trials * rate + _ROUNDING))
