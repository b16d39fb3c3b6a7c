"""From whatever a decoder gives, grey to CMYK, 1 bit to 32, to the RGB that is looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.media.photo.tiff import Tag

_DEEP_GREYS = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
_MIN_IS_WHITE = 0  # TIFF 6.0's photometric interpretation


def as_rgb(image: Image.Image) -> Image.Image:
    """Returns a loaded picture of any mode as RGB; what is transparent becomes white.

    CMYK becomes RGB by plain arithmetic, without colour profiles; so do all others but LAB.
    """
    if image.mode in _DEEP_GREYS:
        grey = _from_deep_grey(np.asarray(image))
        return Image.fromarray(255 - grey if _is_negative(image) else grey).convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_deep_grey(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Returns 16-bit, 32-bit or float grey as 8-bit, by the range that its values use."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        # Through a table, for a picture of numbers of eight bytes would be large.
        full = 255.0 if values.max(initial=0) <= 255 else 65_535.0
        if values.max(initial=0) <= 1:
            full = 1.0
        table = np.clip(np.arange(65_536) / full * 255.0, 0, 255).astype(np.uint8)
        return np.asarray(table[values])
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(finite.max(initial=0.0))
    full = next((limit for limit in (1.0, 255.0, 65_535.0) if top <= limit), top)
    return np.clip(finite / full * 255.0, 0, 255).astype(np.uint8)


def _is_negative(image: Image.Image) -> bool:
    """Tells whether a TIFF's deep grey counts from white; Pillow minds that up to eight bits."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(Tag.PHOTOMETRIC) == _MIN_IS_WHITE


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    converted = Image.new("RGB", image.size)
    transform.apply(image, converted)
    return converted
