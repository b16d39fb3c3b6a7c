"""A picture as a single-shot network reads it: planes of float32, filled up with black."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebatch.models.card import Input
from facebatch.workers.jit import compiled


def planes(image: NDArray[np.uint8], height: int, width: int, reads: Input) -> NDArray[np.float32]:
    """The picture's colours as planes, less the mean, over the deviation.

    Args:
        image: uint8 (h, w, 3), RGB.
        height: Rows of the result; those below the picture are black.
        width: Columns of the result; those at the right of the picture are black.
        reads: Which colour comes first, mean and deviation.

    Returns:
        float32 (1, 3, height, width).
    """
    filled = np.empty((1, 3, height, width), np.float32)
    mean, std = np.array(reads.mean), np.array(reads.std)
    order = np.array([0, 1, 2] if reads.colour == "RGB" else [2, 1, 0])
    _fill(image, order, (1 / std).astype(np.float32), (-mean / std).astype(np.float32), filled[0])
    return filled


@compiled
def _fill(
    image: NDArray[np.uint8],
    order: NDArray[np.intp],
    scale: NDArray[np.float32],
    shift: NDArray[np.float32],
    filled: NDArray[np.float32],
) -> None:
    height, width, _ = image.shape
    for c in range(3):
        colour, factor, offset = order[c], scale[c], shift[c]
        for y in range(height):
            row, into = image[y], filled[c, y]
            for x in range(width):
                into[x] = np.float32(row[x, colour]) * factor + offset
            into[width:] = offset
        filled[c, height:] = offset
