"""Opening videos: what a container says of its pictures, and what broken ones are called.

Files are handed to FFmpeg as streams of bytes and never by name, and only to demuxers of video
files: a playlist that calls itself a video could otherwise have other files and addresses opened.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from facebatch.errors import MediaError
from facebatch.media.photo.exif import ExifFacts
from facebatch.media.photo.maker_note import as_identifier
from facebatch.media.video.foreign import BOXES, MAGIC

FORMATS = (
    *("asf", "avi", "dv", "flv", "matroska", "mjpeg", "mov", "mpeg", "mpegts", "mpegvideo"),
    *("mxf", "ogg"),
)
"""FFmpeg's demuxers that are tried; by content, whatever the file's extension says."""

HEAD_PACKETS = 64
"""Packets by which the beginning of a video is judged; no encoder shuffles more of them."""

_RESTARTING = frozenset({"mpeg"})
"""Containers whose clock may start again in the middle, as on a DVD at every cell."""

_USUAL_RATE = Fraction(25)
_FASTEST = 240  # frames a second that are believed without counting

_READ_BYTES = 1 << 18
_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}

_PLACE = re.compile(r"([+-]\d+(?:\.\d*)?)([+-]\d+(?:\.\d*)?)([+-]\d+(?:\.\d*)?)?")
_LIVE_PHOTO_ID = "com.apple.quicktime.content.identifier"
_OLDEST = 1971  # clocks that were never set say 1904 or 1970


@dataclass(frozen=True)
class OpenVideo:
    """A video that is open, at its beginning.

    Args:
        container: The demuxer.
        stream: The video stream that is looked at: FFmpeg's choice where there are several.
        head: The stream's first packets, which the demuxer doesn't give again.
        source: The file.
    """

    container: InputContainer
    stream: VideoStream
    head: tuple[Packet[VideoStream], ...]
    source: BinaryIO

    @property
    def timed(self) -> bool:
        """Whether times can be relied on without decoding, so that parts can be read by time."""
        return (
            all(packet.pts is not None for packet in self.head)
            and any(packet.is_keyframe for packet in self.head)
            and self.container.format.name not in _RESTARTING
        )

    @property
    def start(self) -> int:
        """Time of the first picture in the stream's time base."""
        times = [
            packet.pts for packet in self.head if packet.pts is not None and not packet.is_discard
        ]
        return min(times, default=self.stream.start_time or 0)

    @property
    def rate(self) -> Fraction:
        """Frames a second on average."""
        stream = self.stream
        told = Fraction(stream.average_rate or stream.guessed_rate or _USUAL_RATE)
        if told <= _FASTEST:
            return told
        # A guess from the finest tick of an uneven clock.
        times = sorted({packet.pts for packet in self.head if packet.pts is not None})
        base = Fraction(stream.time_base or 1)
        return (len(times) - 1) / ((times[-1] - times[0]) * base) if len(times) > 1 else _USUAL_RATE

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Yields packets from where the demuxer stands; broken data end them."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    yield packet
        except FFmpegError:
            # What came before counts: a copy that was cut off still shows people.
            return


@contextmanager
def open_video(file: str | BinaryIO) -> Iterator[OpenVideo]:
    """Opens a video for the time of a block.

    Args:
        file: A path, or a seekable file that is open for reading and stays open.

    Raises:
        MediaError: ``empty``, ``not_an_image``, ``no_frames``, ``truncated`` or ``corrupt``.
        OSError: The file can't be read.
    """
    with ExitStack() as stack:
        source = stack.enter_context(Path(file).open("rb")) if isinstance(file, str) else file
        size = source.seek(0, os.SEEK_END)
        if not size:
            raise MediaError("empty", "the file has no bytes")
        source.seek(0)
        try:
            container = stack.enter_context(
                av.open(
                    source,
                    "r",
                    container_options=_OPTIONS,
                    metadata_errors="replace",
                    buffer_size=_READ_BYTES,
                )
            )
        except FFmpegError as error:
            raise _unopened(source, size, error) from error
        stream = _video_stream(container)
        stream.codec_context.thread_count = 1
        video = OpenVideo(container, stream, (), source)
        head = tuple(islice(video.packets(), HEAD_PACKETS))
        yield OpenVideo(container, stream, head, source)


def _video_stream(container: InputContainer) -> VideoStream:
    shown = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not shown:
        raise MediaError("no_frames", "the file has no video in it, only sound or a cover")
    best = container.streams.best("video")
    stream = best if best in shown else shown[0]
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        raise MediaError("no_frames", "FFmpeg has no decoder for the video's codec")
    return stream


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _unopened(source: BinaryIO, size: int, error: FFmpegError) -> Exception:
    """Returns what is wrong with a file that FFmpeg doesn't open."""
    if isinstance(error, PermissionError | FileNotFoundError):
        return error
    source.seek(0)
    head = source.read(16)
    if head[4:8] in BOXES:
        whole = _boxes_are_whole(source, size)
        code = "corrupt" if whole else "truncated"
    elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        code = "truncated" if int.from_bytes(head[4:8], "little") + 8 > size else "corrupt"
    elif head.startswith(MAGIC):
        code = "truncated" if isinstance(error, EOFError) else "corrupt"
    else:
        return MediaError("not_an_image", "no known video format")
    return MediaError(code, f"the video can't be opened: {error.strerror}")


def _boxes_are_whole(source: BinaryIO, size: int) -> bool:
    """Tells whether an MP4 or QuickTime file has an index and all bytes it speaks of."""
    place, kinds = 0, set()
    while place + 8 <= size:
        source.seek(place)
        header = source.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = size - place
        if length < 8:
            return True
        kinds.add(header[4:8])
        place += length
    return place == size and bool(kinds & {b"moov", b"moof"})


def read_metadata(video: OpenVideo, orientation: int) -> ExifFacts:
    """Returns what a video says of itself; what can't be read is absent, never an error.

    Args:
        video: The video.
        orientation: What turns its frames upright, as EXIF numbers it.
    """
    tags = {**video.stream.metadata, **video.container.metadata}
    moment, offset = _moment(tags)
    latitude, longitude, altitude = _place(tags)
    identifier = as_identifier(str(tags.get(_LIVE_PHOTO_ID, "")).encode())
    return ExifFacts(
        orientation, moment, offset, latitude, longitude, altitude, live_photo_id=identifier
    )


def _moment(tags: Mapping[str, Any]) -> tuple[datetime | None, int | None]:
    # QuickTime's own tag is on the camera's clock and says its zone; creation_time is in UTC.
    for name in ("com.apple.quicktime.creationdate", "creation_time", "date"):
        try:
            moment = datetime.fromisoformat(str(tags[name]).strip())
        except (KeyError, ValueError):
            continue
        offset = moment.utcoffset()
        if moment.year >= _OLDEST:
            minutes = None if offset is None else int(offset.total_seconds() // 60)
            return moment.replace(tzinfo=None), minutes
    return None, None


def _place(tags: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Returns latitude, longitude and altitude from an ISO 6709 tag."""
    for name in ("com.apple.quicktime.location.ISO6709", "location", "location-eng"):
        found = _PLACE.match(str(tags.get(name, "")))
        if found is None:
            continue
        latitude, longitude = _degrees(found[1], 2), _degrees(found[2], 3)
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            altitude = float(found[3]) if found[3] else None
            return latitude, longitude, altitude
    return None, None, None


def _degrees(text: str, digits: int) -> float:
    """Returns degrees from ISO 6709's DD.D, DDMM.M or DDMMSS.S, of so many digits for degrees."""
    whole, _, fraction = text[1:].partition(".")
    parts = [whole[:digits], whole[digits : digits + 2], whole[digits + 2 :]]
    last = max(place for place, part in enumerate(parts) if part or not place)
    parts[last] += f".{fraction}"
    value: float = sum(float(part) / 60.0**place for place, part in enumerate(parts) if part)
    return -value if text[0] == "-" else value
