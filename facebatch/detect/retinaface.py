"""RetinaFace: how the outputs of its PyTorch version are read.

Deng et al., "RetinaFace: single-shot multi-level face localisation in the wild" (CVPR 2020), as
Pytorch_Retinaface's detect.py and layers/functions/prior_box.py decode it. Written, not run on the
real weights: tests hold it against a plain decoding of made-up outputs.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.single_shot import Family, Found, Outputs, padded

# Strides of the grids, and sides in pixels of the squares around the middle of each cell.
_PRIORS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
_VARIANCES = np.array([0.1, 0.2], np.float32)

_SURE = 0.6  # detect.py's vis_thres
_OVERLAP = 0.4  # test_widerface.py's nms_threshold


def decode(outputs: Outputs, size: tuple[int, int]) -> Found:
    """The boxes of which the network is sure enough.

    Args:
        outputs: Of n priors, those of finer grids first: offsets (1, n, 4) of centres and sides,
            and the probabilities (1, n, 2) of no face and face. Others, as landmarks, aren't read.
        size: Height and width of the picture, without what was added to it.

    Returns:
        Boxes and scores, as `SingleShotDetector.find` has them.
    """
    offsets, chances = (_of_width(outputs, width) for width in (4, 2))
    priors = _priors(padded(size[0]), padded(size[1]))
    shown = (priors[:, 0] < size[1]) & (priors[:, 1] < size[0])
    (sure,) = np.nonzero((chances[:, 1] >= _SURE) & shown)
    offsets, priors = offsets[sure], priors[sure]
    centres = priors[:, :2] + offsets[:, :2] * _VARIANCES[0] * priors[:, 2:]
    halves = priors[:, 2:] * np.exp(offsets[:, 2:] * _VARIANCES[1]) / 2
    return np.concatenate([centres - halves, centres + halves], axis=1), chances[sure, 1]


def _of_width(outputs: Outputs, width: int) -> NDArray[np.float32]:
    found = next(values for values in outputs.values() if values.shape[-1] == width)
    return found.reshape(-1, width)


@lru_cache(maxsize=4)
def _priors(height: int, width: int) -> NDArray[np.float32]:
    """Middle x, y and the two sides of every prior, float32 (n, 4)."""
    parts = []
    for stride, sides in _PRIORS:
        y, x, side = np.meshgrid(
            np.arange(height // stride), np.arange(width // stride), sides, indexing="ij"
        )
        middles = [(part + 0.5) * stride for part in (x, y)]
        parts.append(np.stack([*middles, side, side], axis=-1).reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)


RETINAFACE = Family(overlap=_OVERLAP, sure=_SURE, decode=decode)
