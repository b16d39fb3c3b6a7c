"""Faces of pictures that are seen too small as a whole: panoramas, and crowds.

A panorama is a picture so long that its other side is shrunk to less than half of what an ordinary
picture keeps; a crowd is one in which many faces are at the smallest size that is found. Both are
looked at again in tiles that overlap, and a face that several of the looks saw counts once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facebatch.detect.base import Detections
from facebatch.faces.boxes import areas, iou

Size = tuple[int, int]
"""Width and height in pixels."""

Look = Callable[[NDArray[np.uint8]], Detections]
"""Finds the faces of an image, in its own pixels."""

_ORDINARY = 0.75
"""The shorter side of an ordinary picture, in units of its longer one: 4:3, as most cameras have
it. The tiles of a panorama show it as large as such a picture is."""

_PANORAMA_GAIN = 2.0
"""How many times larger tiles show a panorama than the look at the whole; 8:3 reaches it."""

CROWD = 10
"""Faces at the smallest size from which on a picture is a crowd."""

_CROWD_GAIN = 1.25
"""How many times larger tiles have to show a crowd than the look before; twice is the most."""

_SMALLEST = 2 / 3
"""Side of a box, in units of ``min_face``, up to which a face is at the smallest size that is
found; the least box has half of ``min_face``."""

_OVERLAP = 1 / 8
"""Of neighbouring tiles at least, in units of a tile's side."""

_SAME = 0.45
_WITHIN = 0.7
"""Overlaps above which two looks saw one face: intersection over union, as YuNet suppresses within
one, and over the smaller box, as MTCNN does."""


@dataclass(frozen=True)
class Tile:
    """A part of a picture.

    Args:
        box: x0, y0, x1, y1 in pixels of the picture.
        size: Pixels that it is looked at with.
        inner: Whether its left, top, right and bottom edge cut the picture.
    """

    box: tuple[float, float, float, float]
    size: Size
    inner: tuple[bool, bool, bool, bool]


Cut = Callable[[Tile], NDArray[np.uint8]]
"""Gives the pixels of a part of the picture, uint8 (height, width, 3) of the tile's size."""


def detect_closer(
    whole: Detections, full: Size, side: int, min_face: int, look: Look, cut: Cut
) -> Detections:
    """Adds to the faces of a picture those that tiles show, where it is a panorama or a crowd.

    Args:
        whole: What the look at the whole found, in pixels of the picture.
        full: The picture's size.
        side: The longer side that the whole was looked at with, and tiles are; pixels.
        min_face: Side of the smallest square that is looked into, in pixels of what is looked at.
        look: Finds the faces of a tile.
        cut: Gives a tile's pixels.

    Returns:
        In pixels of the picture; those of ``whole`` itself where it is neither.
    """
    parts, seen = [whole], min(side, max(full))

    def add(finer: int) -> None:
        # What the look before was too coarse for has to lie within a tile.
        unseen = min(side // 2, math.ceil(min_face * finer / seen))
        every = tiles(full, finer, side, max(unseen, round(_OVERLAP * side)))
        parts.append(merged([_in_picture(look(cut(tile)), tile) for tile in every]))

    gain = float(panorama_gain(max(full), min(full), side))
    if gain > 1:
        add(round(gain * seen))
        seen = round(gain * seen)
    long_sides = np.full(len(parts[-1]), max(full))
    if at_smallest_size(parts[-1].boxes, long_sides, seen, min_face).sum() >= CROWD:
        add(min(max(full), round((2 - _OVERLAP) * seen)))
    return merged(parts) if len(parts) > 1 else whole


def at_smallest_size(
    boxes: NDArray[np.float32], long_sides: NDArray[np.integer], side: int, min_face: int
) -> NDArray[np.bool_]:
    """Tells which faces are so small that a closer look at their picture would find more of them.

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1 in pixels of each face's picture.
        long_sides: (n,): its longer side.
        side: The longer side that it was looked at with.
        min_face: As for `detect_closer`.

    Returns:
        bool (n,); False where the picture has no more pixels to look at.
    """
    shrunk = np.asarray(long_sides) / side
    small = np.sqrt(areas(boxes)) <= _SMALLEST * min_face * shrunk
    return np.asarray(small & (shrunk >= _CROWD_GAIN))


def panorama_gain(long_sides: ArrayLike, short_sides: ArrayLike, side: int) -> NDArray[np.float64]:
    """Tells how many times larger tiles show pictures than a look at the whole does.

    Args:
        long_sides: (n,): the pictures' longer sides in pixels.
        short_sides: (n,): the shorter ones.
        side: As for `detect_closer`.

    Returns:
        float64 (n,), 1 for pictures that are no panoramas.
    """
    longer, shorter = np.asarray(long_sides), np.asarray(short_sides)
    seen = np.minimum(longer, side)
    gain = longer / seen * np.minimum(1, _ORDINARY * seen / shorter)
    return np.asarray(np.where(gain >= _PANORAMA_GAIN, gain, 1.0))


def tiles(full: Size, long_side: int, side: int, overlap: int) -> Iterator[Tile]:
    """Yields the tiles of a picture, row by row.

    Args:
        full: The picture's size.
        long_side: Its longer side in the pixels that it is looked at with.
        side: Longest side of a tile in those.
        overlap: Of neighbouring tiles in those, less than ``side``.
    """
    ratio = long_side / max(full)
    width, height = (max(1, round(length * ratio)) for length in full)
    scale_x, scale_y = full[0] / width, full[1] / height
    rows, columns = _spans(height, side, overlap), _spans(width, side, overlap)
    for top, bottom in rows:
        for left, right in columns:
            yield Tile(
                (left * scale_x, top * scale_y, right * scale_x, bottom * scale_y),
                (right - left, bottom - top),
                (left > 0, top > 0, right < width, bottom < height),
            )


def merged(parts: Sequence[Detections]) -> Detections:
    """Joins what several looks at one picture found, each face once.

    Of boxes of different looks that overlap as those of one face do the surest stays. One that lies
    within a surer one goes too: it is a part of that face. What one look found stands side by side
    there, whatever it overlaps with.
    """
    boxes = np.concatenate([part.boxes for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    landmarks = np.concatenate([part.landmarks for part in parts])
    origin = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.lexsort((boxes[:, 1], boxes[:, 0], -scores))
    boxes, scores, landmarks = boxes[order], scores[order], landmarks[order]
    origin = origin[order]
    stands = np.ones(len(boxes), bool)
    size = areas(boxes)
    for face in range(len(boxes)):
        if not stands[face]:
            continue
        overlap = iou(boxes[face], boxes)
        shared = overlap * (size[face] + size) / (1 + overlap)
        same = (overlap > _SAME) | (shared > _WITHIN * size)
        same[: face + 1] = False
        stands &= ~(same & (origin != origin[face]))
    return Detections(boxes[stands], scores[stands], landmarks[stands])


def _spans(length: int, side: int, overlap: int) -> list[tuple[int, int]]:
    """Returns where equal parts of a length begin and end, none longer than a side."""
    if length <= side:
        return [(0, length)]
    count = math.ceil((length - overlap) / (side - overlap))
    part = math.ceil((length + (count - 1) * overlap) / count)
    starts = [round(number * (length - part) / (count - 1)) for number in range(count)]
    return [(start, start + part) for start in starts]


def _in_picture(found: Detections, tile: Tile) -> Detections:
    """Returns a tile's faces in the picture, without those that its edges cut."""
    low, high = np.zeros(2), np.array(tile.size)
    edges = np.array(tile.inner)
    cut = np.concatenate([found.boxes[:, :2] < low, found.boxes[:, 2:] > high], axis=1) & edges
    kept = ~cut.any(axis=1)
    corner = np.array(tile.box[:2])
    scale = (np.array(tile.box[2:]) - corner) / tile.size
    boxes = found.boxes[kept] * np.tile(scale, 2) + np.tile(corner, 2)
    landmarks = found.landmarks[kept] * scale + corner
    return replace(
        found,
        boxes=boxes.astype(np.float32),
        scores=found.scores[kept],
        landmarks=landmarks.astype(np.float32),
    )
