"""What turns media files into pictures, and the decoder that does it in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from facebatch.config import ExtractSettings
from facebatch.extract.pictures import (
    FacePicture,
    FramePicture,
    PhotoPicture,
)
from facebatch.media.limits import DEFAULT_LIMITS, Limits
from facebatch.media.photo.decode import Photo, PhotoFacts
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.reader import MediaReader

if TYPE_CHECKING:
    from facebatch.media.video.frames import Segment, VideoFacts


class Decoder(Protocol):
    """What turns media files into pictures; one item at a time."""

    def facts(self, data: bytes, sidecar: int | None = None) -> PhotoFacts:
        """Returns what is known of a photo without decoding it.

        Args:
            data: Its bytes.
            sidecar: Orientation that a sidecar gives, as for `Photo`.

        Raises:
            MediaError: The bytes are no photo that can be decoded.
        """

    def photo(self, data: bytes, sidecar: int | None = None) -> tuple[PhotoFacts, FacePicture]:
        """Returns a photo and what is known of it; as for `facts`."""

    def video_facts(self, file: MediaFile) -> VideoFacts:
        """Returns what is known of a video; decodes its first frame.

        Raises:
            MediaError: The file is no video that can be decoded.
        """

    def frames(self, file: MediaFile, segment: Segment) -> Iterator[tuple[int, FacePicture]]:
        """Yields the frames of a segment, each with its time in microseconds.

        Each frame is to be done with before the next is taken.

        Raises:
            MediaError: The video can't be decoded, or has more frames than the limits allow.
        """


class LocalDecoder:
    """Decodes in this process.

    Args:
        settings: The extraction settings.
        limits: How much one item may ask for.
    """

    def __init__(self, settings: ExtractSettings, limits: Limits = DEFAULT_LIMITS) -> None:
        self._settings = settings
        self._limits = limits
        self._reader = MediaReader()

    def facts(self, data: bytes, sidecar: int | None = None) -> PhotoFacts:
        """As `Decoder.facts`."""
        return Photo(data, self._limits, sidecar).facts

    def photo(self, data: bytes, sidecar: int | None = None) -> tuple[PhotoFacts, FacePicture]:
        """As `Decoder.photo`."""
        photo = Photo(data, self._limits, sidecar)
        return photo.facts, PhotoPicture(photo, self._settings)

    def video_facts(self, file: MediaFile) -> VideoFacts:
        """As `Decoder.video_facts`."""
        from facebatch.media.video.frames import probe

        with self._reader.open(file) as opened:
            return probe(opened)

    def frames(self, file: MediaFile, segment: Segment) -> Iterator[tuple[int, FacePicture]]:
        """As `Decoder.frames`."""
        from facebatch.media.video.frames import Sampling, frames

        sampling = Sampling(self._settings.frames, self._settings.fps)
        with self._reader.open(file) as opened:
            for frame in frames(opened, segment, sampling, self._limits):
                yield frame.timestamp_us, FramePicture(frame.pixels, self._settings)
