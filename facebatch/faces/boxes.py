"""How boxes lie to each other: the one place where their overlap is reckoned."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def iou(one: npt.ArrayLike, other: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns the intersection over union (Jaccard index) of boxes, 0..1.

    Args:
        one: (..., 4): x0, y0, x1, y1. A box whose edges are the wrong way round is empty.
        other: (..., 4) in the same unit; the leading axes are broadcast, so that
            ``iou(left[:, None], right[None])`` compares every box with every other.

    Returns:
        float64 (...); 0 where both boxes are empty.
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(
        first[..., :2], second[..., :2]
    )
    shared = np.maximum(sides, 0).prod(axis=-1)
    union = areas(first) + areas(second) - shared
    return np.asarray(shared / np.where(union > 0, union, 1))


def areas(boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Returns the area of each box of (..., 4), in its unit squared; 0 for an empty one."""
    return np.asarray(np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1))
