"""What decides which faces are one person."""

from __future__ import annotations

from dataclasses import dataclass

from facebatch.errors import UsageError


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
