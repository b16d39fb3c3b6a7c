"""Pictures of decoded frames: upright, in true colours, with square pixels."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.sidedata.sidedata import Type as SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from facebatch.errors import MediaError
from facebatch.media.limits import Limits
from facebatch.media.orientation import MIRRORS_X, MIRRORS_Y, SWAPS_SIDES

_BT709, _BT601 = 1, 5  # numbers that FFmpeg's AVColorSpace and swscale share
_COLOUR_SPACES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: 9, 10: 9}
_SD_HEIGHT = 576
"""Videos that don't say are BT.601 up to this height, as players have it, and BT.709 above."""
_LIMITED, _FULL = 1, 2

_FLATTEST = Fraction(1, 5)  # shape of a pixel that is believed; CinemaScope's is 1 to 2

_ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
"""EXIF orientation by the signs of a display matrix's a, b, c, d (ISO 14496-12, 6.2.2)."""


class FrameConverter:
    """Turns decoded frames into upright RGB pictures with square pixels.

    Args:
        stream: The stream that they are of.
        limits: How large they may be.
    """

    def __init__(self, stream: VideoStream, limits: Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._converter = VideoReformatter()

    def to_rgb(self, frame: VideoFrame) -> Image.Image:
        """Returns a frame's picture.

        Raises:
            MediaError: ``too_large``; ``corrupt`` where its pixels can't be converted.
        """
        return self.later(frame)()

    def later(self, frame: VideoFrame) -> Callable[[], Image.Image]:
        """Returns what gives a frame's picture, also when the stream is closed; see `to_rgb`."""
        return partial(self._converted, frame, _pixel_shape(self._stream))

    def _converted(self, frame: VideoFrame, shape: Fraction) -> Image.Image:
        width, height = _square(frame, shape)
        if width * height > self._limits.max_pixels:
            raise MediaError(
                "too_large",
                f"{width} x {height} pixels; at most {self._limits.max_pixels:,} are decoded",
            )
        try:
            converted = self._converter.reformat(frame, width, height, "rgb24", **_colours(frame))
        except (FFmpegError, ValueError) as error:
            raise MediaError("corrupt", f"a frame can't be converted: {error}") from error
        pixels = _turned(np.asarray(converted.to_ndarray(), np.uint8), orientation_of(frame))
        return Image.fromarray(np.ascontiguousarray(pixels))


def _colours(frame: VideoFrame) -> dict[str, int]:
    """Returns how a frame's colours are to be read, for swscale."""
    if frame.format.is_rgb:
        return {}
    guess = _BT601 if min(frame.width, frame.height) <= _SD_HEIGHT else _BT709
    full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
    return {
        "src_colorspace": _COLOUR_SPACES.get(int(frame.colorspace), guess),
        "dst_colorspace": _BT601,
        "src_color_range": _FULL if full else _LIMITED,
        "dst_color_range": _FULL,
    }


def _pixel_shape(stream: VideoStream) -> Fraction:
    """Returns the width of a stream's pixels, by their height."""
    told = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    shape = Fraction(told) if told else Fraction(1)
    return shape if _FLATTEST < shape < 1 / _FLATTEST else Fraction(1)


def _square(frame: VideoFrame, shape: Fraction) -> tuple[int, int]:
    """Returns a frame's size with square pixels, before it is turned; no side gets shorter."""
    return round(frame.width * max(shape, Fraction(1))), round(
        frame.height / min(shape, Fraction(1))
    )


def upright_size(frame: VideoFrame, stream: VideoStream, orientation: int) -> tuple[int, int]:
    """Returns width and height of the picture that a frame becomes."""
    width, height = _square(frame, _pixel_shape(stream))
    return (height, width) if orientation in SWAPS_SIDES else (width, height)


def orientation_of(frame: VideoFrame) -> int:
    """Returns the EXIF orientation that says what a frame's display matrix says; 1 without one."""
    matrix = cast("dict[object, bytes]", frame.side_data).get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return 1
    a, b, _, c, d = np.frombuffer(matrix, np.int32, 5).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        b = c = 0
    else:
        a = d = 0
    return _ORIENTATIONS.get(tuple((one > 0) - (one < 0) for one in (a, b, c, d)), 1)


def _turned(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Returns a stored picture (height, width, 3) upright."""
    if orientation in SWAPS_SIDES:
        pixels = pixels.swapaxes(0, 1)
    if orientation in MIRRORS_X:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in MIRRORS_Y else pixels
