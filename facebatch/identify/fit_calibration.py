"""Measuring a calibration on labelled photos; `facebatch.identify.thresholds` makes use of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.identify.calibration import Calibration, Curve, Identification, Point, logistic
from facebatch.identify.classifier import DEFAULT_NEIGHBORS, fit
from facebatch.identify.distances import squared_distances
from facebatch.storage.printable import count

FAR_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
FPIR_RATES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)

_MATED_ROUNDS = 10
_GROUPS, _TRAINED_GROUPS = 100, 10
"""Groups of people that are left out together, of methods that are fitted at once and of svm."""

_BLOCK_BYTES = 64 << 20

_PRECISE = {"gtol": 1e-10}
"""Of the gradient of the mean log likelihood: parameters to about eight digits."""

Floats = npt.NDArray[np.float32]


def calibrate_pairs(
    distances: npt.NDArray[np.floating],
    same: npt.NDArray[np.bool_],
    *,
    embedder: str,
    tta: str,
    space: str | None,
    source: str,
) -> Calibration:
    """Measures thresholds at FAR 1e-2 to 1e-5 and fits the probability.

    The threshold at a FAR is the largest one at which at most that share of the pairs of
    different people lies within it; a FAR that is less than one pair has none.

    Args:
        distances: (m,) d2 of pairs of faces.
        same: (m,) whether they are one person's.
        embedder: Name of the embedder.
        tta: Views that are averaged.
        space: Space of the embeddings.
        source: What the pairs are of, in words.

    Raises:
        UsageError: There is no pair of one of the two kinds, or pairs of one person lie farther
            apart than others.
    """
    genuine, impostors = distances[same], np.sort(distances[~same])
    if not len(genuine) or not len(impostors):
        raise UsageError(
            f"{count(len(genuine), 'pair')} of one person and {len(impostors):,} of two: a "
            "calibration needs both"
        )
    about = f"{source}; {len(genuine):,} pairs of one person, {len(impostors):,} of two"
    far = tuple(
        _point(rate, impostors, genuine, about, "pairs of two people") for rate in FAR_RATES
    )
    slope, intercept = fit_logistic(distances, same)
    return Calibration(embedder, tta, space, far, Curve(slope, intercept, about))


def pair_distances(
    embeddings: Floats, names: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Returns d2 of all pairs of faces and whether they are one person's.

    Both are held in memory, five bytes a pair: 250 MB for 10,000 faces.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        names: The person of each, n of them.

    Returns:
        (m,) float32 and (m,) bool, m = n (n - 1) / 2.
    """
    person = np.unique(np.asarray(names, dtype=object), return_inverse=True)[1]
    n = len(embeddings)
    distances = np.empty(n * (n - 1) // 2, np.float32)
    same = np.empty(len(distances), np.bool_)
    step = max(1, _BLOCK_BYTES // (8 * max(1, n)))
    filled = 0
    for start in range(0, n, step):
        block = squared_distances(embeddings[start : start + step], embeddings)
        rows, columns = np.nonzero(np.arange(n) > np.arange(start, start + len(block))[:, None])
        part = slice(filled, filled + len(rows))
        distances[part] = block[rows, columns]
        same[part] = person[start + rows] == person[columns]
        filled += len(rows)
    return distances, same


def fit_logistic(
    distances: npt.NDArray[np.floating], same: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Fits P(same | d2) = 1 / (1 + exp(slope d2 + intercept)) by maximum likelihood.

    The targets are Platt's, (N+ + 1) / (N+ + 2) and 1 / (N- + 2) (Platt, "Probabilistic outputs
    for support vector machines", 1999, section 2.2), which keep the fit finite where the two kinds
    don't overlap. Each kind weighs a half altogether, which gives equal priors.

    Args:
        distances: (m,) d2.
        same: (m,) whether they are one person's; both kinds occur.

    Returns:
        Slope, above 0, and intercept.

    Raises:
        UsageError: Pairs of one person aren't nearer than others.
    """
    from scipy.optimize import minimize

    x = distances.astype(np.float64)
    n_same, n_other = int(same.sum()), int((~same).sum())
    target = np.where(same, (n_same + 1) / (n_same + 2), 1 / (n_other + 2))
    weight = np.where(same, 0.5 / n_same, 0.5 / n_other)
    design = np.stack([x, np.ones_like(x)], axis=1)

    def loss(at: npt.NDArray[np.float64]) -> float:
        z = design @ at
        return float(weight @ (np.logaddexp(0, z) - (1 - target) * z))

    def gradient(at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return design.T @ (weight * (target - logistic(-(design @ at))))

    def hessian(at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        probability = logistic(-(design @ at))
        curvature = weight * probability * (1 - probability)
        return design.T @ (design * curvature[:, None])

    found = minimize(
        loss, np.zeros(2), jac=gradient, hess=hessian, method="trust-exact", options=_PRECISE
    )
    slope, intercept = (float(value) for value in found.x)
    if slope <= 0:
        raise UsageError(
            "pairs of one person aren't nearer than pairs of two: check the labels and the space"
        )
    return slope, intercept


@dataclass(frozen=True)
class HeldOut:
    """Scores of labelled photos against galleries that they are left out of.

    Args:
        people: People in the galleries without the probe's person, on average.
        non_mated: (n,) float32, the nearest person's score where the probe's person is left out.
        mated: (m,) float32, the nearest person's score where the probe alone is left out, of
            people with two photos or more.
        right: (m,) bool, whether that nearest person is the probe's.
    """

    people: int
    non_mated: Floats
    mated: Floats
    right: npt.NDArray[np.bool_]


def leave_out(
    method: str,
    embeddings: Floats,
    names: Sequence[str],
    *,
    neighbors: int = DEFAULT_NEIGHBORS,
) -> HeldOut:
    """Scores labelled photos as impostors and as known people.

    As impostors: every person's photos against everyone else; beyond 100 people (10 with ``svm``)
    people are left out in so many groups. As known: one photo of every person at a time against
    all other photos; where a person has more than ten, a tenth of them.

    Args:
        method: One of `facebatch.identify.classifier.METHODS`.
        embeddings: (n, d) float32, rows of length 1.
        names: The person of each, n of them.
        neighbors: Entries that ``vote`` and ``knn`` ask.

    Raises:
        UsageError: There are fewer than two people (three for ``svm``), or no such method.
    """
    people, person = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    if len(people) < 2:
        raise UsageError(f"calibrating needs two people or more, and there are {len(people)}")
    n_groups = min(len(people), _TRAINED_GROUPS if method == "svm" else _GROUPS)
    non_mated, sizes = [], []
    for group in range(n_groups):
        out = person % n_groups == group
        model = fit(method, embeddings[~out], people[person[~out]].tolist(), neighbors=neighbors)
        non_mated.append(model.best(embeddings[out], 1).scores[:, 0])
        sizes.append(len(model.people))
    mated, right = [np.empty(0, np.float32)], [np.empty(0, np.bool_)]
    round_of = _rounds(person)
    for number in range(int(round_of.max()) + 1):
        out = round_of == number
        model = fit(method, embeddings[~out], people[person[~out]].tolist(), neighbors=neighbors)
        best = model.best(embeddings[out], 1)
        nearest = np.asarray(model.people, dtype=object)[best.people[:, 0]]
        mated.append(best.scores[:, 0])
        right.append(nearest == people[person[out]])
    return HeldOut(
        round(float(np.mean(sizes))),
        np.concatenate(non_mated),
        np.concatenate(mated),
        np.concatenate(right),
    )


def _rounds(person: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Returns the round (n,) in which each photo is left out, -1 for people with one photo."""
    order = np.argsort(person, kind="stable")
    counts = np.bincount(person)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.empty(len(person), np.intp)
    place[order] = np.arange(len(person)) - starts[person[order]]
    return np.where(counts[person] > 1, place % _MATED_ROUNDS, -1)


def calibrate_gallery(
    method: str,
    embeddings: Floats,
    names: Sequence[str],
    *,
    source: str,
    neighbors: int = DEFAULT_NEIGHBORS,
) -> Identification:
    """Measures a method's thresholds at FPIR 1e-1 to 1e-3, on the gallery's own or other photos.

    See `leave_out`. The threshold at an FPIR is the largest one at which at most that share of
    the impostors is taken for somebody; an FPIR that is less than one photo has none. How it
    changes for more or fewer people, `threshold_for` says.

    Args:
        method: One of `facebatch.identify.classifier.METHODS`.
        embeddings: (n, d) float32, rows of length 1, of labelled photos.
        names: The person of each, n of them.
        source: What the photos are, in words.
        neighbors: Entries that ``vote`` and ``knn`` ask.

    Raises:
        UsageError: As for `leave_out`.
    """
    scores = leave_out(method, embeddings, names, neighbors=neighbors)
    about = (
        f"{source}; {len(scores.non_mated):,} photos against {scores.people:,} others, "
        f"{len(scores.mated):,} with their person among them"
    )
    # A known face that is taken for somebody else isn't found at any threshold.
    hits = np.where(scores.right, scores.mated, np.inf)
    points = tuple(
        _point(rate, np.sort(scores.non_mated), hits, about, "photos of impostors")
        for rate in FPIR_RATES
    )
    return Identification(method, scores.people, points)


def _point(
    rate: float,
    wrong: npt.NDArray[np.floating],
    right: npt.NDArray[np.floating],
    source: str,
    what: str,
) -> Point:
    """Returns the threshold at a rate.

    Args:
        rate: Share of the wrong scores that may be accepted.
        wrong: Sorted scores that should be refused.
        right: Scores that should be accepted.
        source: What they are of.
        what: What a wrong score is called, for the message.
    """
    allowed = math.floor(len(wrong) * rate * (1 + 1e-9))
    if allowed < 1:
        needed = math.ceil(1 / rate * (1 - 1e-9))
        return Point(rate, None, f"{source}: it needs {needed:,} {what}, there are {len(wrong):,}")
    # Just below the first one too many: with equal scores fewer than allowed are accepted.
    threshold = float(np.nextafter(np.float32(wrong[allowed]), np.float32(-np.inf)))
    found = float(np.mean(right <= threshold)) if len(right) else None
    return Point(rate, threshold, source, found)
