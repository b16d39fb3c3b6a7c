"""What a calibration is: thresholds at stated error rates, and the probability of a distance.

A calibration holds what was measured on labelled photos of one space: the d2 at which two
impostors are taken for one person with a stated probability (FAR), the score at which an impostor
is taken for somebody of a gallery (FPIR), and the probability that two embeddings of a given d2
are one person's. Every number says where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError

FORMAT_VERSION = 1

DISTANCE_METHODS = ("nearest", "centroid", "both")
"""Methods whose score is one d2, so that a FAR says something about them."""


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
        method: One of `facebatch.identify.classifier.METHODS`.
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
        return logistic(-z)

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


def logistic(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns 1 / (1 + exp(-z)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -z)), np.float64)
