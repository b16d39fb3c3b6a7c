"""One to one: whether two photos show the same person, and whether somebody is who they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import InputError, UsageError
from facebatch.extract.chosen import DEFAULT_FACE
from facebatch.identify import Calibration
from facebatch.identify.choosing import PhotoFaces, Rule, choose_enrolled
from facebatch.identify.classifier import fit
from facebatch.identify.consensus import limit_by
from facebatch.identify.thresholds import check_threshold, threshold_for
from facebatch.media.kinds import PHOTO_EXTENSIONS
from facebatch.probe.probe import Probe, Prober, Taken

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
        faces: The face of each photo that was compared, as plain data.
        notes: What a person should know of the photos.
    """

    same: bool
    d2: float
    threshold: float
    threshold_source: str
    probability: float | None
    faces: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Returns the answer as plain data."""
        return asdict(self)


def verify_faces(
    photos: tuple[Probe, Probe],
    calibration: Calibration,
    *,
    far: float | None = None,
    threshold: float | None = None,
    faces: Sequence[str] = (DEFAULT_FACE, DEFAULT_FACE),
) -> Verification:
    """Compares a face of each of two photos.

    Args:
        photos: The photos.
        calibration: What was measured for their embedder.
        far: Share of impostors that may be taken for one person; `DEFAULT_FAR` by default.
        threshold: Instead of it, the largest d2 that is accepted.
        faces: Which face of each is meant; see `Probe.taken`.

    Raises:
        InputError: A photo shows no face, or none of that number.
        UsageError: Both a rate and a threshold are given, or no threshold was measured.
    """
    taken = [photo.taken(face) for photo, face in zip(photos, faces, strict=True)]
    mine, theirs = (photo.embeddings[face.row] for photo, face in zip(photos, taken, strict=True))
    return _decided(_d2(mine, theirs), calibration, far, threshold, taken, [])


def claim(
    prober: Prober,
    enrolled: Path,
    photo: str,
    calibration: Calibration,
    far: float | None = None,
    threshold: float | None = None,
    face: str = DEFAULT_FACE,
) -> Verification:
    """Compares a photo with the centroid of the photos that a person was enrolled by.

    These give the face that recurs through them, as for a gallery.

    Args:
        prober: What finds faces.
        enrolled: Folder of the person's photos; those that give no face are left out and told.
        photo: The photo of whoever claims to be them.
        calibration: As for `verify_faces`.
        far: As for `verify_faces`.
        threshold: As for `verify_faces`.
        face: Which face of the photo is meant; see `Probe.taken`.

    Raises:
        InputError: The folder gives no face, or the photo shows none or can't be read.
        UsageError: As for `verify_faces`.
    """
    embeddings, notes = _enrolled(prober, enrolled, calibration)
    probe = prober.probe(photo)
    taken = probe.taken(face)
    person = fit("centroid", embeddings, ["claimed"] * len(embeddings))
    d2 = float(person.scores(probe.embeddings[taken.row][None])[0, 0])
    return _decided(d2, calibration, far, threshold, (taken,), notes)


def _enrolled(
    prober: Prober, folder: Path, calibration: Calibration
) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Returns the embeddings (n, d) that a folder of photos gives, and what should be known."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder")
    photos, notes = [], []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in PHOTO_EXTENSIONS or path.name.startswith("."):
            continue
        try:
            known = prober.probe(str(path))
        except InputError as error:
            notes.append(f"left out: {error}")
            continue
        faces, facts = known.faces, known.facts
        size = (facts.width, facts.height)
        photos.append(
            PhotoFaces(known.path, faces.boxes, faces.scores, *size, known.sure, known.embeddings)
        )
    limit = limit_by(calibration)
    rule: Rule = "consensus" if limit else "largest"
    chosen, problems = choose_enrolled(folder.name, photos, rule, limit=limit)
    notes += [
        f"{'left out: ' if each.is_left_out else ''}{each.source or folder}: {each.message}"
        for each in problems
    ]
    if not chosen:
        raise InputError(f"{folder}: nobody could be enrolled. {'; '.join(notes[:3])}".rstrip())
    return np.stack([photos[each.photo].embeddings[each.face] for each in chosen]), notes


def _d2(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    apart = one.astype(np.float64) - other
    return float(apart @ apart)


def _decided(
    d2: float,
    calibration: Calibration,
    far: float | None,
    threshold: float | None,
    taken: Sequence[Taken],
    notes: Sequence[str],
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
    told = (*notes, *(note for each in taken for note in each.notes))
    faces = tuple(each.as_json() for each in taken)
    return Verification(d2 <= threshold, d2, threshold, source, likely, faces, told)
