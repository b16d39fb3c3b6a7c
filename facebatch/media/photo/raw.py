"""Cameras' raw files: the preview inside, the facts beside it, and which way is up.

The preview is the picture that the camera showed. Where there is none, or one too small to find
faces in, the raw picture itself is developed at half size. LibRaw, through rawpy, knows the files.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from facebatch.errors import MediaError
from facebatch.media.limits import Limits
from facebatch.media.photo.exif import ExifFacts, read_exif, read_exif_block

if TYPE_CHECKING:
    import rawpy

SERVES = 1000
"""Long side, pixels, from which on a preview serves, however large the raw picture is. Cameras'
screens have 640 to 1,000, the previews that they write 1,600 and more."""

_NO_YEAR = 1970  # what LibRaw's zero seconds become
_ALL_BUT_TIFF = (b"IIRO", b"IIRS", b"IIU\0")
_ORIENTATIONS = (1, 2, 4, 3, 5, 8, 6, 7)
"""EXIF orientation by LibRaw's flip: 1 mirrors the columns, 2 the rows, 4 swaps the two first."""


@dataclass(frozen=True)
class Shot:
    """What is used of a raw file.

    Args:
        picture: The picture, a JPEG or BMP file.
        exif: The photo's facts; their orientation is that of the picture.
        turned_by: Orientation by which the sensor's picture was turned to give this one; 1 where it
            lies as the sensor does.
    """

    picture: bytes
    exif: ExifFacts
    turned_by: int = 1


def read_shot(data: bytes, limits: Limits) -> Shot:
    """Returns the preview of a raw file, or the picture developed where no preview serves.

    Raises:
        MediaError: ``decoder_missing``, ``truncated``, ``corrupt`` or ``too_large``.
    """
    try:
        import rawpy
    except (ImportError, ValueError) as error:  # the latter where it was built for another numpy
        raise MediaError(
            "decoder_missing", "a camera's raw file needs pip install 'facebatch[raw]'"
        ) from error
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            # Taken first: developing changes them.
            flip, stored = raw.sizes.flip, (raw.sizes.width, raw.sizes.height)
            moment = _moment(raw)
            picture, size = _picture(raw, limits)
    except (rawpy.LibRawIOError, rawpy.LibRawDataError) as error:
        raise MediaError("truncated", f"LibRaw: {_said(error)}") from error
    except (rawpy.LibRawTooBigError, rawpy.LibRawUnsufficientMemoryError) as error:
        raise MediaError("too_large", f"LibRaw: {_said(error)}") from error
    except (rawpy.LibRawError, rawpy.NotSupportedError, ValueError) as error:
        raise MediaError("corrupt", f"LibRaw can't read it: {_said(error)}") from error
    exif = _facts(data, picture)
    orientation, turned_by = _orientation(flip, stored, size)
    return Shot(
        picture,
        replace(exif, orientation=orientation, captured_at=exif.captured_at or moment),
        turned_by,
    )


def _picture(raw: rawpy.RawPy, limits: Limits) -> tuple[bytes, tuple[int, int]]:
    """Returns a picture file and its size."""
    import rawpy

    preview, size = _preview(raw)
    sizes = raw.sizes
    if preview and max(size) >= min(SERVES, max(sizes.width, sizes.height) // 2):
        return preview, size
    if sizes.raw_width * sizes.raw_height > limits.max_pixels:
        raise MediaError(
            "too_large",
            f"{sizes.raw_width} x {sizes.raw_height} raw pixels, and no preview of use; at most "
            f"{limits.max_pixels:,} are developed",
        )
    try:
        pixels = raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8, user_flip=0)
    except rawpy.LibRawError:
        if not preview:
            raise
        return preview, size
    return _as_file(pixels)


def _preview(raw: rawpy.RawPy) -> tuple[bytes, tuple[int, int]]:
    """Returns the largest preview as a file and its size; nothing where there is none."""
    import rawpy

    try:
        preview = raw.extract_thumb()
    except (rawpy.LibRawError, rawpy.NotSupportedError):
        return b"", (0, 0)
    if preview.format == rawpy.ThumbFormat.BITMAP:
        return _as_file(preview.data)
    data = bytes(preview.data)
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return data, image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return b"", (0, 0)


def _as_file(pixels: Any) -> tuple[bytes, tuple[int, int]]:
    # Cameras without colour give one channel.
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2:] in ((1,), (2,)) else pixels[..., :3])
    file = io.BytesIO()
    image.save(file, "BMP")
    return file.getvalue(), image.size


def _facts(data: bytes, picture: bytes) -> ExifFacts:
    """Returns the facts of the raw file's own directories, else of its preview's."""
    block = b"II*\0" + data[4:] if data.startswith(_ALL_BUT_TIFF) else data
    facts = read_exif_block(block)
    if facts != ExifFacts():
        return facts
    with Image.open(io.BytesIO(picture), formats=("JPEG", "BMP")) as image:
        return read_exif(image)


def _moment(raw: rawpy.RawPy) -> datetime | None:
    """Returns when LibRaw says the photo was taken, on the camera's clock."""
    try:
        moment: datetime = raw.other.timestamp
    except (AttributeError, ValueError, OverflowError, OSError):  # older ones have no `other`
        return None
    return moment if moment.year > _NO_YEAR else None


def _orientation(flip: int, stored: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Returns how to turn a raw file's picture, and how it was turned already.

    Args:
        flip: LibRaw's flip of the raw picture, 0..7.
        stored: Width and height of the raw picture as the sensor gave it.
        size: Width and height of the picture in hand. Some programs turn previews already.
    """
    orientation = _ORIENTATIONS[flip & 7]
    is_turned = orientation >= 5 and (stored[0] - stored[1]) * (size[0] - size[1]) < 0
    return (1, orientation) if is_turned else (orientation, 1)


def _said(error: Exception) -> str:
    """Returns an error's text; rawpy's are bytes."""
    text = error.args[0] if error.args else type(error).__name__
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
