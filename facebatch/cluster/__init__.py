"""Grouping faces into people: from the k-nearest-neighbour graph to one label a face.

Five steps, all governed by one distance tau (see ``tau``): near-identical faces are drawn
together to one (``bursts``); the spanning forest of mutual reachability leaves out links longer
than tau (``forest``); HDBSCAN chooses clusters in it (``hdbscan``); the guard breaks up those too
wide to be one person (``guard``); a vote brings back pairs and strays (``vote``). ``tree`` keeps
what is the same wherever it is cut. ``people`` carries identities over from one clustering to the
next. Arrays in, arrays out; importing this module loads none of the compiled parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError

if TYPE_CHECKING:
    from facebatch.neighbors import Neighbors


@dataclass(frozen=True)
class ClusterSettings:
    """What decides which faces are one person.

    The defaults are those with the best precision at equal F on LFW and two more sets of real
    photos (docs/concepts.md).

    Args:
        tau: Longest link, as d2 (squared L2, 0..4); `facebatch.cluster.tau.choose_tau` gives it.
        neighbors: Neighbours of each face that the graph holds.
        min_samples: The neighbour whose distance is the core distance; the face itself not
            counted.
        min_cluster_size: Faces that HDBSCAN's clusters need, at least 2. Smaller ones can still
            come from the vote.
        guard_factor: Largest mean d2 over all pairs of a cluster, in units of tau.
        burst_factor: Faces this near, in units of tau, are shots of one moment and count as one;
            0 lets every face count.

    Raises:
        UsageError: A value is out of its range.
    """

    tau: float
    neighbors: int = 64
    min_samples: int = 3
    min_cluster_size: int = 3
    guard_factor: float = 1.44
    burst_factor: float = 0.35

    def __post_init__(self) -> None:
        ranges = {
            "tau": 0 < self.tau <= 4,
            "neighbors": self.neighbors >= 1,
            "min_samples": 1 <= self.min_samples <= self.neighbors,
            "min_cluster_size": self.min_cluster_size >= 2,
            "guard_factor": self.guard_factor > 0,
            "burst_factor": 0 <= self.burst_factor < 1,
        }
        for name, fits in ranges.items():
            if not fits:
                raise UsageError(
                    f"{name} = {getattr(self, name)} is out of range: tau is a squared distance "
                    "above 0 and up to 4, 1 <= min_samples <= neighbors, min_cluster_size >= 2, "
                    "guard_factor > 0, 0 <= burst_factor < 1"
                )


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
        neighbors: Their nearest neighbours; those beyond ``settings.neighbors`` are ignored.
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
