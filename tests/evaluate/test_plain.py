from dataclasses import dataclass

import numpy as np
import pytest

from facebatch.evaluate.plain import plain_data


@dataclass(frozen=True)
class Curve:
    x: np.ndarray


@dataclass(frozen=True)
class Inner:
    value: float | None


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    right: bool
    inner: Inner
    several: tuple[Inner, ...]
    curve: Curve
    array: np.ndarray


def test_curves_are_left_out_and_numbers_json_does_not_know_are_none():
    several = (Inner(-np.inf), Inner(np.nan), Inner(None), Inner(np.float64(0.5)))
    data = plain_data(Outer("a", 2, True, Inner(1.5), several, Curve(np.ones(2)), np.ones(2)))
    assert data == {
        "name": "a",
        "count": 2,
        "right": True,
        "inner": {"value": 1.5},
        "several": [{"value": None}, {"value": None}, {"value": None}, {"value": 0.5}],
    }
    assert type(data["several"][3]["value"]) is float


def test_only_results_become_plain_data():
    for other in (3, Inner):
        with pytest.raises(TypeError, match="no result dataclass"):
            plain_data(other)
