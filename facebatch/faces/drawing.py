"""Boxes and names on a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw

from facebatch.faces.fonts import isolated, lettered

_KNOWN, _UNKNOWN = (0, 200, 83), (255, 193, 7)
_LEAST_TEXT = 12  # pixels


def drawn(
    picture: Image.Image,
    boxes: Sequence[Sequence[float]],
    labels: Sequence[Mapping[str, Any]],
) -> Image.Image:
    """Returns a copy of a picture with boxes and labels.

    Args:
        picture: The upright full-size picture, in mode RGB.
        boxes: x0, y0, x1, y1 of each face.
        labels: For each face ``name`` and ``probability``, either of which may be None.

    Warns:
        MissingGlyph: No font here has a character of a name.
    """
    picture = picture.copy()
    pen = ImageDraw.Draw(picture)
    width = max(2, max(picture.size) // 400)
    height = max(_LEAST_TEXT, max(picture.size) // 50)
    for box, label in zip(boxes, labels, strict=True):
        colour = _UNKNOWN if label["name"] is None else _KNOWN
        pen.rectangle(box, outline=colour, width=width)
        text = _text(label)
        if text:
            letters = lettered(text, height)
            place = _place(box, letters.size, picture.size, width)
            pen.rectangle((*place, place[0] + letters.width, place[1] + letters.height), colour)
            pen.bitmap(place, letters, "black")
    return picture


def _place(
    box: Sequence[float], letters: tuple[int, int], picture: tuple[int, int], gap: int
) -> tuple[int, int]:
    """Returns where the label of a box begins: below it, and inside the picture where it fits."""
    wanted = box[0], box[3] + gap
    inside = (side - needed for side, needed in zip(picture, letters, strict=True))
    x, y = (max(0, min(round(at), most - gap)) for at, most in zip(wanted, inside, strict=True))
    return x, y


def _text(label: Mapping[str, Any]) -> str:
    if label["name"] is None:
        return ""
    if label["probability"] is None:
        return _one_line(label["name"])
    return f"{isolated(_one_line(label['name']))} {label['probability']:.0%}"


def _one_line(name: Any) -> str:
    return " ".join(str(name).split())
