"""MTCNN's three networks, reading facenet-pytorch's weight files; torch runs them, or an engine.

The architecture is that of Zhang et al., "Joint face detection and alignment using multitask
cascaded convolutional networks" (2016), figure 2, with the layer names of facenet-pytorch's state
dicts. Arrays go in and out; what they mean in the image is the cascade's business.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facebatch import weights
from facebatch.errors import WeightsError
from facebatch.torch_runtime import single_thread

ArrayFunction = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]
"""A network: from a batch of images to its outputs, which are the caller's."""


class PNet(nn.Module):
    """Proposals: a fully convolutional net with a 12 x 12 field at stride 2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 10, 3)
        self.prelu1 = nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(10, 16, 3)
        self.prelu2 = nn.PReLU(16)
        self.conv3 = nn.Conv2d(16, 32, 3)
        self.prelu3 = nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give regressions (n, 4, h, w) and face probabilities (n, h, w) of (n, 3, H, W)."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.prelu2(self.conv2(x))
        x = self.prelu3(self.conv3(x))
        return self.conv4_2(x), self.conv4_1(x).softmax(dim=1)[:, 1]


class RNet(nn.Module):
    """Refinement of 24 x 24 crops."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 28, 3)
        self.prelu1 = nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(28, 48, 3)
        self.prelu2 = nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 64, 2)
        self.prelu3 = nn.PReLU(64)
        self.dense4 = nn.Linear(576, 128)
        self.prelu4 = nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give regressions (n, 4) and face probabilities (n,) of (n, 3, 24, 24)."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.prelu3(self.conv3(x))
        x = self.prelu4(self.dense4(_caffe_flatten(x)))
        return self.dense5_2(x), self.dense5_1(x).softmax(dim=1)[:, 1]


class ONet(nn.Module):
    """Output: the last decision and the landmarks of 48 x 48 crops."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3)
        self.prelu1 = nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.prelu2 = nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.prelu3 = nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4 = nn.Conv2d(64, 128, 2)
        self.prelu4 = nn.PReLU(128)
        self.dense5 = nn.Linear(1152, 256)
        self.prelu5 = nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give regressions (n, 4), face probabilities (n,) and landmarks (n, 10): xs, then ys."""
        x = self.pool1(self.prelu1(self.conv1(x)))
        x = self.pool2(self.prelu2(self.conv2(x)))
        x = self.pool3(self.prelu3(self.conv3(x)))
        x = self.prelu4(self.conv4(x))
        x = self.prelu5(self.dense5(_caffe_flatten(x)))
        return self.dense6_2(x), self.dense6_1(x).softmax(dim=1)[:, 1], self.dense6_3(x)


def _caffe_flatten(x: torch.Tensor) -> torch.Tensor:
    # The dense layers' weights were trained in Matlab's column order: width, height, channel.
    return x.permute(0, 3, 2, 1).flatten(start_dim=1)


class Cascade:
    """The three loaded networks as functions from array to arrays.

    Args:
        prepare: Makes such a function of a loaded network; ``eager`` or another engine's.

    Raises:
        WeightsError: A weight file is missing or isn't the expected one.
    """

    def __init__(self, prepare: Callable[[nn.Module], ArrayFunction]) -> None:
        single_thread()
        self._pnet = prepare(_load(PNet(), weights.PNET))
        self._rnet = prepare(_load(RNet(), weights.RNET))
        self._onet = prepare(_load(ONet(), weights.ONET))

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


def _load(net: nn.Module, file: weights.WeightFile) -> nn.Module:
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(weights.read(file)), map_location="cpu", weights_only=True
        )
        net.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise WeightsError(f"{file.name} doesn't fit its network: {error}") from error
    for parameter in net.parameters():
        if parameter.dim() == 4:  # convolutions run faster on weights in the images' own order
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net.eval().requires_grad_(False)


def eager(net: nn.Module) -> ArrayFunction:
    """Give a loaded network as torch runs it, operator by operator, in inference mode."""

    def run(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode():
            batch = torch.from_numpy(images).to(memory_format=torch.channels_last)
            return tuple(out.contiguous().numpy() for out in net(batch))

    return run
