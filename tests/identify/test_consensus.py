"""Who recurs through a person's photos, and which entries are unlike the others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.synthetic import at_angles, people

from facebatch.identify import Calibration
from facebatch.identify.consensus import CHANCE, limit_by, recurring, unlike_the_others
from facebatch.identify.thresholds import default_for, threshold_for

SHIPPED = default_for("dlib-resnet", "mirror")
LIMIT = limit_by(SHIPPED)
assert LIMIT is not None


@given(st.integers(3, 9), st.integers(0, 3), st.integers(0, 10_000))
def test_the_order_of_photos_doesnt_matter(photos: int, others: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    own = people([photos], seed)[0]
    strangers = people([1] * (photos * others), seed + 1)[0] if others else own[:0]
    rows = np.concatenate([own, strangers])
    photo = np.concatenate([np.arange(photos), np.repeat(np.arange(photos), others)])
    largest = np.arange(len(rows)) < photos

    def found(places: np.ndarray) -> set[bytes] | None:
        order = np.argsort(places[photo], kind="stable")
        members = recurring(rows[order], places[photo][order], largest[order], LIMIT)
        return None if members is None else {rows[order][row].tobytes() for row in members}

    assert found(np.arange(photos)) == found(generator.permutation(photos))


def test_strangers_of_photos_with_many_faces_must_lie_nearer_to_agree() -> None:
    assert LIMIT(1) == threshold_for(SHIPPED, "nearest", 1, far=CHANCE)[0]
    assert LIMIT(100) == threshold_for(SHIPPED, "nearest", 1, far=CHANCE / 100)[0] < LIMIT(1)
    assert LIMIT(10**9) < 0, "so small a FAR was never measured"


def test_strangers_recur_in_few_folders_of_crowded_photos() -> None:
    found = 0
    for seed in range(40):
        rows = people([1] * 20, seed)[0]
        photo = np.repeat(np.arange(5), 4)
        found += recurring(rows, photo, np.arange(20) % 4 == 0, LIMIT) is not None
    assert found <= 2


def test_without_a_measured_far_nothing_is_near() -> None:
    assert limit_by(None) is None
    assert limit_by(Calibration("other", "none")) is None


def test_an_entry_unlike_the_others_is_told_where_a_majority_agrees() -> None:
    rows = at_angles(0, 3, 90, 6)
    unlike, is_majority = unlike_the_others(rows, lambda _: 0.07)
    assert unlike.tolist() == [False, False, True, False]
    assert is_majority
    unlike, is_majority = unlike_the_others(at_angles(0, 90), lambda _: 0.07)
    assert not unlike.any()
    assert not is_majority
    assert unlike_the_others(rows[:1], lambda _: 0.07)[1]


def test_a_person_of_thousands_of_faces_is_judged_by_a_sample() -> None:
    rows = at_angles(*np.linspace(0, 8, 5_000), 90)
    unlike, is_majority = unlike_the_others(rows, lambda _: 0.07)
    assert np.flatnonzero(unlike).tolist() == [5_000]
    assert is_majority
