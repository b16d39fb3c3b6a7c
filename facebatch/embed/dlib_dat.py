"""Reading dlib's serialised metric networks (``.dat`` files) into plain arrays.

The format is what dlib's ``serialize`` writes (dlib/serialize.h, dlib/dnn/core.h, layers.h,
input.h, loss.h), for the layers of its face recognition ResNet and no others. The reader checks
every version and shape against the file's length, so a damaged file ends in ``DatFormatError``
and never in a large allocation; damaged weights don't show, for the format has no checksum. It
knows nothing of torch or of the network's wiring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import DatFormatError

_MAX_DEPTH = 4096  # layer headers; the face recognition network has 130
_MAX_STRING = 64  # bytes; the longest name read here has 21

# The codes by which a layer header tells what follows (dlib/dnn/core.h).
_TAG_OR_SKIP, _LAYER, _FIRST_LAYER = 1, 2, 3


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution: weight float32 (out, in, rows, columns), bias float32 (out,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Affine:
    """A scale and a shift for each channel: y = gamma * x + beta, both float32 (channels,)."""

    gamma: NDArray[np.float32]
    beta: NDArray[np.float32]


@dataclass(frozen=True)
class Pool:
    """Pooling by ``"max"`` or ``"average"``; a window of (0, 0) is the whole image."""

    kind: str
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True, eq=False)
class FullyConnected:
    """y = x @ weight, without a bias; weight float32 (inputs, outputs)."""

    weight: NDArray[np.float32]


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class AddPrevious:
    """Adds a tagged layer's output. Which tag is in dlib's C++ type, not in the file."""


@dataclass(frozen=True)
class TagOrSkip:
    """Marks an output, or goes back to a marked one; which of them isn't in the file."""


Layer = Convolution | Affine | Pool | FullyConnected | Relu | AddPrevious | TagOrSkip


@dataclass(frozen=True, eq=False)
class MetricNetwork:
    """A network trained with dlib's metric loss.

    Args:
        size: Rows and columns of its input.
        mean: What is subtracted from R, G and B; the result is divided by 256.
        layers: In the order in which they are applied.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    layers: tuple[Layer, ...]


def read_network(content: bytes) -> MetricNetwork:
    """Decode a whole ``.dat`` file.

    Args:
        content: The file's bytes.

    Returns:
        The network; its arrays are read-only views of ``content``.

    Raises:
        DatFormatError: The bytes are damaged, incomplete, too many, or another kind of network.
    """
    stream = _Stream(content)
    stream.expect_version(1, "loss layer")
    stream.expect_name("loss_metric_2")
    stream.floats(2)  # the loss's margin and distance threshold
    headers = _read_headers(stream)
    stream.expect_name("input_rgb_image_sized")
    red, green, blue = stream.floats(3)
    size = (stream.count(), stream.count())
    # Headers come from the output inwards, the details from the input outwards.
    layers = tuple(_read_layer(stream, header) for header in reversed(headers))
    stream.expect_end()
    return MetricNetwork(size, (red, green, blue), layers)


class _Stream:
    """dlib's primitive encodings, read one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._at = 0

    def fail(self, what: str) -> DatFormatError:
        return DatFormatError(f"not dlib's face recognition network: {what} before byte {self._at}")

    def take(self, length: int) -> memoryview:
        left = len(self._content) - self._at
        if length > left:
            raise self.fail(f"{length} bytes wanted and {left} left")
        self._at += length
        return self._content[self._at - length : self._at]

    def integer(self) -> int:
        """A control byte (sign in bit 7, number of bytes in the low four), then the magnitude."""
        control = self.take(1)[0]
        length = control & 0x0F
        if not 1 <= length <= 8 or control & 0x70:
            raise self.fail(f"integer control byte {control:#04x}")
        magnitude = int.from_bytes(self.take(length), "little")
        return -magnitude if control & 0x80 else magnitude

    def count(self) -> int:
        """An integer that counts something in the file, so can't exceed its length."""
        value = self.integer()
        if not 0 <= value <= len(self._content):
            raise self.fail(f"count {value}")
        return value

    def floats(self, count: int) -> tuple[float, ...]:
        """Numbers, each as the integers mantissa and exponent of two."""
        return tuple(self._float() for _ in range(count))

    def _float(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        # dlib writes infinities and NaN as exponents from 32000 on; none belongs in a network.
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError:
            raise self.fail(f"number {mantissa} * 2**{exponent}") from None

    def boolean(self) -> bool:
        """The character 0 or 1."""
        value = self.take(1)[0]
        if value not in b"01":
            raise self.fail(f"boolean {value:#04x}")
        return value == ord("1")

    def name(self) -> str:
        length = self.count()
        if length > _MAX_STRING:
            raise self.fail(f"name of {length} bytes")
        try:
            return bytes(self.take(length)).decode("ascii")
        except UnicodeDecodeError:
            raise self.fail("name that isn't ASCII") from None

    def tensor(self) -> NDArray[np.float32]:
        """Version 2, four sizes, then little-endian float32 in row-major order."""
        self.expect_version(2, "tensor")
        shape = self._shape()
        return np.frombuffer(self.take(4 * math.prod(shape)), dtype="<f4")

    def alias(self) -> tuple[int, int, int, int]:
        """The shape of a view into another tensor."""
        self.expect_version(1, "alias tensor")
        return self._shape()

    def _shape(self) -> tuple[int, int, int, int]:
        return self.count(), self.count(), self.count(), self.count()

    def expect_version(self, expected: int, what: str) -> None:
        if (version := self.integer()) != expected:
            raise self.fail(f"{what} version {version} instead of {expected}")

    def expect_name(self, expected: str) -> None:
        if (name := self.name()) != expected:
            raise self.fail(f"{name!r} instead of {expected!r}")

    def expect_end(self) -> None:
        if left := len(self._content) - self._at:
            raise self.fail(f"{left} bytes after the last layer")


def _read_headers(stream: _Stream) -> list[int]:
    """The codes of the nested layers, outermost first; the first layer's ends them."""
    headers: list[int] = []
    while not headers or headers[-1] != _FIRST_LAYER:
        code = stream.integer()
        if code not in (_TAG_OR_SKIP, _LAYER, _FIRST_LAYER):
            raise stream.fail(f"layer header {code}")
        if len(headers) == _MAX_DEPTH:
            raise stream.fail(f"more than {_MAX_DEPTH} layers")
        headers.append(code)
    return headers


def _read_layer(stream: _Stream, header: int) -> Layer:
    if header == _TAG_OR_SKIP:
        return TagOrSkip()
    layer = _read_details(stream)
    # What training leaves behind: three flags, and scratch tensors that don't matter here
    # (a gradient, a cached output, and the parameters' or the output's gradient).
    for _ in range(3):
        stream.boolean()
    for _ in range(3):
        stream.tensor()
    if header == _FIRST_LAYER:
        stream.expect_version(1, "sample expansion factor")
    return layer


def _read_details(stream: _Stream) -> Layer:
    name = stream.name()
    match name:
        case "con_4":
            return _read_convolution(stream)
        case "affine_":
            return _read_affine(stream)
        case "max_pool_2":
            return _read_pool(stream, "max")
        case "avg_pool_2":
            return _read_pool(stream, "average")
        case "fc_2":
            return _read_fully_connected(stream)
        case "relu_":
            return Relu()
        case "add_prev_":
            return AddPrevious()
    raise stream.fail(f"unknown layer {name!r}")


def _read_convolution(stream: _Stream) -> Convolution:
    parameters = stream.tensor()
    filters, rows, columns = stream.count(), stream.count(), stream.count()
    stride = (stream.count(), stream.count())
    padding = (stream.count(), stream.count())
    weight, bias = stream.alias(), stream.alias()
    stream.floats(4)  # learning rate and weight decay multipliers
    if (weight[0], *weight[2:]) != (filters, rows, columns) or bias != (1, filters, 1, 1):
        raise stream.fail(f"convolution of {filters} filters with weight {weight}, bias {bias}")
    values = math.prod(weight)
    if parameters.size != values + filters:
        raise stream.fail(f"convolution with {parameters.size} parameters")
    return Convolution(parameters[:values].reshape(weight), parameters[values:], stride, padding)


def _read_affine(stream: _Stream) -> Affine:
    parameters = stream.tensor()
    gamma, beta = stream.alias(), stream.alias()
    mode = stream.integer()
    if mode != 0:  # 0 is a scale for each channel, 1 one for each value
        raise stream.fail(f"affine mode {mode}")
    channels = gamma[1]
    if gamma != (1, channels, 1, 1) or beta != gamma or parameters.size != 2 * channels:
        raise stream.fail(f"affine with gamma {gamma}, beta {beta}")
    return Affine(parameters[:channels], parameters[channels:])


def _read_pool(stream: _Stream, kind: str) -> Pool:
    window = (stream.count(), stream.count())
    stride = (stream.count(), stream.count())
    padding = (stream.count(), stream.count())
    return Pool(kind, window, stride, padding)


def _read_fully_connected(stream: _Stream) -> FullyConnected:
    outputs, inputs = stream.count(), stream.count()
    parameters = stream.tensor()
    weight, _ = stream.alias(), stream.alias()
    bias_mode = stream.integer()
    stream.floats(4)  # learning rate and weight decay multipliers
    if bias_mode != 1:  # 1 is FC_NO_BIAS
        raise stream.fail(f"fully connected layer with bias mode {bias_mode}")
    if weight != (inputs, outputs, 1, 1) or parameters.size != inputs * outputs:
        raise stream.fail(f"fully connected layer with weight {weight}")
    return FullyConnected(parameters.reshape(inputs, outputs))
