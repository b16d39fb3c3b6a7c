"""SCRFD: how the outputs of InsightFace's single-shot detectors are read.

Guo et al., "Sample and computation redistribution for efficient face detection" (ICLR 2022), as
InsightFace's detection/scrfd/tools/scrfd.py decodes it. Written, not run on the real weights: tests
hold it against a plain decoding of made-up outputs.
"""

from __future__ import annotations

import numpy as np

from facebatch.detect.single_shot import Family, Found, Outputs, padded

_STRIDES = (8, 16, 32)
_ANCHORS = 2  # a cell

_SURE = 0.5  # InsightFace's det_thresh
_OVERLAP = 0.4  # its nms_thresh


def decode(outputs: Outputs, size: tuple[int, int]) -> Found:
    """The boxes of which the network is sure enough.

    Two anchors in each cell of three grids tell of a face each: a probability, and the distances of
    the box's edges from the cell's corner, in cells.

    Args:
        outputs: First the scores (n, 1) of strides 8, 16 and 32, then their boxes (n, 4), then
            landmarks, which aren't read; n anchors, row by row. An axis of length 1 may come first.
        size: Height and width of the picture, without what was added to it.

    Returns:
        Boxes and scores, as `SingleShotDetector.find` has them.
    """
    values = list(outputs.values())
    boxes, scores = [], []
    for stride, found, distances in zip(_STRIDES, values[:3], values[3:6], strict=True):
        (anchors,) = np.nonzero(found.ravel() >= _SURE)
        rows, columns = np.divmod(anchors // _ANCHORS, padded(size[1]) // stride)
        shown = (rows * stride < size[0]) & (columns * stride < size[1])
        anchors, corners = anchors[shown], np.stack([columns, rows], axis=1)[shown]
        edges = distances.reshape(-1, 4)[anchors] * np.array([-1, -1, 1, 1], np.float32)
        boxes.append((np.tile(corners.astype(np.float32), 2) + edges) * np.float32(stride))
        scores.append(found.ravel()[anchors])
    return np.concatenate(boxes), np.concatenate(scores)


SCRFD = Family(overlap=_OVERLAP, sure=_SURE, decode=decode)
