"""The networks that are trained: from pixels (n, 3, side, side) to raw embeddings (n, d)."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facebatch.embed.facenet import inception_resnet_v1
from facebatch.errors import WeightsError
from facebatch.models import registry
from facebatch.train.settings import TrainSettings

MEAN, STD = 127.5, 128.0
"""Of the input, in units of 0..255: those of facenet-pytorch's weights."""

_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""Channels and stride of each block (Howard et al., "MobileNets", 2017, table 1)."""


class MobileNetV1(nn.Module):
    """MobileNet of depthwise separable convolutions, with a linear embedding in the end.

    Args:
        dimension: Length of an embedding.
        width: Factor of all channels.
    """

    def __init__(self, dimension: int, width: float = 1.0) -> None:
        super().__init__()
        channels = max(8, round(32 * width))
        layers: list[nn.Module] = [_convolution(3, channels, 3, 2)]
        for outputs, stride in _BLOCKS:
            narrowed = max(8, round(outputs * width))
            layers.append(_convolution(channels, channels, 3, stride, groups=channels))
            layers.append(_convolution(channels, narrowed, 1, 1))
            channels = narrowed
        self.body = nn.Sequential(*layers)
        self.last_linear = nn.Linear(channels, dimension, bias=False)
        self.last_bn = nn.BatchNorm1d(dimension)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Returns raw embeddings (n, dimension)."""
        pooled = self.body(pixels).mean(dim=(2, 3))
        found: torch.Tensor = self.last_bn(self.last_linear(pooled))
        return found


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def build(settings: TrainSettings, weights: str | None = None) -> nn.Module:
    """Returns the network, with weights of its own drawing or with given ones.

    The last layer of given weights is left out where it has another dimension.

    Args:
        settings: Backbone, dimension and width.
        weights: A file of weights in torch's form (a state dict), say ``weights.pt`` of an earlier
            training, or the name of a model that facebatch knows, say ``facenet-vggface2``.

    Raises:
        WeightsError: The weights are missing, or are another network's.
    """
    if settings.backbone == "mobilenetv1":
        net: nn.Module = MobileNetV1(settings.dimension, settings.width)
    else:
        net = inception_resnet_v1()
        net.last_linear = nn.Linear(1792, settings.dimension, bias=False)
        net.last_bn = nn.BatchNorm1d(settings.dimension, eps=0.001)
    if weights is not None:
        _fill(net, weights)
    return net


def last_layers(net: nn.Module) -> tuple[nn.Module, ...]:
    """Returns what learns in the frozen phase."""
    return net.last_linear, net.last_bn  # type: ignore[return-value]


def _fill(net: nn.Module, weights: str) -> None:
    own = net.state_dict()
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(_content(weights)), map_location="cpu", weights_only=True
        )
        given = {
            name: value
            for name, value in state.items()
            if name in own and (own[name].shape == value.shape or not name.startswith("last_"))
        }
        missing = [name for name in own if name not in given and not name.startswith("last_")]
        if missing:
            raise KeyError(missing[0])
        net.load_state_dict(given, strict=False)
    except (
        *(RuntimeError, KeyError, ValueError, EOFError, AttributeError),
        pickle.UnpicklingError,
    ) as error:
        first = (str(error).splitlines() or [""])[0]
        raise WeightsError(f"{weights} doesn't hold this network's weights: {first}") from error


def _content(weights: str) -> bytes:
    if not Path(weights).exists() and "/" not in weights and weights in registry.CARDS:
        return registry.read(registry.card(weights).files[0])
    try:
        return Path(weights).read_bytes()
    except OSError as error:
        raise WeightsError(f"can't read {weights}: {error.strerror}") from error
