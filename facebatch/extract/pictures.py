"""What detection and alignment read of one picture, be it a photo or a frame of a video.

A picture gives its pixels at detection size, then the chips at the landmarks found there. Whether
it was decoded in this process or in another (`facebatch.extract.guarded_decoder`) makes no
difference to either.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.config import ExtractSettings
from facebatch.embed import SCALES
from facebatch.faces import align
from facebatch.media.photo.decode import JPEG_SCALES, Box, Photo, PhotoFacts, Picture
from facebatch.media.photo.exif import ExifFacts
from facebatch.models import registry

DECODED_AHEAD = 1.4
"""A photo is first decoded with at least this many times the pixels a side that detection needs.

Decoding takes most of its time over the whole file, however small the picture it gives, so a
somewhat larger one costs little, and most chips can then be cut from it."""

LEAST_CHIP_DETAIL = 0.6
"""Decoded pixels that a side of a chip's pixel covers at least, where the photo has them.

Below it chips are cut from a finer picture. At 0.6 to 0.7 an embedding lies at a d2 of 0.002
(median; at most 0.005) from the full-size photo's, at 0.4 to 0.5 at 0.007; tau is 0.09. Measured on
780 faces, with one photo decoded at full, half, quarter and eighth size."""

Pixels = npt.NDArray[np.uint8]
Scale = tuple[float, float]
"""Full-size pixels that one of the picture's pixels covers along x and y."""

Views = tuple[Pixels, npt.NDArray[np.float64]]
"""Chips, uint8 (n, v, size, size, 3), one view for each scale of the template, and the matrices of
the unscaled template from chip to full-size picture, float64 (n, 2, 3)."""


class FacePicture(Protocol):
    """One picture, for as long as faces are looked for in it."""

    @property
    def note(self) -> str | None:
        """What a person should know of it, once it is decoded; None for an ordinary picture."""

    def for_detection(self) -> tuple[Pixels, Scale]:
        """Returns the pixels (height, width, 3), RGB, that a detector reads, and their scale.

        Raises:
            MediaError: The picture can't be decoded.
        """

    def part(self, box: Box, size: tuple[int, int]) -> Pixels:
        """Returns a part of the picture.

        Args:
            box: x0, y0, x1, y1 in pixels of the full-size picture.
            size: Width and height of what is returned.

        Returns:
            uint8 (height, width, 3), RGB.

        Raises:
            MediaError: The picture can't be decoded in that detail.
        """

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        """Cuts the chips of faces.

        Args:
            landmarks: float32 (n, 5, 2), in the coordinates of the full-size picture.

        Raises:
            MediaError: The picture can't be decoded in the detail that the chips need.
        """


def template_of(settings: ExtractSettings) -> align.Template:
    """Returns the template that the settings' embedder asks for."""
    return registry.card(settings.embedder).chip_template()


class PhotoPicture:
    """A photo: decoded at a scale that serves detection and most chips.

    It is decoded a second time, finer, only where a face is so small that its chip needs more
    pixels than that gave.
    """

    def __init__(self, photo: Photo, settings: ExtractSettings) -> None:
        self._photo = photo
        self._settings = settings

    @property
    def note(self) -> str | None:
        """As `FacePicture.note`."""
        return self._photo.note

    @cached_property
    def _picture(self) -> Picture:
        scale = self._photo.scale_for(DECODED_AHEAD * self._settings.max_side)
        return self._photo.decode(scale)

    def _in_detail(self, scale: int) -> Picture:
        """Returns the picture at a decoding scale or a finer one."""
        if scale < self._finest.scale:
            self._finest = self._photo.decode(scale)
        return self._finest

    @cached_property
    def _finest(self) -> Picture:
        return self._picture

    def for_detection(self) -> tuple[Pixels, Scale]:
        """As `FacePicture.for_detection`."""
        return self._picture.shrunk(self._settings.max_side)

    def part(self, box: Box, size: tuple[int, int]) -> Pixels:
        """As `FacePicture.part`."""
        facts = self._photo.facts
        long_side = (
            max(facts.width, facts.height) * max(size) / max(box[2] - box[0], box[3] - box[1])
        )
        return self._in_detail(self._photo.scale_for(long_side)).part(box, size)

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        """As `FacePicture.views`."""
        picture = self._picture
        matrices = align.chip_matrices(landmarks, template_of(self._settings), 1.0)
        wanted = [_serving_scale(matrix) for matrix in matrices]
        finer = [scale for scale in wanted if scale < picture.scale]
        detailed = self._in_detail(min(finer)) if finer else picture
        sources = [detailed if scale < picture.scale else picture for scale in wanted]
        return _cut(sources, landmarks, self._settings)


class FramePicture:
    """A frame of a video, which is decoded at full size already.

    Args:
        pixels: The upright frame, in mode RGB.
        settings: The extraction settings.
    """

    note: str | None = None

    def __init__(self, pixels: Image.Image, settings: ExtractSettings) -> None:
        facts = PhotoFacts("frame", *pixels.size, ExifFacts())
        self._picture = Picture(pixels, 1, (0, 0), facts)
        self._settings = settings

    def for_detection(self) -> tuple[Pixels, Scale]:
        """As `FacePicture.for_detection`."""
        return self._picture.shrunk(self._settings.max_side)

    def part(self, box: Box, size: tuple[int, int]) -> Pixels:
        """As `FacePicture.part`."""
        return self._picture.part(box, size)

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        """As `FacePicture.views`."""
        return _cut([self._picture] * len(landmarks), landmarks, self._settings)


def _serving_scale(matrix: npt.NDArray[np.float64]) -> int:
    """Returns the coarsest decoding scale that gives a chip enough detail."""
    covered = align.picture_pixels_per_chip_pixel(matrix)
    return next((scale for scale in JPEG_SCALES if covered / scale >= LEAST_CHIP_DETAIL), 1)


def _cut(
    sources: list[Picture], landmarks: npt.NDArray[np.float32], settings: ExtractSettings
) -> Views:
    """Cuts every face's chips, each from its own source."""
    template, scales = template_of(settings), SCALES[settings.tta]
    matrices = {scale: align.chip_matrices(landmarks, template, scale) for scale in {1.0, *scales}}
    views = np.zeros((len(landmarks), len(scales), template.size, template.size, 3), np.uint8)
    for face, source in enumerate(sources):
        for view, scale in enumerate(scales):
            matrix = matrices[scale][face].copy()
            matrix[:, 2] -= source.offset
            views[face, view] = align.cut_chip(source.pixels, matrix / source.scale, template.size)
    return views, matrices[1.0]
