"""The people nearest to a face or to others: however they are found, they are the nearest."""

from __future__ import annotations

import numpy as np
import pytest

from facebatch.people.suggestions import groups_of
from facebatch.stages import centroids
from facebatch.stages.centroids import Centroids


@pytest.fixture
def made():
    """Groups of which some are empty, and vectors to look for."""
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(3000, 16)).astype(np.float32)
    rows[:, 0] += 2  # a cone, as embeddings lie in
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = generator.integers(0, 700, 3000).astype(np.int32)
    labels[labels % 7 == 0] = -1
    return groups_of(rows, labels, 705), rows[:300]


def _exact(groups, looks, k):
    d2 = 2 - 2 * looks @ groups.centroids.T
    d2[:, groups.sizes == 0] = np.inf
    return np.argsort(d2, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize(("few", "exact_rows", "least"), [(1000, 0, 1), (0, 1000, 1), (0, 0, 0.5)])
def test_the_nearest_people_are_found(made, monkeypatch, few, exact_rows, least) -> None:
    monkeypatch.setattr(centroids, "_FEW", few)
    monkeypatch.setattr(centroids, "_EXACT_ROWS", exact_rows)
    monkeypatch.setattr(centroids, "_PROBED_SHARE", 0.5)
    groups, looks = made
    d2, near = Centroids(groups).near(looks, 5)
    wanted = _exact(groups, looks, 5)
    found = [len(set(one) & set(other)) for one, other in zip(near, wanted, strict=True)]
    assert np.mean(found) / 5 >= least
    assert (np.diff(d2, axis=1) >= 0).all()
    assert (groups.sizes[near[near >= 0]] > 0).all()


def test_nobody_is_among_those_around_themselves(made) -> None:
    groups, _ = made
    some = np.flatnonzero(groups.sizes)[:70]
    near, crowds = Centroids(groups).around(some, 4)
    assert not (near == some[:, None]).any()
    assert crowds.shape == (70,)
    looks = groups.centroids[some]
    others = [
        [one for one in row if one != who][:4]
        for row, who in zip(_exact(groups, looks, 5), some, strict=True)
    ]
    assert near.tolist() == [list(map(int, row)) for row in others]


def test_fewer_people_than_are_asked_for_leave_places_empty() -> None:
    rows = np.eye(3, dtype=np.float32)
    groups = groups_of(rows, np.array([0, 1, -1], np.int32), 2)
    near, _ = Centroids(groups).around(np.array([0, 1]), 4)
    assert near.tolist() == [[1, -1, -1, -1], [0, -1, -1, -1]]
    d2, who = Centroids(groups_of(rows, np.full(3, -1, np.int32), 0)).near(rows, 2)
    assert d2.shape == who.shape == (3, 0)
