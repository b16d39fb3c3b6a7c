"""The k-nearest-neighbour graph of embeddings: the one thing that clustering sees of all pairs.

An index proposes candidates by similarity; their distances are then computed anew from the
embeddings, because inner products of near-duplicates lose in rounding exactly the digits that
order them. The graph is the same for any division into blocks or shards of queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from facebatch.index import build, search

_BLOCK_BYTES = 64 << 20
"""Memory for the candidates' embeddings of one block of queries."""

_SPARE_CANDIDATES = 8
"""Candidates beyond k, so that rounding in the index can't push a true neighbour over the edge."""


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


def exact_neighbors(embeddings: npt.NDArray[np.float32], k: int) -> Neighbors:
    """Finds every face's k nearest neighbours by comparing all pairs.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        k: Neighbours wanted, at least 1; clipped to n - 1.

    Returns:
        The graph: n rows of min(k, n - 1) neighbours.

    Raises:
        CollectionError: A row isn't of length 1.
        ValueError: k is below 1.
    """
    return neighbors_of_rows(build(embeddings), embeddings, range(len(embeddings)), k)


def neighbors_of_rows(
    index: faiss.Index, embeddings: npt.NDArray[np.float32], rows: range, k: int
) -> Neighbors:
    """Finds the k nearest neighbours of some rows among all: one shard of the graph.

    Args:
        index: Index of all the embeddings.
        embeddings: (n, d) float32, the rows of the index in its order.
        rows: The rows to find neighbours for, consecutive.
        k: Neighbours wanted, at least 1; clipped to n - 1.

    Returns:
        One row of neighbours for each of ``rows``. Where more than k faces are exactly as near,
        which of them are listed is the index's choice.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    n = len(embeddings)
    k = min(k, max(n - 1, 0))
    wanted = min(k + 1 + _SPARE_CANDIDATES, n)
    parts = [Neighbors(np.empty((0, k), np.float32), np.empty((0, k), np.int32))]
    for queries in _blocks(rows, wanted * embeddings.shape[1]):
        _, candidates = search(index, embeddings[queries], wanted)
        parts.append(_nearest(embeddings, queries, candidates, k))
    return join(parts)


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
) -> Neighbors:
    """Draws groups of faces together to one node each: their representatives.

    A representative's neighbours are the representatives of its former neighbours, at their own
    distances. Rows become shorter where several neighbours are of one group.

    Args:
        neighbors: The graph of n faces.
        embeddings: (n, d) float32, their embeddings.
        representatives: (n,) int32, the row that stands for each face; its own for those that
            stand for themselves.

    Returns:
        The graph of the r representatives in ascending order of their rows, numbered 0..r-1.
    """
    rows, numbers = np.unique(representatives, return_inverse=True)
    chosen = embeddings[rows]
    parts = [Neighbors(neighbors.distances[:0], neighbors.indices[:0])]
    for queries in _blocks(range(len(rows)), neighbors.k * embeddings.shape[1]):
        missing = np.isinf(neighbors.distances[rows[queries]])
        candidates = numbers[neighbors.indices[rows[queries]]]
        candidates = np.where(missing, queries[:, None], candidates)
        parts.append(_nearest(chosen, queries, candidates, neighbors.k))
    return join(parts)


def _blocks(rows: range, floats_per_row: int) -> Iterator[npt.NDArray[np.int64]]:
    step = max(1, _BLOCK_BYTES // (4 * max(1, floats_per_row)))
    for start in range(0, len(rows), step):
        yield np.asarray(rows[start : start + step])


def _nearest(
    embeddings: npt.NDArray[np.float32],
    queries: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.int64],
    k: int,
) -> Neighbors:
    # Ascending, so that repeats are side by side and a stable sort leaves ties by row number.
    candidates = np.sort(candidates, axis=-1)
    difference = embeddings[queries, None] - embeddings[candidates]
    distances = np.square(difference, out=difference).sum(axis=-1)
    # By identity: among exact duplicates the face itself may stand anywhere, or be missing.
    distances[candidates == queries[:, None]] = np.inf
    distances[:, 1:][candidates[:, 1:] == candidates[:, :-1]] = np.inf
    nearest = np.argsort(distances, axis=-1, kind="stable")[:, :k]
    return Neighbors(
        np.take_along_axis(distances, nearest, -1),
        np.take_along_axis(candidates, nearest, -1).astype(np.int32),
    )
