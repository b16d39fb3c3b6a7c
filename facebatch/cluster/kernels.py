"""The loops of clustering that have to be compiled, and nothing else.

They work on plain arrays whose meaning is told by the functions that call them: a forest of n
leaves (the faces, nodes 0..n-1) and m merges (nodes n..n+m-1, by ascending height). All run
without the interpreter's lock and are compiled once per machine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facebatch.workers.jit import compiled

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@compiled
def _root(parent: Ints, node: int) -> int:
    root = node
    while parent[root] != root:
        root = parent[root]
    while parent[node] != root:
        parent[node], node = root, parent[node]
    return root


@compiled
def merge_links(sources: Ints, targets: Ints, n: int) -> tuple[Ints, npt.NDArray[np.int64]]:
    """Joins n leaves along links taken in order (Kruskal's algorithm).

    Args:
        sources: (e,) one end of each link, the links being ordered by ascending weight.
        targets: (e,) the other end.
        n: Number of leaves.

    Returns:
        Children (m, 2) of every merge, and the link (m,) that made it.
    """
    most = max(n - 1, 0)
    parent = np.arange(n + most, dtype=np.int32)
    children = np.empty((most, 2), np.int32)
    links = np.empty(most, np.int64)
    merges = 0
    for link in range(len(sources)):
        if merges == most:
            break
        one, other = _root(parent, sources[link]), _root(parent, targets[link])
        if one != other:
            parent[one] = parent[other] = n + merges
            children[merges, 0], children[merges, 1] = one, other
            links[merges] = link
            merges += 1
    return children[:merges], links[:merges]


@compiled
def sizes_and_places(children: Ints, n: int) -> tuple[Ints, Ints]:
    """Counts every node's leaves and lays them out so that each node's are consecutive.

    Args:
        children: (m, 2) children of every merge.
        n: Number of leaves.

    Returns:
        Sizes (n + m,), and the place (n + m,) of each node's first leaf in the layout.
    """
    nodes = n + len(children)
    sizes = np.ones(nodes, np.int32)
    places = np.full(nodes, -1, np.int32)
    for merge in range(len(children)):
        sizes[n + merge] = sizes[children[merge, 0]] + sizes[children[merge, 1]]
    free = 0
    for node in range(nodes - 1, -1, -1):
        if places[node] < 0:
            places[node] = free
            free += sizes[node]
        if node >= n:
            left, right = children[node - n]
            places[left] = places[node]
            places[right] = places[node] + sizes[left]
    return sizes, places


@compiled
def excess_of_mass(
    children: Ints, densities: Floats, sizes: Ints, min_cluster_size: int, root_density: float
) -> npt.NDArray[np.bool_]:
    """Chooses the clusters of greatest total stability (Campello et al. 2013, algorithm 3).

    A condensed cluster is known by its topmost node. It goes up through merges with parts smaller
    than ``min_cluster_size`` and ends where it meets another cluster, or at its root.

    Args:
        children: (m, 2) children of every merge.
        densities: (m,) lambda, the inverse of the height, of every merge; descending.
        sizes: (n + m,) leaves of every node.
        min_cluster_size: Faces that a cluster needs, at least 2.
        root_density: lambda at which the trees themselves were born.

    Returns:
        Whether each node (n + m,) is the top of a chosen cluster.
    """
    nodes, n = len(sizes), len(sizes) - len(children)
    has_parent = np.zeros(nodes, np.bool_)
    chosen = np.zeros(nodes, np.bool_)
    mass = np.zeros(nodes)  # sum over the faces of lambda at which each left the cluster
    inner = np.zeros((nodes, 2), np.int32)  # the two clusters it splits into; 0, a leaf, for none
    best = np.zeros(nodes)  # greatest total stability within
    for merge in range(len(children)):
        node, density = n + merge, densities[merge]
        left, right = children[merge]
        has_parent[left] = has_parent[right] = True
        if sizes[left] < sizes[right]:
            left, right = right, left
        if sizes[right] >= min_cluster_size:
            _choose(left, density, sizes, mass, inner, best, chosen)
            _choose(right, density, sizes, mass, inner, best, chosen)
            inner[node, 0], inner[node, 1] = left, right
            best[node] = best[left] + best[right]
            mass[node] = sizes[node] * density
        elif sizes[left] >= min_cluster_size:
            inner[node] = inner[left]
            best[node] = best[left]
            mass[node] = mass[left] + sizes[right] * density
        else:
            mass[node] = sizes[node] * density
    for node in range(n, nodes):
        if not has_parent[node] and sizes[node] >= min_cluster_size:
            _choose(node, root_density, sizes, mass, inner, best, chosen)
    _forget_inner(inner, chosen, n)
    return chosen


@compiled
def _choose(
    node: int,
    birth: float,
    sizes: Ints,
    mass: Floats,
    inner: Ints,
    best: Floats,
    chosen: npt.NDArray[np.bool_],
) -> None:
    stability = mass[node] - sizes[node] * birth
    if inner[node, 0] == 0 or stability >= best[node]:
        chosen[node] = True
        best[node] = stability


@compiled
def _forget_inner(inner: Ints, chosen: npt.NDArray[np.bool_], n: int) -> None:
    # A node comes after those inside it, so going down every outer choice is made first. `covered`
    # follows condensed clusters alone: the other nodes are never chosen.
    covered = np.zeros(len(chosen), np.bool_)
    for node in range(len(chosen) - 1, n - 1, -1):
        if inner[node, 0] and (chosen[node] or covered[node]):
            covered[inner[node, 0]] = covered[inner[node, 1]] = True
        if covered[node]:
            chosen[node] = False


@compiled
def mean_pairwise_d2(
    children: Ints,
    sizes: Ints,
    places: Ints,
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """Reckons the mean d2 over all pairs of the leaves below every merge.

    Args:
        children: (m, 2) children of every merge.
        sizes: (n + m,) leaves of every node.
        places: (n + m,) where each node's leaves begin in the layout.
        embeddings: (N, d) rows of length 1.
        rows: (n,) the row of each leaf's embedding, in the order of the layout.

    Returns:
        The mean_d2 (m,).
    """
    n, axes = len(rows), embeddings.shape[1]
    mean_d2 = np.zeros(len(children), np.float32)
    within = np.zeros(len(sizes), np.bool_)
    largest = 1
    for node in range(n, len(sizes)):
        within[children[node - n]] = True
        largest = max(largest, sizes[node])
    # Every node of a tree is a range of its leaves: differences of running sums give its total.
    sums = np.zeros((largest + 1, axes))
    pending = np.empty(largest, np.int32)
    for root in range(n, len(sizes)):
        if within[root]:
            continue
        first = places[root]
        for leaf in range(sizes[root]):
            for axis in range(axes):
                sums[leaf + 1, axis] = sums[leaf, axis] + embeddings[rows[first + leaf], axis]
        pending[0], waiting = root, 1
        while waiting:
            waiting -= 1
            node = pending[waiting]
            size, start = sizes[node], places[node] - first
            square = 0.0
            for axis in range(axes):
                total = sums[start + size, axis] - sums[start, axis]
                square += total * total
            pairs = float(size) * (size - 1)
            mean_d2[node - n] = 2 * (float(size) * size - square) / pairs
            for child in children[node - n]:
                if child >= n:
                    pending[waiting] = child
                    waiting += 1
    return mean_d2


@compiled
def tight_nodes(
    children: Ints,
    sizes: Ints,
    mean_d2: npt.NDArray[np.float32],
    tops: Ints,
    widest: float,
    farthest: float,
    min_cluster_size: int,
) -> npt.NDArray[np.bool_]:
    """Chooses the highest nodes at or below some that are narrow, whole and large enough.

    A node is whole if no merge at or below it joins two parts, each large enough to be chosen,
    that lie too far apart.

    Args:
        children: (m, 2) children of every merge.
        sizes: (n + m,) leaves of every node.
        mean_d2: (m,) mean d2 below every merge; that of a single leaf is 0.
        tops: (c,) the nodes to begin with, none of them below another.
        widest: Largest width of a chosen node.
        farthest: Largest mean d2 over the pairs with a leaf in each of the two parts.
        min_cluster_size: Leaves that a node needs.

    Returns:
        Whether each node (n + m,) is chosen.
    """
    n = len(sizes) - len(children)
    chosen = np.zeros(len(sizes), np.bool_)
    whole = np.ones(len(sizes), np.bool_)
    for node in range(n, len(sizes)):
        left, right = children[node - n]
        whole[node] = whole[left] and whole[right]
        if whole[node] and min(sizes[left], sizes[right]) >= min_cluster_size:
            # All pairs are those within either part and those between the two.
            between = _pairs_d2(node, n, sizes, mean_d2)
            between -= _pairs_d2(left, n, sizes, mean_d2) + _pairs_d2(right, n, sizes, mean_d2)
            whole[node] = between <= farthest * float(sizes[left]) * float(sizes[right])
    pending = np.zeros(len(sizes), np.bool_)
    pending[tops] = True
    for node in range(len(sizes) - 1, -1, -1):
        if not pending[node] or sizes[node] < min_cluster_size:
            continue
        if node < n or (mean_d2[node - n] <= widest and whole[node]):
            chosen[node] = True
        else:
            pending[children[node - n]] = True
    return chosen


@compiled
def _pairs_d2(node: int, n: int, sizes: Ints, mean_d2: npt.NDArray[np.float32]) -> float:
    """Returns the sum of d2 over all pairs of the leaves below a node."""
    if node < n:
        return 0.0
    size = float(sizes[node])
    return float(mean_d2[node - n]) * size * (size - 1) / 2


@compiled
def unique_links(
    starts: npt.NDArray[np.int64], targets: Ints, lengths: npt.NDArray[np.float32]
) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    """Takes every link once, whether one end lists the other or both do.

    Args:
        starts: (n + 1,) where each node's links begin.
        targets: (e,) the other ends.
        lengths: (e,) their lengths, the same from both ends.

    Returns:
        Smaller ends, larger ends and lengths, in the order of the nodes that list them first.
    """
    kept = np.zeros(len(targets), np.bool_)
    for node in range(len(starts) - 1):
        for link in range(starts[node], starts[node + 1]):
            other = targets[link]
            kept[link] = node < other
            if node > other:
                kept[link] = True
                for back in range(starts[other], starts[other + 1]):
                    if targets[back] == node:
                        kept[link] = False
                        break
    count = kept.sum()
    ends = np.empty((2, count), np.int32)
    distances = np.empty(count, np.float32)
    place = 0
    for node in range(len(starts) - 1):
        for link in range(starts[node], starts[node + 1]):
            if kept[link]:
                ends[0, place] = min(node, targets[link])
                ends[1, place] = max(node, targets[link])
                distances[place] = lengths[link]
                place += 1
    return ends[0], ends[1], distances


@compiled
def cover(
    starts: npt.NDArray[np.int64],
    near: Ints,
    counts: npt.NDArray[np.int64],
    k: int,
    groups: Ints,
    embeddings: npt.NDArray[np.float32],
    radius: float,
) -> Ints:
    """Chooses faces that stand for those near them, each face in turn unless one stands for it.

    No face stands for two faces of one group. Where all that a face lists are near it, the list may
    be too short for its burst: the lists of the others lead on to those that are near it as well.

    Args:
        starts: (n + 1,) where each face's neighbours begin.
        near: (e,) the neighbours.
        counts: (n,) how many of them, from the first, the face may stand for.
        k: The most that a face lists.
        groups: (n,) the group of each face, 0..g-1, -1 for none.
        embeddings: (n, d) the faces.
        radius: d2 below which faces are near.

    Returns:
        The face (n,) that stands for each, itself for those chosen.
    """
    n = len(counts)
    representatives = np.full(n, -1, np.int32)
    asker = np.full(n, -1, np.int32)  # the last face that each was a candidate of
    holder = np.full(groups.max() + 1 if n else 0, -1, np.int32)  # the same for each group
    candidates = np.empty(n, np.int32)
    for face in range(n):
        if representatives[face] >= 0:
            continue
        representatives[face] = asker[face] = face
        if groups[face] >= 0:
            holder[groups[face]] = face
        count = counts[face]
        candidates[:count] = near[starts[face] : starts[face] + count]
        asker[candidates[:count]] = face
        place = 0
        while place < count:
            other = candidates[place]
            place += 1
            if counts[face] == k:
                begin = starts[other]
                for further in near[begin : begin + counts[other]]:
                    if asker[further] != face:
                        asker[further] = face
                        if _d2(embeddings, face, further) < radius:
                            candidates[count] = further
                            count += 1
            if representatives[other] >= 0:
                continue
            if groups[other] >= 0:
                if holder[groups[other]] == face:
                    continue
                holder[groups[other]] = face
            representatives[other] = face
    return representatives


@compiled
def _d2(embeddings: npt.NDArray[np.float32], face: int, other: int) -> float:
    total = 0.0
    for axis in range(embeddings.shape[1]):
        gap = float(embeddings[face, axis]) - float(embeddings[other, axis])
        total += gap * gap
    return total
