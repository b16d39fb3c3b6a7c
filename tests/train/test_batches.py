"""Batches have P people with K photos each, and are a function of their number alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facebatch.train.batches import PKSampler

sizes = st.lists(st.integers(1, 9), min_size=2, max_size=20)


def sampler(counts: list[int], people: int, photos: int, seed: int = 0) -> PKSampler:
    ends = np.cumsum(counts)
    rows = [np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)]
    return PKSampler(rows, people, photos, seed)


@given(sizes, st.integers(2, 6), st.integers(2, 5), st.integers(0, 1000))
def test_a_batch_has_k_photos_of_each_of_p_people(counts, people, photos, number):
    rows, labels = sampler(counts, people, photos).batch(number)
    owner = np.repeat(np.arange(len(counts)), counts)
    assert (owner[rows] == labels).all()
    of_each = Counter(labels.tolist())
    assert len(of_each) == min(people, len(counts))
    assert set(of_each.values()) == {photos}
    for person in of_each:
        times = Counter(rows[labels == person].tolist())
        assert max(times.values()) - (photos // counts[person]) <= 1
        assert len(times) == min(photos, counts[person])


@given(sizes, st.integers(2, 6), st.integers(0, 20))
def test_an_epoch_has_everyone(counts, people, epoch):
    one = sampler(counts, people, 2)
    batches = range(epoch * one.batches, (epoch + 1) * one.batches)
    seen = Counter(np.concatenate([one.batch(number)[1] for number in batches]).tolist())
    assert set(seen) == set(range(len(counts)))
    assert sum(seen.values()) == one.batches * min(people, len(counts)) * 2


@given(sizes, st.integers(0, 1000))
def test_a_batch_depends_on_seed_and_number_alone(counts, number):
    first, again = sampler(counts, 4, 3, seed=7), sampler(counts, 4, 3, seed=7)
    first.batch(number + 1)
    assert np.array_equal(first.batch(number), again.batch(number))
