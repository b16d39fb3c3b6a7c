"""The spanning forest of mutual reachability, as a single-linkage tree whose trees stay apart.

Mutual reachability (Campello, Moulavi and Sander 2013) is the largest of a link's own length and
the core distances of its two ends. Leaving out every link longer than tau keeps impostors apart
whatever their density; what remains are trees that no later step may join by a longer link.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cluster import kernels
from facebatch.cluster.links import Links


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
        sizes = self.sizes[nodes].astype(np.int64)
        # Where each node's faces lie in the layout, one range after the other.
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        faces = self.layout[np.repeat(self.places[nodes], sizes) + within]
        labels[faces] = np.repeat(np.arange(len(nodes), dtype=np.int32), sizes)
        return labels

    def up_to(self, tau: float) -> Forest:
        """Returns the forest without the merges that are higher than tau, as d2.

        Its nodes have the numbers they have here.
        """
        weights = np.square(self.heights).astype(np.float32)
        merges = int(np.searchsorted(weights, tau, side="right"))
        nodes = len(self.layout) + merges
        return Forest(
            self.children[:merges],
            self.heights[:merges],
            self.sizes[:nodes],
            self.places[:nodes],
            self.layout,
        )


def mutual_reachability(links: Links, core: npt.NDArray[np.float32], tau: float) -> Links:
    """Weighs links by mutual reachability and drops the long ones.

    Core distances make many weights equal, and the tree would depend on how such ties fall.
    Among equal weights the links of smaller distance come first: the limit of adding a vanishing
    share of the distance to the weight, which leaves the weights, and so the cut, exact.

    Args:
        links: Links between n faces, with their d2.
        core: (n,) float32, core distances as d2.
        tau: Largest weight kept, as d2.

    Returns:
        The links with their weights, ordered by weight, d2 and place among the links given.
    """
    weights = np.maximum(core[links.sources], core[links.targets])
    np.maximum(weights, links.lengths, out=weights)
    kept = np.flatnonzero(weights <= tau)
    # One key for both: the bits of floats that aren't negative sort as the floats do.
    keys = weights[kept].view(np.uint32).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= links.lengths[kept].view(np.uint32)
    kept = kept[np.argsort(keys, kind="stable")]
    return Links(links.sources[kept], links.targets[kept], weights[kept])


def spanning_forest(links: Links, n: int) -> Forest:
    """Builds the single-linkage trees of n faces: the minimum spanning forest of the links.

    Args:
        links: Links between them, shortest first.
        n: Number of faces; those without a link are trees of one node.
    """
    children, joints = kernels.merge_links(links.sources, links.targets, n)
    return forest_of_merges(children, links.lengths[joints], n)


def forest_of_merges(
    children: npt.NDArray[np.int32], weights: npt.NDArray[np.float32], n: int
) -> Forest:
    """Returns the forest of n faces from its merges.

    Args:
        children: (m, 2) int32, the two nodes that each merge joins.
        weights: (m,) float32, mutual reachability of each merge as d2, ascending.
        n: Number of faces.
    """
    sizes, places = kernels.sizes_and_places(children, n)
    layout = np.empty(n, np.int32)
    layout[places[:n]] = np.arange(n, dtype=np.int32)
    return Forest(children, np.sqrt(weights.astype(np.float64)), sizes, places, layout)
