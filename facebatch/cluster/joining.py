"""New faces among people who are known: they join somebody, found somebody or stay unclustered.

The people stay as they are, so that adding photos changes nobody else. New faces are grouped among
themselves first: a person's new photos speak for each other, and one that stands between two
people can't draw the others along. Then each face votes among its neighbours who belong to
somebody, and a group goes where most of its faces do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from facebatch.cluster import cluster_faces
from facebatch.cluster.constraints import join_named
from facebatch.cluster.photos import part_photos
from facebatch.cluster.settings import ClusterSettings
from facebatch.neighbors import Neighbors, choose, find_neighbors
from facebatch.workers.machine import usable_cores, usable_memory

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Rules:
    """What may not be together, over n faces.

    Args:
        conflict: (n,) int32, as `facebatch.cluster.photos.conflicts` gives it.
        forbidden: (p, 2) int64, pairs of a face and a cluster that it may not be in.
        named: (n,) int32, the number of each face's name, -1 for none: faces of two names are two
            people.
    """

    conflict: Labels
    forbidden: npt.NDArray[np.int64]
    named: Labels

    @classmethod
    def none(cls, n: int) -> Rules:
        """Returns rules that forbid nothing to n faces."""
        nothing = np.full(n, -1, np.int32)
        return cls(nothing, np.zeros((0, 2), np.int64), nothing)

    def bar(
        self,
        labels: Labels,
        face: npt.NDArray[np.int64],
        cluster: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.bool_]:
        """Says which faces (v,) may not be in a cluster (v,), pictures left aside."""
        width = max(int(labels.max(initial=-1)), int(cluster.max(initial=-1))) + 1
        pairs = self.forbidden[:, 0] * width + self.forbidden[:, 1]
        name_of = np.full(width, -1, np.int64)
        known = (labels >= 0) & (self.named >= 0)
        name_of[labels[known]] = self.named[known]
        name, other = self.named[face], name_of[cluster]
        barred: npt.NDArray[np.bool_] = np.isin(face * width + cluster, pairs)
        barred |= (name >= 0) & (other >= 0) & (name != other)
        return barred


@dataclass(frozen=True, eq=False)
class Votes:
    """For which clusters some faces vote, and how hard.

    Args:
        face: (v,) int64, rows of the faces.
        cluster: (v,) int64, the clusters.
        pull: (v,) float64, the sum of tau - d2 over the face's neighbours in the cluster.
    """

    face: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    pull: npt.NDArray[np.float64]


def attach(
    labels: Labels,
    rows: npt.NDArray[np.int64],
    nearest: Neighbors,
    tau: float,
    rules: Rules,
) -> Labels:
    """Lets faces on their own join the clusters of their neighbours, by vote.

    Only neighbours that are in a cluster now count, not those that join one here: so clusters gain
    faces and are never drawn together. Where two faces of one picture want the same cluster, the
    one that is pulled harder gets it, and the other its next choice.

    Args:
        labels: (n,) int32, the cluster of each face; -1 is a face on its own.
        rows: (m,) int64, the faces asked, all on their own.
        nearest: Their neighbours among all n faces, in the order of ``rows``.
        tau: Longest link that counts, as d2.
        rules: What may not be together.

    Returns:
        (n,) int32 labels.
    """
    votes = _votes(labels, rows, nearest, tau, rules)
    result = labels.copy()
    while True:
        open_votes = _allowed(votes, result, rules)
        chosen = _hardest(open_votes)
        if not len(chosen.face):
            return result
        won = _first_of_each_picture(chosen, rules)
        result[chosen.face[won]] = chosen.cluster[won]


def _votes(
    labels: Labels,
    rows: npt.NDArray[np.int64],
    nearest: Neighbors,
    tau: float,
    rules: Rules,
) -> Votes:
    near = nearest.distances < tau
    face = nearest.askers[near]
    cluster = labels[nearest.indices[near]].astype(np.int64)
    pull = tau - nearest.distances[near].astype(np.float64)
    counted = cluster >= 0
    width = int(labels.max(initial=0)) + 1
    keys, which = np.unique(face[counted] * width + cluster[counted], return_inverse=True)
    pulls = np.bincount(which, weights=pull[counted], minlength=len(keys)).astype(np.float64)
    faces, clusters = rows[keys // width], keys % width
    allowed = ~rules.bar(labels, faces, clusters)
    return Votes(faces[allowed], clusters[allowed], pulls[allowed])


def _allowed(votes: Votes, labels: Labels, rules: Rules) -> Votes:
    """Returns the votes of faces on their own for clusters without a face of their picture."""
    width = int(labels.max(initial=0)) + 1
    held = (labels >= 0) & (rules.conflict >= 0)
    taken = rules.conflict[held].astype(np.int64) * width + labels[held]
    picture = rules.conflict[votes.face].astype(np.int64)
    clash = (picture >= 0) & np.isin(picture * width + votes.cluster, taken)
    kept = (labels[votes.face] < 0) & ~clash
    return Votes(votes.face[kept], votes.cluster[kept], votes.pull[kept])


def _hardest(votes: Votes) -> Votes:
    """Returns each face's vote of the greatest pull; of equal ones that for the smaller cluster."""
    order = np.lexsort((votes.cluster, -votes.pull, votes.face))
    order = order[np.diff(votes.face[order], prepend=-1) != 0]
    return Votes(votes.face[order], votes.cluster[order], votes.pull[order])


def _first_of_each_picture(votes: Votes, rules: Rules) -> npt.NDArray[np.int64]:
    """Returns the places of votes, the hardest one for each pair of picture and cluster."""
    picture = rules.conflict[votes.face].astype(np.int64)
    order = np.lexsort((votes.face, -votes.pull, votes.cluster, picture))
    picture, cluster = picture[order], votes.cluster[order]
    again = (picture[1:] >= 0) & (picture[1:] == picture[:-1]) & (cluster[1:] == cluster[:-1])
    places: npt.NDArray[np.int64] = order[np.concatenate([[True], ~again])[: len(order)]]
    return places


def join(
    embeddings: npt.NDArray[np.float32],
    labels: Labels,
    rows: npt.NDArray[np.int64],
    nearest: Neighbors,
    settings: ClusterSettings,
    seed: int,
    rules: Rules,
) -> Labels:
    """Brings new faces to the people who are known, and groups the rest.

    1. The new faces are clustered among themselves.
    2. Each votes among its neighbours that belong to somebody; the weight of a neighbour at d2 is
       tau - d2. Of a group, all go where more than half of them vote for, if the mean d2 between
       the two is no wider than a cluster may be (the guard).
    3. Of other groups, those faces leave that are pulled harder by somebody than by their group.
    4. What is left of a group, two faces or more, is a person. Faces in no group now are asked
       once more, those that joined somebody being their neighbours too.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        labels: (n,) int32, the people; -1 for faces on their own, those in ``rows`` among them.
        rows: (m,) int64, the new faces.
        nearest: Their neighbours among all n faces, in the order of ``rows``.
        settings: The distances and sizes that decide.
        seed: Seed of the vote's order.
        rules: What may not be together.

    Returns:
        (n,) int32: the labels of faces in a cluster are those that were given; new clusters
        follow.
    """
    new = embeddings[rows]
    plan = choose(len(rows), new.shape[1], usable_memory())
    found = find_neighbors(new, settings.neighbors, settings.tau, plan, seed, usable_cores())
    groups = cluster_faces(new, found, settings, seed)
    groups = join_named(groups, rules.named[rows], new)
    groups, _ = part_photos(groups, rules.conflict[rows], new)
    votes = _allowed(_votes(labels, rows, nearest, settings.tau, rules), labels, rules)
    inner = _inner_pull(groups, found, settings.tau)
    target = _targets(embeddings, labels, rows, groups, votes, inner, settings)
    result = _seated(labels, rows, target, rules, _pull_of(votes, len(labels)))
    result = _found(result, rows, groups)
    return _ask_again(result, rows, found, settings.tau, rules)


def _inner_pull(groups: Labels, among: Neighbors, tau: float) -> npt.NDArray[np.float64]:
    """Returns how hard each face (m,) is pulled by its own group."""
    face = among.askers
    mine = (groups[among.indices] == groups[face]) & (groups[face] >= 0) & (among.distances < tau)
    pull = tau - among.distances[mine].astype(np.float64)
    total: npt.NDArray[np.float64] = np.bincount(face[mine], pull, len(groups)).astype(np.float64)
    return total


def _pull_of(votes: Votes, n: int) -> npt.NDArray[np.float64]:
    """Returns each face's greatest pull (n,), 0 where it has no vote."""
    pull = np.zeros(n)
    np.maximum.at(pull, votes.face, votes.pull)
    return pull


def _targets(
    embeddings: npt.NDArray[np.float32],
    labels: Labels,
    rows: npt.NDArray[np.int64],
    groups: Labels,
    votes: Votes,
    inner: npt.NDArray[np.float64],
    settings: ClusterSettings,
) -> npt.NDArray[np.int64]:
    """Returns the cluster (m,) that each new face goes to; -1 where it joins nobody."""
    best = _hardest(votes)
    place = np.searchsorted(rows, best.face)
    choice = np.full(len(rows), -1, np.int64)
    choice[place] = best.cluster
    outer = np.zeros(len(rows))
    outer[place] = best.pull
    target = np.where((choice >= 0) & (outer > inner), choice, -1)
    widest = settings.guard_factor * settings.tau
    by_group = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[by_group], np.arange(groups.max(initial=-1) + 2))
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        members = by_group[start:end]
        clusters, counts = np.unique(choice[members], return_counts=True)
        favourite = int(counts.argmax())
        if clusters[favourite] < 0 or 2 * counts[favourite] <= len(members):
            continue
        theirs = embeddings[labels == clusters[favourite]].mean(axis=0, dtype=np.float64)
        ours = embeddings[rows[members]].mean(axis=0, dtype=np.float64)
        if 2 - 2 * float(ours @ theirs) <= widest:
            target[members] = clusters[favourite]
    return target


def _seated(
    labels: Labels,
    rows: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    rules: Rules,
    pull: npt.NDArray[np.float64],
) -> Labels:
    """Puts faces where they go, but for those that may not be there."""
    going = np.flatnonzero(target >= 0)
    going = going[~rules.bar(labels, rows[going], target[going])]
    wish = _allowed(Votes(rows[going], target[going], pull[rows[going]]), labels, rules)
    won = _first_of_each_picture(wish, rules)
    result = labels.copy()
    result[wish.face[won]] = wish.cluster[won]
    return result


def _found(labels: Labels, rows: npt.NDArray[np.int64], groups: Labels) -> Labels:
    """Makes people of what is left of the groups."""
    left = (groups >= 0) & (labels[rows] < 0)
    numbers, which, sizes = np.unique(groups[left], return_inverse=True, return_counts=True)
    several = sizes > 1
    following = int(labels.max(initial=-1)) + 1
    new = np.where(several, following + np.cumsum(several) - 1, -1).astype(np.int32)
    result = labels.copy()
    result[rows[left]] = new[which] if len(numbers) else -1
    return result


def _ask_again(
    labels: Labels, rows: npt.NDArray[np.int64], among: Neighbors, tau: float, rules: Rules
) -> Labels:
    """Lets new faces in no group join what the other new faces became, until nobody does."""
    result = labels
    while True:
        noise = np.flatnonzero(result[rows] < 0)
        near = among.take(noise)
        nearest = replace(near, indices=rows[near.indices].astype(np.int32))
        asked = attach(result, rows[noise], nearest, tau, rules)
        if (asked == result).all():
            return result
        result = asked
