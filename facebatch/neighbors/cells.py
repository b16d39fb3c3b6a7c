"""Cells: embeddings parted by nearness, so that a search among many looks through few of them.

Each row lies in the cell of its nearest centroid, and a query looks through the cells whose
centroids are nearest to it. Cells are numbered so that near ones follow each other, and rows are
held in float16, cell by cell: queries of neighbouring cells share most of what they look through,
which is then one product of matrices for each cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from facebatch.neighbors import kernels
from facebatch.neighbors.index import Plan

_TRAINING_ROWS_PER_CELL = 20
"""Twice as many moved recall by .002 among a million faces, and cost twice the time."""
_TRAINING_ROUNDS = 8
_BLOCK_ROWS = 1 << 14

_QUERIES_AT_ONCE = 256
"""More are no faster, and their similarities to 16,384 centroids take 16 MiB."""
_LIFTED_AT_ONCE = 1 << 12
"""Queries that are copied to look for their cells."""
_ROWS_AT_ONCE = 1 << 13
"""Duplicates make a cell of any size: their similarities take 8 MiB at a time."""

_WIDENED = np.float32(2.0**112)

Vectors = Callable[[int, int], npt.NDArray[np.float16]]
"""Gives the embeddings (m, d) at places from one to before another, in the order of the cells."""


@dataclass(frozen=True)
class Cells:
    """Which rows lie in which cell.

    Args:
        centroids: (c, d) float32.
        starts: (c + 1,) int64, where each cell begins among the places.
        probes: Cells that a query looks through.
    """

    centroids: npt.NDArray[np.float32]
    starts: npt.NDArray[np.int64]
    probes: int

    @property
    def places(self) -> int:
        """Number of rows in all cells."""
        return int(self.starts[-1])

    def probed(self, queries: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Returns the cells (q, p) that each of some queries (q, d) looks through, in no order."""
        found = np.empty((len(queries), min(self.probes, len(self.centroids))), np.int32)
        for start in range(0, len(queries), _LIFTED_AT_ONCE):
            some = queries[start : start + _LIFTED_AT_ONCE]
            best = Best(len(some), found.shape[1], -np.inf)
            # The nearest centroid c is that of the greatest q c - c c / 2.
            lifted = np.hstack([some, np.ones((len(some), 1), np.float32)])
            best.look(lifted, np.arange(len(some)), self._lifted, 0)
            found[start : start + len(some)] = best.kept()
        return found

    @cached_property
    def _lifted(self) -> npt.NDArray[np.float32]:
        squares = np.einsum("cd,cd->c", self.centroids, self.centroids) * np.float32(-0.5)
        return np.hstack([self.centroids, squares[:, None]])


def partition(
    embeddings: npt.NDArray[np.float32],
    plan: Plan,
    seed: int,
    among: npt.NDArray[np.integer] | None = None,
) -> tuple[Cells, npt.NDArray[np.int32]]:
    """Parts rows into cells.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        plan: How many cells, and how many are looked through.
        seed: Of the sample that centroids are trained on.
        among: (m,) the rows that are parted, ascending; all by default.

    Returns:
        The cells, and the row (m,) at each place.
    """
    n = len(embeddings) if among is None else len(among)

    def some(numbers: npt.NDArray[np.integer] | slice) -> npt.NDArray[np.float32]:
        rows = numbers if among is None else among[numbers]
        return np.ascontiguousarray(embeddings[rows], dtype=np.float32)

    wanted = plan.lists * _TRAINING_ROWS_PER_CELL
    generator = np.random.default_rng(seed)
    sample = slice(0, n)
    if wanted < n:
        sample = np.sort(generator.choice(n, wanted, replace=False))  # type: ignore[assignment]
    centroids = _means(some(sample), min(plan.lists, n), seed)
    groups = _means(centroids, max(1, round(len(centroids) ** 0.5)), seed)
    centroids = centroids[np.argsort(_nearest(groups, centroids), kind="stable")]
    coarse = _searcher(centroids)
    of = np.empty(n, np.int32)
    for start in range(0, n, _BLOCK_ROWS):
        block = slice(start, min(n, start + _BLOCK_ROWS))
        of[block] = coarse.search(some(block), 1)[1][:, 0]
    places = np.argsort(of, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=len(centroids)))])
    rows = places if among is None else among[places].astype(np.int32)
    return Cells(centroids, starts.astype(np.int64), plan.probes), rows


def halves(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.integer],
    at_once: int = _BLOCK_ROWS,
) -> Iterator[tuple[int, npt.NDArray[np.float16]]]:
    """Yields embeddings of rows in float16, so many at once, with the place of the first."""
    for start in range(0, len(rows), at_once):
        yield start, embeddings[rows[start : start + at_once]].astype(np.float16)


def candidates(
    cells: Cells,
    vectors: Vectors,
    queries: npt.NDArray[np.float32],
    wanted: int,
    least: float,
) -> npt.NDArray[np.int32]:
    """Returns the places (q, wanted) of the rows most similar to each query; -1 for none.

    Args:
        cells: The cells.
        vectors: Reads what lies in them.
        queries: (q, d) float32.
        wanted: Rows for each query at most.
        least: Similarity above which rows count.
    """
    # Numbers of 16 bits are sorted several times as fast.
    probed = cells.probed(queries).astype(np.min_scalar_type(len(cells.centroids) - 1))
    order = np.argsort(probed, axis=None, kind="stable").astype(np.int32)
    ends = np.cumsum(np.bincount(probed.reshape(-1), minlength=len(cells.centroids)))
    best = Best(len(queries), wanted, least)
    for cell in np.flatnonzero(np.diff(ends, prepend=0)).tolist():
        start, stop = int(cells.starts[cell]), int(cells.starts[cell + 1])
        asked = order[ends[cell - 1] if cell else 0 : ends[cell]].astype(np.int64)
        asked //= probed.shape[1]
        for first in range(start, stop, _ROWS_AT_ONCE):
            rows = vectors(first, min(stop, first + _ROWS_AT_ONCE))
            best.look(queries, asked, widened(rows), first)
    return best.kept()


class Best:
    """The rows most similar to each of some queries, of those that were looked at.

    Args:
        queries: How many.
        wanted: Rows for each at most.
        least: Similarity above which rows count.
    """

    def __init__(self, queries: int, wanted: int, least: float) -> None:
        self._least = np.float32(least)
        self._similarity = np.empty((queries, wanted), np.float32)
        self._places = np.full((queries, wanted), -1, np.int32)
        self._held = np.zeros(queries, np.int32)

    def look(
        self,
        queries: npt.NDArray[np.float32],
        asked: npt.NDArray[np.int64],
        rows: npt.NDArray[np.float32],
        first: int,
    ) -> None:
        """Lets some queries look at rows.

        Args:
            queries: (q, d) all of them.
            asked: Numbers (m,) of those that look.
            rows: (r, d).
            first: Number of the first row; the others follow.
        """
        for start in range(0, len(asked), _QUERIES_AT_ONCE):
            some = asked[start : start + _QUERIES_AT_ONCE]
            similarity = queries[some] @ rows.T
            kernels.keep_best(
                *(similarity, some, first, self._least),
                *(self._similarity, self._places, self._held),
            )

    def kept(self) -> npt.NDArray[np.int32]:
        """Returns the numbers (q, wanted) of the rows, in no order; -1 for none."""
        return self._places


def widened(vectors: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """Returns float16 numbers, none of them infinite, as float32."""
    result = np.empty(vectors.shape, np.float32)
    kernels.widen(vectors.view(np.uint16), result.view(np.uint32))
    result *= _WIDENED
    return result


def _means(rows: npt.NDArray[np.float32], count: int, seed: int) -> npt.NDArray[np.float32]:
    """Returns the centroids (count, d) of k-means."""
    if count >= len(rows):
        return rows
    training = faiss.Kmeans(
        rows.shape[1],
        count,
        niter=_TRAINING_ROUNDS,
        seed=seed & 0x7FFFFFFF,
        min_points_per_centroid=1,
        max_points_per_centroid=len(rows),
    )
    training.train(rows)
    return np.ascontiguousarray(training.centroids)


def _nearest(
    centroids: npt.NDArray[np.float32], rows: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = _searcher(centroids).search(rows, 1)[1][:, 0]
    return found


def _searcher(centroids: npt.NDArray[np.float32]) -> Any:
    searcher: Any = faiss.IndexFlatL2(centroids.shape[1])
    searcher.add(centroids)
    return searcher
