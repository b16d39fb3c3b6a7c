"""How a snapshot's faces become groups: all of them by a tree, or new ones among those there are.

What follows is the same either way: names and decisions win, then pictures part what can't be one
person, and what was put out or isn't good enough to found a person may join one by vote.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from facebatch import ids
from facebatch.cluster import ClusterSettings
from facebatch.cluster.constraints import by_first_face, join_named
from facebatch.cluster.photos import join_tracks, part_pairs, part_photos, part_tracks
from facebatch.people import Clustering
from facebatch.stages.faces import Faces, Labels, Rows
from facebatch.stages.trees import Finder, KeptTree, cut_tree, find_here, grow_tree
from facebatch.workers.machine import usable_cores, usable_memory

if TYPE_CHECKING:
    from facebatch.neighbors import Neighbors

_SEED = 0
"""Of the cells that neighbours of many faces are looked for in."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """What came of it.

    Args:
        labels: (n,) int32, the cluster of each face, numbered by their first faces; -1 for a face
            on its own. Of one face alone are only clusters that a decision or a gallery made.
        broken: Clusters that held several faces of one picture before these were parted.
        attached: Faces that joined by vote without being good enough to found a person.
    """

    labels: Labels
    broken: int
    attached: int


def group(
    faces: Faces,
    settings: ClusterSettings,
    seed: int,
    kept: KeptTree | None = None,
    find: Finder = find_here,
) -> tuple[Grouping, KeptTree]:
    """Groups all faces.

    Args:
        faces: The faces.
        settings: The distances and sizes that decide.
        seed: Seed of the vote's order.
        kept: A tree to cut, of these faces or most of them; by default it is grown. Faces that
            aren't in it are brought to the people as new ones are.
        find: Finds neighbours, for a tree that is grown.

    Raises:
        UsageError: The tree was grown for a smaller tau.
    """
    tree = kept or grow_tree(faces, settings, seed, find)
    cut = cut_tree(faces, tree, settings, seed)
    # What the tree left on its own is near to nobody.
    active = np.flatnonzero(faces.attachable & ~(cut.covered & faces.seeds))
    neighborhood = _Neighborhood(faces, settings)
    found = _completed(faces, cut.labels, active, neighborhood, settings, seed)
    return replace(found, broken=cut.broken + found.broken), tree


def group_exactly(faces: Faces, settings: ClusterSettings, seed: int) -> Grouping:
    """Groups all faces by the package hdbscan in the place of a tree and its cut.

    Args:
        faces: The faces.
        settings: The sizes that decide; tau is for what is brought to the clusters afterwards:
            faces that may only join, and those that a photo or a decision put out.
        seed: Seed of the vote's order.

    Raises:
        UsageError: There are more faces than hdbscan takes.
    """
    from facebatch.cluster.exact import exact_labels

    rows = np.flatnonzero(faces.seeds)
    labels = np.full(len(faces), -1, np.int32)
    labels[rows] = exact_labels(
        faces.embeddings[rows], settings.min_cluster_size, settings.min_samples
    )
    # What HDBSCAN calls noise stays noise, until a new face comes near it (`extend`).
    active = np.flatnonzero(faces.attachable & ~faces.seeds)
    neighborhood = _Neighborhood(faces, settings)
    return _completed(faces, labels, active, neighborhood, settings, seed)


def extend(faces: Faces, settings: ClusterSettings, seed: int, base: Clustering) -> Grouping:
    """Brings new faces to the clusters that are there."""
    places = pc.index_in(faces.table["face_id"], ids.to_arrow(base.face_ids))
    known = places.is_valid().to_numpy(zero_copy_only=False)
    labels = np.full(len(faces), -1, np.int32)
    labels[known] = base.labels[places.drop_null().to_numpy()]
    labels[faces.no_face | faces.released] = -1
    new = np.flatnonzero(faces.attachable & ~known)
    neighborhood = _Neighborhood(faces, settings)
    active = new
    if len(new):
        near = neighborhood.of(new)
        reached = np.unique(near.indices[near.distances < settings.tau]).astype(np.int64)
        loose = reached[(labels[reached] < 0) & known[reached]]
        active = np.union1d(new, loose)
    return _completed(faces, labels, active, neighborhood, settings, seed)


def _completed(
    faces: Faces,
    labels: Labels,
    active: Rows,
    neighborhood: _Neighborhood,
    settings: ClusterSettings,
    seed: int,
) -> Grouping:
    """Applies what outranks the neighbours, then brings faces on their own to the people.

    Args:
        faces: The faces.
        labels: (n,) the clusters so far.
        active: (m,) faces that may join or found somebody, where they are on their own; so may
            those that are put out here.
        neighborhood: Their neighbours.
        settings: The distances and sizes that decide.
        seed: Seed of the vote's order.
    """
    settled, forbidden = _decided(faces, labels)
    # What a name brought together would come back, and be parted again in every run.
    held = faces.pinned | (faces.named >= 0)
    parted, broken = part_photos(settled, faces.conflict, faces.embeddings, held)
    # A face with a name that its picture put out would lend the name to whom it joined.
    put_out = np.flatnonzero((labels >= 0) & (parted < 0) & (faces.named < 0))
    active = np.union1d(active, put_out)
    active = active[(parted[active] < 0) & faces.attachable[active]]
    result, attached = parted, 0
    if len(active):
        rules = (faces.conflict, forbidden, faces.named)
        result, attached = _brought(faces, parted, active, neighborhood, settings, seed, rules)
    tracks = np.where(faces.no_face | faces.pinned, -1, faces.tracks)
    result = join_tracks(result, tracks)
    result = part_tracks(result, faces.conflict, tracks, faces.embeddings, held)
    result = part_pairs(result, faces.strangers, faces.embeddings, held)
    return Grouping(_numbered(faces, _decided(faces, result)[0]), broken, attached)


def _brought(
    faces: Faces,
    labels: Labels,
    active: Rows,
    neighborhood: _Neighborhood,
    settings: ClusterSettings,
    seed: int,
    barred: tuple[Labels, Rows, Labels],
) -> tuple[Labels, int]:
    """Brings faces to the people they are near to; returns how many joined by vote alone."""
    from facebatch.cluster.joining import Rules, attach, join

    rules = Rules(*barred)
    strong, weak = active[faces.seeds[active]], active[~faces.seeds[active]]
    near = neighborhood.of(strong)
    result = join(faces.embeddings.all, labels, strong, near, settings, seed, rules)
    before = (result >= 0).sum()
    result = attach(result, weak, neighborhood.of(weak), settings.tau, rules)
    return result, int((result >= 0).sum() - before)


def _decided(faces: Faces, labels: Labels) -> tuple[Labels, Rows]:
    """Returns labels that agree with names and decisions, and which clusters are barred to whom."""
    result = join_named(labels, faces.named, faces.embeddings)
    pinned = faces.pinned
    following = int(result.max(initial=-1)) + 1
    single = (faces.named >= 0) & (result < 0)
    result[single] = following + faces.named[single]
    cluster_of = dict(zip(faces.named[pinned].tolist(), result[pinned].tolist(), strict=True))
    forbidden = np.array(
        [(row, cluster_of[who]) for row, who in faces.forbidden.tolist()], np.int64
    ).reshape(-1, 2)
    wrong = result[forbidden[:, 0]] == forbidden[:, 1]
    result[forbidden[wrong & ~pinned[forbidden[:, 0]], 0]] = -1
    return result, forbidden


class _Neighborhood:
    """The neighbours of some faces among all that may be grouped; nobody is asked for twice."""

    def __init__(self, faces: Faces, settings: ClusterSettings) -> None:
        self._embeddings = faces.embeddings
        self._among = np.flatnonzero(faces.attachable)
        self._settings = settings
        self._rows = np.zeros(0, np.int64)
        self._found: Neighbors | None = None

    def of(self, rows: Rows) -> Neighbors:
        """Returns the neighbours within tau of faces (m,) that may be grouped, in their order.

        Indices are rows of all faces.
        """
        from facebatch.neighbors import gather

        missing = np.setdiff1d(rows, self._rows)
        if self._found is None:
            self._rows, self._found = missing, self._search(missing)
        elif len(missing):
            every = np.union1d(self._rows, missing)
            known = (np.searchsorted(every, self._rows), self._found)
            new = (np.searchsorted(every, missing), self._search(missing))
            self._rows, self._found = every, gather([known, new], len(every), self._found.k)
        return self._found.take(np.searchsorted(self._rows, rows))

    def _search(self, rows: Rows) -> Neighbors:
        from facebatch.neighbors import choose, neighbors_of_rows

        embeddings = self._embeddings.all if len(rows) else np.zeros((1, 1), np.float32)
        n, d = len(self._among), embeddings.shape[1]
        plan = choose(n, d, usable_memory(), len(rows))
        return neighbors_of_rows(
            embeddings,
            rows,
            self._settings.neighbors,
            self._settings.tau,
            plan,
            among=self._among,
            seed=_SEED,
            threads=usable_cores(),
        )


def _numbered(faces: Faces, labels: Labels) -> Labels:
    """Numbers clusters by their first faces; those of one face without a name are none."""
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    single = (labels >= 0) & (sizes[labels] == 1) & (faces.named < 0)
    return by_first_face(np.where(single, -1, labels))
