"""People are split by person, and pairs are of people who are held out."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.errors import CollectionError, InputError
from facebatch.evaluate.pairs import read_pairs
from facebatch.faces.align import TEMPLATES
from facebatch.train import NamedChips, split_people
from facebatch.train.people import draw_pairs, draw_photos

TEMPLATE = TEMPLATES["arcface-112"]


def people(counts: list[int]) -> NamedChips:
    names = [f"p{person}" for person, count in enumerate(counts) for _ in range(count)]
    chips = [str(row).encode() for row in range(len(names))]
    sources = [f"root/{name}/{row}, the photo.jpg" for row, name in enumerate(names)]
    return NamedChips(chips, names, sources, TEMPLATE)


@given(
    st.lists(st.integers(2, 6), min_size=8, max_size=40), st.integers(0, 9), st.floats(0.05, 0.5)
)
@settings(max_examples=50)
def test_nobody_is_both_trained_on_and_held_out(counts, seed, share):
    chips = people([*counts, 1, 1, 1])
    split = split_people(chips, share, seed)
    parts = [set(split.trained), set(split.stopping), set(split.tested)]
    assert set.union(*parts) == set(chips.rows)
    assert sum(map(len, parts)) == len(chips.rows)
    assert all(len(chips.rows[name]) > 1 for name in (*split.trained, *split.stopping))
    assert split == split_people(chips, share, seed)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=40), st.integers(0, 9))
@settings(max_examples=50)
def test_pairs_are_balanced_and_no_person_is_in_two_folds(counts, seed):
    chips = people([*counts, 3])
    found = draw_pairs(chips, list(chips.rows), seed)
    names = np.array(chips.names)
    assert ((names[found.left] == names[found.right]) == found.same).all()
    assert found.same.sum() * 2 == len(found.same) > 0
    assert (found.left != found.right).all()
    in_fold: dict[str, set[int]] = {}
    for side in (found.left, found.right):
        for name, fold in zip(names[side].tolist(), found.folds.tolist(), strict=True):
            in_fold.setdefault(name, set()).add(fold)
    assert all(len(folds) == 1 for folds in in_fold.values())
    listed = read_pairs(found.as_csv(chips.sources))
    assert [pair.left for pair in listed] == [chips.sources[row] for row in found.left]
    assert [pair.fold for pair in listed] == found.folds.tolist()


def test_somebody_with_very_many_photos_needs_no_memory_for_all_their_pairs():
    chips = people([4000, 2, 2, 2])
    tracemalloc.start()
    try:
        found = draw_pairs(chips, list(chips.rows), 0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.same.sum() > 2
    assert peak < 50e6  # all pairs of 4,000 photos take 128 MB


@given(st.lists(st.integers(1, 6), min_size=2, max_size=20), st.integers(1, 60), st.integers(0, 9))
@settings(max_examples=50)
def test_photos_are_drawn_once_each_and_of_those_people_only(counts, most, seed):
    chips = people(counts)
    whose = list(chips.rows)[1:]
    rows = draw_photos(chips, whose, most, seed)
    assert len(rows) == len(set(rows.tolist())) == min(most, sum(counts) - len(chips.rows["p0"]))
    assert {chips.names[row] for row in rows} <= set(whose)
    assert (rows == draw_photos(chips, whose, most, seed)).all()


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ([9], "photos of several people"),
        ([1, 1, 1, 1, 1, 1, 1], "nobody of 7 people has two photos"),
        ([5, 5, 5], "3 people with two photos are too few"),
    ],
)
def test_too_few_people_are_refused(counts, says):
    with pytest.raises(InputError, match=says):
        split_people(people(counts), 0.2, 0)


def test_a_damaged_chip_is_named():
    with pytest.raises(CollectionError, match=r"chip of root/p0/0, the photo.jpg"):
        people([1]).pixels(np.array([0]), 32)


def test_the_fingerprint_knows_chips_and_names_and_no_order():
    one = people([2, 2])
    turned = NamedChips(one.chips[::-1], one.names[::-1], one.sources, TEMPLATE)
    renamed = NamedChips(one.chips, ["x", *one.names[1:]], one.sources, TEMPLATE)
    assert turned.fingerprint == one.fingerprint != renamed.fingerprint
