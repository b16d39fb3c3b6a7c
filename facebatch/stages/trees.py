"""The tree of a clustering, kept beside it: another threshold needs a cut and no search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.cluster import ClusterSettings
from facebatch.collection import ClustersManifest, Collection, Generation, write_table
from facebatch.collection.generation_tables import TREE_TABLES
from facebatch.stages.faces import Faces, Labels
from facebatch.workers.machine import usable_cores, usable_memory

if TYPE_CHECKING:
    from facebatch.cluster.tree import Tree
    from facebatch.neighbors import Neighbors
    from facebatch.neighbors.index import Plan

Finder = Callable[[npt.NDArray[np.float32], int, float, "Plan", int], "Neighbors"]
"""Finds the k nearest neighbours within a d2 of each embedding (n, d), by a plan and a seed."""

HEADROOM = 1.25
"""The tree is grown for a tau so many times larger, so that a threshold may be raised as well."""

_HEADROOM_FACES = 200_000
"""Above so many faces the links of a larger tau cost more memory than they are worth."""


@dataclass(frozen=True, eq=False)
class KeptTree:
    """A tree and the faces that it is of.

    Args:
        tree: The tree of m faces.
        face_ids: Ids of these faces.
        generation: Name of the clusters that it lies beside; None while it is new.
        graph: How its neighbours were found, and what was missed; empty for one that was read.
    """

    tree: Tree
    face_ids: pa.Array
    generation: str | None = None
    graph: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CutTree:
    """What a cut gave, over all n faces.

    Args:
        labels: (n,) int32, the clusters; -1 for a face on its own or not in the tree.
        covered: (n,) which faces are in the tree.
        broken: Clusters that held several faces of one picture before these were parted.
        clusters: How many clusters there were then.
    """

    labels: Labels
    covered: npt.NDArray[np.bool_]
    broken: int
    clusters: int


def find_here(
    embeddings: npt.NDArray[np.float32],
    k: int,
    reach: float,
    plan: Plan,
    seed: int,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Neighbors:
    """Finds neighbours in this process, on all its cores."""
    from facebatch.neighbors import find_neighbors

    return find_neighbors(embeddings, k, reach, plan, seed, usable_cores(), report)


def grow_tree(
    faces: Faces, settings: ClusterSettings, seed: int, find: Finder = find_here
) -> KeptTree:
    """Finds the neighbours of all faces that a person may be founded on, and grows their tree.

    Args:
        faces: The faces.
        settings: The distances and sizes that decide.
        seed: Seed of the index that neighbours are found by.
        find: Finds the neighbours.
    """
    from facebatch.cluster.tree import grow
    from facebatch.neighbors import choose, recall

    rows = np.flatnonzero(faces.seeds)
    embeddings = faces.embeddings.read(rows)
    plan = choose(len(rows), embeddings.shape[1], usable_memory())
    wide = grown_for(settings, len(rows))
    neighbors = find(embeddings, settings.neighbors, wide.tau, plan, seed)
    tree = grow(embeddings, neighbors, wide, faces.conflict[rows])
    missed = recall(embeddings, neighbors, settings.tau, seed=seed)
    graph = {"plan": plan.as_json(), "recall": missed.as_json()}
    return KeptTree(tree, faces.table["face_id"].take(pa.array(rows)).combine_chunks(), graph=graph)


def grown_for(settings: ClusterSettings, n: int) -> ClusterSettings:
    """Returns the settings that a tree of n faces is grown with, to be cut by those given."""
    factor = HEADROOM if n <= _HEADROOM_FACES else 1.0
    # Bursts as near as they would be for the tau that it is cut at.
    burst_factor = settings.burst_factor / factor
    return replace(settings, tau=min(4.0, settings.tau * factor), burst_factor=burst_factor)


def cut_tree(faces: Faces, kept: KeptTree, settings: ClusterSettings, seed: int) -> CutTree:
    """Cuts a tree.

    Args:
        faces: The faces of today.
        kept: The tree, of these or earlier ones.
        settings: As the tree was grown with, but for tau.
        seed: Seed of the vote's order.

    Raises:
        UsageError: tau is larger than the one that the tree was grown for.
    """
    from facebatch.cluster.tree import cut

    places = pc.index_in(kept.face_ids, faces.table["face_id"].combine_chunks())
    there = places.is_valid().to_numpy(zero_copy_only=False)
    rows = places.fill_null(0).to_numpy()
    conflict = np.where(there, faces.conflict[rows], -1).astype(np.int32) if len(faces) else rows
    wanted = replace(settings, burst_factor=kept.tree.settings.burst_factor)
    made = cut(kept.tree, wanted, seed, conflict)
    labels = np.full(len(faces), -1, np.int32)
    labels[rows[there]] = made.labels[there]
    labels[faces.no_face] = -1
    covered = np.zeros(len(faces), bool)
    covered[rows[there]] = True
    return CutTree(labels, covered, made.parted, made.clusters)


def write_tree(
    collection: Collection, generation: Generation[ClustersManifest], kept: KeptTree
) -> None:
    """Writes a tree beside a clustering."""
    from facebatch.cluster.tree import to_tables

    for name, rows in to_tables(kept.tree, kept.face_ids).items():
        write_table(collection, generation, name, rows)


def read_tree(collection: Collection, clusters: Generation[ClustersManifest]) -> KeptTree | None:
    """Returns the tree that a clustering was cut from; None where there is none any more."""
    from facebatch.cluster.tree import from_tables

    holder = collection.generation("clusters", clusters.manifest.tree)
    if holder is None:
        return None
    found = {
        name: tables.read(collection.storage, f"{holder.folder}/{name}.parquet", name)
        for name in TREE_TABLES
    }
    face_ids = found["bursts"]["face_id"].combine_chunks()
    grown = grown_for(ClusterSettings(**holder.manifest.config), len(face_ids))
    return KeptTree(from_tables(found, grown), face_ids, holder.name)
