"""A network's verdict on regions of one image, each brought to the square that it reads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.integral import area_crops
from facebatch.detect.mtcnn_boxes import regions
from facebatch.detect.nets import ArrayFunction

OUTPUT_BATCH = 64  # crops a call of O-Net


def image_size(sums: NDArray[np.uint32]) -> tuple[int, int]:
    """Height and width of the image that an integral image was made of."""
    return sums.shape[0] - 1, sums.shape[1] // 3 - 1


def classify(
    net: ArrayFunction,
    sums: NDArray[np.uint32],
    boxes: NDArray[np.float32],
    side: int,
    batch: int,
) -> tuple[NDArray[np.bool_], list[NDArray[np.float32]]]:
    """Run a net over the boxes' crops.

    Args:
        net: R-Net or O-Net.
        sums: The integral image.
        boxes: float32 (n, 4), facenet-pytorch's, squares.
        side: Height and width of the crops that the net reads.
        batch: Crops a call. They bound memory in crowded images; speed hardly depends on them.

    Returns:
        bool (n,): the boxes that lie inside the image at least in part; and the net's outputs for
        those, none where there are none.
    """
    inside = regions(boxes, *image_size(sums))
    larger = inside[:, 2:] > inside[:, :2]
    valid = larger[:, 0] & larger[:, 1]
    inside = inside[valid]
    edges = [*range(0, len(inside), batch), len(inside)]
    outputs = [net(area_crops(sums, inside[i:j], side)) for i, j in pairwise(edges)]
    return valid, [np.concatenate(part) for part in zip(*outputs, strict=True)]
