"""The stage ``clusters``: which faces are one person.

The first clustering under a policy groups all faces. Those that follow keep what it made and bring
new faces to it, so that adding photos changes nobody and a night costs what is new. Names of a
gallery and users' decisions outrank both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.cluster import ClusterSettings
from facebatch.cluster.tau import choose_tau
from facebatch.collection import (
    ClustersManifest,
    Collection,
    Generation,
    MatchesManifest,
    Snapshot,
    generation_name,
    read_clusters,
    write_table,
)
from facebatch.config import GroupingSettings
from facebatch.people import Clustering, EffectiveDecisions
from facebatch.people.decisions import hash_of_names
from facebatch.people.effective import effective_decisions
from facebatch.stages.faces import GATE_WORDS, GATES, Faces, gates_of, read_faces
from facebatch.stages.grouping import Grouping, extend, group, group_exactly
from facebatch.stages.matches import current_matches
from facebatch.stages.trees import Finder, KeptTree, find_here, read_tree, write_tree

SCRATCH_ADVICE_GROWTH = 2.0
"""Growth since tau was chosen from which on choosing it anew is advised."""


@dataclass(frozen=True)
class ClusteringPolicy:
    """Clusterings that follow each other with the same settings.

    Args:
        settings: What decides which faces are one person.
        grouping: Gates and constraints.
        chosen_at: Number of faces at which tau was chosen.
    """

    settings: ClusterSettings
    grouping: GroupingSettings
    chosen_at: int

    def manifest(self) -> ClustersManifest:
        """Returns what the manifest says of it."""
        return ClustersManifest(
            config=asdict(self.settings),
            gate=_gates_as_manifest(self.grouping),
            algorithm=self.grouping.algorithm,
            tau_chosen_at_faces=self.chosen_at,
        )


@dataclass(frozen=True)
class ClusteringRequest:
    """What was asked of a clustering.

    Args:
        tau: Longest link, as d2, where one was asked for.
        from_scratch: Whether tau is chosen anew, and all faces are clustered.
        grouping: Other settings that were asked for, by the names of `GroupingSettings`.
    """

    tau: float | None = None
    from_scratch: bool = False
    grouping: Mapping[str, Any] = field(default_factory=dict)


def _gates_as_manifest(grouping: GroupingSettings) -> dict[str, Any]:
    return {name: value for name, value in asdict(grouping).items() if name != "algorithm"}


def resolve_policy(
    collection: Collection, snapshot: Snapshot, request: ClusteringRequest, base: Base | None
) -> ClusteringPolicy:
    """Returns the settings: what was asked for, else the current people's, else defaults.

    Args:
        collection: The collection.
        snapshot: Its faces.
        request: What was asked for.
        base: What the current people are made of.
    """
    tau, from_scratch = request.tau, request.from_scratch
    n_faces = len(snapshot.face_ids)
    current = base.clusters if base else collection.current("clusters")
    # A longest link of another space, as in a collection that was converted, means nothing here.
    from_scratch |= current is not None and not current.manifest.is_of(collection.space)
    kept = (current.manifest.gate if current else None) or {}
    known = {name: kept[name] for name in asdict(GroupingSettings()) if name in kept}
    if current:
        known["algorithm"] = current.manifest.algorithm
    grouping = GroupingSettings(**{**known, **request.grouping})
    if tau is not None:
        same = current is not None and current.manifest.tau == tau
        if current is not None and same and not from_scratch:
            return ClusteringPolicy(ClusterSettings(tau=tau), grouping, _chosen_at(current))
        return ClusteringPolicy(ClusterSettings(tau=tau), grouping, n_faces)
    if current and not from_scratch:
        settings = ClusterSettings(**current.manifest.config)
        return ClusteringPolicy(settings, grouping, _chosen_at(current))
    settings = ClusterSettings(tau=choose_tau(n_faces, collection.settings.thresholds().links))
    return ClusteringPolicy(settings, grouping, n_faces)


def _chosen_at(clusters: Generation[ClustersManifest]) -> int:
    return clusters.manifest.tau_chosen_at_faces or 0


@dataclass(frozen=True, eq=False)
class Base:
    """What the current people are made of.

    Args:
        clusters: The generation.
        clustering: Its faces and clusters, with the people.
    """

    clusters: Generation[ClustersManifest]
    clustering: Clustering


@dataclass(frozen=True, eq=False)
class Clustered:
    """The result of the stage, with what the stage ``people`` needs of it.

    Args:
        task: What was to be clustered.
        generation: The generation.
        unchanged: Whether it was there before, for the same faces and settings.
        labels: (n,) int32, the cluster of each face of the snapshot; -1 for a face on its own.
        faces: The snapshot's faces.
    """

    task: Task
    generation: Generation[ClustersManifest]
    unchanged: bool
    labels: npt.NDArray[np.int32]
    faces: Faces


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be clustered, and by what.

    Args:
        collection: The collection.
        snapshot: Its faces.
        policy: The settings.
        base: What the current people are made of; None where there are none.
        from_scratch: Whether a clustering of all faces anew is wanted.
        matches: The matches against a gallery.
        effective: What users decided.
    """

    collection: Collection
    snapshot: Snapshot
    policy: ClusteringPolicy
    base: Base | None
    from_scratch: bool
    matches: Generation[MatchesManifest] | None
    effective: EffectiveDecisions

    @classmethod
    def of(
        cls,
        collection: Collection,
        snapshot: Snapshot,
        request: ClusteringRequest,
        base: Base | None,
    ) -> Task:
        """Returns the task, with settings, matches and decisions read from the collection."""
        policy = resolve_policy(collection, snapshot, request, base)
        matches = current_matches(collection, snapshot)
        effective = effective_decisions(collection, snapshot)
        return cls(collection, snapshot, policy, base, request.from_scratch, matches, effective)

    def manifest(self) -> ClustersManifest:
        """Returns what the manifest says of it, before there is a result."""
        return replace(
            self.policy.manifest(),
            faces_hash=self.snapshot.faces_hash,
            space=self.collection.space,
            matches=self.matches.name if self.matches else None,
            decisions=self.effective.newest,
            decisions_hash=hash_of_names(one.decision for one in self.effective.decisions),
        )

    def done(self) -> Generation[ClustersManifest] | None:
        """Returns the current generation, if it is this task's result."""
        current = self.collection.current("clusters")
        if current is None:
            return None
        if self.base is not None:
            # Made from other people than those there are now, by a run that another overtook.
            lineage = [current.name, *current.manifest.parents]
            if self.base.clusters.name not in lineage:
                return None
        if not current.manifest.is_of(self.collection.space):
            return None
        begun = current.manifest.tree == current.name or current.manifest.hdbscan is not None
        same = current.manifest.inputs == self.manifest().inputs
        return current if same and (begun or not self.from_scratch) else None

    @property
    def reason(self) -> str:
        """Why there is a new clustering, as events have it."""
        if self.base is None:
            return "first clustering"
        before, now = self.base.clusters.manifest, self.manifest()
        if not before.is_of(self.collection.space):
            return "another embedder"
        if self.from_scratch:
            return "from scratch"
        if not before.is_extendable or before.policy != now.policy:
            return "other settings"
        if before.faces_hash != now.faces_hash:
            return "new photos"
        return "decision" if before.decisions_hash != now.decisions_hash else "gallery"

    def kept_tree(self) -> KeptTree | None:
        """Returns the tree of the current people, if cutting it elsewhere is all that is asked."""
        if self.base is None or self.from_scratch:
            return None
        before, wanted = self.base.clusters.manifest, self.policy.manifest()
        other = {**wanted.config, "tau": before.tau}
        if (before.config, before.gate) != (other, wanted.gate):
            return None
        if before.algorithm != wanted.algorithm:
            return None
        kept = read_tree(self.collection, self.base.clusters)
        return kept if kept and kept.tree.settings.tau >= self.policy.settings.tau else None

    def faces(self, base: Generation[ClustersManifest] | None = None) -> Faces:
        """Returns the faces; the gates of those in a base needn't be measured again."""
        grouping = self.policy.grouping
        followed = self.base.clusters.manifest.decisions if self.base else None
        faces = read_faces(
            self.collection, self.snapshot, grouping, self.matches, self.effective, followed
        )
        gates = gates_of(self.collection, self.snapshot, faces.table, grouping, base)
        return replace(faces, gates=gates)


def cluster(task: Task, find: Finder = find_here) -> Clustered:
    """Clusters a snapshot's faces: all of them, or new ones where there are people already.

    Args:
        task: What is to be clustered.
        find: Finds neighbours, where all faces are clustered.
    """
    name = generation_name(task.collection.current("clusters"))
    seed = int(task.snapshot.faces_hash[:8], 16)
    base, grown, tree, package = task.base, None, None, None
    if base is not None and task.reason in _GOING_ON:
        tree = base.clusters.manifest.tree
        faces = task.faces(base.clusters)
        found = extend(faces, task.policy.settings, seed, base.clustering)
        found = replace(
            found, broken=found.broken + (base.clusters.manifest.broke_photo_constraint or 0)
        )
    elif task.policy.grouping.algorithm == "hdbscan":
        faces, package = task.faces(), metadata.version("hdbscan")
        found = group_exactly(faces, task.policy.settings, seed)
    else:
        faces = task.faces()
        found, used = group(faces, task.policy.settings, seed, task.kept_tree(), find)
        grown, tree = (used, name) if used.generation is None else (None, used.generation)
    parents = [
        base.clusters.name if base else None,
        task.matches.name if task.matches else None,
        tree,
    ]
    generation = Generation(
        name,
        replace(
            task.manifest(),
            parents=tuple(made for made in dict.fromkeys(parents) if made and made != name),
            tree=tree,
            graph=grown.graph if grown else None,
            hdbscan=package,
            **_figures(found, faces, task.policy),
        ),
    )
    if grown is not None:
        write_tree(task.collection, generation, grown)
    _write(task.collection, generation, faces, found)
    made = task.collection.finish(generation)
    return Clustered(task, made, False, found.labels, faces)


def clustered(task: Task, generation: Generation[ClustersManifest]) -> Clustered:
    """Returns the task's result that is there already, read again."""
    _, labels = read_clusters(task.collection, generation)
    return Clustered(task, generation, True, labels, task.faces(generation))


_GOING_ON = ("new photos", "gallery", "decision")
"""Reasons for a clustering that goes on with what is there."""


def _figures(found: Grouping, faces: Faces, policy: ClusteringPolicy) -> dict[str, Any]:
    labels = found.labels
    sizes = np.bincount(labels[labels >= 0])
    return {
        "faces": len(labels),
        "clusters": len(sizes),
        "unclustered": int((labels < 0).sum()),
        "below_gate": int((faces.gates == GATES.index("none")).sum()),
        "largest": int(sizes.max(initial=0)),
        "joined_by_vote": found.attached,
        "broke_photo_constraint": found.broken,
        "from_scratch_advised": len(labels) >= SCRATCH_ADVICE_GROWTH * max(1, policy.chosen_at),
    }


def _write(
    collection: Collection,
    generation: Generation[ClustersManifest],
    faces: Faces,
    found: Grouping,
) -> None:
    labels = found.labels
    columns = {
        "face_id": faces.table["face_id"],
        "cluster": pa.array(labels, pa.int32(), mask=labels < 0),
        "gate": pa.array([GATE_WORDS[gate] for gate in faces.gates.tolist()], pa.string()),
    }
    write_table(collection, generation, "clusters", pa.table(columns))
