"""The loops of the vote that have to be compiled, and nothing else.

They work on the links of every face, both ways, and on labels 0..n-1. Groups say which faces may
not share a label.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.cluster.kernels import Floats, Ints
from facebatch.workers.jit import compiled


@compiled
def both_ways(
    sources: Ints, targets: Ints, lengths: npt.NDArray[np.float32], n: int
) -> tuple[npt.NDArray[np.int64], Ints, npt.NDArray[np.float32]]:
    """Lists the links of every node.

    Args:
        sources: (e,) one end of each link.
        targets: (e,) the other end.
        lengths: (e,) their lengths.
        n: Number of nodes.

    Returns:
        Where each node's links begin (n + 1,), the other ends (2e,) and the lengths (2e,).
    """
    starts = np.zeros(n + 1, np.int64)
    for link in range(len(sources)):
        starts[sources[link] + 1] += 1
        starts[targets[link] + 1] += 1
    starts = np.cumsum(starts)
    free = starts[:-1].copy()
    others = np.empty(2 * len(sources), np.int32)
    distances = np.empty(2 * len(sources), np.float32)
    for link in range(len(sources)):
        source, target = sources[link], targets[link]
        for one, other in ((source, target), (target, source)):
            others[free[one]], distances[free[one]] = other, lengths[link]
            free[one] += 1
    return starts, others, distances


@compiled
def _is_held_apart(
    face: int,
    label: int,
    labels: Ints,
    group_starts: npt.NDArray[np.int64],
    groups: Ints,
    member_starts: npt.NDArray[np.int64],
    members: Ints,
) -> bool:
    for group in groups[group_starts[face] : group_starts[face + 1]]:
        for member in members[member_starts[group] : member_starts[group + 1]]:
            if member != face and labels[member] == label:
                return True
    return False


@compiled
def part_groups(
    starts: npt.NDArray[np.int64],
    targets: Ints,
    lengths: npt.NDArray[np.float32],
    tau: float,
    labels: Ints,
    free: int,
    member_starts: npt.NDArray[np.int64],
    members: Ints,
) -> npt.NDArray[np.int64]:
    """Gives a label of its own to every face that shares one with a better placed of its group.

    Better placed is whom its label pulls harder; among equals the first.

    Args:
        starts: (n + 1,) where each face's links begin.
        targets: (e,) the other ends of the links.
        lengths: (e,) their d2, below tau.
        tau: A link pulls with tau minus its d2.
        labels: (n,) the labels; changed in place.
        free: The smallest number that isn't a label.
        member_starts: (g + 1,) where each group's faces begin.
        members: The faces of the groups.

    Returns:
        The labels (l,) that faces were put out of, once for each.
    """
    pulls = np.zeros(len(labels))
    left = np.empty(len(members), np.int64)
    count = 0
    for group in range(len(member_starts) - 1):
        mine = members[member_starts[group] : member_starts[group + 1]]
        for face in mine:
            pulls[face] = 0.0
            for link in range(starts[face], starts[face + 1]):
                if labels[targets[link]] == labels[face]:
                    pulls[face] += tau - lengths[link]
        for place in range(1, len(mine)):
            for earlier in range(place):
                face, other = mine[place], mine[earlier]
                if labels[face] == labels[other]:
                    out = other if pulls[face] > pulls[other] else face
                    left[count] = labels[out]
                    count += 1
                    labels[out] = free
                    free += 1
    return left[:count]


@compiled
def whisper(
    order: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    targets: Ints,
    lengths: npt.NDArray[np.float32],
    tau: float,
    labels: Ints,
    pull: Floats,
    group_starts: npt.NDArray[np.int64],
    groups: Ints,
    member_starts: npt.NDArray[np.int64],
    members: Ints,
) -> int:
    """Lets every face in turn take the label that pulls hardest; changes ``labels`` in place.

    A face keeps its own label unless another one pulls harder; among equals the smallest wins. It
    never takes a label that a face of one of its groups has.

    Args:
        order: The faces in the order in which they are asked.
        starts: (n + 1,) where each face's links begin.
        targets: (e,) the other ends of the links.
        lengths: (e,) their d2, below tau.
        tau: A link pulls with tau minus its d2.
        labels: (n,) the labels, 0..n-1.
        pull: (n,) zeros, and zeros again afterwards.
        group_starts: (n + 1,) where each face's groups begin.
        groups: The groups of the faces.
        member_starts: (g + 1,) where each group's faces begin.
        members: The faces of the groups.

    Returns:
        The number of faces that changed their label.
    """
    changes = 0
    for face in order:
        links = range(starts[face], starts[face + 1])
        for link in links:
            pull[labels[targets[link]]] += tau - lengths[link]
        own = labels[face]
        best = own
        for link in links:
            label = labels[targets[link]]
            tied = pull[label] == pull[best] and best != own
            if (pull[label] > pull[best] or (tied and label < best)) and not _is_held_apart(
                face, label, labels, group_starts, groups, member_starts, members
            ):
                best = label
        for link in links:
            pull[labels[targets[link]]] = 0.0
        if best != own:
            labels[face] = best
            changes += 1
    return changes
