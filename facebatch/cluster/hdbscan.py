"""HDBSCAN's choice of clusters in the spanning forest: excess of mass (Campello et al. 2013).

The trees of the forest are taken to be joined at tau, and each may be a cluster by itself. Joined
at infinity instead, every tree would be chosen whole; with the root barred from being a cluster,
an archive of one person would have none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster import kernels
from facebatch.cluster.forest import Forest

_SMALLEST_HEIGHT = 1e-9
"""Stands for a height of 0, whose inverse would be infinite."""


def select_clusters(forest: Forest, min_cluster_size: int, tau: float) -> npt.NDArray[np.int32]:
    """Chooses the clusters whose total stability is greatest.

    Stability is the sum over a cluster's faces of the range of lambda = 1 / distance over which
    they belong to it; lambda is taken of the distance (L2), tau being a squared one.

    Args:
        forest: The single-linkage trees, no merge higher than the square root of tau.
        min_cluster_size: Faces that a cluster needs, at least 2.
        tau: d2 at which the trees are joined; infinity lets them be born at lambda 0.

    Returns:
        (c,) int32, the nodes of the chosen clusters, ascending; none of them is in another.
    """
    densities = 1 / np.maximum(forest.heights, _SMALLEST_HEIGHT)
    chosen = kernels.excess_of_mass(
        forest.children, densities, forest.sizes, min_cluster_size, 1 / np.sqrt(tau)
    )
    return np.flatnonzero(chosen).astype(np.int32)
