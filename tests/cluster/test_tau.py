import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.cluster import ClusterSettings
from facebatch.cluster.tau import choose_tau
from facebatch.models.space_thresholds import shipped

LINKS = {tta: measured.links for tta, measured in shipped("dlib-resnet").items()}
MIRROR = LINKS["mirror"]


@pytest.mark.parametrize(
    ("n_faces", "expected"),
    # docs/concepts.md, "How long a link may be"
    [(0, 0.090), (1, 0.090), (13_000, 0.090), (40_000, 0.082), (80_000, 0.077), (1_000_000, 0.060)],
)
def test_tau_of_documented_sizes(n_faces, expected):
    assert choose_tau(n_faces, MIRROR) == pytest.approx(expected, abs=5e-4)


def test_tau_never_falls_below_its_floor():
    assert choose_tau(10**9, MIRROR) == 0.055


def test_tau_passes_through_the_table():
    assert choose_tau(130_000, MIRROR) == pytest.approx(MIRROR.far[1e-6])


@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_a_larger_archive_never_has_longer_links(one, other):
    small, large = sorted([one, other])
    assert choose_tau(large, MIRROR) <= choose_tau(small, MIRROR)


def test_tau_of_other_averaging_follows_its_distances():
    assert choose_tau(5_000, LINKS["none"]) == 0.090 * (0.094 / 0.091)
    assert choose_tau(5_000, LINKS["full"]) == 0.090 * (0.088 / 0.091)
    assert choose_tau(10**9, LINKS["none"]) == 0.055 * (0.094 / 0.091)


def test_guard_radius_is_in_proportion():
    assert ClusterSettings(tau=0.094).guard_factor * 0.094 == pytest.approx(
        0.135, abs=5e-4
    )  # docs/concepts.md
