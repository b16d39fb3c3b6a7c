"""How likely two groups of faces are one person: fitted on some people, shown on others.

    python benchmarks/likelihoods.py EMBEDDER [--archive COLLECTION]... [--embeddings FILE]...
        [--held-out COLLECTION]... [--start EMBEDDER] [--quality]

An archive is a collection of photos that lie in one folder a person (`people_by_folder.py` says
which face is meant), or a file of embeddings, .npz with ``emb`` and ``label``. Half of each one's
people are fitted on; the other half, and the archives that are held out, give the table. People
with many faces are taken with fewer as well, so that archives of few and of many photos a person
are among them. Prints the coefficients for ``facebatch/people/likelihoods.json`` and, for pairs of
people, faces with people and faces with faces, how many of those with a probability were one
person. With ``--quality`` (collections alone) sizes and sharpness of the faces are terms as well,
and the log loss on what was not fitted on is printed with and without them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
    features,
    groups_of,
    likelihoods,
    probability,
)
from facebatch.stages.centroids import Centroids
from facebatch.stages.loose import Loose

CAPS = (None, 5, 10, 30, 100)
BOUNDS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Candidates of one archive.

    Args:
        name: The archive.
        known: (m, f) their features.
        same: (m,) whether they are one person.
        faces: (m,) how many of the two are faces on their own.
        quality: (m, 6) the worse and the better one's size and sharpness, and the worse one's
            times the distance.
    """

    name: str
    known: npt.NDArray[np.float64]
    same: npt.NDArray[np.bool_]
    faces: npt.NDArray[np.int64]
    quality: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Archive:
    """Faces whose people are known.

    Args:
        name: The archive.
        embeddings: (n, d) float32.
        people: (n,) the number of each one's person.
        side: (n,) 0 or 1, the half that the person is in, in every archive the same.
        unit: The space's longest link.
        quality: (n, 2) the logarithms of the faces' sizes and sharpness.
    """

    name: str
    embeddings: npt.NDArray[np.float32]
    people: npt.NDArray[np.int64]
    side: npt.NDArray[np.int64]
    unit: float
    quality: npt.NDArray[np.float64]

    def some(self, name: str, rows: npt.NDArray[np.int64]) -> Archive:
        """Returns the archive of some of the faces."""
        faces = self.embeddings[rows], self.people[rows], self.side[rows]
        return Archive(name, *faces, self.unit, self.quality[rows])

    def half(self, which: int) -> Archive:
        """Returns the faces of half of the people, the same half each time."""
        return self.some(self.name, np.flatnonzero(self.side == which))

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
                yield self.some(name, kept)

    def pairs(self) -> Pairs:
        """Returns the candidates when the faces are clustered."""
        near = exact_neighbors(self.embeddings, min(64, len(self.embeddings) - 1))
        labels = cluster_faces(self.embeddings, near, ClusterSettings(tau=self.unit), 0)
        groups = groups_of(self.embeddings, labels, int(labels.max(initial=-1)) + 1)
        majority = np.array(
            [np.bincount(self.people[labels == one]).argmax() for one in range(len(groups.sizes))]
        )
        per_group = groups.faces_per_group
        there, loose = np.arange(len(groups.sizes)), np.flatnonzero(labels < 0)
        near_groups, crowds = Centroids(groups).around(there)
        first = np.repeat(there, near_groups.shape[1])
        both = np.stack([first, near_groups.reshape(-1)], axis=1)
        both = np.unique(np.sort(both[both[:, 1] >= 0], axis=1), axis=0)
        found = Loose.of(self.embeddings, loose, Centroids(groups))
        d2, who = Centroids(groups).near(self.embeddings[loose], CANDIDATES)
        face = np.repeat(loose, who.shape[1])
        who = who.reshape(-1)
        around = found.crowds.astype(np.float64)
        sizes = np.ones((len(labels),), np.int64)
        vectors = self.embeddings.astype(np.float64)
        of_couples = 2 - 2 * np.einsum("md,md->m", *(vectors[side] for side in found.couples.T))
        quality = np.array([self.quality[labels == one].mean(axis=0) for one in there])
        quality = quality.reshape(-1, 2)
        kinds = (
            (groups.d2(*both.T), both.T, groups.sizes, crowds, majority, quality),
            (d2.reshape(-1), (face, who), sizes, around, self.people, self.quality),
            (of_couples, found.couples.T, sizes, around, self.people, self.quality),
        )
        others = (groups.sizes, crowds, majority, quality)
        parts = []
        for number, (distance, (one, other), *facts) in enumerate(kinds):
            against = facts if number != 1 else others
            mine, theirs = (
                [each[rows] for each in some] for rows, some in ((one, facts), (other, against))
            )
            both_sides = [np.stack(pair, axis=1) for pair in zip(mine, theirs, strict=True)]
            known = features(distance, both_sides[0], both_sides[1], self.unit, per_group)
            same = both_sides[2][:, 0] == both_sides[2][:, 1]
            worse, better = both_sides[3].min(axis=1), both_sides[3].max(axis=1)
            terms = np.concatenate([worse, better, worse * known[:, 1:2]], axis=1)
            parts.append((known, same, np.full(len(same), number), terms))
        columns = (np.concatenate(each) for each in zip(*parts, strict=True))
        return Pairs(self.name, *columns)


def unit_of(embedder: str, tta: str) -> float:
    """Returns the longest link of a small archive of a space."""
    return choose_tau(1, ExtractSettings(embedder=embedder, tta=tta).thresholds().links)


def sides_of(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the half, 0 or 1, that each person is in."""
    return np.array([zlib.crc32(name.encode()) & 1 for name in names], np.int64)


def from_collection(url: str) -> Archive:
    """Returns the faces of a collection of one folder a person."""
    collection = Collection.open(url)
    rows, folders = central_faces(collection)
    faces = collection.snapshot().faces(["embedding", "size", "sharpness"])
    embeddings = tables.matrix(faces["embedding"])[rows]
    measured = [faces[name].to_numpy()[rows] for name in ("size", "sharpness")]
    quality = np.log(np.maximum(np.stack(measured, axis=1).astype(np.float64), 1e-4))
    people = np.unique(folders, return_inverse=True)[1]
    settings = collection.settings
    unit = unit_of(settings.embedder, settings.tta)
    # A folder is called like its person.
    sides = sides_of([folder.rpartition("/")[2] for folder in folders])
    return Archive(Path(url).name, embeddings, people, sides, unit, quality)


def from_file(path: str, embedder: str) -> Archive:
    """Returns the faces of a file of embeddings, made without averaging."""
    data = np.load(path)
    embeddings = data["emb"].astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    people = np.unique(data["label"], return_inverse=True)[1]
    unknown = np.zeros((len(people), 2))
    sides = sides_of([str(label) for label in data["label"].tolist()])
    unit = unit_of(embedder, "none")
    return Archive(Path(path).stem, embeddings, people, sides, unit, unknown)


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
    for number, what in enumerate(("people", "face and person", "faces")):
        mine = part.faces == number
        for low, high in itertools.pairwise(BOUNDS):
            some = mine & (likely >= low) & (likely < high)
            if some.any():
                print(
                    f"| {part.name} | {what} | {low:.2f}-{high:.2f} | {some.sum():,} | "
                    f"{likely[some].mean():.3f} | {part.same[some].mean():.3f} |"
                )


def with_quality(fitted: Sequence[Pairs], shown: Sequence[Pairs]) -> None:
    """Prints the log loss on some pairs of fits to others, with and without terms of quality."""
    wide = [replace(one, known=np.concatenate([one.known, one.quality], axis=1)) for one in fitted]
    plain, more = (fit(parts, np.zeros(parts[0].known.shape[1])) for parts in (fitted, wide))
    print("| archive | pairs | log loss without quality | with |\n|---|---|---|---|")
    for one in shown:
        losses = []
        for known in (one.known @ plain, np.concatenate([one.known, one.quality], axis=1) @ more):
            likely = np.clip(probability(known), 1e-6, 1 - 1e-6)
            losses.append(-np.log(np.where(one.same, likely, 1 - likely)).mean())
        print(f"| {one.name} | {len(one.same):,} | {losses[0]:.4f} | {losses[1]:.4f} |")


def main() -> None:
    """Prints coefficients and table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("embedder")
    for name in ("--archive", "--embeddings", "--held-out"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--start", help="embedder whose coefficients are the start")
    parser.add_argument("--quality", action="store_true")
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
    others = [one for archive in archives for one in archive.half(1).capped()]
    others += [from_collection(url) for url in arguments.held_out]
    shown = [one.pairs() for one in others]
    for one in shown:
        reliability(one, found)
    if arguments.quality:
        with_quality(fitted, shown)


if __name__ == "__main__":
    main()
