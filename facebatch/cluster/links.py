"""Links: the pairs of faces that are near enough to count, each pair once.

What clustering needs of a graph are the few links within tau and one distance a face, so that
memory follows the links that count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cluster import kernels
from facebatch.neighbors import Neighbors, choose, contract, gather, join, merged, neighbors_of_rows
from facebatch.workers.machine import usable_cores, usable_memory


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
        core: (n,) float32, core distance of each face as d2; infinite where it is above tau, which
            is as good as any: no link within tau reaches such a face.
        links: Those within tau; whichever of the two ends lists the other as a neighbour.
    """

    core: npt.NDArray[np.float32]
    links: Links


def density(neighbors: Neighbors, min_samples: int, tau: float) -> Density:
    """Returns core distances and near links.

    Args:
        neighbors: The near-neighbour graph of n faces, up to tau at least.
        min_samples: The neighbour whose distance is the core distance, the face itself not
            counted, as in the package hdbscan; the last one where there are fewer places.
        tau: Longest link kept, as d2.
    """
    near = neighbors.up_to(tau)
    links = kernels.unique_links(near.starts, near.indices, near.distances)
    return Density(_core(near, min_samples), Links(*links))


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
        neighbors: The near-neighbour graph of n faces, up to tau at least.
        embeddings: (n, d) float32, their embeddings.
        representatives: (n,) int32, the face that stands for each one's burst.
        min_samples: As for `density`.
        tau: Longest link kept, as d2.

    Returns:
        Those of the representatives, numbered in ascending order of their rows.
    """
    rows = np.unique(representatives).astype(np.int64)
    # Who has fewer places taken than there are has all listed that lie within tau.
    full = neighbors.counts_within(tau)[rows] == neighbors.k
    parts, sparse, start = [], [], 0
    for block in contract(neighbors, embeddings, representatives, usable_cores()):
        few = np.isfinite(block.distances).sum(axis=1) < block.k // 2
        sparse.append(start + np.flatnonzero(few & full[start : start + len(block)]))
        parts.append(block.within(tau))
        start += len(block)
    asked = np.concatenate([np.zeros(0, np.int64), *sparse])
    found = _found_anew(embeddings, rows, parts, asked, full, neighbors.k, tau)
    return density(join(_replaced(parts, asked, found), neighbors.k), min_samples, tau)


def _found_anew(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    parts: list[Neighbors],
    asked: npt.NDArray[np.int64],
    full: npt.NDArray[np.bool_],
    k: int,
    tau: float,
) -> Neighbors:
    """Returns the neighbours of some representatives among all, without comparing with all.

    Whoever's list isn't full has everybody listed who lies within tau, and so is a neighbour of
    those that it lists. Only those whose lists are full have to be searched.

    Args:
        embeddings: (n, d) float32.
        rows: (r,) the representatives' rows.
        parts: What is left of their lists, by number, one block of representatives after another.
        asked: (m,) int64, ascending, the numbers of those that are looked for; all are full.
        full: (r,) whose lists were full.
        k: Neighbours wanted.
        tau: Longest link, as d2.
    """
    among = rows[full]
    plan = choose(len(among), embeddings.shape[1], usable_memory(), len(asked))
    found = neighbors_of_rows(
        embeddings, rows[asked], k, tau, plan, among=among, threads=usable_cores()
    )
    askers: list[npt.NDArray[np.integer]] = [found.askers]
    others: list[npt.NDArray[np.integer]] = [np.searchsorted(rows, found.indices)]
    distances = [found.distances]
    is_asked = np.zeros(len(rows), np.bool_)
    is_asked[asked] = True
    start = 0
    for part in parts:
        first, end = np.searchsorted(asked, [start, start + len(part)])
        own = part.take(asked[first:end] - start)
        places = np.flatnonzero(is_asked[part.indices])
        listing = start + np.searchsorted(part.starts, places, side="right") - 1
        askers += [first + own.askers, np.searchsorted(asked, part.indices[places])]
        others += [own.indices, listing]
        distances += [own.distances, part.distances[places]]
        start += len(part)
    return merged(
        *(np.concatenate(askers), np.concatenate(others), np.concatenate(distances)),
        *(len(asked), k),
    )


def _replaced(
    parts: list[Neighbors], rows: npt.NDArray[np.int64], other: Neighbors
) -> Iterator[Neighbors]:
    """Yields parts of a graph, which the list then lacks, with other neighbours of some rows."""
    start = 0
    parts.reverse()
    while parts:
        part = parts.pop()
        first, end = np.searchsorted(rows, [start, start + len(part)])
        if first < end:
            changed = rows[first:end] - start
            others = np.setdiff1d(np.arange(len(part)), changed)
            new = other.take(np.arange(first, end))
            part = gather([(others, part.take(others)), (changed, new)], len(part), part.k)
        yield part
        start += len(part)


def _core(near: Neighbors, min_samples: int) -> npt.NDArray[np.float32]:
    core = np.full(len(near), np.inf, np.float32)
    place = min(min_samples, near.k) - 1
    if place >= 0:
        dense = near.counts > place
        core[dense] = near.distances[near.starts[:-1][dense] + place]
    return core
