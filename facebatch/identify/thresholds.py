"""How near is near enough: the threshold for a stated error rate, and a space's own calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from facebatch.errors import UsageError
from facebatch.faces.far_table import d2_at
from facebatch.identify.calibration import (
    DISTANCE_METHODS,
    FORMAT_VERSION,
    Calibration,
    Identification,
    Point,
)
from facebatch.identify.classifier import LARGEST_D2, METHODS
from facebatch.models import space_thresholds
from facebatch.models.space_thresholds import SpaceThresholds
from facebatch.storage.printable import count

_EXTRAPOLATED_DECADES = 2.0
"""How far beyond the smallest FAR that was measured its line is followed."""

_SCORES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"knn": (0.0, 1.0), "svm": (-math.inf, math.inf)}
)
"""Least and largest score of the methods whose score is no d2; see `Model.scores`."""


def threshold_for(
    calibration: Calibration,
    method: str,
    people: int,
    *,
    fpir: float | None = None,
    far: float | None = None,
) -> tuple[float, str]:
    """Returns the threshold for a stated error rate and where it comes from.

    For an FPIR: an impostor is compared with everyone, and if each of g people took it for
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

    What the calibration doesn't have is taken from that of its space.

    Args:
        calibration: Measured for a gallery, or `default_for` its embedder.
        method: One of `facebatch.identify.classifier.METHODS`.
        people: People in the gallery, at least 1.
        fpir: Share of impostors that may be taken for somebody, above 0 and below 1.
        far: Instead of it, the share of impostor pairs that may be taken for one person.

    Returns:
        The largest score to accept, and its source in words.

    Raises:
        UsageError: The method or a rate is wrong, or nothing was measured that would tell.
    """
    rate = _checked_rate(method, people, fpir, far)
    shipped = known_for(calibration.embedder, calibration.tta, calibration.space)
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
    asked = (
        f"FAR {far:g}"
        if fpir is None
        else f"FPIR {fpir:g} with {count(people, 'person', 'people')}"
    )
    raise UsageError(
        f"no threshold is known for {method} at {asked} ({calibration.embedder}, tta "
        f"{calibration.tta}): calibrate with more labelled photos, "
        "for every command with --space, or state the threshold itself"
    )


def check_threshold(method: str, threshold: float) -> None:
    """Refuses a threshold that no score of a method can be compared with.

    Raises:
        UsageError: It is no number, or outside the range of the method's scores: 0..4 for those
            that give a d2 and for ``vote``, 0..1 for ``knn``; ``svm`` has any number.
    """
    lowest, largest = _SCORES.get(method, (0.0, LARGEST_D2))
    if not (lowest <= threshold <= largest and math.isfinite(threshold)):
        bounds = "" if math.isinf(largest) else f" from {lowest:g} to {largest:g}"
        raise UsageError(f"the threshold {threshold:g} is no number{bounds}, as {method} gives")


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
    text = f"{measured.method} at FPIR {fpir:.2g} with {count(people, 'person', 'people')}"
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
        (-point.rate, point.threshold, point.source)
        for point in points
        if point.threshold is not None
    )
    if not measured:
        return None
    table = [(-falling, threshold) for falling, threshold, _ in measured]
    threshold, left, right, beyond = d2_at(table, rate)
    source = "; ".join(dict.fromkeys(measured[row][2] for row in (left, right)))
    if beyond < 0:
        return threshold, f"{measured[0][2]} (at {table[0][0]:.2g}, the largest rate measured)"
    if beyond > 0:
        smallest = table[-1][0]
        if len(table) < 2 or math.log10(smallest / rate) > _EXTRAPOLATED_DECADES + 1e-9:
            return None
        note = f"(extrapolated: {smallest:.2g} is the smallest rate measured)"
        return max(0.0, threshold), f"{measured[-1][2]} {note}"
    return threshold, source


def known_for(embedder: str, tta: str, space: str | None = None) -> Calibration | None:
    """Returns the calibration of a space: measured by the user, else shipped; None if nobody did.

    Args:
        embedder: Name of the embedder.
        tta: Views that are averaged.
        space: The space; None asks for what is shipped only.

    Raises:
        UsageError: A file of thresholds is damaged.
    """
    found = space_thresholds.known(embedder, tta, space)
    return None if found is None else _calibration(found)


def default_for(embedder: str, tta: str, space: str | None = None) -> Calibration:
    """Returns the calibration of a space, as `known_for` does.

    Raises:
        UsageError: There is none: nobody measured it.
    """
    return _calibration(space_thresholds.thresholds_of(embedder, tta, space))


def _calibration(measured: SpaceThresholds) -> Calibration:
    about = {"embedder": measured.embedder, "tta": measured.tta, "space": measured.space}
    try:
        return Calibration.from_json(
            {"format_version": FORMAT_VERSION, **about, **measured.calibration}
        )
    except ValueError as error:
        raise UsageError(f"the thresholds of {measured.embedder} are damaged: {error}") from error
