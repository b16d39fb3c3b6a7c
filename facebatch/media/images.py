"""Decoding photos: from a file's bytes to an upright RGB picture that serves the purpose.

The picture may be smaller than the photo: JPEG's scaled decoding gives it at 1/2, 1/4 or 1/8,
which costs a fraction. Whatever its scale, it knows how its pixels map to those of the upright
full-size picture, which is the only frame that leaves this room.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from facebatch.errors import MediaError
from facebatch.media.exif import ExifFacts, read_exif

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""Pillow's decoders that are tried; by content, whatever the file's extension says."""

MAX_PIXELS = 250_000_000
"""Largest photo that is decoded: 750 MB as RGB. The largest cameras give about 150 megapixels."""

# Pillow's own limit is lower; it refuses what is twice this, Photo what is above it.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

# Pillow warns of odd metadata, one line a photo; the picture is what counts. This holds for the
# whole process, since filters that are set for a moment aren't safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

JPEG_SCALES = (8, 4, 2, 1)
"""The scales at which Pillow asks libjpeg to decode; 1/s gives ceil(side / s) pixels, of which
each covers exactly s pixels of the photo."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a stored picture upright, by EXIF orientation (EXIF 2.32, tag 0x0112)."""

_SWAPS_SIDES = frozenset({5, 6, 7, 8})
_TURNED_BY_PILLOW = frozenset({"TIFF"})
"""Formats whose pictures Pillow turns upright itself while it loads them, and gives the upright
size of from the start."""

_NEARLY = 0.95  # of the detection size, which then is as good as that

# Orientations whose upright left (top) edge is a stored right or bottom edge.
_MIRRORS_X = frozenset({2, 3, 6, 7})
_MIRRORS_Y = frozenset({3, 4, 7, 8})


@dataclass(frozen=True)
class PhotoFacts:
    """What is known of a photo before its pixels are decoded.

    Args:
        format: Format by content, as Pillow names it.
        width: Width of the upright full-size picture, pixels.
        height: Its height.
        exif: Orientation, capture time and place.
    """

    format: str
    width: int
    height: int
    exif: ExifFacts


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
        box = (
            -self.offset[0] / self.scale,
            -self.offset[1] / self.scale,
            (width - self.offset[0]) / self.scale,
            (height - self.offset[1]) / self.scale,
        )
        pixels = self.pixels
        is_whole = box == (0.0, 0.0, float(pixels.width), float(pixels.height))
        if is_whole and (block := _block(pixels.size, max_side)):
            pixels = pixels.reduce(block)
            size = pixels.size
        elif pixels.size != size or not is_whole:
            pixels = pixels.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
        return np.array(pixels), (width / size[0], height / size[1])


class Photo:
    """A photo's bytes, recognised and measured; decoded as often and at the scales asked for."""

    def __init__(self, data: bytes) -> None:
        """Recognises the bytes.

        Raises:
            MediaError: ``empty``, ``not_an_image``, ``truncated``, ``corrupt`` or ``too_large``.
        """
        if not data:
            raise MediaError("empty", "the file has no bytes")
        self._data = data
        with _decoding(), self._open() as image:
            exif = read_exif(image)
            width, height = image.size
            if exif.orientation in _SWAPS_SIDES and image.format not in _TURNED_BY_PILLOW:
                width, height = height, width
            self.facts = PhotoFacts(str(image.format), width, height, exif)
        if width * height > MAX_PIXELS:
            raise MediaError(
                "too_large", f"{width} x {height} pixels; at most {MAX_PIXELS:,} are decoded"
            )

    def scale_for(self, min_side: float) -> int:
        """Returns the largest decoding scale that keeps the long side at ``min_side`` or more."""
        if self.facts.format not in ("JPEG", "MPO"):
            return 1
        long_side = max(self.facts.width, self.facts.height)
        return next((scale for scale in JPEG_SCALES if long_side / scale >= min_side), 1)

    def decode(self, scale: int = 1) -> Picture:
        """Returns the upright picture at a scale.

        Args:
            scale: One of `JPEG_SCALES`; anything but a JPEG is decoded in full whatever it says.

        Raises:
            MediaError: ``truncated`` or ``corrupt``.
        """
        with _decoding(), self._open() as image:
            full = image.size
            scale = _draft(image, scale)
            image.load()
            overhang = (full[0] - scale * image.size[0], full[1] - scale * image.size[1])
            pixels = _rgb(image)
        orientation = self.facts.exif.orientation
        if self.facts.format in _TURNED_BY_PILLOW:
            orientation = 1
        return Picture(
            _upright(pixels, orientation), scale, _offset(overhang, orientation), self.facts
        )

    def _open(self) -> Image.Image:
        return Image.open(io.BytesIO(self._data), formats=FORMATS)


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


@contextmanager
def _decoding() -> Iterator[None]:
    """Gives whatever a decoder says of broken bytes its reason code."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise MediaError("not_an_image", "no known picture format") from error
    except Image.DecompressionBombError as error:
        raise MediaError("too_large", str(error)) from error
    except (OSError, EOFError) as error:
        code = "truncated" if _speaks_of_truncation(error) else "corrupt"
        raise MediaError(code, str(error) or "the picture can't be decoded") from error
    except (ValueError, SyntaxError, TypeError, IndexError, KeyError, OverflowError) as error:
        # Pillow's plugins raise these, unwrapped, on broken structure.
        raise MediaError("corrupt", f"{type(error).__name__}: {error}") from error


def _speaks_of_truncation(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError) or "truncated" in text or "not processed" in text


def _upright(pixels: Image.Image, orientation: int) -> Image.Image:
    method = _TURNS.get(orientation)
    return pixels if method is None else pixels.transpose(method)


def _offset(overhang: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Returns where the upright picture begins when the stored one reaches past the photo.

    Args:
        overhang: Photo minus decoded area along the stored x and y; zero or negative.
        orientation: EXIF orientation, 1..8.
    """
    x, y = overhang[::-1] if orientation in _SWAPS_SIDES else overhang
    return (x if orientation in _MIRRORS_X else 0, y if orientation in _MIRRORS_Y else 0)


def _rgb(image: Image.Image) -> Image.Image:
    """Returns a loaded picture of any mode as RGB; what is transparent becomes white."""
    if image.mode in ("I", "I;16", "I;16L", "I;16B", "I;16N", "F"):
        return _from_deep_grey(np.asarray(image, dtype=np.float64)).convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep_grey(values: npt.NDArray[np.float64]) -> Image.Image:
    """Returns 16-bit, 32-bit or float grey as 8-bit, by the range that its values use."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    top = float(finite.max(initial=0.0))
    full = next((limit for limit in (1.0, 255.0, 65_535.0) if top <= limit), top)
    return Image.fromarray(np.clip(finite / full * 255.0, 0, 255).astype(np.uint8))
