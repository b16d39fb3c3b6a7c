"""How much one media item may ask for before it is given up."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What decoding one item may cost; an item that asks for more is quarantined.

    Args:
        max_pixels: Largest picture that is decoded, ``too_large`` above it. The default is 750 MB
            as RGB; the largest cameras give about 150 megapixels.
        max_bytes: Largest photo file that is read, ``too_large`` above it. Videos aren't read as a
            whole and may be of any size.
        max_frames: Largest number of frames that are looked at in one video, ``too_large`` above
            it. The default is a day at one frame a second.
        max_seconds: Longest that decoding one photo, or one frame of a video, may take,
            ``too_slow`` above it.
    """

    max_pixels: int = field(default=250_000_000, metadata={"range": (1, 2**31)})
    max_bytes: int = field(default=2_000_000_000, metadata={"range": (1, 2**40)})
    max_frames: int = field(default=100_000, metadata={"range": (1, 2**31)})
    max_seconds: float = field(default=60.0, metadata={"range": (0.1, 86_400.0)})


DEFAULT_LIMITS = Limits()
