"""Heads: a matrix after a frozen embedder, fitted to people who are known, and whether it helps.

A head has no offset, so that it gives the same whether views are averaged before it or after.
Whether one helps is asked of people whom it wasn't fitted on, by folds of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from facebatch.errors import InputError
from facebatch.evaluate.pairs import all_pairs
from facebatch.evaluate.thresholds import supports

Kind = Literal["linear", "lda", "whitening", "triplet"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_MOST_FOLDS, _PEOPLE_A_FOLD = 5, 4
FEWEST_PEOPLE = 10
"""People with two faces."""

_SHRINKING = 0.5
"""Share of its mean variance in the covariance within people; .5 lost least when it was measured
(docs/training.md)."""

_ROUNDS = 1000
_CONFIDENCE = 0.95
_MOST_PAIRS = 30_000
"""Pairs of one person a fold, and of two, drawn from all; the archive decides in seconds."""

_STEPS, _PEOPLE, _PHOTOS, _RATE = 150, 32, 4, 1e-3


@dataclass(frozen=True, eq=False)
class Comparison:
    """Pairs of people whom a fold's head wasn't fitted on, before it and after it.

    Args:
        left: (m,) the person of each left face.
        right: (m,) of each right one.
        before: (m,) float64 d2 of the embeddings.
        after: (m,) float64 d2 after the head.
    """

    left: Labels
    right: Labels
    before: Doubles
    after: Doubles

    @property
    def same(self) -> npt.NDArray[np.bool_]:
        """Which pairs are of one person, (m,)."""
        return np.asarray(self.left == self.right)


@dataclass(frozen=True, eq=False)
class Verdict:
    """How a kind of head does on people whom it wasn't fitted on.

    Args:
        kind: Which.
        far: False accept rate of the figures.
        before: TAR of the embeddings, mean over folds.
        after: TAR after the head.
        low: Lower end of the gain's interval.
        high: Upper end. The interval is by bootstrap over people, and so wide that among all kinds
            together one is wrong in 5 % of cases (Bonferroni).
        folds: The pairs of each fold.
    """

    kind: Kind
    far: float
    before: float
    after: float
    low: float
    high: float
    folds: tuple[Comparison, ...]

    @property
    def gain(self) -> float:
        """How much TAR grows."""
        return self.after - self.before

    @property
    def is_better(self) -> bool:
        """Whether the gain's interval lies above zero."""
        return self.low > 0


def fit_head(kind: Kind, embeddings: Floats, labels: Labels, seed: int = 0) -> Floats:
    """Returns a head, float32 (d, k): embeddings times it are compared by their direction.

    ``whitening`` is within-class covariance normalisation (Hatch et al., 2006), shrunk by
    `_SHRINKING`; ``lda`` Fisher's discriminants over the same covariance; ``linear`` and
    ``triplet`` are learned from the identity on, by cross-entropy over cosines and from the hardest
    triplets of batches.

    Args:
        kind: Which.
        embeddings: (n, d) float32, rows of length 1.
        labels: (n,) the person of each.
        seed: Seed of what is drawn.
    """
    if kind in ("linear", "triplet"):
        from facebatch.train.learned_head import learned_head

        how = (_STEPS, _PEOPLE, _PHOTOS, _RATE)
        return learned_head("ce" if kind == "linear" else "triplet", embeddings, labels, seed, how)
    within, between = _covariances(embeddings.astype(np.float64), labels)
    mean_variance = np.trace(within) / len(within)
    shrunk = (1 - _SHRINKING) * within + _SHRINKING * mean_variance * np.eye(len(within))
    values, vectors = np.linalg.eigh(shrunk)
    whitening = vectors / np.sqrt(np.maximum(values, 1e-12))
    if kind == "whitening":
        return np.asarray(whitening @ vectors.T, np.float32)
    # As many directions as tell people apart, or as the embedding has.
    most = min(len(np.unique(labels)) - 1, embeddings.shape[1])
    _, directions = np.linalg.eigh(whitening.T @ between @ whitening)
    return np.asarray(whitening @ directions[:, ::-1][:, :most], np.float32)


def apply_head(head: Floats, embeddings: Floats) -> Floats:
    """Returns unit embeddings (n, k) after a head."""
    projected = embeddings @ head
    found: Floats = projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-12)
    return found


def _covariances(embeddings: Doubles, labels: Labels) -> tuple[Doubles, Doubles]:
    """Returns the covariance within people and that of people's means, each person weighing 1."""
    _, person, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), embeddings.shape[1]))
    np.add.at(means, person, embeddings)
    means /= counts[:, None]
    several = counts[person] > 1
    deviations = (embeddings - means[person])[several]
    weights = 1 / (counts[person][several] - 1)
    within = (deviations * weights[:, None]).T @ deviations / max(1, int((counts > 1).sum()))
    centred = means - means.mean(axis=0)
    return within, centred.T @ centred / len(means)


def cross_validate(
    embeddings: Floats, names: Sequence[str], kinds: Sequence[Kind] = KINDS, seed: int = 0
) -> list[Verdict]:
    """Asks of each kind of head whether it helps people whom it wasn't fitted on.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        names: The person of each, n of them.
        kinds: The kinds.
        seed: Seed of folds, fits and bootstrap.

    Raises:
        InputError: Fewer than `FEWEST_PEOPLE` people have two faces, or too few pairs can be made.
    """
    _, person, counts = np.unique(
        np.asarray(names, dtype=object), return_inverse=True, return_counts=True
    )
    if (several := int((counts > 1).sum())) < FEWEST_PEOPLE:
        raise InputError(
            f"{several} named people have two faces or more: a head needs {FEWEST_PEOPLE}, to be "
            "fitted to some and tried on others"
        )
    labels = person.astype(np.int64)
    fold_of = _folds(counts, min(_MOST_FOLDS, several // _PEOPLE_A_FOLD), seed)[labels]
    rows_of = [np.flatnonzero(fold_of == fold) for fold in range(int(fold_of.max()) + 1)]
    pairs = [_pairs(labels[rows], seed) for rows in rows_of]
    far = _far(pairs, len(names))
    people_of = [
        (labels[rows][left], labels[rows][right])
        for rows, (left, right, _) in zip(rows_of, pairs, strict=True)
    ]
    drawn = _draws(people_of, seed)
    verdicts = []
    for kind in kinds:
        folds = []
        for fold, rows in enumerate(rows_of):
            others = fold_of != fold
            head = fit_head(kind, embeddings[others], labels[others], seed)
            left, right, _ = pairs[fold]
            before, after = (
                _d2(each, left, right)
                for each in (embeddings[rows], apply_head(head, embeddings[rows]))
            )
            folds.append(Comparison(*people_of[fold], before, after))
        verdicts.append(_verdict(kind, far, folds, drawn, len(kinds)))
    return verdicts


def _folds(counts: npt.NDArray[np.intp], n_folds: int, seed: int) -> Labels:
    """Returns the fold of each person; those with several faces are spread over all."""
    order = np.random.default_rng([seed, 4]).permutation(len(counts))
    order = order[np.argsort(counts[order] == 1, kind="stable")]
    found = np.empty(len(counts), np.int64)
    found[order] = np.arange(len(counts)) % n_folds
    return found


def _far(pairs: Sequence[tuple[Labels, Labels, npt.NDArray[np.bool_]]], faces: int) -> float:
    """Returns the strictest false accept rate that every fold's pairs can show."""
    fewest = min(int((~same).sum()) for _, _, same in pairs)
    for rate in (1e-3, 1e-2):
        if supports(fewest, rate):
            return rate
    raise InputError(
        f"{faces} faces make {fewest} pairs of two people in a part that is left out: a head "
        "needs 100"
    )


def _pairs(labels: Labels, seed: int) -> tuple[Labels, Labels, npt.NDArray[np.bool_]]:
    """Returns the pairs of one person and those of two, of both as many as are compared."""
    blocks = [*all_pairs(labels)]
    left, right, same = (np.concatenate(column) for column in zip(*blocks, strict=True))
    kinds = []
    for stream, kind in ((8, same), (5, ~same)):
        rows = np.flatnonzero(kind)
        if len(rows) > _MOST_PAIRS:
            rows = np.random.default_rng([seed, stream]).choice(rows, _MOST_PAIRS, replace=False)
        kinds.append(rows)
    kept = np.concatenate(kinds)
    return left[kept], right[kept], same[kept]


def _d2(embeddings: Floats, left: Labels, right: Labels) -> Doubles:
    wide = embeddings.astype(np.float64)
    found: Doubles = np.square(wide[left] - wide[right]).sum(axis=1)
    return found


def _draws(folds: Sequence[tuple[Labels, Labels]], seed: int) -> list[list[Doubles]]:
    """Returns how often each person is drawn, of as many draws with repetition as there are.

    The first draw of each fold has everyone once.

    Args:
        folds: The people of each fold's pairs, left and right.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng([seed, 6])
    found = []
    for left, right in folds:
        people = np.union1d(left, right)
        draws = [np.ones(int(people.max()) + 1)]
        for _ in range(_ROUNDS):
            counts = np.zeros(len(draws[0]))
            np.add.at(counts, rng.choice(people, len(people)), 1.0)
            draws.append(counts)
        found.append(draws)
    return found


def _verdict(
    kind: Kind,
    far: float,
    folds: Sequence[Comparison],
    drawn: Sequence[Sequence[Doubles]],
    tried: int,
) -> Verdict:
    weights = np.array([one.same.sum() for one in folds], np.float64)
    weights /= weights.sum()
    before, after = (
        weights
        @ [
            [*map(_Tar(getattr(one, side), one, far), draws)]
            for one, draws in zip(folds, drawn, strict=True)
        ]
        for side in ("before", "after")
    )
    tail = (1 - _CONFIDENCE) / 2 / tried
    low, high = (float(value) for value in np.quantile((after - before)[1:], [tail, 1 - tail]))
    return Verdict(kind, far, float(before[0]), float(after[0]), low, high, tuple(folds))


class _Tar:
    """TAR at a FAR of a fold, for people who count several times or not at all."""

    def __init__(self, d2: Doubles, fold: Comparison, far: float) -> None:
        same, different = (np.flatnonzero(kind) for kind in (fold.same, ~fold.same))
        same, different = (rows[np.argsort(d2[rows], kind="stable")] for rows in (same, different))
        self._same, self._different = d2[same], d2[different]
        self._person = fold.left[same]
        self._people = fold.left[different], fold.right[different]
        self._far = far

    def __call__(self, counts: Doubles) -> float:
        """Returns the TAR where each person counts so often; 0 where nothing is left."""
        weights = counts[self._people[0]] * counts[self._people[1]]
        wrong = np.cumsum(weights)
        mine = counts[self._person]
        if not len(wrong) or wrong[-1] == 0 or mine.sum() == 0:
            return 0.0
        allowed = self._far * wrong[-1] * (1 + 1e-9)
        first = int(np.searchsorted(wrong, allowed, side="right"))
        accepted = int(np.searchsorted(self._same, self._different[first], side="left"))
        return float(mine[:accepted].sum() / mine.sum())
