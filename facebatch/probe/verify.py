"""One to one: whether two photos show the same person, and whether somebody is who they claim."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import InputError, UsageError
from facebatch.identify import Calibration
from facebatch.identify.classifier import fit
from facebatch.identify.thresholds import check_threshold, threshold_for
from facebatch.media.kinds import PHOTO_EXTENSIONS
from facebatch.probe.probe import Probe, Prober

DEFAULT_FAR = 1e-3
"""One impostor pair in a thousand may be taken for one person."""


@dataclass(frozen=True)
class Verification:
    """An answer and how sure it is.

    Args:
        same: Whether it is the same person.
        d2: Squared distance, 0..4.
        threshold: Largest d2 at which the answer is yes.
        threshold_source: Where the threshold comes from.
        probability: Probability of the same person, if both are as likely beforehand; None where
            none was fitted.
        notes: What a person should know of the photos.
    """

    same: bool
    d2: float
    threshold: float
    threshold_source: str
    probability: float | None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Returns the answer as plain data."""
        return asdict(self)


def verify_faces(
    left: Probe,
    right: Probe,
    calibration: Calibration,
    *,
    far: float | None = None,
    threshold: float | None = None,
) -> Verification:
    """Compares the central faces of two photos.

    Args:
        left: A photo.
        right: Another.
        calibration: What was measured for their embedder.
        far: Share of impostors that may be taken for one person; `DEFAULT_FAR` by default.
        threshold: Instead of it, the largest d2 that is accepted.

    Raises:
        InputError: A photo shows no face.
        UsageError: Both a rate and a threshold are given, or no threshold was measured.
    """
    mine, theirs = left.embeddings[left.central], right.embeddings[right.central]
    notes = [note for probe in (left, right) for note in _notes(probe)]
    return _decided(_d2(mine, theirs), calibration, far, threshold, notes)


def claim(
    prober: Prober,
    enrolled: Path,
    photo: str,
    calibration: Calibration,
    far: float | None = None,
    threshold: float | None = None,
) -> Verification:
    """Compares a photo with the centroid of the photos that a person was enrolled by.

    Args:
        prober: What finds faces.
        enrolled: Folder of the person's photos; those of no face are left out and told.
        photo: The photo of whoever claims to be them.
        calibration: As for `verify_faces`.
        far: As for `verify_faces`.
        threshold: As for `verify_faces`.

    Raises:
        InputError: The folder gives no face, or the photo shows none or can't be read.
        UsageError: As for `verify_faces`.
    """
    if not enrolled.is_dir():
        raise InputError(f"{enrolled} is no folder")
    embeddings, notes = [], []
    for path in sorted(enrolled.iterdir()):
        if path.suffix.lower() not in PHOTO_EXTENSIONS or path.name.startswith("."):
            continue
        try:
            known = prober.probe(str(path))
            embeddings.append(known.embeddings[known.central])
            notes += _notes(known)
        except InputError as error:
            notes.append(f"left out: {error}")
    if not embeddings:
        raise InputError(f"{enrolled}: nobody could be enrolled. {'; '.join(notes[:3])}".rstrip())
    probe = prober.probe(photo)
    person = fit("centroid", np.stack(embeddings), ["claimed"] * len(embeddings))
    d2 = float(person.scores(probe.embeddings[probe.central][None])[0, 0])
    return _decided(d2, calibration, far, threshold, [*notes, *_notes(probe)])


def _d2(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    apart = one.astype(np.float64) - other
    return float(apart @ apart)


def _decided(
    d2: float,
    calibration: Calibration,
    far: float | None,
    threshold: float | None,
    notes: list[str],
) -> Verification:
    if threshold is not None and far is not None:
        raise UsageError("--far and --threshold are two ways to say one thing: give one")
    source = "stated"
    if threshold is not None:
        check_threshold("nearest", threshold)
    else:
        rate = DEFAULT_FAR if far is None else far
        threshold, source = threshold_for(calibration, "nearest", 1, far=rate)
    likely = None if calibration.curve is None else float(calibration.probability(d2))
    return Verification(d2 <= threshold, d2, threshold, source, likely, tuple(notes))


def _notes(probe: Probe) -> list[str]:
    if not probe.others:
        return []
    return [f"{probe.path}: {1 + probe.others} faces, of which the one nearest the centre counts"]
