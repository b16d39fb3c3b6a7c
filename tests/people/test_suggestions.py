"""Which people are likely one: what is known of pairs of groups, and how likely that makes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facebatch.people import suggestions
from facebatch.people.suggestions import (
    Pictures,
    crowd,
    features,
    groups_of,
    likelihood_of,
    likelihoods,
    probability,
    recalibrated,
)

LABELS = hnp.arrays(np.int32, st.integers(1, 40), elements=st.integers(-1, 5))


@given(LABELS)
def test_sums_are_those_of_the_faces_however_they_are_read(labels):
    embeddings = np.random.default_rng(0).normal(size=(len(labels), 4)).astype(np.float32)
    whole = groups_of(embeddings, labels, 6)
    for group in range(6):
        mine = embeddings[labels == group].sum(axis=0)
        np.testing.assert_allclose(whole.sums[group], mine, atol=1e-5)
        assert whole.sizes[group] == (labels == group).sum()
    assert whole.loose == (labels < 0).sum()


def test_sums_over_several_blocks_are_the_same(monkeypatch):
    generator = np.random.default_rng(1)
    embeddings = generator.normal(size=(200, 3)).astype(np.float16)
    labels = generator.integers(-1, 7, 200).astype(np.int32)
    whole = groups_of(embeddings, labels, 7)
    monkeypatch.setattr(suggestions, "_ROWS_AT_ONCE", 30)
    np.testing.assert_allclose(groups_of(embeddings, labels, 7).sums, whole.sums, rtol=1e-5)


@given(LABELS, st.data())
def test_who_shares_a_picture_is_who_has_faces_in_one(labels, data):
    pictures = data.draw(hnp.arrays(np.int32, len(labels), elements=st.integers(-1, 4)))
    first, second = np.triu_indices(int(labels.max(initial=-1)) + 1, 1)
    found = Pictures(labels, pictures).shared(first.astype(np.int64), second.astype(np.int64))
    theirs = [
        {picture for picture in pictures[labels == who].tolist() if picture >= 0}
        for who in range(int(labels.max(initial=-1)) + 1)
    ]
    wanted = [bool(theirs[a] & theirs[b]) for a, b in zip(first, second, strict=True)]
    assert found.tolist() == wanted


@pytest.mark.parametrize("embedder", sorted(likelihoods()))
def test_the_nearer_two_groups_are_the_likelier_they_are_one(embedder):
    d2 = np.linspace(0.2, 4, 20)
    for sizes in ([1, 3], [5, 5], [200, 40]):
        known = features(d2, np.tile(sizes, (20, 1)), np.full((20, 2), 3.0), 1.0, 3.0)
        likely = probability(likelihood_of(embedder).logits(known))
        assert (np.diff(likely) < 0).all()


def test_pairs_are_the_same_in_either_order():
    d2, sizes, crowds = np.array([0.5]), np.array([[3, 90]]), np.array([[0.7, 0.9]])
    there = features(d2, sizes, crowds, 0.1, 2.0)
    back = features(d2, sizes[:, ::-1], crowds[:, ::-1], 0.1, 2.0)
    np.testing.assert_allclose(there, back)


def test_answers_move_probabilities_towards_what_they_say():
    likelihood = likelihood_of("dlib-resnet")
    logits = np.zeros(40)
    first = likelihood.coefficients[0]
    for same, sign in ((np.ones(40, bool), 1), (np.zeros(40, bool), -1)):
        assert sign * (recalibrated(likelihood, logits, same).coefficients[0] - first) > 1
    as_expected = np.arange(40) % 2 == 0
    assert recalibrated(likelihood, logits, as_expected).coefficients[0] == pytest.approx(first)
    assert recalibrated(likelihood, np.zeros(0), np.zeros(0, bool)) == likelihood


def test_without_other_people_nowhere_is_crowded():
    assert crowd(np.zeros((2, 0))).tolist() == [4.0, 4.0]
