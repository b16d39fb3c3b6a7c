"""Thresholds by an archive's own faces: what identifies them where nobody measured the embedder.

A face is at most one of a gallery's people, so whoever is second nearest to it is an impostor. How
near those are tells, without any label, how near impostors come in this archive to this gallery.

Were each of g people near by chance with probability FAR, their number near an impostor would be a
Poisson variable with mean L = -g ln(1 - FAR), and the second nearest be within a distance with
probability 1 - exp(-L) (1 + L). So second nearest distances give FAR by distance down to about 1/g.
Further down the line goes on straight over the normal quantile of FAR, where the lower tail of
impostors' distances is nearly straight, as cosines in many dimensions are nearly normal
(docs/thresholds.md). Mated faces, of which already the second nearest person is an impostor, are
left out as far as the fit itself tells them, in turns; those that it doesn't tell make the
thresholds stricter. So does that a face may be like many people, and so do twins and people
enrolled twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.identify.calibration import DISTANCE_METHODS, Calibration, Identification, Point
from facebatch.identify.distances import Doubles, Floats

LEAST_FACES, LEAST_PEOPLE = 100, 5
"""Fewer say too little: with 120 faces the 80 % interval spans a factor of five in FPIR."""

_RATES = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
_FITTED = (0.02, 0.5)
"""Quantiles of the second nearest distances that the line is fitted to: below are too few, and
people who were enrolled under two names."""
_MATED_FPIR = 0.01
_TURNS = 5
_SAMPLES = 100
_STRICT = 0.1
"""Quantile of the resampled thresholds that is taken: the lower end of their 80 % interval."""
_MEANS = np.concatenate([np.logspace(-6, 0, 600), np.linspace(1, 8, 300)[1:]])
_SHARES = -np.expm1(-_MEANS) - _MEANS * np.exp(-_MEANS)
"""Share of impostors near whom two people or more are, by the mean number of people near one."""

_MOST_FACES = 10_000
"""Of more a sample is drawn, whose error is small already."""


@dataclass(frozen=True, eq=False)
class ArchiveTail:
    """How near impostors come to a gallery in one archive.

    Args:
        lines: (s, 2) float64: d2 = lines[:, 0] + lines[:, 1] z at FAR Phi(z), for all faces in the
            first row and for resampled photos in the others.
        people: People in the gallery.
        faces: Faces that it was fitted to, which aren't surely the gallery's people.
        photos: Photos of the archive.
    """

    lines: Doubles
    people: int
    faces: int
    photos: int

    def thresholds(self, fpir: float) -> Doubles:
        """Returns the threshold for an FPIR by each line, (s,) float64."""
        z = float(_z(-np.log1p(-fpir), self.people))
        return np.asarray(self.lines[:, 0] + z * self.lines[:, 1])

    def fpir(self, threshold: float) -> Doubles:
        """Returns the FPIR at a threshold by each line, (s,) float64."""
        from scipy.stats import norm

        far = norm.cdf((threshold - self.lines[:, 0]) / self.lines[:, 1])
        return np.asarray(-np.expm1(self.people * np.log1p(-far)))

    def at(self, threshold: float) -> dict[str, Any]:
        """Returns what it says of a threshold, as plain data: the FPIR and its 80 % interval."""
        fpir = self.fpir(threshold)
        low, high = np.quantile(fpir, [_STRICT, 1 - _STRICT])
        rates = {"fpir": fpir[0], "fpir_low": low, "fpir_high": high}
        rounded = {name: float(f"{rate:.3g}") for name, rate in rates.items()}
        return {"faces": self.faces, "photos": self.photos, **rounded}

    @cached_property
    def source(self) -> str:
        """What it was fitted to, in words."""
        return (
            f"this archive's own impostors, the second nearest of {self.people:,} people to "
            f"{self.faces:,} faces of others in {self.photos:,} photos"
        )

    def calibration(self, method: str, embedder: str, tta: str, space: str) -> Calibration:
        """Returns the thresholds as a calibration, each at the strict end of its interval."""
        strict = [float(np.quantile(self.thresholds(rate), _STRICT)) for rate in _RATES]
        falling = np.maximum(0.0, np.minimum.accumulate(strict))
        points = tuple(
            Point(rate, threshold, self.source)
            for rate, threshold in zip(_RATES, falling.tolist(), strict=True)
        )
        return Calibration(
            embedder, tta, space, fpir=(Identification(method, self.people, points),)
        )


def archive_tail(
    scores: Floats, photos: npt.NDArray[np.integer], method: str, people: int
) -> ArchiveTail | None:
    """Fits how near impostors come.

    Args:
        scores: (n, 2) float32, each face's scores for its two nearest people, of good faces.
        photos: (n,) the photo of each face: the faces of one are resampled together.
        method: The method of the scores.
        people: People in the gallery.

    Returns:
        None where impostors or people are too few, or the method's scores aren't one d2.
    """
    if method not in DISTANCE_METHODS or people < LEAST_PEOPLE or len(scores) < LEAST_FACES:
        return None
    random = np.random.default_rng(0)
    if len(scores) > _MOST_FACES:
        drawn = np.sort(random.choice(len(scores), _MOST_FACES, replace=False))
        scores, photos = scores[drawn], photos[drawn]
    exact = scores.astype(np.float64)
    numbers = np.unique(photos, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    lines = [_line(exact, people)]
    impostors = int((exact[:, 0] > _threshold(lines[0], people)).sum())
    if impostors < LEAST_FACES:
        return None
    for _ in range(_SAMPLES):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        lines.append(_line(np.repeat(exact, times[numbers], axis=0), people))
    return ArchiveTail(np.array(lines), people, impostors, count)


def check_people(people: int) -> None:
    """Refuses a gallery that is too small for an archive to tell anything against it.

    Raises:
        UsageError: It is.
    """
    if people < LEAST_PEOPLE:
        raise UsageError(
            f"against {people} people the archive's own faces don't tell how near impostors come "
            f"({LEAST_PEOPLE} are needed): calibrate with labelled photos, or state the threshold"
        )


def _line(scores: Doubles, people: int) -> tuple[float, float]:
    """Returns intercept and slope of d2 over the normal quantile of FAR."""
    line, threshold = (0.0, 1e-6), -np.inf
    for _ in range(_TURNS):
        second = np.sort(scores[scores[:, 0] > threshold, 1])
        if len(second) < 2:  # of a sample that holds mated faces alone
            break
        low, high = (int(share * len(second)) for share in _FITTED)
        places = np.arange(low, max(high, low + 2))
        near = np.interp((places + 0.5) / len(second), _SHARES, _MEANS)
        slope, intercept = np.polyfit(_z(near, people), second[places], 1)
        line = (float(intercept), max(float(slope), 1e-6))
        threshold = _threshold(line, people)
    return line


def _threshold(line: tuple[float, float], people: int) -> float:
    """Returns the d2 below which a face is left out, as mated."""
    return line[0] + line[1] * float(_z(-np.log1p(-_MATED_FPIR), people))


def _z(mean_near: npt.ArrayLike, people: int) -> Doubles:
    """Returns the normal quantile of the FAR of each of some people who are near so many times."""
    from scipy.stats import norm

    return np.asarray(norm.ppf(-np.expm1(-np.asarray(mean_near) / people)))
