"""Where regions lie in an upright picture, and which faces they are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.export.regions import FoundRegion
from facebatch.export.xmp import StoredPicture
from facebatch.faces.boxes import iou
from facebatch.media.orientation import MIRRORS_X, MIRRORS_Y, SWAPS_SIDES

_SAME_PLACE = 0.3
"""Overlap (IoU) from which on a region is about a face. Programs draw regions around the head or
the face, and square or not; two faces of one picture hardly overlap at all."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Placed:
    """A region of a picture.

    Args:
        name: Whom it shows.
        box: x0, y0, x1, y1 in pixels of the upright picture.
        face: Number of the face that it is about; None for none.
    """

    name: str
    box: Box
    face: int | None


def place_regions(
    regions: Sequence[FoundRegion], picture: StoredPicture, boxes: npt.NDArray[np.float64]
) -> list[Placed]:
    """Returns where regions lie, and each one's face.

    Regions apply to the picture as it is stored. A program that turned the picture first says so by
    the sides that it names; where nothing says, the reading that finds more faces is taken.

    Args:
        regions: What one schema of one file says.
        picture: The picture.
        boxes: (n, 4) its faces, x0, y0, x1, y1 in pixels of the upright picture.
    """
    orientations = [picture.orientation, 1] if picture.orientation != 1 else [1]
    applied = next((region.applied_to for region in regions if region.applied_to), None)
    if applied is not None and picture.orientation in SWAPS_SIDES:
        is_wide = picture.width > picture.height
        if picture.width != picture.height and applied[0] != applied[1]:
            orientations = [1 if (applied[0] > applied[1]) == is_wide else picture.orientation]
    readings = []
    for orientation in orientations:
        placed = [upright(region.box, orientation, picture) for region in regions]
        readings.append((placed, match(placed, boxes)))
    placed, faces = max(readings, key=lambda reading: sum(f is not None for f in reading[1]))
    return [
        Placed(region.name, box, face)
        for region, box, face in zip(regions, placed, faces, strict=True)
    ]


def upright(box: Box, orientation: int, picture: StoredPicture) -> Box:
    """Returns a box of the stored picture in pixels of the upright one.

    Args:
        box: x0, y0, x1, y1 as shares of the stored picture.
        orientation: Its EXIF orientation, 1..8.
        picture: The size of the upright picture.
    """
    x0, y0, x1, y1 = box
    if orientation in SWAPS_SIDES:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if orientation in MIRRORS_X:
        x0, x1 = 1 - x1, 1 - x0
    if orientation in MIRRORS_Y:
        y0, y1 = 1 - y1, 1 - y0
    return x0 * picture.width, y0 * picture.height, x1 * picture.width, y1 * picture.height


def match(regions: Sequence[Box], boxes: npt.NDArray[np.float64]) -> list[int | None]:
    """Returns the face that each region is about, None for none; no face has two.

    A region is about a face if both overlap by `_SAME_PLACE`, or each has the other's centre in it;
    of a point, if the face has it in it. Pairs that overlap more come first.

    Args:
        regions: x0, y0, x1, y1 of each.
        boxes: (n, 4) those of the faces, in the same unit.
    """
    result: list[int | None] = [None] * len(regions)
    if not len(regions) or not len(boxes):
        return result
    wanted = np.array(regions, np.float64)
    overlap = iou(wanted[:, None], boxes[None])
    mutual = _holds(boxes[None], wanted[:, None])
    has_size = (wanted[:, 2] > wanted[:, 0]) & (wanted[:, 3] > wanted[:, 1])
    mutual &= _holds(wanted[:, None], boxes[None]) | ~has_size[:, None]
    pairs = np.argwhere((overlap >= _SAME_PLACE) | mutual)
    taken: set[int] = set()
    for region, face in sorted(pairs.tolist(), key=lambda pair: -overlap[pair[0], pair[1]]):
        if result[region] is None and face not in taken:
            result[region] = face
            taken.add(face)
    return result


def _holds(outer: npt.NDArray[np.float64], inner: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tells which boxes have the centres of others in them."""
    centre = (inner[..., :2] + inner[..., 2:]) / 2
    inside = (outer[..., :2] <= centre) & (centre <= outer[..., 2:])
    return np.asarray(inside.all(axis=-1))
