"""Links: the pairs of faces that are near enough to count, each pair once.

A graph of 64 neighbours holds mostly impostors. What clustering needs of it are the few links
within tau and one distance a face, so that memory follows the links that count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cluster import kernels
from facebatch.neighbors import Neighbors, choose, contract, neighbors_of_rows
from facebatch.neighbors.index import build
from facebatch.workers.machine import usable_cores, usable_memory

_BLOCK_ROWS = 1 << 15


@dataclass(frozen=True)
class Links:
    """Links between n faces.

    Args:
        sources: (e,) int32, the end with the smaller number.
        targets: (e,) int32, the other end.
        lengths: (e,) float32, d2 (squared L2), or a weight in the same unit.
    """

    sources: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.lengths)

    def up_to(self, longest: float) -> Links:
        """Returns the links that aren't longer."""
        kept = self.lengths <= longest
        if kept.all():
            return self
        return Links(self.sources[kept], self.targets[kept], self.lengths[kept])


@dataclass(frozen=True)
class Density:
    """What clustering needs of a neighbour graph.

    Args:
        core: (n,) float32, core distance of each face as d2; infinite without any neighbour.
        links: Those within tau; whichever of the two ends lists the other as a neighbour.
    """

    core: npt.NDArray[np.float32]
    links: Links


def density(neighbors: Neighbors, min_samples: int, tau: float) -> Density:
    """Returns core distances and near links.

    Args:
        neighbors: The k-nearest-neighbour graph of n faces.
        min_samples: The neighbour whose distance is the core distance, the face itself not
            counted, as in the package hdbscan; the last one where there are fewer places.
        tau: Longest link kept, as d2.
    """
    starts = range(0, len(neighbors), _BLOCK_ROWS)
    blocks = (_rows(neighbors, slice(start, start + _BLOCK_ROWS)) for start in starts)
    return _gathered(blocks, min_samples, tau)


def density_of_moments(
    neighbors: Neighbors,
    embeddings: npt.NDArray[np.float32],
    representatives: npt.NDArray[np.int32],
    min_samples: int,
    tau: float,
) -> Density:
    """Returns core distances and near links of bursts, each drawn together to one node.

    A burst can fill the list of everybody near it, so that little is left of it. Where that is less
    than half, the representative's neighbours are looked for anew, among its like: with 32
    neighbours a face the clusters still agree with those of all distances (ARI .999).

    Args:
        neighbors: The k-nearest-neighbour graph of n faces.
        embeddings: (n, d) float32, their embeddings.
        representatives: (n,) int32, the face that stands for each one's burst.
        min_samples: As for `density`.
        tau: Longest link kept, as d2.

    Returns:
        Those of the representatives, numbered in ascending order of their rows.
    """
    blocks = contract(neighbors, embeddings, representatives)
    rows = np.unique(representatives)
    whole = neighbors.distances[rows, -1] > tau if neighbors.k else np.ones(len(rows), np.bool_)
    return _gathered(_refilled(blocks, embeddings, rows, whole), min_samples, tau)


def _refilled(
    blocks: Iterable[Neighbors],
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.integer],
    whole: npt.NDArray[np.bool_],
) -> Iterator[Neighbors]:
    """Yields the blocks, rows with less than half their places taken filled by another search.

    Args:
        blocks: The graph of the faces ``rows``, in order.
        embeddings: (n, d) float32.
        rows: (r,) the faces.
        whole: (r,) whose neighbours within tau were all listed; they miss nothing.
    """
    among: npt.NDArray[np.float32] | None = None
    start = 0
    for block in blocks:
        asked = np.isfinite(block.distances).sum(axis=1) < block.k // 2
        asked &= ~whole[start : start + len(block)]
        if asked.any():
            if among is None:
                among = np.ascontiguousarray(embeddings[rows], dtype=np.float32)
                plan = choose(len(rows), among.shape[1], usable_memory(), block.k)
                index = build(among, plan)
            places = np.flatnonzero(asked)
            found = neighbors_of_rows(index, among, start + places, block.k, usable_cores())
            block.distances[places, : found.k] = found.distances
            block.indices[places, : found.k] = found.indices
        start += len(block)
        yield block


def _rows(neighbors: Neighbors, rows: slice) -> Neighbors:
    return Neighbors(neighbors.distances[rows], neighbors.indices[rows])


def _gathered(blocks: Iterable[Neighbors], min_samples: int, tau: float) -> Density:
    core = [np.empty(0, np.float32)]
    counts = [np.zeros(1, np.int64)]
    targets = [np.empty(0, np.int32)]
    lengths = [np.empty(0, np.float32)]
    for block in blocks:
        near = block.distances <= tau
        counts.append(near.sum(axis=1))
        targets.append(block.indices[near])
        lengths.append(block.distances[near])
        core.append(_core(block, min_samples))
    starts = np.cumsum(np.concatenate(counts))
    links = kernels.unique_links(starts, np.concatenate(targets), np.concatenate(lengths))
    return Density(np.concatenate(core), Links(*links))


def _core(block: Neighbors, min_samples: int) -> npt.NDArray[np.float32]:
    if block.k == 0:
        return np.full(len(block), np.inf, np.float32)
    return block.distances[:, min(min_samples, block.k) - 1].copy()
