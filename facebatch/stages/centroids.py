"""The people nearest to a face or to other people, by the means of their faces."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.people.suggestions import CANDIDATES, Floats, Groups, Rows, crowd

_FEW = 64
"""Vectors whose neighbours are found by comparing them with all, without an index."""

_EXACT_ROWS = 20_000
"""People up to whom all are compared: two seconds for as many faces that ask."""

_PROBED_SHARE = 1 / 10
"""Share of the lists that is looked through above that. Of 50,000 invented people (dlib-resnet's
spread, three faces each) .94 of the nearest and .89 of the ten nearest ones were found."""


class Centroids:
    """The people's centroids, to find those nearest to some vectors.

    Args:
        groups: The people's sums.
    """

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        # Whose faces are all gone from the tables has no mean.
        self._there = np.flatnonzero((groups.sizes > 0) & groups.sums.any(axis=1))

    @cached_property
    def _vectors(self) -> npt.NDArray[np.float32]:
        vectors = self._groups.centroids
        return vectors if len(self._there) == len(vectors) else vectors[self._there]

    @cached_property
    def _index(self) -> Any:
        from facebatch.neighbors.index import Plan, build
        from facebatch.neighbors.index.plan import in_lists

        n, d = self._vectors.shape
        if n <= _EXACT_ROWS:
            return build(self._vectors, Plan("flat", n, d, 0, ()))
        lists = in_lists(n, d, half=False, reasons=()).lists
        probes = max(1, round(lists * _PROBED_SHARE))
        return build(self._vectors, in_lists(n, d, half=False, reasons=(), probes=probes))

    def near(self, looks: npt.NDArray[np.float32], k: int) -> tuple[Floats, Rows]:
        """Returns the d2 (m, k) and numbers (m, k) of the k nearest people, or of all there are.

        Above 20,000 people a few of the farther ones may be missed.

        Args:
            looks: (m, d) of length 1.
            k: How many, at least 1.
        """
        if len(looks) > _FEW:
            from facebatch.neighbors.index import search

            similarity, rows = search(self._index, looks, k)
        else:
            every = looks @ self._vectors.T
            k = min(k, every.shape[1])
            some = np.argpartition(-every, max(0, k - 1), axis=1)[:, :k] if k else every[:, :0]
            rows = np.sort(some.astype(np.int64), axis=1)
            similarity = np.take_along_axis(every, rows, axis=1)
            order = np.argsort(-similarity, axis=1, kind="stable")
            similarity = np.take_along_axis(similarity, order, axis=1)
            rows = np.take_along_axis(rows, order, axis=1)
        d2 = np.clip(2 - 2 * similarity.astype(np.float64), 0.0, 4.0)
        return d2, np.where(rows >= 0, self._there[np.maximum(rows, 0)], -1)

    def around(self, some: Rows, k: int = CANDIDATES) -> tuple[Rows, Floats]:
        """Returns the nearest others (m, k) of some people (m,), -1 for none, and their `crowd`."""
        if not len(some):
            return np.zeros((0, k), np.int64), np.zeros(0)
        d2, near = self.near(self._groups.centroids[some], k + 1)
        others = near != some[:, None]
        # Those themselves go to the end, where they are among their own neighbours.
        order = np.argsort(~others, axis=1, kind="stable")[:, : max(0, near.shape[1] - 1)]
        d2, near = np.take_along_axis(d2, order, axis=1), np.take_along_axis(near, order, axis=1)
        missing = max(0, k - near.shape[1])
        return np.pad(near, ((0, 0), (0, missing)), constant_values=-1)[:, :k], crowd(d2)
