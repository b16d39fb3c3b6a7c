"""Grouping faces into people: from the near-neighbour graph to one label a face.

Five steps, all governed by one distance tau (see ``tau``): near-identical faces are drawn
together to one (``bursts``); the spanning forest of mutual reachability leaves out links longer
than tau (``forest``); HDBSCAN chooses clusters in it (``hdbscan``); the guard breaks up those too
wide to be one person (``guard``); a vote brings back pairs and strays (``vote``). ``tree`` keeps
what is the same wherever it is cut. ``people`` carries identities over from one clustering to the
next. ``exact`` runs the package hdbscan in place of all five. Arrays in, arrays out; importing this
module loads none of the compiled parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from facebatch.cluster.settings import ClusterSettings

if TYPE_CHECKING:
    from facebatch.neighbors import Neighbors

__all__ = ["ClusterSettings", "cluster_faces"]


def cluster_faces(
    embeddings: npt.NDArray[np.float32],
    neighbors: Neighbors,
    settings: ClusterSettings,
    seed: int,
    conflicts: npt.NDArray[np.int32] | None = None,
) -> npt.NDArray[np.int32]:
    """Groups faces into people.

    It grows a tree and cuts it at once; `facebatch.cluster.tree` does one without the other. The
    vote asks faces in an order drawn by row, and the first face of a burst stands for it. So
    callers that want the same people from the same faces give them in the same order; facebatch
    orders by face id.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        neighbors: Their neighbours within ``settings.tau`` at least; those beyond
            ``settings.neighbors`` of a face are ignored.
        settings: The distances and sizes that decide.
        seed: Seed of the vote's order.
        conflicts: (n,) int32, faces with the same number of 0 or more never share a cluster; none
            by default.

    Returns:
        (n,) int32. Clusters are numbered from 0 by their smallest row, so that equal partitions
        have equal labels; -1 is a face on its own.
    """
    from facebatch.cluster.tree import cut, grow

    return cut(grow(embeddings, neighbors, settings, conflicts), settings, seed, conflicts).labels
