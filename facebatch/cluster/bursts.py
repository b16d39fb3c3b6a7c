"""Bursts: near-identical faces, as of one moment or one photo saved twice, count as one.

Stability grows with the inverse of distance, so a handful of near-duplicates outweighs the whole
person around them: HDBSCAN makes a cluster of every burst and parts people by moments. In the
neighbour graph bursts also crowd out everybody else. What that costs, and that without
near-duplicates the result is hardly another, docs/concepts.md says (benchmarks/bursts.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster import kernels
from facebatch.neighbors import Neighbors


def representatives(
    embeddings: npt.NDArray[np.float32],
    neighbors: Neighbors,
    radius: float,
    conflicts: npt.NDArray[np.int32] | None = None,
) -> npt.NDArray[np.int32]:
    """Finds for each face the one that stands for its burst.

    Every face in turn, unless one stands for it already, stands for those within the radius that
    nobody stands for: its neighbours, and where all of these are within it, theirs. So no face is
    farther than the radius from its representative, and chains of near-identical faces don't run
    on from one person into the next.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        neighbors: The near-neighbour graph of n faces; those nearer than the radius count.
        radius: d2 below which two faces are near-identical; 0 lets every face stand for itself.
        conflicts: (n,) int32, faces with the same number of 0 or more are different people and of
            different bursts, however near; none by default.

    Returns:
        (n,) int32, the row of each face's representative.
    """
    # Those nearer than the radius, not as near.
    counts = neighbors.counts_within(np.nextafter(np.float32(radius), np.float32(-1)))
    groups = np.full(len(neighbors), -1, np.int32)
    if conflicts is not None:
        held = conflicts >= 0
        groups[held] = np.unique(conflicts[held], return_inverse=True)[1]
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    lists = (neighbors.starts, neighbors.indices, counts, neighbors.k)
    return kernels.cover(*lists, groups, embeddings, radius)
