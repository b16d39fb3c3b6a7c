"""The vote: Chinese whispers (Biemann 2006) that start from the clusters instead of from nothing.

HDBSCAN leaves pairs and the strays at the rim of a cluster on their own. Here every face looks at
its neighbours within tau and takes the label that pulls hardest, nearer neighbours pulling more,
until nobody changes. The clusters are a start that the vote rarely moves; it mostly adds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from facebatch.cluster import kernels
from facebatch.cluster.labels import canonical, own_labels
from facebatch.neighbors import Neighbors

_MOST_PASSES = 100
"""A stop for rounding errors alone: each change raises the weight inside labels, so it must end."""


def vote(
    neighbors: Neighbors, labels: npt.NDArray[np.int32], tau: float, seed: int
) -> npt.NDArray[np.int32]:
    """Lets faces take over the labels of their neighbours until nothing changes.

    A link of distance d2 < tau counts in both directions with weight tau - d2, whichever end
    lists the other as a neighbour.

    Args:
        neighbors: The k-nearest-neighbour graph of n faces.
        labels: (n,) the clusters to start from; -1 is a face on its own, which starts with a
            label of its own.
        tau: Longest link that counts, as d2.
        seed: Seed of the order in which faces are asked; a new order is drawn for every pass.

    Returns:
        (n,) int32 labels in canonical form (`facebatch.cluster.labels.canonical`).
    """
    graph = _pull_graph(neighbors, tau)
    current = own_labels(labels)
    linked = np.flatnonzero(np.diff(graph.indptr))
    pull = np.zeros(len(current))
    generator = np.random.default_rng(seed)
    for _ in range(_MOST_PASSES):
        order = generator.permutation(linked)
        if not kernels.whisper(order, graph.indptr, graph.indices, graph.data, current, pull):
            break
    return canonical(current)


def _pull_graph(neighbors: Neighbors, tau: float) -> csr_array:
    n = len(neighbors)
    near = neighbors.distances < tau
    starts = np.concatenate([[0], np.cumsum(near.sum(axis=1))]).astype(np.int32)
    weights = tau - neighbors.distances[near].astype(np.float64)
    one_way = csr_array((weights, neighbors.indices[near], starts), shape=(n, n))
    both_ways = one_way.maximum(one_way.T.tocsr())
    both_ways.sort_indices()
    return both_ways
