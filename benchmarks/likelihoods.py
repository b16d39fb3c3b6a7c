"""How likely two groups of faces are one person: fitted on some people, shown on others.

    python benchmarks/likelihoods.py EMBEDDER [--archive COLLECTION]... [--embeddings FILE]...
        [--held-out COLLECTION]... [--start EMBEDDER]

An archive is a collection of photos that lie in one folder a person (`people_by_folder.py` says
which face is meant), or a file of embeddings, .npz with ``emb`` and ``label``. Half of each one's
people are fitted on; the other half, and the archives that are held out, give the table. People
with many faces are taken with fewer as well, so that archives of few and of many photos a person
are among them. Prints the coefficients for ``facebatch/people/likelihoods.json`` and, for pairs of
people and for faces with people, how many of those with a probability were one person.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from people_by_folder import central_faces

from facebatch import tables
from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.tau import choose_tau
from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.neighbors import exact_neighbors
from facebatch.people.suggestions import (
    CANDIDATES,
    crowd,
    features,
    groups_of,
    likelihoods,
    probability,
)
from facebatch.stages.centroids import Centroids

CAPS = (None, 5, 10, 30, 100)
BOUNDS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Candidates of one archive.

    Args:
        name: The archive.
        known: (m, f) their features.
        same: (m,) whether they are one person.
        faces: (m,) whether one of the two is a face on its own.
    """

    name: str
    known: npt.NDArray[np.float64]
    same: npt.NDArray[np.bool_]
    faces: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Archive:
    """Faces whose people are known: embeddings (n, d), people (n,), and the space's unit."""

    name: str
    embeddings: npt.NDArray[np.float32]
    people: npt.NDArray[np.int64]
    unit: float

    def half(self, which: int) -> Archive:
        """Returns the faces of half of the people, the same half each time."""
        mine = np.random.default_rng(0).permutation(int(self.people.max()) + 1) % 2 == which
        rows = np.flatnonzero(mine[self.people])
        return Archive(self.name, self.embeddings[rows], self.people[rows], self.unit)

    def capped(self) -> Iterator[Archive]:
        """Yields the archive, and those of its people with fewer faces each."""
        generator = np.random.default_rng(1)
        largest = np.bincount(self.people).max()
        for cap in CAPS:
            if cap is None or cap < largest:
                shuffled = generator.permutation(len(self.people))
                order = shuffled[np.argsort(self.people[shuffled], kind="stable")]
                starts = np.searchsorted(self.people[order], self.people[order])
                kept = order[np.arange(len(order)) - starts < (cap or largest)]
                name = self.name if cap is None else f"{self.name}, {cap} each"
                yield Archive(name, self.embeddings[kept], self.people[kept], self.unit)

    def pairs(self) -> Pairs:
        """Returns the candidates when the faces are clustered."""
        near = exact_neighbors(self.embeddings, min(64, len(self.embeddings) - 1))
        labels = cluster_faces(self.embeddings, near, ClusterSettings(tau=self.unit), 0)
        groups = groups_of(self.embeddings, labels, int(labels.max(initial=-1)) + 1)
        majority = np.array(
            [np.bincount(self.people[labels == one]).argmax() for one in range(len(groups.sizes))]
        )
        per_group = groups.faces_per_group
        near_groups, crowds = Centroids(groups).around(np.arange(len(groups.sizes)))
        first = np.repeat(np.arange(len(near_groups)), near_groups.shape[1])
        both = np.stack([first, near_groups.reshape(-1)], axis=1)
        both = np.unique(np.sort(both[both[:, 1] >= 0], axis=1), axis=0)
        known = features(groups.d2(*both.T), groups.sizes[both], crowds[both], self.unit, per_group)
        loose = np.flatnonzero(labels < 0)
        d2, who = Centroids(groups).near(self.embeddings[loose], CANDIDATES)
        face = np.repeat(np.arange(len(loose)), who.shape[1])
        sizes = np.stack([np.ones(len(face), np.int64), groups.sizes[who.reshape(-1)]], axis=1)
        around = np.stack([crowd(d2)[face], crowds[who.reshape(-1)]], axis=1)
        of_faces = features(d2.reshape(-1), sizes, around, self.unit, per_group)
        same = majority[both[:, 0]] == majority[both[:, 1]]
        theirs = self.people[loose][face] == majority[who.reshape(-1)]
        kinds = np.repeat([False, True], [len(both), len(face)])
        return Pairs(
            self.name, np.concatenate([known, of_faces]), np.concatenate([same, theirs]), kinds
        )


def unit_of(embedder: str, tta: str) -> float:
    """Returns the longest link of a small archive of a space."""
    return choose_tau(1, ExtractSettings(embedder=embedder, tta=tta).thresholds().links)


def from_collection(url: str) -> Archive:
    """Returns the faces of a collection of one folder a person."""
    collection = Collection.open(url)
    rows, folders = central_faces(collection)
    embeddings = tables.matrix(collection.snapshot().faces(["embedding"])["embedding"])[rows]
    people = np.unique(folders, return_inverse=True)[1]
    settings = collection.settings
    return Archive(Path(url).name, embeddings, people, unit_of(settings.embedder, settings.tta))


def from_file(path: str, embedder: str) -> Archive:
    """Returns the faces of a file of embeddings, made without averaging."""
    data = np.load(path)
    embeddings = data["emb"].astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    people = np.unique(data["label"], return_inverse=True)[1]
    return Archive(Path(path).stem, embeddings, people, unit_of(embedder, "none"))


def fit(parts: Sequence[Pairs], start: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Fits a logistic regression, ridge towards the start, large archives by their root."""
    known = np.concatenate([part.known for part in parts])
    same = np.concatenate([part.same for part in parts])
    weights = np.concatenate([np.full(len(part.same), len(part.same) ** -0.5) for part in parts])
    weights *= len(weights) / weights.sum()
    found = start.copy()
    for _ in range(100):
        likely = probability(np.clip(known @ found, -30, 30))
        slope = known.T @ (weights * (likely - same)) + (found - start)
        curve = (known * (weights * likely * (1 - likely))[:, None]).T @ known
        found -= np.linalg.solve(curve + np.eye(len(found)), slope)
    return found


def reliability(part: Pairs, coefficients: npt.NDArray[np.float64]) -> None:
    """Prints how many of the pairs of each probability are one person."""
    likely = probability(part.known @ coefficients)
    for what, mine in (("people", ~part.faces), ("faces", part.faces)):
        for low, high in itertools.pairwise(BOUNDS):
            some = mine & (likely >= low) & (likely < high)
            if some.any():
                print(
                    f"| {part.name} | {what} | {low:.2f}-{high:.2f} | {some.sum():,} | "
                    f"{likely[some].mean():.3f} | {part.same[some].mean():.3f} |"
                )


def main() -> None:
    """Prints coefficients and table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("embedder")
    for name in ("--archive", "--embeddings", "--held-out"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--start", help="embedder whose coefficients are the start")
    arguments = parser.parse_args()
    archives = [from_collection(url) for url in arguments.archive]
    archives += [from_file(path, arguments.embedder) for path in arguments.embeddings]
    fitted = [one.pairs() for archive in archives for one in archive.half(0).capped()]
    width = fitted[0].known.shape[1]
    start = np.array(likelihoods()[arguments.start].coefficients) if arguments.start else None
    found = fit(fitted, np.zeros(width) if start is None else start)
    print(json.dumps([round(value, 4) for value in found.tolist()]))
    print(
        "| archive | pairs | probability | number | mean | one person |\n|---|---|---|---|---|---|"
    )
    shown = [one for archive in archives for one in archive.half(1).capped()]
    shown += [from_collection(url) for url in arguments.held_out]
    for one in shown:
        reliability(one.pairs(), found)


if __name__ == "__main__":
    main()
