"""Opening JPEG XL files: by a decoder that may be missing, and what its bytes say of its size.

The decoder decodes while it opens. So that a small file can't take all memory, its size is read
from the codestream's first bits beforehand (ISO/IEC 18181-1, SizeHeader).
"""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Iterator
from typing import Any

from PIL import Image

from facebatch.errors import MediaError
from facebatch.media.limits import Limits
from facebatch.media.photo import tiff

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
"""How a codestream and a container begin (ISO/IEC 18181-2)."""

_SIDES = (9, 13, 18, 30)  # bits of a side, by its two bits of prefix
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_ORIENTATION = 0x0112
_EXIF = b"Exif\0\0"


def open_jxl(data: bytes, limits: Limits) -> Image.Image:
    """Returns a JPEG XL file's picture, decoded; of an animation its first frame.

    The codestream turns its pixels upright itself, and what EXIF says of it has no part in that.
    Only a JPEG that was packed losslessly comes as the JPEG was, with its own orientation.

    Raises:
        MediaError: ``decoder_missing`` or ``too_large``.
        SyntaxError: The file is broken.
    """
    width, height = size_of(data)
    if width * height > limits.max_pixels:
        raise MediaError(
            "too_large", f"{width} x {height} pixels; at most {limits.max_pixels:,} are decoded"
        )
    try:
        plugin: Any = importlib.import_module("pillow_jxl.JpegXLImagePlugin")
    except ImportError as error:
        raise MediaError(
            "decoder_missing", "a JPEG XL picture needs pip install 'facebatch[jxl]'"
        ) from error
    plugin.DECODE_THREADS = 0  # there is a worker for every core
    image: Image.Image = plugin.JXLImageFile(io.BytesIO(data))
    if "exif" in image.info:
        was_jpeg = bool(getattr(image, "jpeg", False))
        image.info["exif"] = _exif(image.info["exif"], is_upright=not was_jpeg)
    return image


def _exif(block: bytes, is_upright: bool) -> bytes:
    """Returns a picture's EXIF, without what may take memory without bound."""
    if tiff.claims_too_much(block.removeprefix(_EXIF)):
        return b""
    if not is_upright:
        return block
    exif = Image.Exif()
    exif.load(block)
    exif.pop(_ORIENTATION, None)
    return exif.tobytes()


def size_of(data: bytes) -> tuple[int, int]:
    """Returns width and height that a file claims.

    Raises:
        SyntaxError: The file ends before it says so.
    """
    bits = _Bits(data[2:] if data.startswith(CODESTREAM) else _codestream(data)[2:])
    by_eight = bool(bits.take(1))
    height = bits.side(by_eight)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return bits.side(by_eight), height


class _Bits:
    """Reads numbers from the least significant bit on."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:16], "little")
        self._left = 8 * len(data[:16])

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise SyntaxError("the file ends within its first bytes: truncated")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        return value

    def side(self, by_eight: bool) -> int:
        return 8 * (self.take(5) + 1) if by_eight else self.take(_SIDES[self.take(2)]) + 1


def _codestream(data: bytes) -> bytes:
    """Returns the beginning of a container's codestream."""
    for kind, content in _boxes(data):
        if kind == b"jxlc":
            return content
        if kind == b"jxlp":  # parts, of which the first four bytes are the number
            return content[4:]
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        begin = place + 8
        if size == 1 and place + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        end = place + size if size else len(data)
        yield kind, data[begin : min(end, begin + 64)]
        place = max(end, begin)
