"""dlib's ResNet as plain arrays: what an engine needs to run it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 150


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution: weight float32 (out, in, rows, columns), bias float32 (out,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int
    padding: int


@dataclass(frozen=True, eq=False)
class Residual:
    """Two convolutions with a ReLU between them, the way around them, and a ReLU after their sum.

    Where ``halves``, the way around is an average over windows of 2 x 2. dlib's add_prev reads
    zeros where one summand is smaller: the way around lacks channels, and the other can lack the
    last row and column.
    """

    conv1: Convolution
    conv2: Convolution
    halves: bool


@dataclass(frozen=True, eq=False)
class ResidualNetwork:
    """The loaded network, reading RGB in 0..255.

    Args:
        stem: The first convolution; a ReLU and a maximum over 3 x 3 at stride 2 follow it.
        blocks: In the order in which they are applied; the mean of each channel follows them.
        projection: float32 (128, 256), without a bias.
    """

    stem: Convolution
    blocks: tuple[Residual, ...]
    projection: NDArray[np.float32]
