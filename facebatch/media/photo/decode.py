"""Decoding photos: from a file's bytes to an upright RGB picture that serves the purpose.

The picture may be smaller than the photo: JPEG's scaled decoding gives it at 1/2, 1/4 or 1/8,
which costs a fraction. Whatever its scale, it knows how its pixels map to those of the upright
full-size picture, which is the only frame that leaves this room.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from facebatch.errors import MediaError
from facebatch.media.limits import DEFAULT_LIMITS, Limits
from facebatch.media.orientation import (
    MIRRORS_X,
    MIRRORS_Y,
    SWAPS_SIDES,
    composed,
    inverse,
    turned,
)
from facebatch.media.photo import tiff
from facebatch.media.photo.exif import ExifFacts, has_late_facts, read_exif
from facebatch.media.photo.exif_bombs import guarded
from facebatch.media.photo.heif import open_avif, open_heif
from facebatch.media.photo.jxl import open_jxl
from facebatch.media.photo.raw import Shot, read_shot
from facebatch.media.photo.sniff import content_of, ends_early
from facebatch.media.photo.to_rgb import as_rgb

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "JPEG2000")
"""Pillow's decoders that are tried; by content, whatever the file's extension says. AVIF, HEIF,
JPEG XL and cameras' raw files are recognised beside them and have decoders of their own."""

# Pillow refuses what is twice its limit, which is the same for the whole process and all threads.
# It stands where the largest limit does that may be asked for; what a Photo is given is checked
# by the Photo, before anything is decoded.
Image.MAX_IMAGE_PIXELS = 2**31

# Pillow warns of odd metadata, one line a photo; the picture is what counts. This holds for the
# whole process, since filters that are set for a moment aren't safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

JPEG_SCALES = (8, 4, 2, 1)
"""The scales at which Pillow asks libjpeg to decode; 1/s gives ceil(side / s) pixels, of which
each covers exactly s pixels of the photo."""

_END_OF_JPEG = b"\xff\xd9"
"""The marker EOI (ITU-T T.81, B.2.1), at which libjpeg fills up what it hasn't got."""

_LEAST_SEEN = 0.02
"""Share of a cut picture that is to be there; one block is made up of whatever ends the file."""

_SCALED = frozenset({"JPEG", "MPO"})  # formats that can be decoded at a scale
_BROKEN = (
    *(OSError, EOFError, ValueError, SyntaxError, TypeError, IndexError, KeyError),
    *(ArithmeticError, RuntimeError, struct.error, zlib.error),
)
"""What decoders raise on broken bytes: Pillow's plugins pass on whatever they stumble over."""

_ODD_TIFF = "a TIFF that is broken, or whose kind of pixels isn't decoded"
_APART = 2  # TIFF 6.0's planar configuration: every channel in strips of its own

_TURNED_BY_PILLOW = frozenset({"TIFF"})
"""Formats whose pictures Pillow turns upright itself while it loads them, and gives the upright
size of from the start."""

_ALWAYS_SAY = frozenset({"HEIF", "AVIF", "JXL"})
"""Formats that say themselves how they lie, upright where they say nothing of it."""

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1."""

_NEARLY = 0.95  # of the detection size, which then is as good as that


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of a photo before its pixels are decoded.

    Args:
        format: Format by content, as Pillow names it.
        width: Width of the upright full-size picture, pixels.
        height: Its height.
        exif: Orientation, capture time and place.
        turned_by_sidecar: The orientation, where a sidecar makes it another than the file's own;
            else None.
    """

    format: str
    width: int
    height: int
    exif: ExifFacts
    turned_by_sidecar: int | None = None


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture, decoded at some scale.

    Args:
        pixels: The picture; Pillow mode RGB.
        scale: Full-size pixels that one of its pixels covers, along either axis.
        offset: Full-size coordinates (x, y) of its top-left corner. Not always zero: the last
            column and row of a scaled JPEG reach past the photo's edge, and turning the picture
            upright may bring them to the front.
        facts: What is known of the photo.
    """

    pixels: Image.Image
    scale: int
    offset: tuple[int, int]
    facts: PhotoFacts

    def shrunk(self, max_side: int) -> tuple[npt.NDArray[np.uint8], tuple[float, float]]:
        """Returns the picture with its long side at most ``max_side``, and its scale.

        The long side is ``max_side`` itself, or a few per cent less where whole blocks of pixels
        can be averaged then: for phones' 4032 x 3024 in a tenth of the time.

        Returns:
            The pixels, uint8 (height, width, 3), covering the full-size picture edge to edge, and
            the full-size pixels that one of them covers along x and y.
        """
        width, height = self.facts.width, self.facts.height
        ratio = min(1.0, max_side / max(width, height))
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        box = self._place((0, 0, width, height))
        pixels = self.pixels
        is_whole = box == (0.0, 0.0, float(pixels.width), float(pixels.height))
        if is_whole and (block := _block(pixels.size, max_side)):
            pixels = pixels.reduce(block)
            size = pixels.size
        elif pixels.size != size or not is_whole:
            pixels = pixels.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
        return np.array(pixels), (width / size[0], height / size[1])

    def part(self, box: Box, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Returns a part of the picture.

        Args:
            box: x0, y0, x1, y1 inside the full-size picture, in its pixels.
            size: Width and height of what is returned.

        Returns:
            uint8 (height, width, 3).
        """
        place = self._place(box)
        pixels = self.pixels.resize(size, Image.Resampling.BILINEAR, box=place, reducing_gap=3.0)
        return np.array(pixels)

    def _place(self, box: Box) -> Box:
        """Returns where a box of the full-size picture lies in the pixels."""
        x, y = self.offset
        x0, y0, x1, y1 = box
        scale = self.scale
        return ((x0 - x) / scale, (y0 - y) / scale, (x1 - x) / scale, (y1 - y) / scale)


class Photo:
    """A photo's bytes, recognised and measured; decoded as often and at the scales asked for.

    The format is what the content is, whatever the file is called: one of `FORMATS`, or MPO, HEIF,
    AVIF, JXL or RAW. Of a file that holds several pictures it is the first, of a HEIF file the
    primary one, of a raw file the preview (see `facebatch.media.photo.raw`).
    """

    def __init__(
        self, data: bytes, limits: Limits = DEFAULT_LIMITS, sidecar: int | None = None
    ) -> None:
        """Recognises the bytes.

        Args:
            data: The file's bytes.
            limits: What the photo may ask for: pixels and bytes.
            sidecar: Orientation, 1..8, that a sidecar gives. Of a raw file it counts before the
                file's own, as programs that can't write into one have it; of any other only where
                the file says nothing of how it lies.

        Raises:
            MediaError: ``empty``, ``not_an_image``, ``truncated``, ``corrupt``, ``too_large`` or
                ``decoder_missing``.
        """
        if not data:
            raise MediaError("empty", "the file has no bytes")
        if len(data) > limits.max_bytes:
            raise MediaError(
                "too_large", f"{len(data):,} bytes; at most {limits.max_bytes:,} are read"
            )
        self._limits = limits
        self._content = content_of(data)
        shot = read_shot(data, limits) if self._content == "RAW" else None
        self._data = guarded(data if shot is None else shot.picture, self._content)
        with self._decoding(), self._open() as image:
            width, height = image.size
            if width * height > limits.max_pixels:
                raise MediaError(
                    "too_large",
                    f"{width} x {height} pixels; at most {limits.max_pixels:,} are decoded",
                )
            exif = read_exif(image) if shot is None else shot.exif
            by_sidecar = self._by_sidecar(sidecar, exif, shot)
            if by_sidecar is not None:
                exif = replace(exif, orientation=by_sidecar)
            self._is_turned = by_sidecar is None and image.format in _TURNED_BY_PILLOW
            if exif.orientation in SWAPS_SIDES and not self._is_turned:
                width, height = height, width
            self._has_scales = image.format in _SCALED
            stored = str(image.format) if shot is None else "RAW"
        self.facts = PhotoFacts(stored, width, height, exif, by_sidecar)
        self.note: str | None = None
        """What a person should know of a picture that was decoded all the same."""

    def _by_sidecar(self, said: int | None, own: ExifFacts, shot: Shot | None) -> int | None:
        """Returns the orientation that a sidecar makes another than the file's own."""
        if said is None:
            return None
        if shot is not None:
            said = composed(inverse(shot.turned_by), said)
        elif own.says_orientation or self._content in _ALWAYS_SAY:
            return None
        return None if said == own.orientation else said

    def scale_for(self, min_side: float) -> int:
        """Returns the largest decoding scale that keeps the long side at ``min_side`` or more."""
        if not self._has_scales:
            return 1
        long_side = max(self.facts.width, self.facts.height)
        return next((scale for scale in JPEG_SCALES if long_side / scale >= min_side), 1)

    def decode(self, scale: int = 1) -> Picture:
        """Returns the upright picture at a scale.

        A JPEG that ends too early is decoded as far as it goes, as viewers do; `note` then says so.
        What is missing is grey.

        Args:
            scale: One of `JPEG_SCALES`; anything but a JPEG is decoded in full whatever it says.

        Raises:
            MediaError: ``truncated`` or ``corrupt``.
        """
        try:
            return self._decode(scale)
        except MediaError as error:
            if error.reason != "truncated" or not self._has_scales or self.note is not None:
                raise
            whole, self._data = self._data, self._data + _END_OF_JPEG
            try:
                picture = self._decode(scale)
                is_seen = _share_seen(picture.pixels) >= _LEAST_SEEN
            except MediaError:
                is_seen = False
            if not is_seen:
                self._data = whole
                raise
            self.note = f"truncated: {error.message}; decoded as far as it goes"
            return picture

    def _decode(self, scale: int) -> Picture:
        with self._decoding(), self._open() as image:
            full = image.size
            scale = _draft(image, scale) if self._has_scales else 1
            image.load()
            if image.size != tuple(-(-side // scale) for side in full):
                raise MediaError("corrupt", f"it claims {full} pixels and has {image.size}")
            overhang = (full[0] - scale * image.size[0], full[1] - scale * image.size[1])
            pixels = as_rgb(image)
        orientation = self.facts.exif.orientation
        if self._is_turned:
            orientation = 1
        return Picture(
            turned(pixels, orientation), scale, _offset(overhang, orientation), self.facts
        )

    def _open(self) -> Image.Image:
        if self._content == "HEIF":
            return open_heif(self._data)
        if self._content == "AVIF":
            return open_avif(self._data)
        if self._content == "JXL":
            return open_jxl(self._data, self._limits)
        image = Image.open(io.BytesIO(self._data), formats=FORMATS)
        if image.format == "PNG" and not has_late_facts(self._data):
            image.info.setdefault("exif", b"")  # else Pillow decodes the picture to look for it
        return _with_deep_planes(image)

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Gives whatever a decoder says of broken bytes its reason code."""
        try:
            yield
        except UnidentifiedImageError as error:
            text = _ODD_TIFF if tiff.is_tiff(self._data) else "no known picture format"
            raise MediaError("not_an_image", text) from error
        except (Image.DecompressionBombError, MemoryError) as error:
            raise MediaError("too_large", str(error) or "no memory to decode it in") from error
        except _BROKEN as error:
            is_cut = _speaks_of_truncation(error) or ends_early(self._data)
            text = str(error) or "the picture can't be decoded"
            if not isinstance(error, OSError | EOFError):
                text = f"{type(error).__name__}: {text}"
            raise MediaError("truncated" if is_cut else "corrupt", text) from error


def _share_seen(pixels: Image.Image) -> float:
    """Returns the share of a cut picture, 0..1, that isn't the grey that libjpeg fills up with."""
    values = np.asarray(pixels, np.int16)
    return float((np.abs(values - 128) > 2).any(axis=2).mean())


def _with_deep_planes(image: Image.Image) -> Image.Image:
    """Returns an opened picture, a TIFF of 16-bit planes so that they are read as such.

    Pillow reads uncompressed planes as if their samples had eight bits.
    """
    if isinstance(image, TiffImageFile) and image.tag_v2.get(tiff.Tag.PLANES) == _APART:
        deep = set(image.tag_v2.get(tiff.Tag.BITS, ())) == {16}
        suffix = ";16B" if image.tag_v2.prefix.startswith(b"M") else ";16L"
        image.tile = [
            part._replace(args=(part.args[0] + suffix, *part.args[1:]))
            if deep and part.codec_name == "raw" and isinstance(part.args, tuple)
            else part
            for part in image.tile
        ]
    return image


def _block(size: tuple[int, int], max_side: int) -> int:
    """Returns the side of the blocks that shrink a picture to about ``max_side``; 0 if none do."""
    block = -(-max(size) // max_side)
    whole = block > 1 and all(side % block == 0 for side in size)
    return block if whole and max(size) / block >= _NEARLY * max_side else 0


def _draft(image: Image.Image, scale: int) -> int:
    """Asks for scaled decoding and returns the scale it will have."""
    width, height = image.size
    # Pillow takes the largest scale that gives no side less than what is asked for, and says it
    # as the photo's size in the pixels that it will give.
    drafted = image.draft(image.mode, (max(1, width // scale), max(1, height // scale)))
    return 1 if drafted is None else round(width / drafted[1][2])


def _speaks_of_truncation(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError) or "truncated" in text or "not processed" in text


def _offset(overhang: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Returns where the upright picture begins when the stored one reaches past the photo.

    Args:
        overhang: Photo minus decoded area along the stored x and y; zero or negative.
        orientation: EXIF orientation, 1..8.
    """
    x, y = overhang[::-1] if orientation in SWAPS_SIDES else overhang
    return (x if orientation in MIRRORS_X else 0, y if orientation in MIRRORS_Y else 0)
