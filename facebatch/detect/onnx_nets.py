"""Networks of ONNX files as functions of arrays: in OpenVINO if it was chosen, else onnxruntime.

The arithmetic is float32, or what the card says instead. Whole pictures go in, so shapes vary; who
calls brings them to few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import UsageError, WeightsError
from facebatch.models import onnx_runtime
from facebatch.models.card import Card, Input
from facebatch.models.engines import Choice, Precision, choose
from facebatch.models.onnx_runtime import Strips
from facebatch.models.precision import check_runs
from facebatch.models.provenance import Provenance
from facebatch.workers.machine import is_scarcity


@dataclass(frozen=True)
class OnnxNet:
    """A loaded network with one input.

    Args:
        outputs: The names of its outputs.
        run: Gives the outputs, in that order, for a picture, uint8 (1, height, width, 3), RGB and
            C-contiguous. They are valid until the thread's next call.
        provenance: What runs it.
    """

    outputs: tuple[str, ...]
    run: Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], ...]]
    provenance: Provenance


def loaded(content: bytes, card: Card, chosen: Choice, strips: Strips | None = None) -> OnnxNet:
    """Load a network.

    Args:
        content: The ONNX file.
        card: What the network is and reads.
        chosen: The engine and the device. torch doesn't read ONNX files: onnxruntime takes its
            place, on the CPU where it has no CUDA (which is written, not run); OpenVINO does
            where onnxruntime isn't installed, and of a network of bfloat16.
        strips: Its layers that may go over a picture in strips, which OpenVINO does.

    Raises:
        UsageError: Nothing that runs ONNX files, or this one, is installed.
        WeightsError: The bytes hold no such network.
    """
    check_runs(card, chosen.device)
    if card.precision == "bfloat16":
        chosen = choose("openvino", "cpu")  # says how to install it
    by_onnxruntime = chosen.engine != "openvino" and onnx_runtime.has_onnxruntime()
    if not onnx_runtime.can_run():
        raise UsageError(
            f"{card.name} needs OpenVINO or onnxruntime: pip install 'facebatch[openvino]', "
            "or pip install 'facebatch[onnx]'"
        )
    try:
        if by_onnxruntime:
            return _onnxruntime(content, card.input, chosen.device)
        return _openvino(content, card.input, strips, card.precision)
    except Exception as error:  # the errors of neither runtime have a common ancestor
        if is_scarcity(error):
            raise
        last = str(error).strip().splitlines()[-1:]
        raise WeightsError(f"{card.name}: its file holds no network: {' '.join(last)}") from error


def _openvino(content: bytes, reads: Input, strips: Strips | None, precision: Precision) -> OnnxNet:
    from facebatch.models.openvino_pictures import PictureNetwork

    network = PictureNetwork(content, reads, strips, precision)
    return OnnxNet(network.outputs, network, Provenance("openvino", "cpu", precision))


def _onnxruntime(content: bytes, reads: Input, device: str) -> OnnxNet:
    import onnxruntime

    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    usable = [name for name in wanted if name in onnxruntime.get_available_providers()]
    session = onnx_runtime.opened(content, [*usable, "CPUExecutionProvider"])
    [given] = session.get_inputs()

    def run(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        return tuple(session.run(None, {given.name: onnx_runtime.prepared(images, reads)}))

    names = tuple(output.name for output in session.get_outputs())
    return OnnxNet(names, run, Provenance("onnxruntime", "cuda" if usable else "cpu", "float32"))
