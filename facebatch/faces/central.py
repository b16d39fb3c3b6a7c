"""Whom a photo shows where it has several faces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def central_face(boxes: npt.NDArray[np.floating], width: float, height: float) -> int:
    """Returns whom a photo shows: the face nearest the centre, weighted by size.

    It is the one with the greatest area - 2 r^2, where r is the distance of its box's centre from
    the picture's, all in pixels: the rule of davidsandberg/facenet's align_dataset_mtcnn.py. Of
    equal ones it is the first.

    Args:
        boxes: (m, 4), x0, y0, x1, y1, at least one.
        width: Width of the picture in the pixels of the boxes.
        height: Its height.

    Raises:
        ValueError: There is no box.
    """
    x0, y0, x1, y1 = boxes.astype(np.float64).T
    offset2 = ((x0 + x1 - width) / 2) ** 2 + ((y0 + y1 - height) / 2) ** 2
    return int(np.argmax((x1 - x0) * (y1 - y0) - 2 * offset2))
