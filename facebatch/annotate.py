"""Copies of photos with a box around every face, and the name of whom a gallery knows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from facebatch.calibration import DISTANCE_METHODS
from facebatch.errors import InputError
from facebatch.identify import Decisions
from facebatch.probes import Probe, Prober
from facebatch.stages import Question
from facebatch.storage import filesystem

_KNOWN, _UNKNOWN = (0, 200, 83), (255, 193, 7)
_QUALITY = 92
_LEAST_TEXT = 12  # pixels


def annotate_photos(
    photos: Sequence[str], folder: Path, prober: Prober, question: Question | None
) -> dict[str, Any]:
    """Writes a JPEG copy of every photo that can be read, and says what it shows.

    Copies are called as their photos are, with a number where two would be called the same; a
    file that is there already is never written over.

    Args:
        photos: Paths or fsspec URLs.
        folder: Where the copies go.
        prober: What finds faces, under the gallery's settings.
        question: The gallery that faces are named by; None leaves them unnamed.

    Raises:
        InputError: None of the photos could be read, or the folder can't be written.
        UsageError: The gallery can't be used.
    """
    model = question.model if question else None
    threshold = question.decided_by()[0] if question else 0.0
    written, failed = [], []
    for path in photos:
        try:
            probe = prober.look(path)
        except InputError as error:
            failed.append({"photo": path, "message": str(error)})
            continue
        decided = model.decide(probe.embeddings, threshold) if model else None
        people = model.people if model else ()
        labels = _labels(len(probe.faces), decided, people, question)
        copy = drawn(probe, labels)
        target = _target(folder, path)
        _save(copy, target)
        faces = [
            {"box": box, "score": float(score), **label}
            for box, score, label in zip(
                probe.faces.boxes.tolist(), probe.faces.scores, labels, strict=True
            )
        ]
        written.append({"photo": path, "copy": str(target), "faces": faces})
    if not written:
        raise InputError("; ".join(str(one["message"]) for one in failed[:3]))
    return {"written": written, "failed": failed}


def _labels(
    faces: int, decided: Decisions | None, people: Sequence[str], question: Question | None
) -> list[dict[str, Any]]:
    """Returns each face's name and how likely it is; None where nobody is near enough."""
    if decided is None or question is None:
        return [{"name": None, "probability": None} for _ in range(faces)]
    likely: npt.NDArray[np.float64] | None = None
    if question.method in DISTANCE_METHODS:
        calibration = question.calibration()
        likely = calibration.probability(decided.score) if calibration.curve else None
    return [
        {
            "name": people[person] if person >= 0 else None,
            "probability": None if likely is None or person < 0 else float(likely[face]),
        }
        for face, person in enumerate(decided.person.tolist())
    ]


def drawn(probe: Probe, labels: Sequence[dict[str, Any]]) -> Image.Image:
    """Returns the upright full-size picture with boxes and labels.

    Args:
        probe: The photo and its faces.
        labels: For each face ``name`` and ``probability``, either of which may be None.
    """
    picture = probe.picture().copy()
    pen = ImageDraw.Draw(picture)
    width = max(2, max(picture.size) // 400)
    height = max(_LEAST_TEXT, max(picture.size) // 50)
    font = ImageFont.load_default(size=height)
    for box, label in zip(probe.faces.boxes.tolist(), labels, strict=True):
        colour = _UNKNOWN if label["name"] is None else _KNOWN
        pen.rectangle(box, outline=colour, width=width)
        text = _text(label)
        if text:
            place = (box[0], min(box[3] + width, picture.height - height - 2 * width))
            pen.rectangle(pen.textbbox(place, text, font=font), fill=colour)
            pen.text(place, text, fill="black", font=font)
    return picture


def _text(label: dict[str, Any]) -> str:
    if label["name"] is None:
        return ""
    if label["probability"] is None:
        return str(label["name"])
    return f"{label['name']} {label['probability']:.0%}"


def _target(folder: Path, photo: str) -> Path:
    stem = Path(filesystem(photo)[1]).stem
    number = 1
    target = folder / f"{stem}.jpg"
    while target.exists():
        number += 1
        target = folder / f"{stem}-{number}.jpg"
    return target


def _save(picture: Image.Image, target: Path) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(buffer.getvalue())
    except OSError as error:
        raise InputError(f"{target} can't be written: {error}") from error
