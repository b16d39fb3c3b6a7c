"""Which face of a photo is meant, where it shows several."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def largest_face(
    boxes: npt.NDArray[np.floating], scores: npt.NDArray[np.floating], sure: npt.NDArray[np.bool_]
) -> int:
    """Returns the face with the largest box among the sure ones; without any, the surest.

    Args:
        boxes: (m, 4), x0, y0, x1, y1, at least one.
        scores: (m,), the detector's probabilities.
        sure: (m,) bool: which are good enough, as `facebatch.faces.quality.Gate` has it.

    Returns:
        Its row; of equal ones the first.

    Raises:
        ValueError: There is no box.
    """
    if not sure.any():
        return int(np.argmax(scores))
    x0, y0, x1, y1 = boxes.astype(np.float64).T
    return int(np.argmax(np.where(sure, (x1 - x0) * (y1 - y0), -np.inf)))


def numbers(boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Returns the number of each face (m,), counted from the left, from 1, by the boxes' middles.

    Faces straight above each other count from the top.
    """
    middle = (boxes[:, :2].astype(np.float64) + boxes[:, 2:]) / 2
    order = np.lexsort((middle[:, 1], middle[:, 0]))
    found = np.empty(len(boxes), np.int64)
    found[order] = np.arange(1, len(boxes) + 1)
    return found
