"""The graph itself: each face's nearest neighbours, and drawing groups of faces together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.neighbors import kernels

_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True)
class Neighbors:
    """The nearest neighbours of every face, the face itself not among them.

    Args:
        distances: (n, k) float32, d2 (squared L2, 0..4), ascending in each row; infinite in the
            places that are left where a face has fewer neighbours.
        indices: (n, k) int32, row numbers of the neighbours; equal distances are ordered by them.
            Those of infinite distances mean nothing.
    """

    distances: npt.NDArray[np.float32]
    indices: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def k(self) -> int:
        """Number of neighbours in each row."""
        return int(self.indices.shape[1])

    def first(self, k: int) -> Neighbors:
        """Returns the graph cut down to each face's k nearest neighbours."""
        return self if k >= self.k else Neighbors(self.distances[:, :k], self.indices[:, :k])


def join(shards: Sequence[Neighbors]) -> Neighbors:
    """Puts shards of the graph, in the order of their rows, together to the whole.

    Args:
        shards: At least one; all of the same k.
    """
    return Neighbors(
        np.concatenate([shard.distances for shard in shards]),
        np.concatenate([shard.indices for shard in shards]),
    )


def contract(
    neighbors: Neighbors,
    embeddings: npt.NDArray[np.float32],
    representatives: npt.NDArray[np.int32],
) -> Iterator[Neighbors]:
    """Draws groups of faces together to one node each: their representatives.

    A representative's neighbours are the representatives of its former neighbours, at their own
    distances. Rows become shorter where several neighbours are of one group.

    Args:
        neighbors: The graph of n faces.
        embeddings: (n, d) float32, their embeddings.
        representatives: (n,) int32, the row that stands for each face; its own for those that
            stand for themselves.

    Yields:
        The graph of the r representatives in ascending order of their rows, numbered 0..r-1, in
        shards, so that nobody has to hold two graphs.
    """
    rows, numbers = np.unique(representatives, return_inverse=True)
    number_of = numbers.astype(np.int32)
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS].astype(np.int64)
        candidates = representatives[neighbors.indices[block]].astype(np.int64)
        candidates[np.isinf(neighbors.distances[block])] = -1
        part = nearest(embeddings, block, candidates, neighbors.k)
        yield Neighbors(part.distances, number_of[part.indices])


def nearest(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.int64],
    k: int,
) -> Neighbors:
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
        kernels.nearest(embeddings, rows, candidates, result.distances, result.indices)
    return result


def empty(n: int, k: int) -> Neighbors:
    """Returns a graph whose rows have no neighbours yet."""
    return Neighbors(np.full((n, k), np.inf, np.float32), np.zeros((n, k), np.int32))
