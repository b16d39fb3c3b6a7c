import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.evaluate.thresholds import accepted, candidate_thresholds, errors_allowed, supports


@given(st.lists(st.floats(0, 4)))
def test_every_division_of_distances_has_one_threshold(distances):
    thresholds = candidate_thresholds(np.array(distances))
    distinct = sorted(set(distances))
    divisions = [[d for d in distinct if d <= threshold] for threshold in thresholds]
    assert divisions == [distinct[:k] for k in range(len(distinct) + 1)]
    counts = accepted(np.array(distances), thresholds)
    assert list(counts) == [sum(d <= threshold for d in distances) for threshold in thresholds]


@pytest.mark.parametrize("power", range(1, 8))
def test_a_rate_is_borne_by_its_reciprocal_number_of_trials(power):
    rate = float(f"1e-{power}")
    assert supports(10**power, rate)
    assert not supports(10**power - 1, rate)
    assert [errors_allowed(k * 10**power, rate) for k in (1, 2, 3, 7)] == [1, 2, 3, 7]
    assert errors_allowed(3 * 10**power - 1, rate) == 2
