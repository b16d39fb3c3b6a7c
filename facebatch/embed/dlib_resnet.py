"""dlib's face recognition ResNet: the default embedder.

The network is ``anet_type`` of dlib's dnn_face_recognition_ex.cpp: 29 convolutions in 14 residual
blocks over a 150 x 150 chip. Each affine layer is folded into the convolution before it, and the
input's mean and scale into the first one (exact, since it has no padding), so the network reads
raw 0..255 values. ``load_network`` gives it as plain arrays; ``torch_resnet`` and
``openvino_resnet`` run them. The rest of facebatch sees only ``DlibResnetEmbedder``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from facebatch.embed import dlib_dat
from facebatch.embed.averaging import DEFAULT_TTA, TTA
from facebatch.embed.dlib_dat import (
    AddPrevious,
    Affine,
    FullyConnected,
    Layer,
    Pool,
    Relu,
    TagOrSkip,
)
from facebatch.embed.network import SIDE, Convolution, Residual, ResidualNetwork
from facebatch.embed.views import Forward, ViewsEmbedder
from facebatch.errors import DatFormatError
from facebatch.faces.align import TEMPLATES
from facebatch.models import registry
from facebatch.models.engines import (
    DEFAULT_DEVICE,
    DEFAULT_ENGINE,
    Choice,
    Precision,
    choose,
)
from facebatch.models.precision import embedding_precision
from facebatch.models.provenance import Provenance

_TIMED = 8  # faces with which its precisions are timed
_INPUT_SCALE = 256.0  # dlib's input_rgb_image divides by it

# Channels of each residual block, and whether it halves the image.
_BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True)],
    *[(64, False)] * 3,
    *[(128, True)],
    *[(128, False)] * 2,
    *[(256, True)],
    *[(256, False)] * 2,
    *[(256, True)],
)


def load_network(content: bytes) -> ResidualNetwork:
    """Decode the bytes of the network's ``.dat`` file.

    Raises:
        DatFormatError: The bytes don't hold this network.
    """
    stored = dlib_dat.read_network(content)
    _check_wiring(stored)
    convolutions = _convolutions(stored)
    stem = next(convolutions)
    blocks = tuple(
        Residual(next(convolutions), next(convolutions), halves) for _, halves in _BLOCKS
    )
    last = stored.layers[-1]
    if not isinstance(last, FullyConnected) or last.weight.shape != (256, 128):
        raise DatFormatError("the last layer isn't a projection from 256 to 128 values")
    return ResidualNetwork(stem, blocks, last.weight.T.copy())


def _convolutions(stored: dlib_dat.MetricNetwork) -> Iterator[Convolution]:
    """Every convolution in the order in which they are applied, folded and checked."""
    convolutions = [layer for layer in stored.layers if isinstance(layer, dlib_dat.Convolution)]
    affines = [layer for layer in stored.layers if isinstance(layer, Affine)]
    for layer, affine, expected in zip(convolutions, affines, _expected(), strict=True):
        found = (layer.weight.shape, layer.stride, layer.padding)
        shape, stride, padding = expected
        if found != (shape, (stride, stride), (padding, padding)):
            raise DatFormatError(
                f"a convolution has shape, stride and padding {found}; expected {expected}"
            )
        weight, bias = _folded(layer, affine)
        if layer is convolutions[0]:
            weight = weight / _INPUT_SCALE
            bias = bias - np.einsum("oihw,i->o", weight, np.array(stored.mean))
        yield Convolution(weight.astype(np.float32), bias.astype(np.float32), stride, padding)


def _expected() -> Iterator[tuple[tuple[int, int, int, int], int, int]]:
    """Shape, stride and padding of every convolution that dlib's ``anet_type`` has."""
    yield (32, 3, 7, 7), 2, 0
    inputs = 32
    for outputs, halves in _BLOCKS:
        # dlib pads by half the kernel, but not where it strides.
        yield (outputs, inputs, 3, 3), *((2, 0) if halves else (1, 1))
        yield (outputs, outputs, 3, 3), 1, 1
        inputs = outputs


def _folded(
    convolution: dlib_dat.Convolution, affine: Affine
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight and bias of a convolution followed by an affine layer; float64 rounds only once."""
    gamma, beta = affine.gamma.astype(np.float64), affine.beta.astype(np.float64)
    if gamma.shape != convolution.bias.shape:
        raise DatFormatError(f"{gamma.size} scales for {convolution.bias.size} filters")
    return convolution.weight * gamma[:, None, None, None], convolution.bias * gamma + beta


def _check_wiring(stored: dlib_dat.MetricNetwork) -> None:
    """Compare the layers' kinds, in order, and the poolings with those of dlib's ``anet_type``."""
    kinds: list[type[Layer]] = [dlib_dat.Convolution, Affine, Relu, Pool]
    pools = [Pool("max", (3, 3), (2, 2), (0, 0))]
    for _, halves in _BLOCKS:
        kinds += [TagOrSkip, dlib_dat.Convolution, Affine, Relu, dlib_dat.Convolution, Affine]
        if halves:
            kinds += [TagOrSkip, TagOrSkip, Pool]
            pools.append(Pool("average", (2, 2), (2, 2), (0, 0)))
        kinds += [AddPrevious, Relu]
    kinds += [Pool, FullyConnected]
    pools.append(Pool("average", (0, 0), (1, 1), (0, 0)))
    if (
        [type(layer) for layer in stored.layers] != kinds
        or [layer for layer in stored.layers if isinstance(layer, Pool)] != pools
        or stored.size != (SIDE, SIDE)
    ):
        raise DatFormatError("the layers aren't those of dlib's face recognition ResNet")


class DlibResnetEmbedder(ViewsEmbedder):
    """The ResNet on one thread of the CPU, or on a GPU; raw outputs are dlib's face descriptors.

    Args:
        tta: Which views of a face are averaged, before normalisation.
        engine: What runs the network, one of ``facebatch.models.engines.ENGINES``.
        precision: The network's arithmetic; by default the fastest that the device computes in.
        device: Where it runs, one of ``facebatch.models.engines.DEVICES``.

    Raises:
        WeightsError: The weight file is missing or isn't the expected one.
        UsageError: The engine or the device can't be used.
    """

    def __init__(
        self,
        tta: TTA = DEFAULT_TTA,
        engine: str = DEFAULT_ENGINE,
        precision: Precision | None = None,
        device: str = DEFAULT_DEVICE,
    ) -> None:
        chosen = choose(engine, device)
        net = load_network(registry.read(registry.DLIB_RESNET))
        arithmetic = precision or embedding_precision(
            chosen, "dlib-resnet", lambda precision: _one_batch(_prepare(net, chosen, precision))
        )
        super().__init__(
            "dlib-resnet",
            len(net.projection),
            TEMPLATES["dlib-150"],
            tta,
            Provenance(chosen.engine, chosen.device, arithmetic),
            _prepare(net, chosen, arithmetic),
        )


def _one_batch(forward: Forward) -> Callable[[], object]:
    return partial(forward, np.zeros((_TIMED, SIDE, SIDE, 3), np.uint8))


def _prepare(net: ResidualNetwork, chosen: Choice, precision: Precision) -> Forward:
    if chosen.engine == "openvino":
        from facebatch.embed.openvino_resnet import compiled

        return compiled(net, precision)
    from facebatch.embed.torch_resnet import eager

    return eager(net, precision, chosen.device)
