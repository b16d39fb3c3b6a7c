"""Networks of ONNX files as functions of arrays: in OpenVINO if it was chosen, else onnxruntime.

The arithmetic is float32. Whole pictures go in, so shapes vary; who calls brings them to few.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import UsageError, WeightsError
from facebatch.models.engines import Choice
from facebatch.models.provenance import Provenance

_ERRORS_ONLY = 3  # onnxruntime's severity: warnings are about the graph's making


@dataclass(frozen=True)
class OnnxNet:
    """A loaded network with one input.

    Args:
        outputs: The names of its outputs.
        run: Gives the outputs, in that order, for float32 (1, 3, height, width). They are valid
            until the thread's next call.
        provenance: What runs it.
    """

    outputs: tuple[str, ...]
    run: Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]
    provenance: Provenance


def loaded(content: bytes, chosen: Choice, model: str) -> OnnxNet:
    """Load a network.

    Args:
        content: The ONNX file.
        chosen: The engine and the device. torch doesn't read ONNX files: onnxruntime takes its
            place, on the CPU where it has no CUDA (which is written, not run); OpenVINO does
            where onnxruntime isn't installed.
        model: What to call it in a message.

    Raises:
        UsageError: Nothing that runs ONNX files is installed.
        WeightsError: The bytes hold no such network.
    """
    by_onnxruntime = (
        chosen.engine != "openvino" and importlib.util.find_spec("onnxruntime") is not None
    )
    if not by_onnxruntime and importlib.util.find_spec("openvino") is None:
        raise UsageError(
            f"{model} needs OpenVINO or onnxruntime: pip install 'facebatch[openvino]', "
            "or pip install 'facebatch[onnx]'"
        )
    try:
        return _onnxruntime(content, chosen.device) if by_onnxruntime else _openvino(content)
    except Exception as error:  # the errors of neither runtime have a common ancestor
        last = str(error).strip().splitlines()[-1:]
        raise WeightsError(f"{model}: its file holds no network: {' '.join(last)}") from error


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _openvino(content: bytes) -> OnnxNet:
    from facebatch.models.openvino_runtime import read_onnx

    network, names = read_onnx(content)
    return OnnxNet(names, network, Provenance("openvino", "cpu", "float32"))


def _onnxruntime(content: bytes, device: str) -> OnnxNet:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    usable = [name for name in wanted if name in onnxruntime.get_available_providers()]
    session: Any = onnxruntime.InferenceSession(
        content, options, providers=[*usable, "CPUExecutionProvider"]
    )
    [given] = session.get_inputs()

    def run(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return tuple(session.run(None, {given.name: images}))

    names = tuple(output.name for output in session.get_outputs())
    return OnnxNet(names, run, Provenance("onnxruntime", "cuda" if usable else "cpu", "float32"))
