"""YuNet: how its outputs are read.

Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector" (Machine Intelligence Research,
2023), decoded as by OpenCV's ``FaceDetectorYN`` (modules/objdetect/src/face_detect.cpp). Its
coordinates have their origin at the top-left corner of the pixel grid, as `Detections` has them: in
a mirrored photo the boxes' centres are mirrored too, to a tenth of a pixel on average.
"""

from __future__ import annotations

import numpy as np

from facebatch.detect.single_shot import Family, Found, Outputs, padded
from facebatch.models.onnx_runtime import Strips

_STRIDES = (8, 16, 32)
_OVERLAP = 0.45  # as in libfacedetection.train's configs/yunet_n.py

# A face is one of which YuNet is sure, or of which it has an idea and O-Net is as sure as for the
# least of MTCNN's faces (docs/performance.md).
_IDEA = np.float32(0.4)
_SURE = 0.8


def decode(outputs: Outputs, size: tuple[int, int]) -> Found:
    """The boxes of which the network has an idea.

    Each cell of three grids tells of one face: the score is the geometric mean of class and
    objectness, the centre is given in cells from the cell's corner, the sides are exponentials, in
    cells.

    Args:
        outputs: ``cls_S`` and ``obj_S`` (1, n, 1), ``bbox_S`` (1, n, 4) for each stride S of 8, 16
            and 32; n cells, row by row.
        size: Height and width of the picture, without what was added to it.

    Returns:
        Boxes and scores, as `SingleShotDetector.find` has them.
    """
    parts = [_decoded(outputs, stride, size) for stride in _STRIDES]
    boxes, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
    return boxes, scores


def _decoded(outputs: Outputs, stride: int, size: tuple[int, int]) -> Found:
    classes, objects = (outputs[f"{kind}_{stride}"].ravel().clip(0, 1) for kind in ("cls", "obj"))
    scores = np.sqrt(classes * objects)
    (cells,) = np.nonzero(scores >= _IDEA)
    rows, columns = np.divmod(cells, padded(size[1]) // stride)
    shown = (rows * stride < size[0]) & (columns * stride < size[1])
    cells, corners = cells[shown], np.stack([columns, rows], axis=1)[shown].astype(np.float32)
    values = outputs[f"bbox_{stride}"].reshape(-1, 4)[cells]
    centres = (corners + values[:, :2]) * np.float32(stride)
    halves = np.exp(values[:, 2:]) * np.float32(stride / 2)
    return np.concatenate([centres - halves, centres + halves], axis=1), scores[cells]


# From the picture to an eighth of its size: a convolution of 3 x 3 at half size reaches a row
# further, one at a half 2, four at a quarter 4 each; 19 rows.
_FIRST_LAYERS = Strips(last="MaxPool_18", stride=8, reach=24)

YUNET = Family(overlap=_OVERLAP, sure=_SURE, decode=decode, strips=_FIRST_LAYERS)
