"""Faces in pictures that lie on their side, or stand on their head, without saying so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.base import Detections, Detector

SURE = np.float32(0.95)
"""The score from which people are made of faces by default; below it a picture may lie wrongly."""


def way_up(detector: Detector, image: NDArray[np.uint8]) -> tuple[int, Detections]:
    """Find every face, and which way up the image lies.

    It may lie wrongly where no more than half of its faces are sure, or none is found: on their
    side most faces are found unsurely, and a few surely but wrongly. Of the directions, the one
    counts whose sure scores have the largest sum; the image's own where there is no sure face in
    any.

    Args:
        detector: Finds the faces.
        image: As for ``Detector.detect``.

    Returns:
        The quarter turns counterclockwise, 0 to 3, that bring the image upright; and the faces in
        the coordinates of the image as it is given, whose landmarks keep the order that they have
        on the upright face.
    """
    own = detector.detect(image)
    if 2 * np.count_nonzero(own.scores >= SURE) > len(own):
        return 0, own
    ways = [(0, own), *((turns, detect_turned(detector, image, turns)) for turns in (1, 2, 3))]
    return max(ways, key=lambda way: _sureness(way[1]))


def detect_turned(detector: Detector, image: NDArray[np.uint8], turns: int) -> Detections:
    """Find every face of an image that lies in a known way; arguments and faces as `way_up`."""
    if not turns:
        return detector.detect(image)
    upright = np.ascontiguousarray(np.rot90(image, turns))
    return turned_back(detector.detect(upright), turns, image)


def turned_back(found: Detections, turns: int, image: NDArray[np.uint8]) -> Detections:
    """The faces of an image that was turned, where they are in the image itself.

    Args:
        found: The faces of ``numpy.rot90(image, turns)``.
        turns: Quarter turns counterclockwise, 1 to 3.
        image: The image before it was turned.
    """
    height, width = image.shape[:2]
    ends = _turned_back(found.boxes.reshape(-1, 2, 2), turns, height, width)
    boxes = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
    return Detections(boxes, found.scores, _turned_back(found.landmarks, turns, height, width))


def _turned_back(
    points: NDArray[np.float32], turns: int, height: int, width: int
) -> NDArray[np.float32]:
    x, y = points[..., 0], points[..., 1]
    pairs = {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}
    return np.stack(pairs[turns], axis=-1).astype(np.float32)


def _sureness(found: Detections) -> float:
    return float(found.scores[found.scores >= SURE].sum())
