"""Distances at a false accept rate (FAR), between and beyond the rates that were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_SAME_RATE = 1e-9
"""Decades between two rates that are one but for rounding."""


class AtRate(NamedTuple):
    """A distance at a rate, and the measured points that it comes from.

    Args:
        d2: Squared L2.
        left: Number of the point with the larger rate, among the points by falling rate.
        right: Number of the point with the smaller rate; ``left`` itself where a point has the
            rate.
        beyond: 0 between the points; -1 where the rate is larger than all of them, 1 smaller.
    """

    d2: float
    left: int
    right: int
    beyond: int


def d2_at(points: Sequence[tuple[float, float]], rate: float) -> AtRate:
    """Returns the distance at a rate, linear in the logarithm of the rate.

    Beyond the smallest rate the slope is that of the last two points; beyond the largest it is the
    first point's own distance, which is too strict and so errs on the safe side.

    Args:
        points: Rate and d2 of each measured point, by falling rate; at least one.
        rate: Above 0.
    """
    decades = [-math.log10(each) for each, _ in points]
    wanted = -math.log10(rate)
    if wanted < decades[0] - _SAME_RATE:
        return AtRate(points[0][1], 0, 0, -1)
    for number, decade in enumerate(decades):
        if abs(wanted - decade) <= _SAME_RATE:
            return AtRate(points[number][1], number, number, 0)
    right = next((n for n, decade in enumerate(decades) if wanted < decade), len(points) - 1)
    left = max(right - 1, 0)
    if left == right:
        return AtRate(points[0][1], 0, 0, 1)
    slope = (points[right][1] - points[left][1]) / (decades[right] - decades[left])
    d2 = points[left][1] + (wanted - decades[left]) * slope
    return AtRate(d2, left, right, 1 if wanted > decades[right] else 0)
