"""dlib's face recognition ResNet: the default embedder.

The network is ``anet_type`` of dlib's dnn_face_recognition_ex.cpp: 29 convolutions in 14 residual
blocks over a 150 x 150 chip. Each affine layer is folded into the convolution before it, and the
input's mean and scale into the first one (exact, since it has no padding), so the network reads
raw 0..255 values. torch runs it, or another engine that builds its graph from the torch module.
The rest of facebatch sees only ``DlibResnetEmbedder``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from numpy.typing import NDArray
from torch import nn

from facebatch import weights
from facebatch.align import TEMPLATES
from facebatch.embed import DEFAULT_TTA, MIRRORED, SCALES, TTA
from facebatch.embed.dlib_dat import (
    AddPrevious,
    Affine,
    Convolution,
    FullyConnected,
    Layer,
    MetricNetwork,
    Pool,
    Relu,
    TagOrSkip,
    read_network,
)
from facebatch.engines import DEFAULT_ENGINE, Precision, choose, embedding_precision
from facebatch.errors import DatFormatError, UsageError
from facebatch.provenance import Provenance
from facebatch.torch_runtime import single_thread

Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""The network: from chips uint8 (n, 150, 150, 3), of any strides, to raw outputs (n, 128)."""

SIDE = 150

_BATCH = 32  # faces a network call; larger batches are no faster on a CPU
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


class Residual(nn.Module):
    """Two convolutions and the way around them, which may halve the image."""

    def __init__(self, inputs: int, outputs: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        # dlib pads by half the kernel, but not where it strides.
        stride, padding = (2, 0) if halves else (1, 1)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=padding)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give (n, outputs, h, w)."""
        y = self.conv2(F.relu(self.conv1(x)))
        if self.halves:
            x, y = _same_shape(F.avg_pool2d(x, 2), y)
        return F.relu(x + y)


def _same_shape(shortcut: torch.Tensor, main: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad with zeros what dlib's add_prev reads as zero: channels, rows and columns at the end."""
    channels = main.shape[1] - shortcut.shape[1]
    rows = shortcut.shape[2] - main.shape[2]
    columns = shortcut.shape[3] - main.shape[3]
    return F.pad(shortcut, (0, 0, 0, 0, 0, channels)), F.pad(main, (0, columns, 0, rows))


class DlibResnet(nn.Module):
    """The network with everything folded; parameters are uninitialised until loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, stride=2)
        blocks, inputs = [], 32
        for outputs, halves in _BLOCKS:
            blocks.append(Residual(inputs, outputs, halves))
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(256, 128, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give float32 (n, 128), not normalised, of RGB float32 (n, 3, 150, 150) in 0..255."""
        x = F.max_pool2d(F.relu(self.stem(x)), 3, stride=2)
        out: torch.Tensor = self.fc(self.blocks(x).mean(dim=(2, 3)))
        return out

    def residuals(self) -> Iterator[Residual]:
        """Every residual block in the order in which they are applied."""
        return (module for module in self.blocks if isinstance(module, Residual))

    def convolutions(self) -> Iterator[nn.Conv2d]:
        """Every convolution in the order in which they are applied."""
        return (module for module in self.modules() if isinstance(module, nn.Conv2d))


def eager(net: DlibResnet) -> Forward:
    """Give the loaded network as torch runs it, operator by operator, in inference mode."""

    def forward(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        # A chip's bytes are channels last already; the permuted tensor keeps that order.
        images = chips.astype(np.float32, order="C")
        with torch.inference_mode():
            outputs: NDArray[np.float32] = net(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
        return outputs

    return forward


def load_network(content: bytes) -> DlibResnet:
    """Build the network from the bytes of its ``.dat`` file.

    Raises:
        DatFormatError: The bytes don't hold this network.
    """
    stored = read_network(content)
    _check_wiring(stored)
    net = DlibResnet()
    convolutions = [layer for layer in stored.layers if isinstance(layer, Convolution)]
    affines = [layer for layer in stored.layers if isinstance(layer, Affine)]
    for index, target in enumerate(net.convolutions()):
        weight, bias = _folded(convolutions[index], affines[index])
        if index == 0:
            weight = weight / _INPUT_SCALE
            bias = bias - np.einsum("oihw,i->o", weight, np.array(stored.mean))
        _fill(target, convolutions[index], weight, bias)
    last = stored.layers[-1]
    if not isinstance(last, FullyConnected) or last.weight.shape != (256, 128):
        raise DatFormatError("the last layer isn't a projection from 256 to 128 values")
    net.fc.weight.data = torch.from_numpy(last.weight.T.copy())
    return net.eval().requires_grad_(False)


def _folded(
    convolution: Convolution, affine: Affine
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight and bias of a convolution followed by an affine layer; float64 rounds only once."""
    gamma, beta = affine.gamma.astype(np.float64), affine.beta.astype(np.float64)
    if gamma.shape != convolution.bias.shape:
        raise DatFormatError(f"{gamma.size} scales for {convolution.bias.size} filters")
    return convolution.weight * gamma[:, None, None, None], convolution.bias * gamma + beta


def _fill(
    target: nn.Conv2d,
    stored: Convolution,
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> None:
    if (weight.shape, stored.stride, stored.padding) != (
        tuple(target.weight.shape),
        target.stride,
        target.padding,
    ):
        raise DatFormatError(
            f"a convolution is {weight.shape} with stride {stored.stride} and padding "
            f"{stored.padding}; expected {target}"
        )
    # Convolutions run faster on weights in the order of the images, which are channels last.
    target.weight.data = torch.from_numpy(weight.astype(np.float32)).contiguous(
        memory_format=torch.channels_last
    )
    target.bias = nn.Parameter(torch.from_numpy(bias.astype(np.float32)))


def _check_wiring(stored: MetricNetwork) -> None:
    """Compare the layers' kinds, in order, and the poolings with those of dlib's ``anet_type``."""
    kinds: list[type[Layer]] = [Convolution, Affine, Relu, Pool]
    pools = [Pool("max", (3, 3), (2, 2), (0, 0))]
    for _, halves in _BLOCKS:
        kinds += [TagOrSkip, Convolution, Affine, Relu, Convolution, Affine]
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


class DlibResnetEmbedder:
    """The ResNet on one thread of the CPU.

    Args:
        tta: Which views of a face are averaged, before normalisation.
        engine: What runs the network, one of ``facebatch.engines.ENGINES``.
        precision: The network's arithmetic; by default the engine's choice for this CPU.

    Raises:
        WeightsError: The weight file is missing or isn't the expected one.
        UsageError: There is no such engine, it isn't installed, or it hasn't that precision.
    """

    name = "dlib-resnet"
    dimension = 128
    template = "dlib-150"

    def __init__(
        self,
        tta: TTA = DEFAULT_TTA,
        engine: str = DEFAULT_ENGINE,
        precision: Precision | None = None,
    ) -> None:
        single_thread()
        chosen = choose(engine)
        arithmetic = precision or embedding_precision(chosen)
        net = load_network(weights.read(weights.DLIB_RESNET))
        self._forward = _prepare(net, chosen, arithmetic)
        self._provenance = Provenance(engine=chosen, device="cpu", precision=arithmetic)
        self._scales = SCALES[tta]
        self._mirrored = MIRRORED[tta]

    @property
    def scales(self) -> tuple[float, ...]:
        """Template scales of the chips that ``embed`` expects for each face."""
        return self._scales

    @property
    def provenance(self) -> Provenance:
        """What runs the model."""
        return self._provenance

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the chips of n faces; see ``facebatch.embed.Embedder.embed``.

        Raises:
            ValueError: The array has another shape or dtype.
        """
        raw = self.raw(chips)
        embeddings: NDArray[np.float32] = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return embeddings

    def raw(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's outputs averaged over each face's views: dlib's own face descriptor.

        Args:
            chips: uint8 (n, len(scales), 150, 150, 3), RGB.

        Returns:
            float32 (n, 128), of length about 1.4.

        Raises:
            ValueError: The array has another shape or dtype.
        """
        side = TEMPLATES[self.template].size
        expected = (len(self._scales), side, side, 3)
        if chips.dtype != np.uint8 or chips.shape[1:] != expected:
            raise ValueError(
                f"chips are uint8 (n, {', '.join(map(str, expected))}), "
                f"not {chips.dtype} {chips.shape}"
            )
        outputs = np.empty((len(chips), self.dimension), np.float32)
        for start in range(0, len(chips), _BATCH):
            outputs[start : start + _BATCH] = self._mean_over_views(chips[start : start + _BATCH])
        return outputs

    def _mean_over_views(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs = [self._forward(view) for view in self._views(chips)]
        total = sum(outputs, start=np.zeros((len(chips), self.dimension), np.float32))
        return total / np.float32(len(outputs))

    def _views(self, chips: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        for scale in range(chips.shape[1]):
            view = chips[:, scale]
            yield view
            if self._mirrored:
                yield view[:, :, ::-1]


def _prepare(net: DlibResnet, engine: str, precision: Precision) -> Forward:
    if engine == "openvino":
        from facebatch.embed.openvino_resnet import compiled

        return compiled(net, precision)
    if precision != "float32":
        raise UsageError(f"torch runs dlib-resnet in float32 only, not in {precision}")
    return eager(net)
