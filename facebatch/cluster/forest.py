"""The spanning forest of mutual reachability, as a single-linkage tree whose trees stay apart.

Mutual reachability (Campello, Moulavi and Sander 2013) is the largest of a link's own length and
the core distances of its two ends. Leaving out every link longer than tau keeps strangers apart
whatever their density; what remains are trees that no later step may join by a longer link.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cluster import kernels
from facebatch.neighbors import Neighbors


@dataclass(frozen=True)
class Links:
    """Weighted links between faces, shortest first.

    Args:
        sources: (e,) int32, one end.
        targets: (e,) int32, the other end.
        weights: (e,) float32, mutual reachability as d2 (squared L2), ascending.
    """

    sources: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Forest:
    """Single-linkage trees over n faces.

    Nodes 0..n-1 are the faces, nodes n..n+m-1 the merges by ascending height. The faces below
    any node are consecutive in ``layout``.

    Args:
        children: (m, 2) int32, the two nodes that each merge joins.
        heights: (m,) float64, mutual reachability distance of each merge (L2, not squared).
        sizes: (n + m,) int32, faces below each node.
        places: (n + m,) int32, where each node's faces begin in ``layout``.
        layout: (n,) int32, the faces in the order of the trees.
    """

    children: npt.NDArray[np.int32]
    heights: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int32]
    places: npt.NDArray[np.int32]
    layout: npt.NDArray[np.int32]

    def faces(self, node: int) -> npt.NDArray[np.int32]:
        """Returns the rows of the faces below a node."""
        start = self.places[node]
        return self.layout[start : start + self.sizes[node]]

    def labels(self, nodes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Returns the labels (n,) int32 that number the given nodes, none of which is in another.

        Faces below none of them are labelled -1.
        """
        labels = np.full(len(self.layout), -1, np.int32)
        for label, node in enumerate(nodes):
            labels[self.faces(node)] = label
        return labels


def mutual_reachability_links(neighbors: Neighbors, min_samples: int, tau: float) -> Links:
    """Weighs the links of the graph by mutual reachability and drops the long ones.

    Core distances make many weights equal, and the tree would depend on how such ties fall.
    Among equal weights the links of smaller distance come first: the limit of adding a vanishing
    share of the distance to the weight, which leaves the weights, and so the cut, exact.

    Args:
        neighbors: The k-nearest-neighbour graph of n faces.
        min_samples: The neighbour whose distance is the core distance, the face itself not
            counted, as in the package hdbscan; the last one where there are fewer.
        tau: Longest mutual reachability kept, as d2.

    Returns:
        The links, ordered by weight, distance and rows. A link that both its ends list as a
        neighbour is there twice.
    """
    n, k = neighbors.indices.shape
    if k == 0:
        nothing = np.empty(0, np.int32)
        return Links(nothing, nothing, np.empty(0, np.float32))
    core = neighbors.distances[:, min(min_samples, k) - 1]
    near = (neighbors.distances <= tau) & (core <= tau)[:, None]
    sources = np.repeat(np.arange(n, dtype=np.int32), near.sum(axis=1))
    targets, distances = neighbors.indices[near], neighbors.distances[near]
    weights = np.maximum(distances, np.maximum(core[sources], core[targets]))
    kept = np.flatnonzero(weights <= tau)
    # One key for both: the bits of floats that aren't negative sort as the floats do.
    high = weights[kept].view(np.uint32).astype(np.uint64) << np.uint64(32)
    kept = kept[np.argsort(high | distances[kept].view(np.uint32), kind="stable")]
    return Links(sources[kept], targets[kept], weights[kept])


def spanning_forest(links: Links, n: int) -> Forest:
    """Builds the single-linkage trees of n faces: the minimum spanning forest of the links.

    Args:
        links: Links between them, shortest first.
        n: Number of faces; those without a link are trees of one node.
    """
    children, joints = kernels.merge_links(links.sources, links.targets, n)
    sizes, places = kernels.sizes_and_places(children, n)
    layout = np.empty(n, np.int32)
    layout[places[:n]] = np.arange(n, dtype=np.int32)
    heights = np.sqrt(links.weights[joints].astype(np.float64))
    return Forest(children, heights, sizes, places, layout)
