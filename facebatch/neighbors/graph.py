"""The graph itself: each face's near neighbours, and drawing groups of faces together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.neighbors import kernels
from facebatch.workers.threads import in_order

_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class Neighbors:
    """The neighbours of every face within some distance, nearest first, the face not among them.

    Args:
        starts: (n + 1,) int64, where each face's neighbours begin.
        indices: (e,) int32, row numbers of the neighbours; equal distances are ordered by them.
        distances: (e,) float32, d2 (squared L2, 0..4), ascending for each face.
        k: The most that a face has listed: one with as many may have more that are as near.
    """

    starts: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    distances: npt.NDArray[np.float32]
    k: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many neighbours each face (n,) has listed."""
        return np.diff(self.starts)

    @property
    def askers(self) -> npt.NDArray[np.int64]:
        """The face (e,) that lists each neighbour."""
        return np.repeat(np.arange(len(self)), self.counts)

    def counts_within(self, longest: float) -> npt.NDArray[np.int64]:
        """Returns how many neighbours each face (n,) has up to a d2."""
        return kernels.counts_within(self.starts, self.distances, np.float32(longest))

    def up_to(self, longest: float) -> Neighbors:
        """Returns the graph without the neighbours that are farther, as d2."""
        return self._heads(self.counts_within(longest), self.k)

    def first(self, k: int) -> Neighbors:
        """Returns the graph cut down to each face's k nearest neighbours."""
        return self if k >= self.k else self._heads(np.minimum(self.counts, k), k)

    def take(self, rows: npt.NDArray[np.integer]) -> Neighbors:
        """Returns the neighbours of some faces, in their order."""
        return self._picked(self.starts[:-1][rows], self.counts[rows], self.k)

    def _heads(self, counts: npt.NDArray[np.int64], k: int) -> Neighbors:
        if counts.sum() == len(self.indices):
            return Neighbors(self.starts, self.indices, self.distances, k)
        return self._picked(self.starts[:-1], counts, k)

    def _picked(
        self, begins: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], k: int
    ) -> Neighbors:
        starts = _starts(counts)
        indices, distances = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        for first in range(0, len(counts), _BLOCK_ROWS):
            block = slice(first, first + _BLOCK_ROWS)
            places = _ranges(begins[block], counts[block])
            filled = slice(starts[first], starts[first] + len(places))
            indices[filled], distances[filled] = self.indices[places], self.distances[places]
        return Neighbors(starts, indices, distances, k)


@dataclass(frozen=True)
class Block:
    """The nearest neighbours of some faces, as many places for each.

    Args:
        distances: (q, k) float32, d2, ascending in each row; infinite in the places that are left.
        indices: (q, k) int32, row numbers; those of infinite distances mean nothing.
    """

    distances: npt.NDArray[np.float32]
    indices: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def k(self) -> int:
        """Places of each face."""
        return int(self.indices.shape[1])

    def within(self, reach: float) -> Neighbors:
        """Returns those up to a d2, without the places that are left."""
        near = (self.distances <= reach) & np.isfinite(self.distances)
        starts = _starts(near.sum(axis=1))
        return Neighbors(starts, self.indices[near], self.distances[near], self.k)


def join(parts: Iterable[Neighbors], k: int) -> Neighbors:
    """Puts the neighbours of faces, in the order of their rows, together to the whole.

    Args:
        parts: Each is let go of when it was asked for, so that nobody holds two graphs.
        k: Neighbours that a face has at most.
    """
    held = list(parts)
    counts = [np.zeros(0, np.int64), *(part.counts for part in held)]
    starts = _starts(np.concatenate(counts))
    indices, distances = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    place = 0
    held.reverse()
    while held:
        part = held.pop()
        end = place + len(part.indices)
        indices[place:end], distances[place:end] = part.indices, part.distances
        place = end
    return Neighbors(starts, indices, distances, k)


def gather(parts: Iterable[tuple[npt.NDArray[np.int64], Neighbors]], n: int, k: int) -> Neighbors:
    """Puts the neighbours of faces in any order together to the whole.

    Args:
        parts: Rows (q,) and their neighbours; each row once. Each is let go of when it was seen.
        n: Number of faces.
        k: Neighbours that a face has at most.
    """
    held = list(parts)
    counts = np.zeros(n, np.int64)
    for rows, part in held:
        counts[rows] = part.counts
    starts = _starts(counts)
    indices, distances = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    while held:
        rows, part = held.pop()
        places = _ranges(starts[:-1][rows], part.counts)
        indices[places], distances[places] = part.indices, part.distances
    return Neighbors(starts, indices, distances, k)


def merged(
    askers: npt.NDArray[np.integer],
    others: npt.NDArray[np.integer],
    distances: npt.NDArray[np.float32],
    n: int,
    k: int,
) -> Neighbors:
    """Puts neighbours that were found in several ways together.

    Args:
        askers: (e,) the face, 0..n-1, that each is a neighbour of.
        others: (e,) the neighbours' row numbers; the same one may repeat.
        distances: (e,) float32, their d2.
        n: Number of faces that ask.
        k: Neighbours that a face has at most: the nearest.
    """
    pairs = askers.astype(np.int64) << 32 | others
    _, first = np.unique(pairs, return_index=True)
    order = first[np.lexsort((others[first], distances[first], askers[first]))]
    counts = np.bincount(askers[order], minlength=n)
    kept = order[np.arange(len(order)) - np.repeat(_starts(counts)[:-1], counts) < k]
    starts = _starts(np.minimum(counts, k))
    return Neighbors(starts, others[kept].astype(np.int32), distances[kept], k)


def contract(
    neighbors: Neighbors,
    embeddings: npt.NDArray[np.float32],
    representatives: npt.NDArray[np.int32],
    threads: int = 1,
) -> Iterator[Block]:
    """Draws groups of faces together to one node each: their representatives.

    A representative's neighbours are the representatives of its former neighbours, at their own
    distances. Rows become shorter where several neighbours are of one group.

    Args:
        neighbors: The graph of n faces.
        embeddings: (n, d) float32, their embeddings.
        representatives: (n,) int32, the row that stands for each face; its own for those that
            stand for themselves.
        threads: Threads that reckon distances.

    Returns:
        The neighbours of the r representatives in ascending order of their rows, numbered 0..r-1,
        in blocks, so that nobody has to hold two graphs.
    """
    rows = np.unique(representatives).astype(np.int64)
    number_of = np.zeros(len(representatives), np.int32)
    number_of[rows] = np.arange(len(rows), dtype=np.int32)

    def drawn_together(start: int) -> Block:
        block = rows[start : start + _BLOCK_ROWS]
        listed = neighbors.take(block)
        candidates = np.full((len(block), neighbors.k), -1, np.int64)
        column = np.arange(len(listed.indices)) - np.repeat(listed.starts[:-1], listed.counts)
        candidates[listed.askers, column] = representatives[listed.indices]
        part = nearest(embeddings, block, candidates, neighbors.k)
        return Block(part.distances, number_of[part.indices])

    return in_order(drawn_together, range(0, len(rows), _BLOCK_ROWS), threads)


def nearest(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.integer],
    k: int,
) -> Block:
    """Returns the k nearest of each row's candidates, by distances that are reckoned anew.

    Args:
        embeddings: (n, d) float32.
        rows: (q,) the rows that ask.
        candidates: (q, c) rows, in any order and repeated at will; -1 for none. The asking row
            itself doesn't count.
        k: Neighbours wanted, 0 or more.
    """
    result = empty(len(rows), k)
    if k and len(rows):
        # Of another layout the sums would be taken in another order.
        embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
        wanted = candidates.astype(np.int64, copy=False)
        kernels.nearest(embeddings, rows, wanted, result.distances, result.indices)
    return result


def empty(n: int, k: int) -> Block:
    """Returns a block whose rows have no neighbours yet."""
    return Block(np.full((n, k), np.inf, np.float32), np.zeros((n, k), np.int32))


def _starts(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def _ranges(starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the places of ranges, one range after the other."""
    ends = np.cumsum(counts)
    within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
    places: npt.NDArray[np.int64] = np.repeat(starts, counts) + within
    return places
