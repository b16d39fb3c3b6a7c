"""Networks over whole pictures in OpenVINO: of any shape at once, and faster for frequent shapes.

One network is compiled for any shape. A shape that comes often gets one of its own, which copies
nothing from layout to layout, and whose first layers, most of the work, go over the picture in
strips: their values then stay in the cache that the processor's cores share. The values are the
same.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebatch.models.card import Input
from facebatch.models.engines import Precision
from facebatch.models.onnx_runtime import Strips
from facebatch.models.openvino_runtime import Network, Node, graph_of, model_of, opset

OFTEN = 16
"""Pictures of one shape from which it has a network of its own: compiling it takes about as long as
the pictures after it save in so many."""

_KEPT = 4  # networks of single shapes: upright and lying, of two ratios of the sides
_STRIP_PIXELS = 2**18  # the layers between hold 64 values for 16 of them, 4 MB; caches hold 32 MB


class PictureNetwork:
    """A network of an ONNX file, on one thread, that reads pictures one by one.

    Any number of threads may call it.

    Args:
        content: The ONNX file.
        reads: What the network reads.
        strips: Its layers that may go over a picture in strips; None for a network that isn't
            known so well.
        precision: The arithmetic of its layers.

    Raises:
        RuntimeError: The bytes hold no network that OpenVINO can read.
    """

    def __init__(
        self,
        content: bytes,
        reads: Input,
        strips: Strips | None = None,
        precision: Precision = "float32",
    ) -> None:
        self._model, self._strips = model_of(content, reads), strips
        self._precision = precision
        self.outputs: tuple[str, ...] = tuple(
            output.get_any_name() for output in self._model.outputs
        )
        self._logits = _without_last_sigmoids(self._model) if precision == "bfloat16" else ()
        self._of_any = graph_of(self._model, precision)
        self._own: OrderedDict[tuple[int, ...], Network] = OrderedDict()
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Runs the network.

        Args:
            picture: uint8 (1, height, width, 3), RGB, C-contiguous.

        Returns:
            The outputs, valid until this thread's next call.
        """
        values = self._network(picture.shape)(picture)
        if not self._logits:
            return values
        return tuple(
            _sigmoid(each) if at in self._logits else each for at, each in enumerate(values)
        )

    def _network(self, shape: tuple[int, ...]) -> Network:
        with self._lock:
            if shape not in self._own:
                self._seen[shape] += 1
                if self._seen[shape] < OFTEN:
                    return self._of_any
                self._own[shape] = self._compiled(shape)
                if len(self._own) > _KEPT:
                    gone, _ = self._own.popitem(last=False)
                    del self._seen[gone]
            self._own.move_to_end(shape)
            return self._own[shape]

    def _compiled(self, shape: tuple[int, ...]) -> Network:
        model = self._model.clone()
        count = round(shape[1] * shape[2] / _STRIP_PIXELS)
        if self._strips is not None and count > 1 and shape[1] % self._strips.stride == 0:
            _cut(model, [self._model.clone() for _ in range(count)], self._strips, shape[1])
        model.reshape({model.input(): list(shape)})
        return graph_of(model, self._precision)


def _without_last_sigmoids(model: Any) -> tuple[int, ...]:
    """Takes the sigmoids off a model's outputs, and returns the numbers of those that had one.

    In a network of bfloat16 OpenVINO computes them more or less exactly, by how it joins layers,
    which differs between networks of any shape and of one: by .001, enough to have another box win
    over one that overlaps it.
    """
    found = []
    for number, result in enumerate(model.get_results()):
        last = result.input_value(0).get_node()
        if last.get_type_name() == "Sigmoid":
            result.input(0).replace_source_output(last.input_value(0))
            found.append(number)
    return tuple(found)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * values))
    return found


def _cut(model: Any, parts: list[Any], strips: Strips, height: int) -> None:
    """Has copies of the first layers, one for each strip, take the place of the model's own.

    A strip is given so many more rows that none of those that are kept is near a cut edge.
    """
    whole = _named(model, strips.last)
    if whole is None:
        return
    picture, stride = model.get_parameters()[0], strips.stride
    edges = [number * (height // stride) // len(parts) * stride for number in range(len(parts) + 1)]
    values = []
    for part, begin, end in zip(parts, edges[:-1], edges[1:], strict=True):
        first, last = max(0, begin - strips.reach), min(height, end + strips.reach)
        part.get_parameters()[0].output(0).replace(_rows(picture.output(0), first, last, axis=1))
        kept = (begin - first) // stride, (end - first) // stride
        values.append(_rows(_named(part, strips.last), *kept, axis=2))
    whole.replace(opset.concat(values, 2).output(0))


def _named(model: Any, name: str) -> Node | None:
    nodes = (node for node in model.get_ops() if node.get_friendly_name() == name)
    return next((node.output(0) for node in nodes), None)


def _rows(node: Node, begin: int, end: int, axis: int) -> Node:
    bounds = (opset.constant(np.array([value], np.int64)) for value in (begin, end, 1, axis))
    return opset.slice(node, *bounds).output(0)
