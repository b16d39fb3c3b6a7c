"""MTCNN's three networks as data, and their loading from facenet-pytorch's weight files.

The architecture is that of Zhang et al., "Joint face detection and alignment using multitask
cascaded convolutional networks" (2016), figure 2, with the layer names of facenet-pytorch's state
dicts. ``torch_nets`` and ``openvino_nets`` run a description. Arrays go in and out; what they mean
in the image is the cascade's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import WeightsError
from facebatch.models import registry
from facebatch.models.card import WeightFile
from facebatch.models.torch_file import read_state

ArrayFunction = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]
"""A network: from a batch of images to its outputs, which are the caller's."""

Weights = Mapping[str, NDArray[np.float32]]
"""The tensors of a network by name, such as ``conv1.weight``."""


@dataclass(frozen=True)
class Convolution:
    """Square windows at stride 1, without padding."""

    name: str
    inputs: int
    outputs: int
    size: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        weight = (self.outputs, self.inputs, self.size, self.size)
        return {f"{self.name}.weight": weight, f"{self.name}.bias": (self.outputs,)}


@dataclass(frozen=True)
class Prelu:
    """Values below zero times a slope for each channel."""

    name: str
    channels: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        return {f"{self.name}.weight": (self.channels,)}


@dataclass(frozen=True)
class Linear:
    """A product with every row."""

    name: str
    inputs: int
    outputs: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        weight = (self.outputs, self.inputs)
        return {f"{self.name}.weight": weight, f"{self.name}.bias": (self.outputs,)}


@dataclass(frozen=True)
class MaxPool:
    """Square windows without padding; the last of a row or column may hang over the edge."""

    size: int
    stride: int


@dataclass(frozen=True)
class Flatten:
    """Rows of values in Matlab's column order, as in training: width, height, channel."""


@dataclass(frozen=True)
class FaceProbability:
    """The second of two classes: softmax over the channels."""


Layer = Convolution | Prelu | Linear | MaxPool | Flatten | FaceProbability


@dataclass(frozen=True)
class Net:
    """A network with several outputs.

    Args:
        side: Height and width of the images that it reads; None for one image of any size.
        body: The layers that all outputs share.
        heads: The layers of each output.
    """

    side: int | None
    body: tuple[Layer, ...]
    heads: tuple[tuple[Layer, ...], ...]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor by name."""
        return {name: shape for layer in self._weighted() for name, shape in layer.shapes().items()}

    def _weighted(self) -> Iterator[Convolution | Prelu | Linear]:
        for layer in (*self.body, *(layer for head in self.heads for layer in head)):
            if isinstance(layer, Convolution | Prelu | Linear):
                yield layer


PNET = Net(
    side=None,
    body=(
        Convolution("conv1", 3, 10, size=3),
        Prelu("prelu1", 10),
        MaxPool(2, stride=2),
        Convolution("conv2", 10, 16, size=3),
        Prelu("prelu2", 16),
        Convolution("conv3", 16, 32, size=3),
        Prelu("prelu3", 32),
    ),
    heads=(
        (Convolution("conv4_2", 32, 4, size=1),),
        (Convolution("conv4_1", 32, 2, size=1), FaceProbability()),
    ),
)
"""Proposals: a fully convolutional net with a 12 x 12 field at stride 2.

Regressions (n, 4, h, w) and face probabilities (n, h, w) of (n, 3, H, W).
"""

RNET = Net(
    side=24,
    body=(
        Convolution("conv1", 3, 28, size=3),
        Prelu("prelu1", 28),
        MaxPool(3, stride=2),
        Convolution("conv2", 28, 48, size=3),
        Prelu("prelu2", 48),
        MaxPool(3, stride=2),
        Convolution("conv3", 48, 64, size=2),
        Prelu("prelu3", 64),
        Flatten(),
        Linear("dense4", 576, 128),
        Prelu("prelu4", 128),
    ),
    heads=((Linear("dense5_2", 128, 4),), (Linear("dense5_1", 128, 2), FaceProbability())),
)
"""Refinement of crops: regressions (n, 4) and face probabilities (n,) of (n, 3, 24, 24)."""

ONET = Net(
    side=48,
    body=(
        Convolution("conv1", 3, 32, size=3),
        Prelu("prelu1", 32),
        MaxPool(3, stride=2),
        Convolution("conv2", 32, 64, size=3),
        Prelu("prelu2", 64),
        MaxPool(3, stride=2),
        Convolution("conv3", 64, 64, size=3),
        Prelu("prelu3", 64),
        MaxPool(2, stride=2),
        Convolution("conv4", 64, 128, size=2),
        Prelu("prelu4", 128),
        Flatten(),
        Linear("dense5", 1152, 256),
        Prelu("prelu5", 256),
    ),
    heads=(
        (Linear("dense6_2", 256, 4),),
        (Linear("dense6_1", 256, 2), FaceProbability()),
        (Linear("dense6_3", 256, 10),),
    ),
)
"""Output: the last decision and the landmarks of crops.

Regressions (n, 4), face probabilities (n,) and landmarks (n, 10: xs, then ys) of (n, 3, 48, 48).
"""


class Cascade:
    """The three loaded networks as functions from array to arrays.

    Args:
        prepare: Makes such a function of a network and its tensors, which it may keep.

    Raises:
        WeightsError: A weight file is missing or isn't the expected one.
    """

    def __init__(self, prepare: Callable[[Net, Weights], ArrayFunction]) -> None:
        self._pnet = prepare(PNET, load(PNET, registry.PNET))
        self._rnet = prepare(RNET, load(RNET, registry.RNET))
        self._onet = prepare(ONET, load(ONET, registry.ONET))

    def propose(
        self, level: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """P-Net on one level (3, H, W): regressions (4, h, w) and probabilities (h, w)."""
        regressions, scores = self._pnet(level[None])
        return regressions[0], scores[0]

    def refine(self, crops: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """R-Net on (n, 3, 24, 24): regressions (n, 4) and probabilities (n,)."""
        return self._rnet(crops)

    def output(self, crops: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """O-Net on (n, 3, 48, 48): regressions (n, 4), probabilities (n,), landmarks (n, 10)."""
        return self._onet(crops)


def load(net: Net, file: WeightFile) -> Weights:
    """The tensors of a network from its weight file.

    Raises:
        WeightsError: The file is missing, isn't the expected one, or holds other tensors.
    """
    loaded = read_state(registry.read(file))
    expected = net.shapes()
    found = {name: tensor.shape for name, tensor in loaded.items()}
    for name in sorted({*expected, *found}):
        if (one := found.get(name, "none")) != (other := expected.get(name, "none")):
            raise WeightsError(
                f"{file.name} doesn't fit its network: the shape of {name} is {one}, not {other}"
            )
    return loaded
