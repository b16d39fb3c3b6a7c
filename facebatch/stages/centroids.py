"""The people nearest to a face or to other people, by the means of their faces."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.people.suggestions import CANDIDATES, Floats, Groups, Rows, crowd
from facebatch.workers.machine import usable_memory

_FEW = 64
"""Vectors whose neighbours are found by comparing them with all, without an index."""


class Centroids:
    """The people's centroids, to find those nearest to some vectors."""

    def __init__(self, groups: Groups) -> None:
        self._there = np.flatnonzero(groups.sizes)
        self._vectors = groups.centroids[self._there]

    @cached_property
    def _index(self) -> Any:
        from facebatch.neighbors import choose
        from facebatch.neighbors.index import build

        n, d = self._vectors.shape
        return build(self._vectors, choose(n, d, usable_memory(), CANDIDATES))

    def near(self, looks: npt.NDArray[np.float32], k: int) -> tuple[Floats, Rows]:
        """Returns the d2 (m, k) and numbers (m, k) of the k nearest people, or of all there are.

        Args:
            looks: (m, d) of length 1.
            k: How many, at least 1.
        """
        if len(looks) > _FEW:
            from facebatch.neighbors.index import search

            similarity, rows = search(self._index, looks, k)
        else:
            every = looks @ self._vectors.T
            rows = np.argsort(-every, axis=1, kind="stable")[:, :k]
            similarity = np.take_along_axis(every, rows, axis=1)
        d2 = np.clip(2 - 2 * similarity.astype(np.float64), 0.0, 4.0)
        return d2, np.where(rows >= 0, self._there[np.maximum(rows, 0)], -1)


def neighborhood(groups: Groups, some: Rows, k: int = CANDIDATES) -> tuple[Rows, Floats]:
    """Returns the nearest others (m, k) of some groups (m,), -1 for none, and their `crowd`."""
    if not len(some):
        return np.zeros((0, k), np.int64), np.zeros(0)
    d2, near = Centroids(groups).near(groups.centroids[some], k + 1)
    others = near != some[:, None]
    # The group itself goes to the end, where it is among its own neighbours.
    order = np.argsort(~others, axis=1, kind="stable")[:, : max(0, near.shape[1] - 1)]
    d2, near = np.take_along_axis(d2, order, axis=1), np.take_along_axis(near, order, axis=1)
    crowds = crowd(d2)
    missing = k - near.shape[1]
    return np.pad(near, ((0, 0), (0, max(0, missing))), constant_values=-1)[:, :k], crowds
