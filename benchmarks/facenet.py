"""facenet_pytorch, made ready to be compared with."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facebatch.detect.nms import suppress_union

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.facenet_package import import_facenet_pytorch

__all__ = ["import_facenet_pytorch", "lend_nms"]


def lend_nms() -> bool:
    """Gives facenet_pytorch's MTCNN a non-maximum suppression where torchvision's can't be called.

    It is the compiled one of ``facebatch.detect.nms``, so that MTCNN is no slower for it.

    Returns:
        Whether it was needed.

    Raises:
        ImportError: facenet_pytorch or torchvision isn't installed.
    """
    import_facenet_pytorch()
    operators: Any = importlib.import_module("torchvision.ops")
    try:
        operators.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (RuntimeError, NotImplementedError):
        detect_face: Any = importlib.import_module("facenet_pytorch.models.utils.detect_face")
        detect_face.batched_nms = batched_nms
        return True
    return False


def batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, threshold: float
) -> torch.Tensor:
    """Suppresses within each group, as ``torchvision.ops.batched_nms`` does.

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1.
        scores: float32 (n,).
        groups: int64 (n,), from 0. Boxes of different groups don't suppress each other.
        threshold: Overlap, as intersection over union, above which the lower-scored box goes.

    Returns:
        int64 indices of the boxes kept, by descending score.
    """
    if len(boxes) == 0:
        return torch.zeros(0, dtype=torch.int64)
    # A group's boxes are moved to where no other group's are, as torchvision does it.
    apart = boxes + (groups.to(boxes) * (boxes.max() + 1))[:, None]
    kept = suppress_union(np.ascontiguousarray(apart.numpy()), scores.numpy(), threshold)
    return torch.from_numpy(kept.astype(np.int64))
