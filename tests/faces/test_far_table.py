"""Thresholds and tau read the same table of rates in the same way."""

from __future__ import annotations

import pytest

from facebatch.faces.far_table import d2_at

TABLE = [(1e-3, 0.134), (1e-4, 0.110), (1e-5, 0.090)]


@pytest.mark.parametrize(("rate", "d2"), TABLE)
def test_a_measured_rate_has_its_own_distance(rate: float, d2: float) -> None:
    found = d2_at(TABLE, rate)
    assert (found.d2, found.beyond) == (d2, 0)
    assert found.left == found.right


def test_between_two_rates_it_is_linear_in_the_logarithm() -> None:
    found = d2_at(TABLE, 10**-3.5)
    assert found == (pytest.approx((0.134 + 0.110) / 2), 0, 1, 0)


def test_below_the_smallest_rate_the_last_slope_goes_on() -> None:
    assert d2_at(TABLE, 1e-6) == (pytest.approx(0.070), 1, 2, 1)


def test_above_the_largest_rate_it_stays_on_the_safe_side() -> None:
    assert d2_at(TABLE, 0.1) == (0.134, 0, 0, -1)
    assert d2_at(TABLE[:1], 1e-4) == (0.134, 0, 0, 1)
