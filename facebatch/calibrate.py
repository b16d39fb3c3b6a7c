"""Thresholds from stated error rates: how near is near enough.

A calibration holds what was measured on labelled photos of one space: the d2 at which two
strangers are taken for one person with a stated probability (FAR), the score at which a stranger
is taken for somebody of a gallery (FPIR), and the probability that two embeddings of a given d2
are one person's. Every number says where it came from. For the default embedder some are shipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.identify import DEFAULT_NEIGHBORS, METHODS, fit, squared_distances

FORMAT_VERSION = 1
FAR_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
FPIR_RATES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)

DISTANCE_METHODS = ("nearest", "centroid", "both")
"""Methods whose score is one d2, so that a FAR says something about them."""

_EXTRAPOLATED_DECADES = 2.0
"""How far beyond the smallest FAR that was measured its line is followed."""

_MATED_ROUNDS = 10
_GROUPS, _TRAINED_GROUPS = 100, 10
"""Groups of people that are left out together, of methods that are fitted at once and of svm."""

_BLOCK_BYTES = 64 << 20

_MOST_STEPS = 100
_SMALLEST_GAIN = 1e-10
"""Of the mean log likelihood, twice what Newton's next step promises."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Point:
    """One threshold of one error rate.

    Args:
        rate: The FAR or FPIR.
        threshold: Largest score that is accepted; None where there was too little to measure it.
        source: What it was measured on, or why it wasn't.
        found: Share of the comparisons that should be accepted that are, 0..1 (TAR or TPIR); None
            where it wasn't measured.
    """

    rate: float
    threshold: float | None
    source: str
    found: float | None = None


@dataclass(frozen=True)
class Identification:
    """Thresholds of one method against a gallery.

    Args:
        method: One of `facebatch.identify.METHODS`.
        people: People in the galleries that they were measured against.
        points: By descending FPIR.
    """

    method: str
    people: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Curve:
    """P(same person | d2) = 1 / (1 + exp(slope * d2 + intercept)), at equal priors.

    Args:
        slope: Above 0: the probability falls with the distance.
        intercept: The negative log odds at d2 = 0.
        source: What it was fitted to.
    """

    slope: float
    intercept: float
    source: str


@dataclass(frozen=True)
class Calibration:
    """What was measured in one space.

    Args:
        embedder: Name of the embedder.
        tta: Views that are averaged.
        space: The space; None for the shipped defaults, which hold for their embedder and tta.
        far: Thresholds on the d2 of two faces, by descending FAR.
        curve: The probability; None where it wasn't fitted.
        fpir: Thresholds on scores against a gallery, one entry a method.
    """

    embedder: str
    tta: str
    space: str | None = None
    far: tuple[Point, ...] = ()
    curve: Curve | None = None
    fpir: tuple[Identification, ...] = ()

    def probability(self, d2: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Returns P(same person | d2) if both are as likely beforehand, 0..1, falling with d2.

        Args:
            d2: Squared L2 distances, of any shape.

        Raises:
            UsageError: No curve was fitted.
        """
        if self.curve is None:
            raise UsageError(
                f"no probability was fitted for {self.embedder} with tta {self.tta}: calibrate "
                "with labelled photos"
            )
        z = self.curve.slope * np.asarray(d2, np.float64) + self.curve.intercept
        return _logistic(-z)

    def with_identification(self, measured: Identification) -> Calibration:
        """Returns the calibration with a method's thresholds in the place of its earlier ones."""
        others = tuple(made for made in self.fpir if made.method != measured.method)
        return replace(self, fpir=(*others, measured))

    def as_json(self) -> dict[str, Any]:
        """Returns the calibration as plain data."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """Restores a calibration from `as_json`.

        Raises:
            ValueError: The data isn't a calibration, or one of another format version.
        """
        try:
            values = dict(data)
            version = values.pop("format_version")
            if version != FORMAT_VERSION:
                raise ValueError(f"it is of calibration format {version}, not {FORMAT_VERSION}")
            values["far"] = _points(values["far"])
            values["fpir"] = tuple(
                Identification(entry["method"], int(entry["people"]), _points(entry["points"]))
                for entry in values["fpir"]
            )
            values["curve"] = None if values["curve"] is None else Curve(**values["curve"])
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it isn't a calibration: {error!r}") from error


def _points(values: Sequence[Mapping[str, Any]]) -> tuple[Point, ...]:
    points = tuple(Point(**value) for value in values)
    for point in points:
        numbers = (point.rate, 0.0 if point.threshold is None else point.threshold)
        if not all(isinstance(number, int | float) for number in numbers):
            raise ValueError(f"it isn't a calibration: {point}")
    return points


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
            f"there are {len(genuine)} pairs of one person and {len(impostors)} of two: a "
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
    don't overlap. Each kind weighs a half altogether, which gives equal priors. It is Newton's
    method with backtracking (Lin, Lin and Weng, "A note on Platt's probabilistic outputs for
    support vector machines", 2007, algorithm 1).

    Args:
        distances: (m,) d2.
        same: (m,) whether they are one person's; both kinds occur.

    Returns:
        Slope, above 0, and intercept.

    Raises:
        UsageError: Pairs of one person aren't nearer than others.
    """
    x = distances.astype(np.float64)
    n_same, n_other = int(same.sum()), int((~same).sum())
    target = np.where(same, (n_same + 1) / (n_same + 2), 1 / (n_other + 2))
    weight = np.where(same, 0.5 / n_same, 0.5 / n_other)
    design = np.stack([x, np.ones_like(x)], axis=1)
    parameters = np.zeros(2)

    def loss(at: npt.NDArray[np.float64]) -> float:
        z = design @ at
        return float(weight @ (np.logaddexp(0, z) - (1 - target) * z))

    for _ in range(_MOST_STEPS):
        probability = _logistic(-(design @ parameters))
        gradient = design.T @ (weight * (target - probability))
        curvature = weight * probability * (1 - probability)
        hessian = design.T @ (design * curvature[:, None]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        gain, size = gradient @ step, 1.0
        if gain < _SMALLEST_GAIN:  # so near that the whole step is right; losses would be rounding
            parameters = parameters - step
            break
        before = loss(parameters)
        while size > 1e-10 and loss(parameters - size * step) > before - 1e-4 * size * gain:
            size /= 2
        parameters = parameters - size * step
    slope, intercept = (float(value) for value in parameters)
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
    """Scores labelled photos as strangers and as known people.

    As strangers: every person's photos against everyone else; beyond 100 people (10 with ``svm``)
    people are left out in so many groups. As known: one photo of every person at a time against
    all other photos; where a person has more than ten, a tenth of them.

    Args:
        method: One of `facebatch.identify.METHODS`.
        embeddings: (n, d) float32, rows of length 1.
        names: The person of each, n of them.
        neighbors: Entries that ``vote`` and ``knn`` ask.

    Raises:
        UsageError: There are fewer than two people (three for ``svm``), or no such method.
    """
    people, person = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    if len(people) < 2:
        raise UsageError(
            f"{len(people)} people are too few to calibrate with: it needs two or more"
        )
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
    the strangers is taken for somebody; an FPIR that is less than one photo has none. How it
    changes for more or fewer people, `threshold_for` says.

    Args:
        method: One of `facebatch.identify.METHODS`.
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
        _point(rate, np.sort(scores.non_mated), hits, about, "photos of strangers")
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


def threshold_for(
    calibration: Calibration,
    method: str,
    people: int,
    *,
    fpir: float | None = None,
    far: float | None = None,
) -> tuple[float, str]:
    """Returns the threshold for a stated error rate and where it comes from.

    For an FPIR: a stranger is compared with everyone, and if each of g people took it for
    themselves independently with probability FAR, FPIR = 1 - (1 - FAR)^g. People aren't
    independent (a face that is like nobody is so for all), and the rule holds approximately. It
    takes what was measured with one number of people to another. Outside the rates that were
    measured, the threshold follows the line of the pairs' FARs, for the methods whose score is
    one d2 (`DISTANCE_METHODS`). Where nothing was measured against a gallery, the FAR of pairs is
    put into the rule as it is. That counts one photo a person: with several, ``nearest`` has more
    chances to err and ``centroid`` lies nearer to everybody; calibrating tells.

    Between measured rates the threshold is linear in the logarithm of the rate. At a rate above
    them it is that of the largest, which is stricter than asked for. Below the smallest FAR the
    line goes on for two decades. The source says which of these it was.

    What the calibration doesn't have is taken from the shipped defaults of its embedder.

    Args:
        calibration: Measured for a gallery, or `default_for` its embedder.
        method: One of `facebatch.identify.METHODS`.
        people: People in the gallery, at least 1.
        fpir: Share of strangers that may be taken for somebody, above 0 and below 1.
        far: Instead of it, the share of pairs of strangers that may be taken for one person.

    Returns:
        The largest score to accept, and its source in words.

    Raises:
        UsageError: The method or a rate is wrong, or nothing was measured that would tell.
    """
    rate = _checked_rate(method, people, fpir, far)
    shipped = DEFAULTS.get((calibration.embedder, calibration.tta))
    sources = [known for known in (calibration, shipped) if known is not None]
    lines = [known.far for known in sources] if method in DISTANCE_METHODS else []
    if far is not None:
        found = _first(_interpolated(line, rate) for line in lines)
        if found:
            return found[0], f"d2 at FAR {rate:.2g}: {found[1]}"
    else:
        against = (each for known in sources for each in known.fpir if each.method == method)
        found = _first(_moved(measured, people, rate, lines) for measured in against)
        if found:
            return found
        per_person = _per_person(rate, people)
        found = _first(_interpolated(line, per_person) for line in lines)
        if found:
            rule = f"d2 at FAR {per_person:.2g}, by FPIR = 1 - (1 - FAR)^{people}"
            return found[0], f"{rule}: {found[1]}"
    asked = f"FAR {far:g}" if fpir is None else f"FPIR {fpir:g} with {people:,} people"
    raise UsageError(
        f"no threshold is known for {method} at {asked} ({calibration.embedder}, tta "
        f"{calibration.tta}): calibrate with more labelled photos, or state the threshold itself"
    )


def _first(found: Iterable[tuple[float, str] | None]) -> tuple[float, str] | None:
    return next((each for each in found if each is not None), None)


def _checked_rate(method: str, people: int, fpir: float | None, far: float | None) -> float:
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; there are {', '.join(METHODS)}")
    if people < 1:
        raise UsageError("the gallery is empty: enrol somebody first")
    if (fpir is None) == (far is None):
        raise UsageError("state one error rate, either the FPIR or the FAR")
    rate = fpir if fpir is not None else far
    if rate is None or not 0 < rate < 1:
        raise UsageError(f"an error rate lies between 0 and 1, not at {rate}")
    if far is not None and method not in DISTANCE_METHODS:
        raise UsageError(
            f"a FAR is about the distance of two faces, which {method} doesn't give; state an "
            f"FPIR, or use one of {', '.join(DISTANCE_METHODS)}"
        )
    return rate


def _per_person(fpir: float, people: int) -> float:
    """Returns the FAR of each of some people who together have an FPIR: 1 - (1 - FPIR)^(1/g)."""
    return -math.expm1(math.log1p(-fpir) / people)


def _moved(
    measured: Identification, people: int, fpir: float, lines: Sequence[Sequence[Point]]
) -> tuple[float, str] | None:
    """Returns a threshold from what was measured against a gallery of another size.

    Args:
        measured: What was measured.
        people: People in the gallery in question.
        fpir: The FPIR wanted with it.
        lines: Thresholds of pairs; the line of the first that reaches is followed outside the
            measured rates.
    """
    # All rates here are FARs of one person: galleries of any size are compared by these.
    wanted = _per_person(fpir, people)
    known = [
        replace(point, rate=_per_person(point.rate, measured.people))
        for point in measured.points
        if point.threshold is not None
    ]
    if not known:
        return None
    rates = [point.rate for point in known]
    if min(rates) * (1 - 1e-6) <= wanted <= max(rates) * (1 + 1e-6):
        found = _interpolated(known, wanted)
    else:
        anchor = min(known, key=lambda point: abs(math.log(point.rate / wanted)))
        found = _first(_along(line, anchor, wanted) for line in lines)
        if found is None and wanted > anchor.rate:
            found = _interpolated(known, wanted)
    if found is None:
        return None
    text = f"{measured.method} at FPIR {fpir:.2g} with {people:,} people"
    if people != measured.people:
        text += f", by FPIR = 1 - (1 - FAR)^g from {measured.people:,}"
    return found[0], f"{text}: {found[1]}"


def _along(line: Sequence[Point], anchor: Point, rate: float) -> tuple[float, str] | None:
    """Returns the threshold at a rate beside the one measured, parallel to the line of FARs."""
    here, there = _interpolated(line, anchor.rate), _interpolated(line, rate)
    if here is None or there is None or anchor.threshold is None:
        return None
    threshold = max(0.0, anchor.threshold + there[0] - here[0])
    return threshold, f"{anchor.source}; moved along the d2 at FAR, {there[1]}"


def _interpolated(points: Sequence[Point], rate: float) -> tuple[float, str] | None:
    """Returns the threshold at a rate from measured ones; None if it lies too far below them."""
    measured = sorted(
        (-math.log10(point.rate), point.threshold, point.source)
        for point in points
        if point.threshold is not None
    )
    wanted = -math.log10(rate)
    if not measured:
        return None
    x, threshold, source = measured[0]
    if wanted <= x + 1e-9:
        if wanted < x - 1e-9:
            source += f" (at {10**-x:.2g}, the largest rate measured)"
        return threshold, source
    if len(measured) < 2 or wanted > measured[-1][0] + _EXTRAPOLATED_DECADES:
        return None
    segments = list(pairwise(measured))
    (x0, y0, source0), (x1, y1, source1) = next(
        (segment for segment in segments if wanted <= segment[1][0] + 1e-9), segments[-1]
    )
    source = "; ".join(dict.fromkeys([source0, source1] if wanted < x1 - 1e-9 else [source1]))
    threshold = y0 + (wanted - x0) * (y1 - y0) / (x1 - x0)
    if wanted > x1 + 1e-9:
        source += f" (extrapolated: {10**-x1:.2g} is the smallest rate measured)"
        threshold = max(0.0, threshold)
    return threshold, source


def _logistic(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0, -z)), np.float64)


def default_for(embedder: str, tta: str) -> Calibration:
    """Returns the calibration that is shipped for an embedder.

    Raises:
        UsageError: None is: nobody measured it.
    """
    try:
        return DEFAULTS[embedder, tta]
    except KeyError:
        known = ", ".join(f"{embedder} with tta {tta}" for embedder, tta in DEFAULTS)
        raise UsageError(
            f"no thresholds are shipped for {embedder} with tta {tta}, only for {known}: "
            "calibrate with labelled photos, or state the threshold itself"
        ) from None


_PROJECT = "facebatch's own measurement"
_TWO_SETS = f"{_PROJECT}: mean of all LFW pairs and all pairs of a second set, pins"
_ONE_PASS = (
    f"{_PROJECT}: all LFW pairs, one pass, aligned to dlib's mean face shape (with the template "
    "that facebatch uses: .149 at 1e-3, .119 at 1e-4, .094 at 1e-5)"
)
_SIX_PASSES = f"{_PROJECT}: all LFW pairs, six passes"
_LFW_GALLERY = (
    f"{_PROJECT}: LFW, 1,680 people with two photos or more, everyone else as strangers, one-pass "
    "embeddings aligned to dlib's mean face shape"
)
_MIRRORED = " (mirrored embeddings lie about 4 % nearer to each other)"


def _far_table(source: str, thresholds: Mapping[float, float]) -> tuple[Point, ...]:
    return tuple(Point(rate, threshold, source) for rate, threshold in thresholds.items())


def _lfw_gallery(note: str) -> tuple[Identification, ...]:
    """The shipped thresholds against a gallery; nothing was measured at other rates."""
    photos = {
        "centroid": (0.083, 0.77, "up to three photos"),
        "nearest": (0.0905, 0.50, "one photo"),
    }
    return tuple(
        Identification(
            method, 1680, (Point(0.01, threshold, f"{_LFW_GALLERY}, {shots} each{note}", found),)
        )
        for method, (threshold, found, shots) in photos.items()
    )


def _curve(slope: float, intercept: float, tta: str) -> Curve:
    return Curve(
        slope,
        intercept,
        f"{_PROJECT}: `facebatch extract images --tta {tta}` of LFW's View 1 test set (1,549 "
        "photos of 963 people), the face nearest the centre of each; 983 pairs of one person, "
        "1,197,943 of two",
    )


DEFAULTS: Mapping[tuple[str, str], Calibration] = MappingProxyType(
    {
        ("dlib-resnet", "none"): Calibration(
            "dlib-resnet",
            "none",
            far=_far_table(
                _ONE_PASS, {1e-2: 0.185, 1e-3: 0.148, 1e-4: 0.1175, 1e-5: 0.0934, 1e-6: 0.0746}
            ),
            curve=_curve(74.747, -14.085, "none"),
            fpir=_lfw_gallery(""),
        ),
        ("dlib-resnet", "mirror"): Calibration(
            "dlib-resnet",
            "mirror",
            far=_far_table(_TWO_SETS, {1e-3: 0.134, 1e-4: 0.110, 1e-5: 0.090, 1e-6: 0.074}),
            curve=_curve(78.171, -13.992, "mirror"),
            fpir=_lfw_gallery(_MIRRORED),
        ),
        ("dlib-resnet", "full"): Calibration(
            "dlib-resnet",
            "full",
            far=_far_table(_SIX_PASSES, {1e-3: 0.140, 1e-4: 0.111, 1e-5: 0.088}),
            curve=_curve(77.311, -13.532, "full"),
        ),
    }
)
"""Shipped thresholds by embedder and tta; there are none for what wasn't measured."""
