"""dlib's face recognition ResNet in OpenVINO; tests compare it with torch's."""

from __future__ import annotations

import numpy as np

from facebatch.embed.network import SIDE, Convolution, Residual, ResidualNetwork
from facebatch.embed.views import Forward, in_batches
from facebatch.models.engines import Precision
from facebatch.models.openvino_runtime import (
    Network,
    Node,
    convolution,
    linear,
    max_pool,
    opset,
    parameter,
)

_BATCH = 8  # faces a call are as fast as 32


def compiled(net: ResidualNetwork, precision: Precision) -> Forward:
    """Give the loaded network as a function from chips, of any number, to raw outputs."""
    network = _graph(net, precision, _BATCH)
    return in_batches(
        lambda chips: network(chips)[0],
        _BATCH,
        SIDE,
        len(net.projection),
        lambda: _one_by_one(_graph(net, precision, 1)),
    )


def _one_by_one(network: Network) -> Forward:
    return lambda chips: network(chips)[0]


def _graph(net: ResidualNetwork, precision: Precision, batch: int) -> Network:
    chips = parameter((batch, SIDE, SIDE, 3), np.uint8)
    channels_first = np.array([0, 3, 1, 2], np.int64)
    x = opset.transpose(opset.convert(chips, "f32"), channels_first)
    x = max_pool(opset.relu(_convolved(x, net.stem)), 3, 2)
    for block in net.blocks:
        x = _residual(x, block)
    x = opset.reduce_mean(x, np.array([2, 3], np.int64), False)
    return Network(chips, [linear(x, net.projection)], precision)


def _residual(x: Node, block: Residual) -> Node:
    y = _convolved(opset.relu(_convolved(x, block.conv1)), block.conv2)
    if block.halves:
        x = opset.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], True)
        x, y = _same_shape(x, y)
    return opset.relu(opset.add(x, y))


def _convolved(x: Node, by: Convolution) -> Node:
    return convolution(x, by.weight, by.bias, stride=by.stride, padding=by.padding)


def _same_shape(shortcut: Node, main: Node) -> tuple[Node, Node]:
    _, channels, rows, columns = np.subtract(main.shape, shortcut.shape)
    return _extended(shortcut, [0, channels, 0, 0]), _extended(main, [0, 0, -rows, -columns])


def _extended(x: Node, by: list[int]) -> Node:
    if not any(by):
        return x
    none = np.zeros(4, np.int64)
    return opset.pad(x, none, np.array(by, np.int64), "constant", np.float32(0))
