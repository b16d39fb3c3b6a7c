"""How OpenVINO is run in a worker, and the layers that networks are built of for it.

Networks are built layer by layer from numpy arrays, without torch, whose import costs each worker
most of a second and some 200 MB. Detector and embedder share this room, and take ``opset`` from
it: nothing else imports openvino, because that alone reports to its maker. It imports openvino, so
light modules must not import it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import WeightsError
from facebatch.models.card import Input
from facebatch.models.engines import Precision

_TELEMETRY = "openvino_telemetry"


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Hide OpenVINO's telemetry package, without which it imports as well.

    With it, the import forks a process that posts to Google Analytics and leaves a client id in
    the home folder: in every worker, and without asking. Photos' keepers don't expect that.
    """
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's own word for "missing"
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


with _without_telemetry():
    import openvino
    import openvino.opset13
    import openvino.preprocess

opset: Any = openvino.opset13
"""The operations that graphs are built of."""

Node = Any
"""A node of OpenVINO's graph, or one of its outputs; its own types are partial."""

# Entries of one network's least-recently-used cache of compiled kernels. One input shape takes two
# or three, so P-Net's holds the pyramids of some twenty picture sizes. OpenVINO's own bound, 5,000,
# lets a worker that sees pictures of every size grow by hundreds of megabytes.
_KERNELS = 500

_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


class Network:
    """A compiled network on one thread of the CPU.

    Any number of threads may call it.

    Args:
        inputs: The graph's parameter, from ``parameter``.
        outputs: The nodes whose values a call gives.
        precision: The arithmetic of its layers.
    """

    def __init__(self, inputs: Node, outputs: Sequence[Node], precision: Precision) -> None:
        self._compiled = _core().compile_model(
            openvino.Model(list(outputs), [inputs]),
            "CPU",
            {
                # Left alone OpenVINO takes bfloat16 wherever the CPU has it.
                "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
                # One process a core is facebatch's parallelism. A pinned thread would sit on
                # core 0, in every process.
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,
                "CPU_RUNTIME_CACHE_CAPACITY": _KERNELS,
            },
        )
        self._outputs = len(outputs)
        self._requests = threading.local()

    def __call__(self, array: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """Runs the network.

        Args:
            array: The input, C-contiguous and of the parameter's dtype.

        Returns:
            The outputs, valid until this thread's next call.
        """
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        results = self._requests.own.infer([array], share_inputs=True, share_outputs=True)
        return tuple(results[at] for at in range(self._outputs))


@cache
def _core() -> Any:
    return openvino.Core()


def model_of(content: bytes, reads: Input) -> Any:
    """Reads an ONNX file's network of one input, with the preparation of its input in front.

    Returns:
        OpenVINO's model, which reads uint8 (n, height, width, 3), RGB.

    Raises:
        RuntimeError: The bytes hold none that OpenVINO can read.
    """
    return _prepared(_core().read_model(content), reads)


def graph_of(model: Any, precision: Precision = "float32") -> Network:
    """Compiles a model of one input."""
    outputs = [result.input_value(0) for result in model.get_results()]
    return Network(model.get_parameters()[0], outputs, precision)


def read_network(
    contents: Sequence[bytes], batch: int, reads: Input, precision: Precision = "float32"
) -> Network:
    """Compiles a network from its files, with the preparation of its input in front.

    Args:
        contents: The bytes of an ONNX file, or of IR's XML and its weights.
        batch: Chips that a call reads, whatever the file has.
        reads: What the network reads.
        precision: The arithmetic of its layers.

    Returns:
        A network that reads uint8 (batch, size, size, 3), RGB.

    Raises:
        WeightsError: The bytes hold no network that reads this.
    """
    channels = [3, reads.size, reads.size] if reads.layout == "NCHW" else [reads.size] * 2 + [3]
    try:
        model = _core().read_model(*contents)
        model.reshape({model.input(): [batch, *channels]})
        return graph_of(_prepared(model, reads), precision)
    except RuntimeError as error:
        raise WeightsError(f"OpenVINO can't read it: {_last_line(error)}") from error


def _prepared(model: Any, reads: Input) -> Any:
    steps = openvino.preprocess.PrePostProcessor(model)
    chips = steps.input()
    chips.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    chips.tensor().set_color_format(openvino.preprocess.ColorFormat.RGB)
    chips.model().set_layout(openvino.Layout(reads.layout))
    if reads.dtype == "float32":
        chips.preprocess().convert_element_type(openvino.Type.f32)
    if reads.colour == "BGR":
        chips.preprocess().convert_color(openvino.preprocess.ColorFormat.BGR)
    if reads.dtype == "float32":
        chips.preprocess().mean(list(reads.mean)).scale(list(reads.std))
    return steps.build()


def _last_line(error: Exception) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), "")


def parameter(shape: Sequence[int], dtype: type[np.generic]) -> Node:
    """The input of a graph; a side of -1 may have any length."""
    return opset.parameter(list(shape), dtype)


def convolution(
    x: Node,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Node:
    """Weight (out, in, rows, columns) and bias (out,), without dilation or groups."""
    strides, pads = [stride] * 2, [padding] * 2
    products = opset.convolution(x, opset.constant(weight), strides, pads, pads, [1, 1])
    return opset.add(products, opset.constant(bias.reshape(1, -1, 1, 1)))


def prelu(x: Node, slopes: NDArray[np.float32]) -> Node:
    """Slopes (channels,)."""
    return opset.prelu(x, opset.constant(slopes))


def max_pool(x: Node, size: int, stride: int, *, ceil_mode: bool = False) -> Node:
    """Square windows without padding."""
    rounding = "ceil" if ceil_mode else "floor"
    strides, sides = [stride] * 2, [size] * 2
    return opset.max_pool(x, strides, [1, 1], [0, 0], [0, 0], sides, rounding).output(0)


def linear(x: Node, weight: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> Node:
    """Rows times weight (out, in), plus bias (out,)."""
    products = opset.matmul(x, opset.constant(weight), False, True)
    return products if bias is None else opset.add(products, opset.constant(bias))
