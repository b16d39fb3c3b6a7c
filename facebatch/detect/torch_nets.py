"""MTCNN's three networks in torch, operator by operator, in float32 and inference mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from numpy.typing import NDArray

from facebatch.detect.nets import (
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
from facebatch.models.torch_runtime import placed, prepare


def eager(net: Net, weights: Weights, device: str = "cpu") -> ArrayFunction:
    """Give a loaded network as torch runs it on a device: ``cpu``, ``cuda`` or ``mps``."""
    where = prepare(device)
    tensors = {name: placed(array, where) for name, array in weights.items()}

    def run(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode():
            shared = _applied(net.body, tensors, placed(images, where))
            outputs = [_applied(head, tensors, shared) for head in net.heads]
            return tuple(output.contiguous().cpu().numpy() for output in outputs)

    return run


def _applied(
    layers: Sequence[Layer], tensors: Mapping[str, torch.Tensor], x: torch.Tensor
) -> torch.Tensor:
    for layer in layers:
        match layer:
            case Convolution(name):
                x = F.conv2d(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])
            case Prelu(name):
                x = F.prelu(x, tensors[f"{name}.weight"])
            case Linear(name):
                x = F.linear(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])
            case MaxPool(size, stride):
                x = F.max_pool2d(x, size, stride, ceil_mode=True)
            case Flatten():
                x = x.permute(0, 3, 2, 1).flatten(start_dim=1)
            case FaceProbability():
                x = x.softmax(dim=1)[:, 1]
    return x
