"""What runs ONNX files here, and opening one in onnxruntime."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from facebatch.models.card import Input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ERRORS_ONLY = 3  # onnxruntime's severity: warnings are about the graph's making


@dataclass(frozen=True)
class Strips:
    """A network's first layers, which may be computed over a picture in strips of its rows.

    They are convolutions and poolings one after the other.

    Args:
        last: The name of their last node in the ONNX file.
        stride: Rows of the picture for one row of that node's values.
        reach: Rows that such a row depends on above or below its own, a multiple of ``stride``.
    """

    last: str
    stride: int
    reach: int


def has_onnxruntime() -> bool:
    """Tells whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def can_run() -> bool:
    """Tells whether anything that runs ONNX files is installed: onnxruntime or OpenVINO."""
    return has_onnxruntime() or importlib.util.find_spec("openvino") is not None


def opened(content: bytes, providers: Sequence[str]) -> Any:
    """Returns an ``onnxruntime.InferenceSession`` on one thread.

    Args:
        content: The ONNX file.
        providers: Where it runs, by onnxruntime's names, the first that can.

    Raises:
        Exception: The bytes hold no network; onnxruntime's errors have no common ancestor.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    return onnxruntime.InferenceSession(content, options, providers=list(providers))


def prepared(images: NDArray[np.uint8], reads: Input) -> NDArray[Any]:
    """Returns what a network reads of pictures, which OpenVINO makes of them by itself.

    Args:
        images: uint8 (n, height, width, 3), RGB.
        reads: Which colour comes first, mean and deviation, layout and type.

    Returns:
        float32 or uint8, C-contiguous: (n, 3, height, width), or (n, height, width, 3).
    """
    import numpy as np

    n, height, width, _ = images.shape
    planes = np.empty((n, 3, height, width), reads.dtype)
    for channel, colour in enumerate((0, 1, 2) if reads.colour == "RGB" else (2, 1, 0)):
        planes[:, channel] = images[..., colour]
        if reads.dtype == "float32":
            planes[:, channel] -= np.float32(reads.mean[channel])
            planes[:, channel] /= np.float32(reads.std[channel])
    if reads.layout == "NCHW":
        return planes
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
