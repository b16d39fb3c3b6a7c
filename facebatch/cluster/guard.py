"""The guard: a cluster too wide to be one person falls apart into the parts that aren't.

Density alone joins look-alikes through faces that stand between them. The mean distance over all
pairs isn't fooled by such bridges. Users hate merged people more than split ones, so the guard
only ever splits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster.forest import Forest


def mean_pairwise_d2(total: npt.NDArray[np.float64], size: int) -> float:
    """Returns the mean d2 over all pairs of distinct embeddings of length 1.

    From the sum s of m unit vectors: (m * m - |s|^2) / (m * (m - 1) / 2).

    Args:
        total: (d,) float64, the sum of the embeddings.
        size: Number of embeddings; below 2 there is no pair and the mean is 0.
    """
    if size < 2:
        return 0.0
    return float(2 * (size * size - total @ total) / (size * (size - 1)))


def break_wide_clusters(
    forest: Forest,
    nodes: npt.NDArray[np.int32],
    embeddings: npt.NDArray[np.float32],
    widest: float,
    min_cluster_size: int,
) -> npt.NDArray[np.int32]:
    """Replaces every cluster wider than allowed by its highest nodes that aren't.

    Args:
        forest: The single-linkage trees.
        nodes: (c,) int32, the clusters, none of which is in another.
        embeddings: (n, d) float32, rows of length 1.
        widest: Largest mean d2 over all pairs of a cluster's faces.
        min_cluster_size: Faces that a part needs to be a cluster; those of smaller parts are
            left on their own.

    Returns:
        (c',) int32, the nodes of the clusters that are left, ascending.
    """
    kept: list[int] = []
    for node in nodes.tolist():
        kept.extend(_tight_parts(forest, node, embeddings, widest, min_cluster_size))
    return np.array(sorted(kept), np.int32)


def _tight_parts(
    forest: Forest,
    top: int,
    embeddings: npt.NDArray[np.float32],
    widest: float,
    min_cluster_size: int,
) -> list[int]:
    members = embeddings[forest.faces(top)].astype(np.float64)
    if mean_pairwise_d2(members.sum(axis=0), len(members)) <= widest:
        return [top]
    # Every node below is a range of these rows, so differences of running sums give its total.
    sums = np.concatenate([np.zeros_like(members[:1]), np.cumsum(members, axis=0)])
    n, offset = len(forest.layout), int(forest.places[top])
    kept, pending = [], [top]
    while pending:
        node = pending.pop()
        size, start = int(forest.sizes[node]), int(forest.places[node]) - offset
        if size < min_cluster_size:
            continue
        if mean_pairwise_d2(sums[start + size] - sums[start], size) <= widest:
            kept.append(node)
        else:
            pending.extend(forest.children[node - n].tolist())
    return kept
