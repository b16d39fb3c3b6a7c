"""Pictures as bytes, in every format and state that an archive has them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

ORIENTATION = 0x0112
"""EXIF 2.32's tag of the orientation."""


def encode(
    picture: Image.Image | npt.NDArray[np.uint8], kind: str = "JPEG", **options: Any
) -> bytes:
    """Returns a picture's bytes in one of Pillow's formats."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 80, height: int = 60) -> Image.Image:
    """Returns an RGB picture in which every place has a colour of its own."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns * 255 // max(1, width - 1), rows * 255 // max(1, height - 1)
    return Image.fromarray(np.stack([red, green, (rows * columns) % 256], -1).astype(np.uint8))


def with_orientation(orientation: object) -> Image.Exif:
    """Returns EXIF data that hold an orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def as_stored(upright: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Returns the raster that a camera stores for an upright one.

    By EXIF 2.32, tag 0x0112: it says at which visual side the stored row 0 and column 0 lie.
    """
    axes = (1, 0, *range(2, upright.ndim))
    stored = {
        1: upright,  # row 0 at the top, column 0 at the left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.transpose(axes),  # left, top
        6: upright[:, ::-1].transpose(axes),  # right, top
        7: upright[::-1, ::-1].transpose(axes),  # right, bottom
        8: upright[::-1].transpose(axes),  # left, bottom
    }
    return np.ascontiguousarray(stored[orientation])


class TiffWriter:
    """Writes TIFF files by hand (TIFF 6.0, chapter 2): data, then directories, the first last."""

    def __init__(self, order: str = "<") -> None:
        self.order = order
        self._file = bytearray(8)

    def add(self, data: bytes) -> int:
        """Returns where data were put."""
        place = len(self._file)
        self._file += data + bytes(len(data) % 2)
        return place

    def directory(self, tags: dict[int, tuple[int, Sequence[float] | bytes]]) -> int:
        """Returns where a directory was put.

        Args:
            tags: Type and values by tag; bytes stand for themselves, whatever their type.
        """
        entries = b""
        for tag, (kind, values) in sorted(tags.items()):
            form = TIFF_TYPES.get(kind, "B")
            data = values if isinstance(values, bytes) else self._packed(form, values)
            count = len(data) // struct.calcsize(form) // (2 if kind in (5, 10) else 1)
            held = data.ljust(4, b"\0") if len(data) <= 4 else self._number(self.add(data))
            entries += struct.pack(self.order + "HHI", tag, kind, count) + held
        return self.add(struct.pack(self.order + "H", len(tags)) + entries + bytes(4))

    def file(self, first: int) -> bytes:
        """Returns the file, with the place of its first directory."""
        mark = b"II*\0" if self.order == "<" else b"MM\0*"
        self._file[:8] = mark + self._number(first)
        return bytes(self._file)

    def _packed(self, form: str, values: Sequence[float]) -> bytes:
        return struct.pack(f"{self.order}{len(values)}{form}", *values)

    def _number(self, number: int) -> bytes:
        return struct.pack(self.order + "I", number)


def tiff(
    pixels: npt.NDArray[Any],
    photometric: int,
    order: str = "<",
    compression: int = 1,
    planes: bool = False,
    extra: Sequence[int] = (),
) -> bytes:
    """Returns an uncompressed (1) or deflated (8) TIFF of samples (height, width, channels)."""
    height, width, channels = pixels.shape
    writer = TiffWriter(order)
    parts = np.moveaxis(pixels, -1, 0) if planes else pixels[None]
    strips = [part.astype(pixels.dtype.newbyteorder(order)).tobytes() for part in parts]
    strips = [zlib.compress(strip) if compression == 8 else strip for strip in strips]
    float_or_whole = 3 if pixels.dtype.kind == "f" else 1
    tags: dict[int, tuple[int, Sequence[float] | bytes]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [8 * pixels.dtype.itemsize] * channels),
        259: (3, [compression]),
        262: (3, [photometric]),
        273: (4, [writer.add(strip) for strip in strips]),
        277: (3, [channels]),
        278: (4, [height]),
        279: (4, [len(strip) for strip in strips]),
        284: (3, [2 if planes else 1]),
        339: (3, [float_or_whole] * channels),
        **({338: (3, extra)} if extra else {}),
    }
    return writer.file(writer.directory(tags))


def dng(
    upright: npt.NDArray[np.uint8],
    orientation: int = 1,
    preview: bytes | None = None,
    date: str = "2021:03:04 05:06:07",
) -> bytes:
    """Returns a camera's raw file (DNG 1.4): a colour filter array, and a preview beside it.

    Args:
        upright: The picture, RGB, even sides as it is stored; the raw one is made of it.
        orientation: How it is stored.
        preview: JPEG of the stored picture; its thumbnail, of a sixteenth, is always there.
        date: When it was taken, as EXIF writes it.
    """
    stored = as_stored(upright, orientation)
    height, width = stored.shape[:2]
    # Red, green / green, blue; in 14 bits and with sRGB's curve undone, as sensors count light.
    light = ((stored / 255.0) ** 2.2 * 16_000).astype("<u2")
    filtered = light[..., 1].copy()
    filtered[::2, ::2], filtered[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
    writer = TiffWriter()
    raw = writer.directory(
        {
            **_strip(
                width,
                height,
                [16],
                1,
                32_803,
                writer.add(filtered.tobytes()),
                2 * light[..., 0].size,
            ),
            33_421: (3, [2, 2]),
            33_422: (1, b"\0\1\1\2"),
            50_714: (3, [0]),
            50_717: (3, [16_000]),
        }
    )
    parts = [raw]
    if preview is not None:
        with Image.open(io.BytesIO(preview)) as image:
            size = image.size
        strip = _strip(*size, [8, 8, 8], 7, 6, writer.add(preview), len(preview))
        parts.append(writer.directory({**strip, 254: (4, [1])}))
    thumbnail = np.ascontiguousarray(stored[::16, ::16])
    rows, columns = thumbnail.shape[:2]
    first = writer.directory(
        {
            **_strip(
                columns, rows, [8, 8, 8], 1, 2, writer.add(thumbnail.tobytes()), thumbnail.size
            ),
            254: (4, [1]),
            271: (2, b"Maker\0"),
            272: (2, b"Model\0"),
            274: (3, [orientation]),
            306: (2, date.encode() + b"\0"),
            330: (4, parts),
            50_706: (1, b"\1\4\0\0"),
            50_708: (2, b"Maker Model\0"),
            # From XYZ to the camera's colours, which are sRGB's here (IEC 61966-2-1), for D65.
            50_721: (10, [n for x in _XYZ_TO_SRGB for n in (round(x * 10_000), 10_000)]),
            50_728: (5, [1, 1, 1, 1, 1, 1]),
            50_778: (3, [21]),
        }
    )
    return writer.file(first)


TIFF_TYPES = {3: "H", 4: "I", 5: "I", 10: "i", 11: "f"}
_XYZ_TO_SRGB = (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)


def _strip(
    width: int, height: int, bits: list[int], compression: int, photometric: int, at: int, size: int
) -> dict[int, tuple[int, Sequence[float] | bytes]]:
    return {
        254: (4, [0]),
        256: (4, [width]),
        257: (4, [height]),
        258: (3, bits),
        259: (3, [compression]),
        262: (3, [photometric]),
        273: (4, [at]),
        277: (3, [len(bits)]),
        278: (4, [height]),
        279: (4, [size]),
    }


def heif(
    pixels: npt.NDArray[np.uint8], orientation: int = 1, exif: bytes | None = None, **options: Any
) -> bytes:
    """Returns a HEIC file (HEVC) of a picture that is stored in some orientation."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    exif = with_orientation(orientation).tobytes() if exif is None else exif
    return encode(pixels, "HEIF", exif=exif, quality=95, chroma=444, **options)


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Returns a chunk of a PNG file (RFC 2083, chapter 3)."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
