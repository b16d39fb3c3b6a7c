"""Boxes and names on a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

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
    """
    picture = picture.copy()
    pen = ImageDraw.Draw(picture)
    width = max(2, max(picture.size) // 400)
    height = max(_LEAST_TEXT, max(picture.size) // 50)
    font = ImageFont.load_default(size=height)
    for box, label in zip(boxes, labels, strict=True):
        colour = _UNKNOWN if label["name"] is None else _KNOWN
        pen.rectangle(box, outline=colour, width=width)
        text = _text(label)
        if text:
            place = (box[0], min(box[3] + width, picture.height - height - 2 * width))
            pen.rectangle(pen.textbbox(place, text, font=font), fill=colour)
            pen.text(place, text, fill="black", font=font)
    return picture


def _text(label: Mapping[str, Any]) -> str:
    if label["name"] is None:
        return ""
    if label["probability"] is None:
        return str(label["name"])
    return f"{label['name']} {label['probability']:.0%}"
