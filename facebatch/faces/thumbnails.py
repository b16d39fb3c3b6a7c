"""Small JPEGs of chips."""

from __future__ import annotations

import io

QUALITY = 75


def thumbnail(chip: bytes | None, side: int) -> bytes | None:
    """Returns a chip made smaller; None where there is none, or none that can be read.

    Args:
        chip: A JPEG.
        side: Longest side of the result in pixels.
    """
    from PIL import Image

    if chip is None:
        return None
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(chip)) as image:
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            image.convert("RGB").save(buffer, "JPEG", quality=QUALITY, optimize=True)
    except OSError:
        return None
    return buffer.getvalue()
