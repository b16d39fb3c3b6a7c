"""Faces in pictures that lie on their side, or stand on their head, without saying so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.base import Detections, Detector

SURE = np.float32(0.95)
"""The score from which people are made of faces by default; below it a picture may lie wrongly."""


def detect_any_way_up(detector: Detector, image: NDArray[np.uint8]) -> Detections:
    """Find every face, in the three other directions too where the image itself may lie wrongly.

    It may where no more than half of its faces are sure, or none is found: on their side most faces
    are found unsurely, and a few surely but wrongly. Of the directions, the one counts whose sure
    scores have the largest sum; the image's own where there is no sure face in any.

    Args:
        detector: Finds the faces.
        image: As for ``Detector.detect``.

    Returns:
        The faces in the coordinates of the image as it is given; the landmarks keep the order they
        have on the upright face.
    """
    own = detector.detect(image)
    if 2 * np.count_nonzero(own.scores >= SURE) > len(own):
        return own
    turned = [
        turned_back(detector.detect(np.ascontiguousarray(np.rot90(image, turns))), turns, image)
        for turns in (1, 2, 3)
    ]
    return max([own, *turned], key=_sureness)


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
