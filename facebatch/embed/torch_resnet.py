"""dlib's face recognition ResNet in torch, operator by operator, in inference mode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from numpy.typing import NDArray

from facebatch.embed.network import Convolution, Residual, ResidualNetwork
from facebatch.embed.views import Forward
from facebatch.models.engines import Precision
from facebatch.models.torch_runtime import placed, prepare

Function = Callable[[torch.Tensor], torch.Tensor]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def eager(net: ResidualNetwork, precision: Precision, device: str = "cpu") -> Forward:
    """Give the loaded network as torch runs it on a device: ``cpu``, ``cuda`` or ``mps``.

    A call is one batch; also in bfloat16 a face has the same outputs in any (a test holds it).
    """
    where, dtype = prepare(device), _DTYPES[precision]
    network = _Network(net, where, dtype)

    def forward(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        # A chip's bytes are channels last already; the permuted tensor keeps that order. bfloat16
        # holds 0..255 exactly.
        images = torch.from_numpy(chips.astype(np.float32, order="C")).to(where, dtype)
        with torch.inference_mode():
            outputs: NDArray[np.float32] = (
                network(images.permute(0, 3, 1, 2)).to("cpu", torch.float32).numpy()
            )
        return outputs

    return forward


class AsModule(torch.nn.Module):
    """The loaded network as others take it: from float32 (n, 3, 150, 150), 0..255, to (n, 128)."""

    def __init__(self, net: ResidualNetwork) -> None:
        super().__init__()
        self._network = _Network(net, torch.device("cpu"), torch.float32)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns raw outputs, dlib's face descriptors."""
        return self._network(images)


class _Network:
    """The layers of a network with their tensors on a device."""

    def __init__(self, net: ResidualNetwork, where: torch.device, dtype: torch.dtype) -> None:
        self._where, self._dtype = where, dtype
        self._stem = self._convolution(net.stem)
        self._blocks = [self._residual(block) for block in net.blocks]
        self._projection = placed(net.projection, where, dtype)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self._stem(x)), 3, stride=2)
        for block in self._blocks:
            x = block(x)
        return F.linear(x.mean(dim=(2, 3)), self._projection)

    def _convolution(self, layer: Convolution) -> Function:
        weight = placed(layer.weight, self._where, self._dtype)
        bias = placed(layer.bias, self._where, self._dtype)
        return lambda x: F.conv2d(x, weight, bias, layer.stride, layer.padding)

    def _residual(self, block: Residual) -> Function:
        conv1, conv2 = self._convolution(block.conv1), self._convolution(block.conv2)

        def apply(x: torch.Tensor) -> torch.Tensor:
            y = conv2(F.relu(conv1(x)))
            if block.halves:
                x, y = _same_shape(F.avg_pool2d(x, 2), y)
            return F.relu(x + y)

        return apply


def _same_shape(shortcut: torch.Tensor, main: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad with zeros: channels of the way around, rows and columns at the end of the other."""
    channels = main.shape[1] - shortcut.shape[1]
    rows = shortcut.shape[2] - main.shape[2]
    columns = shortcut.shape[3] - main.shape[3]
    return F.pad(shortcut, (0, 0, 0, 0, 0, channels)), F.pad(main, (0, columns, 0, rows))
