"""Greedy non-maximum suppression over one image's boxes, compiled.

Boxes are (n, 4) x0, y0, x1, y1. Of each pair that overlaps by more than the threshold the one
with the lower score goes, starting from the highest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebatch.workers.jit import compiled


def suppress_union(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], threshold: float
) -> NDArray[np.intp]:
    """Suppress by intersection over union, as torchvision.ops.nms does.

    Args:
        boxes: float32 (n, 4), continuous edges: a box's width is x1 - x0.
        scores: float32 (n,).
        threshold: Overlap above which the lower-scored box goes.

    Returns:
        Indices of the boxes kept, by descending score; equal scores in input order.
    """
    order = np.argsort(-scores, kind="stable")
    return _greedy(boxes, order, np.float32(threshold), np.float32(0), False)


def suppress_minimum(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], threshold: float
) -> NDArray[np.intp]:
    """Suppress by intersection over the smaller box, as MTCNN's last stage does.

    It removes a box inside another of the same face, which the union would leave. Edges are
    inclusive, as in facenet-pytorch's ``nms_numpy``.

    Args:
        boxes: float32 (n, 4), inclusive edges: a box's width is x1 - x0 + 1.
        scores: float32 (n,).
        threshold: Overlap above which the lower-scored box goes.

    Returns:
        Indices of the boxes kept, by descending score.
    """
    # O-Net gives neighbouring boxes the very same score often enough to matter (1.0 is one of
    # them). Which of two wins is up to numpy's default sort in facenet-pytorch, hence here too.
    order = np.argsort(scores)[::-1]
    return _greedy(boxes, order, np.float32(threshold), np.float32(1), True)


@compiled
def _greedy(
    boxes: NDArray[np.float32],
    order: NDArray[np.intp],
    threshold: np.float32,
    edge: np.float32,
    minimum: bool,
) -> NDArray[np.intp]:
    n = order.size
    rest = np.empty((n, 5), np.float32)  # x0, y0, x1, y1, area of the boxes still standing
    index = order.copy()
    for i in range(n):
        box = boxes[order[i]]
        rest[i, :4] = box
        rest[i, 4] = (box[2] - box[0] + edge) * (box[3] - box[1] + edge)
    kept = np.empty(n, np.intp)
    count = 0
    zero = np.float32(0)
    while n > 0:
        kept[count] = index[0]
        count += 1
        x0, y0, x1, y1, area = rest[0]
        # Survivors move up, so that each round reads only boxes still standing, in one run.
        standing = 0
        for i in range(1, n):
            width = max(zero, min(x1, rest[i, 2]) - max(x0, rest[i, 0]) + edge)
            height = max(zero, min(y1, rest[i, 3]) - max(y0, rest[i, 1]) + edge)
            shared = width * height
            whole = min(area, rest[i, 4]) if minimum else area + rest[i, 4] - shared
            # Written so that 0 / 0, the overlap of two empty boxes, suppresses nothing.
            if not (shared / whole > threshold):
                rest[standing] = rest[i]
                index[standing] = index[i]
                standing += 1
        n = standing
    return kept[:count]
