"""The guard: a cluster too wide to be one person falls apart into the parts that aren't.

Density alone joins look-alikes through faces that stand between them. The mean distance over all
pairs isn't fooled by such bridges. But it hardly grows where somebody with few faces joins somebody
with many; that shows in the mean distance between the two parts of the merge alone. Users hate
merged people more than split ones, so the guard only ever splits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster import kernels
from facebatch.cluster.forest import Forest

FARTHEST_PARTS = 1.4
"""Largest mean d2 between two parts of a person, in units of the widest cluster's mean d2.

With the default guard of 1.44 tau it is 2.0 tau, 0.187 for the default embedder without averaging,
where 0.185 to 0.19 tells pairs of LFW apart with the fewest errors. Precision is the same from 1.1
to 1.5 (docs/concepts.md).
"""


def mean_pairwise_d2(
    forest: Forest,
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.integer] | None = None,
) -> npt.NDArray[np.float32]:
    """Returns how wide the faces below each merge are spread.

    Args:
        forest: The single-linkage trees of n faces.
        embeddings: (N, d) float32, rows of length 1.
        rows: (n,) the row of each face's embedding; by default face and row are the same.

    Returns:
        (m,) float32, the mean d2 over all pairs of distinct faces below each merge. From the sum s
        of f unit vectors: (f * f - |s|^2) / (f * (f - 1) / 2).
    """
    where = forest.layout if rows is None else rows[forest.layout]
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    return kernels.mean_pairwise_d2(
        forest.children, forest.sizes, forest.places, embeddings, where.astype(np.int64)
    )


def break_wide_clusters(
    forest: Forest,
    nodes: npt.NDArray[np.int32],
    mean_d2: npt.NDArray[np.float32],
    widest: float,
    min_cluster_size: int,
) -> npt.NDArray[np.int32]:
    """Replaces every cluster that can't be one person by its highest nodes that can.

    It can't if it is wider than allowed, or if two parts of it that could be clusters themselves
    were joined although they lie `FARTHEST_PARTS` times as far apart.

    Args:
        forest: The single-linkage trees.
        nodes: (c,) int32, the clusters, none of which is in another.
        mean_d2: (m,) float32, mean d2 over all pairs of the faces below each merge
            (`mean_pairwise_d2`).
        widest: Largest mean d2 of a cluster.
        min_cluster_size: Faces that a part needs to be a cluster; those of smaller parts are
            left on their own.

    Returns:
        (c',) int32, the nodes of the clusters that are left, ascending.
    """
    tight = kernels.tight_nodes(
        forest.children,
        forest.sizes,
        mean_d2,
        nodes,
        widest,
        FARTHEST_PARTS * widest,
        min_cluster_size,
    )
    return np.flatnonzero(tight).astype(np.int32)
