"""A space's thresholds follow from its pairs' distances, at the rates of dlib's own limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facebatch.cluster.tau import choose_tau
from facebatch.errors import UsageError
from facebatch.identify.calibration import Calibration, Point
from facebatch.identify.space_measures import space_thresholds
from facebatch.identify.thresholds import default_for, known_for, threshold_for
from facebatch.models.space_thresholds import keep, shipped

DLIB = replace(default_for("dlib-resnet", "mirror", None), space="a space")


def test_dlibs_distances_give_back_its_own_limits():
    ours, measured = shipped("dlib-resnet")["mirror"], space_thresholds(DLIB)
    assert measured.links.far == ours.links.far
    assert measured.links.floor == pytest.approx(ours.links.floor, abs=5e-4)
    assert measured.tracks.near_d2 == pytest.approx(ours.tracks.near_d2, abs=5e-4)
    assert measured.tracks.overlapping_d2 == pytest.approx(ours.tracks.overlapping_d2, abs=5e-4)


def test_what_was_kept_decides_from_then_on(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path))
    mine = replace(DLIB, embedder="sface", far=tuple(Point(p.rate, 2 * p.threshold, "mine")
                                                     for p in DLIB.far))  # fmt: skip
    assert known_for("sface", "mirror", "a space") is None
    keep(space_thresholds(mine))
    assert known_for("sface", "mirror", "a space") == mine
    assert known_for("sface", "mirror", "another") is None
    assert threshold_for(mine, "nearest", 1, far=1e-4) == (
        pytest.approx(0.22),
        "d2 at FAR 0.0001: mine",
    )
    assert choose_tau(100, space_thresholds(mine).links) == pytest.approx(0.18)


@pytest.mark.parametrize("rates", [(), (1e-4,), (1e-2, 1e-3)])
def test_too_few_pairs_are_refused(rates):
    few = Calibration("sface", "none", "s", tuple(Point(rate, 0.1, "few") for rate in rates))
    with pytest.raises(UsageError, match="10,000 pairs"):
        space_thresholds(few)


def test_what_lies_beyond_the_measured_rates_is_no_distance_below_zero():
    weak = tuple(Point(rate, d2, "weak") for rate, d2 in ((1e-2, 0.6), (1e-3, 0.3), (1e-4, 0.1)))
    measured = space_thresholds(Calibration("sface", "none", "s", weak))
    assert measured.links.floor == 0
    assert measured.tracks.near_d2 == 0
    assert measured.tracks.overlapping_d2 > 0
