"""MTCNN's three networks in OpenVINO, in float32; tests compare them with torch's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.nets import (
    ONET,
    PNET,
    RNET,
    ArrayFunction,
    Convolution,
    FaceProbability,
    Flatten,
    Layer,
    Linear,
    MaxPool,
    Net,
    Prelu,
    Weights,
)
from facebatch.models.openvino_runtime import (
    Network,
    Node,
    convolution,
    linear,
    max_pool,
    opset,
    parameter,
    prelu,
)

# Batches are filled up to a multiple of these: each new size costs a compilation of every layer,
# a crop too many about a fiftieth of that. P-Net reads one image, and every level has a shape of
# its own: padding levels to shapes in common would save compilations, but the last window of an
# odd level would pool padding.
_MULTIPLES = {PNET: 1, RNET: 8, ONET: 4}


def compiled(net: Net, weights: Weights) -> ArrayFunction:
    """Give a loaded network as a function from a batch to its outputs."""
    images = parameter(
        (1, 3, -1, -1) if net.side is None else (-1, 3, net.side, net.side), np.float32
    )
    shared = _applied(net.body, weights, images)
    network = Network(images, [_applied(head, weights, shared) for head in net.heads], "float32")
    return _filled_up(network, _MULTIPLES[net])


def _filled_up(network: Network, multiple: int) -> ArrayFunction:
    def run(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        n = len(images)
        if missing := -n % multiple:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])
        return tuple(out[:n].copy() for out in network(images))

    return run


def _applied(layers: Sequence[Layer], weights: Weights, x: Node) -> Node:
    for layer in layers:
        match layer:
            case Convolution(name):
                x = convolution(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
            case Prelu(name):
                x = prelu(x, weights[f"{name}.weight"])
            case Linear(name):
                x = linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])
            case MaxPool(size, stride):
                x = max_pool(x, size, stride, ceil_mode=True)
            case Flatten():
                columns = opset.transpose(x, np.array([0, 3, 2, 1], np.int64))
                x = opset.reshape(columns, np.array([0, -1], np.int64), True)
            case FaceProbability():
                x = opset.gather(opset.softmax(x, 1), np.int64(1), np.int64(1))
    return x
