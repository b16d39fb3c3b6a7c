"""The tree: what of a clustering doesn't depend on where it is cut, so that cutting takes seconds.

Growing it takes the neighbours; cutting it takes the tree alone, at the tau that it was grown for
or at any smaller one. As tables it is plain columns: ``bursts``, ``tree`` and ``links``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.cluster.bursts import representatives
from facebatch.cluster.forest import (
    Forest,
    forest_of_merges,
    mutual_reachability,
    spanning_forest,
)
from facebatch.cluster.guard import break_wide_clusters, mean_pairwise_d2
from facebatch.cluster.hdbscan import select_clusters
from facebatch.cluster.labels import canonical, own_labels
from facebatch.cluster.links import Density, Links, density, density_of_moments
from facebatch.cluster.settings import ClusterSettings
from facebatch.cluster.vote import group_nodes, vote_over
from facebatch.errors import UsageError
from facebatch.neighbors import Neighbors

_GROWN_WITH = ("neighbors", "min_samples", "burst_factor")


@dataclass(frozen=True)
class Tree:
    """The single-linkage trees of bursts, how wide each node is, and the near links.

    Args:
        settings: What it was grown with.
        burst_ids: (n,) int32, the number of each face's burst, 0..r-1; a face that is like no other
            is a burst by itself.
        forest: The trees over the r bursts.
        mean_d2: (m,) float32, mean d2 over all pairs of the bursts below each merge.
        links: Between bursts, up to tau.
    """

    settings: ClusterSettings
    burst_ids: npt.NDArray[np.int32]
    forest: Forest
    mean_d2: npt.NDArray[np.float32]
    links: Links


@dataclass(frozen=True)
class Cut:
    """A clustering.

    Args:
        labels: (n,) int32 in canonical form: clusters numbered from 0 by their smallest row, so
            that equal partitions have equal labels; -1 is a face on its own.
        parted: Clusters that held faces of different people, as the conflicts say, before the
            vote parted them.
        clusters: Clusters before the vote.
    """

    labels: npt.NDArray[np.int32]
    parted: int
    clusters: int


def grow(
    embeddings: npt.NDArray[np.float32],
    neighbors: Neighbors,
    settings: ClusterSettings,
    conflicts: npt.NDArray[np.int32] | None = None,
) -> Tree:
    """Grows the tree of a collection's faces.

    The first face of a burst stands for it. So callers that want the same people from the same
    faces give them in the same order; facebatch orders by face id.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        neighbors: Their neighbours within ``settings.tau`` at least; those beyond
            ``settings.neighbors`` of a face are ignored.
        settings: The distances and sizes that decide.
        conflicts: (n,) int32, faces with the same number of 0 or more are different people and
            never of one burst; none by default.
    """
    nearest = neighbors.first(settings.neighbors)
    radius = settings.burst_factor * settings.tau
    standing_for = representatives(embeddings, nearest, radius, conflicts)
    rows, burst_ids = np.unique(standing_for, return_inverse=True)
    near = _density(embeddings, nearest, standing_for, len(rows), settings)
    reachable = mutual_reachability(near.links, near.core, settings.tau)
    forest = spanning_forest(reachable, len(rows))
    mean_d2 = mean_pairwise_d2(forest, embeddings, rows)
    return Tree(settings, burst_ids.astype(np.int32), forest, mean_d2, near.links)


def _density(
    embeddings: npt.NDArray[np.float32],
    neighbors: Neighbors,
    representatives: npt.NDArray[np.int32],
    burst_ids: int,
    settings: ClusterSettings,
) -> Density:
    if burst_ids == len(embeddings):
        return density(neighbors, settings.min_samples, settings.tau)
    return density_of_moments(
        neighbors, embeddings, representatives, settings.min_samples, settings.tau
    )


def cut(
    tree: Tree,
    settings: ClusterSettings,
    seed: int,
    conflicts: npt.NDArray[np.int32] | None = None,
) -> Cut:
    """Cuts a tree into people: HDBSCAN's choice, guard and vote.

    Args:
        tree: The tree.
        settings: Those it was grown with, but for a smaller tau, another guard or another
            smallest cluster. Bursts stay those of the tree's own tau.
        seed: Seed of the vote's order.
        conflicts: (n,) int32, faces with the same number of 0 or more are different people: they
            never share a cluster. Those that the tree was grown with, or fewer.

    Raises:
        UsageError: The tree doesn't hold what the settings ask for.
    """
    _check(tree.settings, settings)
    forest = tree.forest.up_to(settings.tau)
    nodes = select_clusters(forest, settings.min_cluster_size, settings.tau)
    mean_d2 = tree.mean_d2[: len(forest.heights)]
    widest = settings.guard_factor * settings.tau
    nodes = break_wide_clusters(forest, nodes, mean_d2, widest, settings.min_cluster_size)
    groups = group_nodes(conflicts, len(forest.layout), tree.burst_ids)
    start = forest.labels(nodes)
    labels, parted = vote_over(tree.links, start, settings.tau, seed, groups)
    return Cut(canonical(own_labels(labels)[tree.burst_ids]), parted, len(nodes))


def _check(grown: ClusterSettings, wanted: ClusterSettings) -> None:
    if wanted.tau > grown.tau:
        raise UsageError(
            f"tau = {wanted.tau:g} is above {grown.tau:g}, which the tree was grown for; "
            "cluster anew"
        )
    before, now = asdict(grown), asdict(wanted)
    for name in _GROWN_WITH:
        if before[name] != now[name]:
            raise UsageError(
                f"{name} = {now[name]} isn't {before[name]}, which the tree was grown with; "
                "cluster anew"
            )


def to_tables(tree: Tree, face_ids: pa.Array) -> dict[str, pa.Table]:
    """Returns a tree as the tables ``bursts``, ``tree`` and ``links``.

    Args:
        tree: The tree of n faces.
        face_ids: (n,) their ids, in the order of its rows.
    """
    forest = tree.forest
    return {
        "bursts": pa.table({"face_id": face_ids, "moment": tree.burst_ids}),
        "tree": pa.table(
            {
                "left": forest.children[:, 0],
                "right": forest.children[:, 1],
                "d2": np.square(forest.heights).astype(np.float32),
                "width": tree.mean_d2,
            }
        ),
        "links": pa.table(
            {
                "source": tree.links.sources,
                "target": tree.links.targets,
                "d2": tree.links.lengths,
            }
        ),
    }


def from_tables(tables: Mapping[str, pa.Table], settings: ClusterSettings) -> Tree:
    """Returns the tree that `to_tables` made the tables of.

    Args:
        tables: The tables by name.
        settings: What it was grown with.
    """

    def column(table: str, name: str) -> npt.NDArray[np.generic]:
        values: npt.NDArray[np.generic] = tables[table][name].to_numpy()
        return values

    burst_ids = column("bursts", "moment").astype(np.int32)
    children = np.stack([column("tree", "left"), column("tree", "right")], axis=1)
    forest = forest_of_merges(
        children.astype(np.int32),
        column("tree", "d2").astype(np.float32),
        int(burst_ids.max(initial=-1)) + 1,
    )
    links = Links(
        column("links", "source").astype(np.int32),
        column("links", "target").astype(np.int32),
        column("links", "d2").astype(np.float32),
    )
    return Tree(settings, burst_ids, forest, column("tree", "width").astype(np.float32), links)
