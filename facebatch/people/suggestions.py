"""Which people are likely one, and whose a face on its own likely is: arrays in, arrays out.

A group is a person's faces, described by their mean. What is known of a pair of groups, the
distance of their means, how many faces each has, and how crowded it is around them, becomes a
probability by a logistic regression that was measured (``likelihoods.json``). Whom to ask about
first follows from it: a yes brings together as many pairs of faces as the product of both sizes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

CANDIDATES = 10
"""Nearest people of each that are looked at."""

_CROWD = slice(2, 8)
"""Neighbours whose mean d2 says how crowded it is: beyond those who may be the same person."""

_PRIOR_SHIFT = 1.0
"""Standard deviation, in logits, of how far a collection's answers are expected to lie from what
was measured elsewhere: of the intercepts of the archives that the likelihoods were fitted on."""

_MOST_PER_GROUP = 20.0
"""Faces for each group from which on more say no more: of the archives that the likelihoods were
fitted and looked at on none has more than 17, and far beyond, nearness would count against two
faces."""

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Likelihood:
    """How likely two groups are one person.

    Args:
        coefficients: Of `features`, in their order.
        source: What it was fitted on.
    """

    coefficients: tuple[float, ...]
    source: str

    def logits(self, found: Floats) -> Floats:
        """Returns the log odds (m,) of pairs by their `features` (m, f)."""
        return np.asarray(found @ np.array(self.coefficients))

    def shifted(self, by: float) -> Likelihood:
        """Returns the same with other log odds for all pairs."""
        first, *others = self.coefficients
        return replace(self, coefficients=(first + by, *others))


def probability(logits: Floats) -> Floats:
    """Returns probabilities (m,) of log odds."""
    return 1 / (1 + np.exp(-logits))


@cache
def likelihoods() -> Mapping[str, Likelihood]:
    """Returns what is shipped, by embedder."""
    text = resources.files("facebatch.people").joinpath("likelihoods.json").read_text("utf-8")
    return {
        embedder: Likelihood(tuple(each["coefficients"]), each["source"])
        for embedder, each in json.loads(text).items()
    }


def likelihood_of(embedder: str) -> Likelihood:
    """Returns the likelihood of an embedder; for one that wasn't measured dlib-resnet's.

    Distances are in units of the space's longest link, which makes spaces comparable.
    """
    return likelihoods().get(embedder) or likelihoods()["dlib-resnet"]


def recalibrated(likelihood: Likelihood, logits: Floats, same: npt.NDArray[np.bool_]) -> Likelihood:
    """Returns a likelihood that takes a collection's own answers into account.

    The intercept moves to where it is most probable, given the answers and `_PRIOR_SHIFT`.

    Args:
        likelihood: As it was measured.
        logits: (m,) what it said of the pairs that were answered.
        same: (m,) the answers.
    """
    shift = 0.0
    for _ in range(20):  # Newton's method; the posterior of one parameter is concave
        expected = probability(logits + shift)
        slope = float((same - expected).sum()) - shift / _PRIOR_SHIFT**2
        shift += slope / (float((expected * (1 - expected)).sum()) + 1 / _PRIOR_SHIFT**2)
    return likelihood.shifted(shift)


@dataclass(frozen=True, eq=False)
class Groups:
    """The people of a collection, by the sums of their faces.

    Args:
        sums: (g, d) float32, the sum of each one's embeddings; zero where there is none.
        sizes: (g,) int64, how many they are; 0 where there is nobody.
        loose: How many faces are nobody's.
    """

    sums: npt.NDArray[np.float32]
    sizes: Rows
    loose: int

    @cached_property
    def centroids(self) -> npt.NDArray[np.float32]:
        """The means, scaled to length 1, (g, d)."""
        lengths = np.linalg.norm(self.sums, axis=1, keepdims=True)
        return np.asarray(self.sums / np.maximum(lengths, 1e-12), np.float32)

    @property
    def faces_per_group(self) -> float:
        """Faces for each group, those of one face included."""
        groups = int((self.sizes > 0).sum()) + self.loose
        return (int(self.sizes.sum()) + self.loose) / max(1, groups)

    def d2(self, first: Rows, second: Rows) -> Floats:
        """Returns the d2 (m,) between the centroids of pairs."""
        return d2_between((self.centroids, first), (self.centroids, second))


Some = tuple[npt.NDArray[np.floating], Rows]


def d2_between(first: Some, second: Some) -> Floats:
    """Returns the d2 (m,) of pairs of vectors.

    Args:
        first: Vectors (n, d) of length 1, any floats, and rows (m,) of them.
        second: The other of each pair.
    """
    dots = np.zeros(len(first[1]))
    for start in range(0, len(dots), _ROWS_AT_ONCE):
        sides = (
            np.asarray(vectors[rows[start : start + _ROWS_AT_ONCE]], np.float32)
            for vectors, rows in (first, second)
        )
        dots[start : start + _ROWS_AT_ONCE] = np.einsum("md,md->m", *sides)
    return np.asarray(np.maximum(0.0, 2 - 2 * dots))


def groups_of(
    embeddings: npt.NDArray[np.floating], labels: npt.NDArray[np.int32], count: int
) -> Groups:
    """Returns the groups of a clustering.

    Args:
        embeddings: (n, d) of length 1, any floats; it may be mapped from a file.
        labels: (n,) int32, the group of each face; -1 for a face on its own.
        count: Number of groups.
    """
    # Loaded for it, which stages that find nothing new do without.
    from scipy.sparse import csr_array

    sums = np.zeros((count, embeddings.shape[1]), np.float32)
    for start in range(0, len(labels), _ROWS_AT_ONCE):
        some = labels[start : start + _ROWS_AT_ONCE]
        owned = np.flatnonzero(some >= 0)
        ones = np.ones(len(owned), np.float32)
        belongs = csr_array((ones, (some[owned], owned)), shape=(count, len(some)))
        sums += belongs @ np.asarray(embeddings[start : start + _ROWS_AT_ONCE], np.float32)
    sizes = np.bincount(labels[labels >= 0], minlength=count).astype(np.int64)
    return Groups(sums, sizes, int((labels < 0).sum()))


def crowd(distances: npt.NDArray[np.floating]) -> Floats:
    """Returns the mean d2 (m,) of the neighbours beyond the nearest ones.

    Args:
        distances: (m, k) d2 of each one's nearest people, ascending; k of 0 gives 4, the most.
    """
    if not distances.shape[1]:
        return np.full(len(distances), 4.0)
    beyond = distances[:, _CROWD] if distances.shape[1] > _CROWD.start else distances[:, -1:]
    return np.asarray(beyond.mean(axis=1, dtype=np.float64))


def features(
    d2: Floats, sizes: npt.NDArray[np.integer], crowds: Floats, unit: float, faces_per_group: float
) -> Floats:
    """Returns what is known of pairs, (m, 10) float64, the first column being ones.

    Args:
        d2: (m,) between centroids, or a face and a centroid.
        sizes: (m, 2) faces of both.
        crowds: (m, 2) of both, as `crowd` gives it.
        unit: The space's longest link, as d2.
        faces_per_group: Of the collection.
    """
    one_over = np.sort(1 / sizes.astype(np.float64), axis=1)
    fewer, more = one_over[:, 1], one_over[:, 0]
    distance = d2 / unit
    apart = 2 * d2 / np.maximum(crowds.sum(axis=1), 1e-9)
    known = np.full(len(d2), np.log(np.clip(faces_per_group, 1.0, _MOST_PER_GROUP)))
    columns = [np.ones(len(d2)), distance, apart, fewer, more, distance * fewer, distance * more]
    return np.stack([*columns, known, distance * known, apart * known], axis=1)


class Pictures:
    """Which groups are in which pictures that hold several faces.

    Args:
        labels: (n,) int32, the group of each face; -1 for none.
        pictures: (n,) int32, as `facebatch.cluster.photos.conflicts` gives it.
    """

    def __init__(self, labels: npt.NDArray[np.int32], pictures: npt.NDArray[np.int32]) -> None:
        rows = np.flatnonzero((labels >= 0) & (pictures >= 0))
        self._count = int(labels.max(initial=-1)) + 1
        self._keys = np.unique(pictures[rows].astype(np.int64) * self._count + labels[rows])
        where, who = np.divmod(self._keys, max(1, self._count))
        order = np.argsort(who, kind="stable")
        self._pictures = where[order]
        self._bounds = np.searchsorted(who[order], np.arange(self._count + 1))

    def hold(self, pictures: npt.NDArray[np.integer], groups: Rows) -> npt.NDArray[np.bool_]:
        """Returns which pictures (m,) hold a face of a group (m,); -1 is a picture of nobody."""
        keys = pictures.astype(np.int64) * self._count + groups
        return np.asarray((pictures >= 0) & np.isin(keys, self._keys))

    def shared(self, first: Rows, second: Rows) -> npt.NDArray[np.bool_]:
        """Returns which pairs (m,) of groups are in one picture, and so are two people."""
        starts, ends = self._bounds[first], self._bounds[first + 1]
        lengths = ends - starts
        pair = np.repeat(np.arange(len(first)), lengths)
        inner = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        pictures = self._pictures[np.repeat(starts, lengths) + inner]
        result = np.zeros(len(first), bool)
        result[pair[self.hold(pictures, second[pair])]] = True
        return result
