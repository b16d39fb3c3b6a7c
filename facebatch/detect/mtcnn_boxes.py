"""The arithmetic of MTCNN's boxes: pyramid, proposals, regression, squares.

All of it is float32 in the order of facenet-pytorch's ``detect_face``, so that results agree to
rounding. Boxes here are facenet-pytorch's: x0, y0, x1, y1 with one-based inclusive edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CELL = 12  # side of P-Net's field, and with it of the smallest face in a pyramid level
_STRIDE = 2

_ONE = np.float32(1)
_HALF = np.float32(0.5)


def pyramid(height: int, width: int, min_face: int, factor: float) -> list[float]:
    """The scales at which P-Net looks: from min_face down to where its field fills the image.

    Args:
        height: The image's height in pixels.
        width: The image's width in pixels.
        min_face: Side of the smallest face in pixels.
        factor: Ratio of two scales that follow each other, below 1.

    Returns:
        Scales in descending order; none for an image smaller than min_face.
    """
    scale = _CELL / min_face
    shorter = min(height, width) * scale
    scales = []
    while shorter >= _CELL:
        scales.append(scale)
        scale *= factor
        shorter *= factor
    return scales


def proposals(
    regressions: NDArray[np.float32],
    scores: NDArray[np.float32],
    scale: float,
    threshold: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """P-Net's fields whose score reaches the threshold.

    Args:
        regressions: float32 (4, h, w).
        scores: float32 (h, w).
        scale: The pyramid level's scale.
        threshold: The least score.

    Returns:
        The fields' boxes (n, 4) in the image, their scores (n,), their regressions (n, 4).
    """
    y, x = np.nonzero(scores >= np.float32(threshold))
    corner = np.stack([x, y], axis=1).astype(np.float32) * np.float32(_STRIDE)
    low = np.floor((corner + _ONE) / np.float32(scale))
    high = np.floor((corner + np.float32(_CELL)) / np.float32(scale))
    return np.concatenate([low, high], axis=1), scores[y, x], regressions[:, y, x].T


def moved(
    boxes: NDArray[np.float32], regressions: NDArray[np.float32], edge: int
) -> NDArray[np.float32]:
    """Move each edge by its regression, a fraction of the box's width or height.

    Args:
        boxes: float32 (n, 4).
        regressions: float32 (n, 4).
        edge: Added to width and height: 0 for P-Net's boxes, 1 for R-Net's and O-Net's.

    Returns:
        float32 (n, 4).
    """
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(edge)
    shifts: NDArray[np.float32] = regressions * np.concatenate([sides, sides], axis=1)
    return boxes + shifts


def squared(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Extend each box about its centre to a square of its longer side.

    Args:
        boxes: float32 (n, 4).

    Returns:
        float32 (n, 4).
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    low = boxes[:, :2] + sides * _HALF - longer * _HALF
    return np.concatenate([low, low + longer], axis=1)


def regions(boxes: NDArray[np.float32], height: int, width: int) -> NDArray[np.int32]:
    """The pixels that boxes cover, clipped to the image: ``image[y0:y1, x0:x1]``.

    Args:
        boxes: float32 (n, 4).
        height: The image's height in pixels.
        width: The image's width in pixels.

    Returns:
        int32 (n, 4), zero-based and half open; empty (x1 <= x0 or y1 <= y0) outside the image.
    """
    whole = np.trunc(boxes).astype(np.int32)
    low = np.maximum(whole[:, :2], 1) - 1
    high = np.minimum(whole[:, 2:], np.array([width, height], np.int32))
    return np.concatenate([low, high], axis=1)


def landmarks_in_image(
    boxes: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> NDArray[np.float32]:
    """O-Net's landmarks, fractions of the crop it saw, as facenet-pytorch places them.

    Args:
        boxes: float32 (n, 4) that the crops were cut from.
        landmarks: float32 (n, 10): five xs, then five ys.

    Returns:
        float32 (n, 5, 2): zero-based pixel indices, where an integer is a pixel's centre.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + _ONE
    fractions = np.stack([landmarks[:, :5], landmarks[:, 5:]], axis=2)
    return sides[:, None] * fractions + boxes[:, None, :2] - _ONE
