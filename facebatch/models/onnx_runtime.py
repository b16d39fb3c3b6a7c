"""What runs ONNX files here, and opening one in onnxruntime."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

_ERRORS_ONLY = 3  # onnxruntime's severity: warnings are about the graph's making


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
