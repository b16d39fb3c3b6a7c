"""MTCNN's three networks in OpenVINO, built from the loaded torch modules of ``nets``.

Each graph repeats its module's ``forward``, in float32; tests compare the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import nn

from facebatch.detect.nets import ArrayFunction, ONet, PNet, RNet
from facebatch.openvino_runtime import (
    Network,
    Node,
    convolution,
    linear,
    max_pool,
    opset,
    parameter,
    prelu,
)
from facebatch.provenance import Provenance

PROVENANCE = Provenance(engine="openvino", device="cpu", precision="float32")

# Batches are filled up to a multiple of these: each new size costs a compilation of every layer,
# a crop too many about a fiftieth of that.
_REFINE_MULTIPLE = 8
_OUTPUT_MULTIPLE = 4


def compiled(net: nn.Module) -> ArrayFunction:
    """Give a loaded network as a function from a batch to its outputs.

    Args:
        net: A ``PNet``, ``RNet`` or ``ONet``.

    Raises:
        TypeError: It is another module.
    """
    match net:
        case PNet():
            return _copying(_propose(net))
        case RNet():
            return _filled_up(_refine(net), _REFINE_MULTIPLE)
        case ONet():
            return _filled_up(_output(net), _OUTPUT_MULTIPLE)
    raise TypeError(f"no graph for a {type(net).__name__}")


def _copying(network: Network) -> ArrayFunction:
    return lambda images: tuple(out.copy() for out in network(images))


def _filled_up(network: Network, multiple: int) -> ArrayFunction:
    def run(crops: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        n = len(crops)
        if missing := -n % multiple:
            crops = np.concatenate([crops, np.zeros((missing, *crops.shape[1:]), np.float32)])
        return tuple(out[:n].copy() for out in network(crops))

    return run


def _propose(net: PNet) -> Network:
    # Every level has a shape of its own. Padding levels to shapes in common would save
    # compilations, but the last window of an odd level would pool padding.
    images = parameter((1, 3, -1, -1), np.float32)
    x = prelu(convolution(images, net.conv1), net.prelu1)
    x = max_pool(x, 2, 2, ceil_mode=True)
    x = prelu(convolution(x, net.conv2), net.prelu2)
    x = prelu(convolution(x, net.conv3), net.prelu3)
    outputs = [convolution(x, net.conv4_2), _face_probability(convolution(x, net.conv4_1))]
    return Network(images, outputs, "float32")


def _refine(net: RNet) -> Network:
    images = parameter((-1, 3, 24, 24), np.float32)
    x = prelu(convolution(images, net.conv1), net.prelu1)
    x = max_pool(x, 3, 2, ceil_mode=True)
    x = prelu(convolution(x, net.conv2), net.prelu2)
    x = max_pool(x, 3, 2, ceil_mode=True)
    x = prelu(convolution(x, net.conv3), net.prelu3)
    x = prelu(linear(_caffe_flatten(x), net.dense4), net.prelu4)
    outputs = [linear(x, net.dense5_2), _face_probability(linear(x, net.dense5_1))]
    return Network(images, outputs, "float32")


def _output(net: ONet) -> Network:
    images = parameter((-1, 3, 48, 48), np.float32)
    x = prelu(convolution(images, net.conv1), net.prelu1)
    x = max_pool(x, 3, 2, ceil_mode=True)
    x = prelu(convolution(x, net.conv2), net.prelu2)
    x = max_pool(x, 3, 2, ceil_mode=True)
    x = prelu(convolution(x, net.conv3), net.prelu3)
    x = max_pool(x, 2, 2, ceil_mode=True)
    x = prelu(convolution(x, net.conv4), net.prelu4)
    x = prelu(linear(_caffe_flatten(x), net.dense5), net.prelu5)
    outputs = [
        linear(x, net.dense6_2),
        _face_probability(linear(x, net.dense6_1)),
        linear(x, net.dense6_3),
    ]
    return Network(images, outputs, "float32")


def _face_probability(logits: Node) -> Node:
    return opset.gather(opset.softmax(logits, 1), np.int64(1), np.int64(1))


def _caffe_flatten(x: Node) -> Node:
    order = np.array([0, 3, 2, 1], np.int64)
    return opset.reshape(opset.transpose(x, order), np.array([0, -1], np.int64), True)
