"""The vote: Chinese whispers (Biemann 2006) that start from the clusters instead of from nothing.

HDBSCAN leaves pairs and the strays at the rim of a cluster on their own. Here every face looks at
its neighbours within tau and takes the label that pulls hardest, nearer neighbours pulling more,
until nobody changes. The clusters are a start that the vote rarely moves; it mostly adds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.cluster import vote_kernels as kernels
from facebatch.cluster.labels import canonical, own_labels
from facebatch.cluster.links import Links

_MOST_PASSES = 100
"""A stop for rounding errors alone: each change raises the weight inside labels, so it must end."""


@dataclass(frozen=True)
class Groups:
    """Which nodes may not share a label: those that hold a face of the same group.

    A node is one face, or a burst of them that may hold faces of several groups.

    Args:
        starts: (n + 1,) int64, where each node's groups begin.
        groups: int32, the groups of the nodes, 0..g-1.
        member_starts: (g + 1,) int64, where each group's nodes begin.
        members: int32, the nodes of the groups, ascending in each.
    """

    starts: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int32]
    member_starts: npt.NDArray[np.int64]
    members: npt.NDArray[np.int32]


def group_nodes(
    conflicts: npt.NDArray[np.int32] | None,
    n: int,
    nodes: npt.NDArray[np.integer] | None = None,
) -> Groups:
    """Returns which nodes may not share a label.

    Args:
        conflicts: (N,) int32, faces with the same number of 0 or more are different people.
        n: Number of nodes.
        nodes: (N,) the node of each face; by default each is one.
    """
    if conflicts is None:
        conflicts = np.empty(0, np.int32)
    faces = np.flatnonzero(conflicts >= 0)
    node = faces if nodes is None else nodes[faces]
    pairs = np.unique(np.stack([conflicts[faces], node], axis=1).astype(np.int64), axis=0)
    _, group, sizes = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    several = sizes[group] > 1
    node, group = pairs[several, 1], np.unique(group[several], return_inverse=True)[1]
    by_node, by_group = np.lexsort((group, node)), np.lexsort((node, group))
    return Groups(
        _starts(node, n),
        group[by_node].astype(np.int32),
        _starts(group, int(group.max(initial=-1)) + 1),
        node[by_group].astype(np.int32),
    )


def vote_over(
    links: Links, labels: npt.NDArray[np.int32], tau: float, seed: int, groups: Groups
) -> tuple[npt.NDArray[np.int32], int]:
    """Lets nodes take over the labels of their neighbours until nothing changes.

    A link of distance d2 < tau counts in both directions with weight tau - d2, whichever end it
    was found from. Where nodes that may not share a label do so at the start, the one that its
    label pulls hardest keeps it.

    Args:
        links: Links between n nodes, with their d2.
        labels: (n,) the clusters to start from, -1 for a node on its own, which starts with a
            label of its own.
        tau: Longest link that counts, as d2.
        seed: Seed of the order in which nodes are asked; a new order is drawn for every pass.
        groups: Which nodes may not share a label.

    Returns:
        (n,) int32 labels in canonical form (`facebatch.cluster.labels.canonical`), and the number
        of the clusters given that had to be parted.
    """
    links = links.up_to(np.nextafter(np.float32(tau), np.float32(0)))
    both_ways = kernels.both_ways(links.sources, links.targets, links.lengths, len(labels))
    current = own_labels(labels)
    apart = (groups.member_starts, groups.members)
    free = int(current.max(initial=-1)) + 1
    parted = np.unique(kernels.part_groups(*both_ways, tau, current, free, *apart))
    linked = np.flatnonzero(np.diff(both_ways[0]))
    pull = np.zeros(len(current))
    generator = np.random.default_rng(seed)
    for _ in range(_MOST_PASSES):
        order = generator.permutation(linked)
        if not kernels.whisper(
            order, *both_ways, tau, current, pull, groups.starts, groups.groups, *apart
        ):
            break
    return canonical(current), len(parted)


def _starts(numbers: npt.NDArray[np.integer], count: int) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=count))]).astype(np.int64)
