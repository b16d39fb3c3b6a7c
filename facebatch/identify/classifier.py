"""The open-set decision: which person of a gallery a face is, or nobody of them.

Everything here is arrays: a model is fitted from a gallery's embeddings and names, gives every
probe a score for every person, lower being nearer, and a threshold says up to which score the
nearest person is the answer. Probes are worked on in blocks, so memory doesn't grow with their
number. Nothing here knows of files, collections or where a threshold comes from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import SpaceMismatch, UsageError
from facebatch.faces.embeddings import check_unit_rows
from facebatch.identify.distances import (
    Doubles,
    Floats,
    Numbers,
    centroids,
    least,
    squared_distances,
)
from facebatch.identify.svm import train_svm

DEFAULT_METHOD = "centroid"
"""Averaging a person's embeddings beats every vote over them (measured on LFW)."""

DEFAULT_NEIGHBORS = 5
"""Entries that ``vote`` and ``knn`` ask; scikit-learn's default for k nearest neighbours."""

LARGEST_D2 = 4.0
"""d2 of two opposite unit vectors, the largest there is."""

_BLOCK_BYTES = 64 << 20
"""Memory for the largest array over one block of probes."""


@dataclass(frozen=True)
class Best:
    """Each probe's nearest people.

    Args:
        people: (p, k) int32, numbers in `Model.people`, nearest first; equal scores are ordered
            by name.
        scores: (p, k) float32, lower is nearer, ascending in each row.
    """

    people: Numbers
    scores: Floats


@dataclass(frozen=True)
class Decisions:
    """Who each probe is.

    Args:
        person: (p,) int32, number in `Model.people`; -1 is unknown.
        score: (p,) float32, the nearest person's score, whether or not it was near enough.
        runner_up: (p,) float32, the second nearest person's score; infinite where there is none.
    """

    person: Numbers
    score: Floats
    runner_up: Floats


@dataclass(frozen=True)
class Model:
    """A fitted gallery; plain data, so that it may cross a process.

    Args:
        method: One of `METHODS`.
        people: Names, sorted; a person's number is the place here.
        entries: (n, d) float32, the embeddings ordered by person, in each by their bytes.
        person: (n,) int32, the person of each entry, ascending; everyone has one at least.
        neighbors: Entries that ``vote`` and ``knn`` ask.
        centres: (people, d) float64. For ``centroid`` and ``both`` each person's mean embedding
            scaled back to length 1, for ``svm`` the normal of each hyperplane.
        offsets: (people,) float64, the hyperplanes' intercepts; zeros but for ``svm``.
    """

    method: str
    people: tuple[str, ...]
    entries: Floats
    person: Numbers
    neighbors: int
    centres: Doubles
    offsets: Doubles

    @property
    def dimension(self) -> int:
        """Length of the embeddings."""
        return int(self.entries.shape[1])

    def scores(self, probes: Floats) -> Floats:
        """Returns every probe's score for every person, in memory of that size.

        What a score is depends on the method:

        - ``nearest``: least d2 to an entry of the person, 0..4.
        - ``centroid``: d2 to the person's mean embedding scaled back to length 1, 0..4.
        - ``both``: the lesser of these two.
        - ``vote``: the k nearest entries vote for their persons with weight 4 - d2; 4 less the
          person's votes over k, 0..4. So a person all of whose k nearest entries agree is at the
          mean d2 of these, one without a vote at 4, and one with fewer than k entries never near
          0: the method is for galleries with k or more entries a person.
        - ``svm``: the negative distance from the hyperplane that parts the person from all others
          (LinearSVC, one against the rest), unbounded, below 0 on the person's side.
        - ``knn``: 1 less the person's share in the votes of the k nearest entries, weighted by
          1 / distance (KNeighborsClassifier with ``weights="distance"``), 0..1. It compares
          people with each other and so is the weakest at rejecting impostors.

        Args:
            probes: (p, d) float32, rows of length 1; p may be 0.

        Returns:
            (p, people) float32, lower is nearer.

        Raises:
            SpaceMismatch: The probes are of another dimension than the gallery.
            UsageError: A row isn't of length 1.
        """
        parts = [np.empty((0, len(self.people)), np.float32)]
        return np.concatenate([*parts, *self._blocks_of_scores(probes)])

    def best(self, probes: Floats, k: int) -> Best:
        """Returns every probe's k nearest people, with only a block of the scores in memory.

        Args:
            probes: (p, d) float32, rows of length 1; p may be 0.
            k: People wanted, at least 1; clipped to their number.

        Raises:
            SpaceMismatch, UsageError: As for `scores`.
            ValueError: k is below 1.
        """
        blocks = [rank(np.empty((0, len(self.people)), np.float32), k)]
        blocks += [rank(block, k) for block in self._blocks_of_scores(probes)]
        return Best(
            np.concatenate([block.people for block in blocks]),
            np.concatenate([block.scores for block in blocks]),
        )

    def decide(self, probes: Floats, threshold: float) -> Decisions:
        """Returns who each probe is; see `accept`."""
        return accept(self.best(probes, 2), threshold)

    def _blocks_of_scores(self, probes: Floats) -> Iterator[Floats]:
        if probes.ndim != 2 or probes.shape[1] != self.dimension:
            raise SpaceMismatch(
                f"probes of shape {probes.shape} can't be compared with a gallery of "
                f"{self.dimension} dimensions; embed both with the same embedder"
            )
        check_unit_rows(probes, "probe", UsageError)
        # Of vote and knn, the neighbours' embeddings are as large an array as all distances.
        widest = max(len(self.entries), len(self.people), self.neighbors * self.dimension)
        step = max(1, _BLOCK_BYTES // (8 * widest))
        for start in range(0, len(probes), step):
            yield _SCORES[self.method](self, probes[start : start + step]).astype(np.float32)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the model as arrays, none of which needs pickle, for `numpy.savez`."""
        header = {"method": self.method, "people": self.people, "neighbors": self.neighbors}
        return {
            "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
            "entries": self.entries,
            "person": self.person,
            "centres": self.centres,
            "offsets": self.offsets,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Model:
        """Restores a model from `to_arrays`; its scores are the same to the last bit.

        Raises:
            ValueError: The arrays aren't those of a model.
        """
        try:
            header = json.loads(arrays["header"].tobytes())
            model = cls(
                method=header["method"],
                people=tuple(header["people"]),
                neighbors=int(header["neighbors"]),
                **{name: arrays[name] for name in ("entries", "person", "centres", "offsets")},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the arrays of a model: {error!r}") from error
        shapes = (model.person.shape, model.centres.shape, model.offsets.shape)
        n_people = len(model.people)
        if model.method not in METHODS or model.entries.ndim != 2:
            raise ValueError(f"not the arrays of a model: method {model.method!r}")
        if shapes != (model.entries.shape[:1], (n_people, model.dimension), (n_people,)):
            raise ValueError(f"the arrays of a model don't fit each other: {shapes}")
        return model


def fit(
    method: str,
    embeddings: Floats,
    names: Sequence[str],
    *,
    neighbors: int = DEFAULT_NEIGHBORS,
) -> Model:
    """Fits a method to a gallery.

    The order of the entries doesn't matter.

    Args:
        method: One of `METHODS`; `Model.scores` says what each gives.
        embeddings: (n, d) float32, rows of length 1, at least one.
        names: The person of each, n of them.
        neighbors: Entries that ``vote`` and ``knn`` ask, at least 1; clipped to n.

    Raises:
        UsageError: There is no such method, nothing to fit, a row that isn't of length 1, or for
            ``svm`` fewer than two people or no scikit-learn.
        ValueError: Embeddings and names differ in number.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
    if len(embeddings) != len(names):
        raise ValueError(f"{len(embeddings)} embeddings for {len(names)} names")
    if neighbors < 1:
        raise UsageError(f"neighbors = {neighbors} must be at least 1")
    if not len(embeddings):
        raise UsageError("the gallery is empty: enrol somebody first")
    check_unit_rows(embeddings, "entry", UsageError)
    names = [str(name) for name in names]
    people = tuple(sorted(set(names)))
    numbers = {name: number for number, name in enumerate(people)}
    embeddings = np.ascontiguousarray(embeddings, np.float32)
    content = [row.tobytes() for row in embeddings]
    order = sorted(range(len(names)), key=lambda row: (names[row], content[row]))
    entries = embeddings[order]
    person = np.array([numbers[names[row]] for row in order], np.int32)
    offsets = np.zeros(len(people))
    if method == "svm":
        centres, offsets = train_svm(entries, person, len(people))
    else:
        centres = centroids(entries, person)
    return Model(method, people, entries, person, min(neighbors, len(entries)), centres, offsets)


def rank(scores: Floats, k: int) -> Best:
    """Returns each row's k least scores and whose they are; equal ones in the order of people.

    Args:
        scores: (p, people) float32, finite, lower is nearer.
        k: At least 1; clipped to the number of people.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    columns = least(scores, min(k, scores.shape[1]))
    return Best(columns.astype(np.int32), np.take_along_axis(scores, columns, 1))


def accept(best: Best, threshold: float) -> Decisions:
    """Decides from each probe's nearest people: the nearest, if its score is within a threshold.

    Args:
        best: What `Model.best` or `rank` gave; with one person a row there is no runner-up.
        threshold: Largest score at which a probe is its nearest person.
    """
    score = best.scores[:, 0]
    runner_up = best.scores[:, 1] if best.scores.shape[1] > 1 else np.full_like(score, np.inf)
    # In float32, as the scores are: a threshold that is one of them must accept it.
    person = np.where(score <= np.float32(threshold), best.people[:, 0], -1)
    return Decisions(person.astype(np.int32), score, runner_up)


def decide(scores: Floats, threshold: float) -> Decisions:
    """Returns who each probe is, from its scores (p, people) for everyone; see `accept`."""
    return accept(rank(scores, 2), threshold)


def entries_hash(embeddings: Floats, names: Sequence[str]) -> str:
    """Returns the hash of a gallery's entries in their order, 32 hex digits.

    A model is up to date as long as the hash of what it was fitted from is the gallery's.
    """
    hasher = hashlib.blake2b(json.dumps(list(names)).encode(), digest_size=16)
    hasher.update(np.ascontiguousarray(embeddings, np.float32).tobytes())
    return hasher.hexdigest()


def _nearest(model: Model, probes: Floats) -> Doubles:
    starts = np.flatnonzero(np.diff(model.person, prepend=-1))
    return np.minimum.reduceat(squared_distances(probes, model.entries), starts, axis=1)


def _centroid(model: Model, probes: Floats) -> Doubles:
    return squared_distances(probes, model.centres)


def _both(model: Model, probes: Floats) -> Doubles:
    return np.minimum(_nearest(model, probes), _centroid(model, probes))


def _vote(model: Model, probes: Floats) -> Doubles:
    d2, person = _voters(model, probes)
    return LARGEST_D2 - _tally(model, person, LARGEST_D2 - d2) / model.neighbors


def _knn(model: Model, probes: Floats) -> Doubles:
    d2, person = _voters(model, probes)
    # As scikit-learn does: where an entry is the probe itself, only such entries vote.
    same = d2 == 0
    with np.errstate(divide="ignore"):
        weights = np.where(same.any(axis=1, keepdims=True), same, 1 / np.sqrt(d2))
    votes = _tally(model, person, weights)
    return np.asarray(1 - votes / weights.sum(axis=1, keepdims=True))


def _svm(model: Model, probes: Floats) -> Doubles:
    return -(probes.astype(np.float64) @ model.centres.T + model.offsets)


def _voters(model: Model, probes: Floats) -> tuple[Doubles, Numbers]:
    """Returns d2 (p, k) of each probe's nearest entries and the person (p, k) of each."""
    distances = squared_distances(probes, model.entries).astype(np.float32)
    columns = least(distances, model.neighbors)
    difference = probes[:, None].astype(np.float64) - model.entries[columns]
    return np.square(difference).sum(axis=-1), model.person[columns]


def _tally(model: Model, person: Numbers, weights: Doubles) -> Doubles:
    votes = np.zeros((len(person), len(model.people)))
    np.add.at(votes, (np.arange(len(person))[:, None], person), weights)
    return votes


_SCORES: Mapping[str, Callable[[Model, Floats], Doubles]] = MappingProxyType(
    {
        "nearest": _nearest,
        "centroid": _centroid,
        "both": _both,
        "vote": _vote,
        "svm": _svm,
        "knn": _knn,
    }
)

METHODS = tuple(_SCORES)
"""What `fit` takes; `Model.scores` says what each does."""

TRAINED = ("svm", "knn")
"""Methods whose models are kept in a gallery beside its entries."""
