"""Decoding videos: which frames are looked at, in which part of a video, and their pictures.

A long video is worked on in segments, each of which is sought and decoded on its own. Which frames
are taken follows from their times alone and never from where decoding began, so that the segments
together give what one pass over the whole video would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from typing import BinaryIO

from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from facebatch.errors import MediaError
from facebatch.media.kinds import FrameChoice
from facebatch.media.limits import DEFAULT_LIMITS, Limits
from facebatch.media.photo.exif import ExifFacts
from facebatch.media.video.containers import OpenVideo, open_video, read_metadata
from facebatch.media.video.sparse_decoder import Choice, SparseDecoder, chosen_packets
from facebatch.media.video.to_rgb import FrameConverter, orientation_of, upright_size

SEGMENT_SECONDS = 120
"""Length of a video's segments. Fixed for good: a segment's number is part of its faces' ids."""


_MICROSECONDS = 1_000_000
_NO_END = 2**62
_TRIED_PACKETS = 1_000  # before a video counts as one without a frame
_LONGEST_STEP = 10  # seconds between two frames; a longer one is a clock that was set anew


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video before its frames are looked at.

    Args:
        format: Container by content, as FFmpeg names it.
        width: Width of the upright full-size frame with square pixels.
        height: Its height.
        exif: Orientation, capture time and place, as for photos.
        duration_us: Length in microseconds, as the file says it or else as its packets do.
        rate: Frames a second on average.
        timed: Whether parts of the video can be read by time. Otherwise it is one segment.
    """

    format: str
    width: int
    height: int
    exif: ExifFacts
    duration_us: int
    rate: float
    timed: bool = True

    @property
    def orientation(self) -> int:
        """What turned the frames upright, as EXIF numbers it: 1..8."""
        return self.exif.orientation


@dataclass(frozen=True)
class Segment:
    """A part of a video, by the times of its frames.

    Args:
        number: 0, 1, 2...
        begin_us: Time of its beginning, microseconds from the video's first frame.
        end_us: Time before which it ends; the last one has none in practice.
    """

    number: int
    begin_us: int
    end_us: int


WHOLE = Segment(0, 0, _NO_END)
"""A video in one segment."""


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are looked at.

    Args:
        frames: ``fps`` for so many a second, at most; ``keyframes``; or ``all``.
        fps: For ``fps``: of each moment k / fps from the video's first frame, the first frame at or
            after it.
    """

    frames: FrameChoice = "fps"
    fps: float = 1.0

    def rate(self, facts: VideoFacts) -> float:
        """Returns at most how many frames a second of a video are looked at."""
        return min(self.fps, facts.rate) if self.frames == "fps" else facts.rate


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Args:
        timestamp_us: Its time, microseconds from the video's first frame.
        pixels: The upright full-size picture; Pillow mode RGB.
    """

    timestamp_us: int
    pixels: Image.Image


def probe(file: str | BinaryIO) -> VideoFacts:
    """Returns what is known of a video; decodes its first frame.

    Args:
        file: A path, or a seekable file that is open for reading.

    Raises:
        MediaError: ``empty``, ``not_an_image`` (no known video format), ``no_frames`` (no video in
            it, or no frame that can be decoded), ``truncated`` or ``corrupt``.
        OSError: The file can't be read.
    """
    with open_video(file) as video:
        frame = _first_frame(video)
        if frame is None:
            raise MediaError("no_frames", "the video has no frame that can be decoded")
        orientation = orientation_of(frame)
        width, height = upright_size(frame, video.stream, orientation)
        return VideoFacts(
            format=video.container.format.name.split(",")[0],
            width=width,
            height=height,
            exif=read_metadata(video, orientation),
            duration_us=_duration(video),
            rate=float(video.rate),
            timed=video.timed,
        )


def segments(facts: VideoFacts) -> tuple[Segment, ...]:
    """Returns a video's segments in the order of time; at least one."""
    length = SEGMENT_SECONDS * _MICROSECONDS
    count = max(1, -(-facts.duration_us // length)) if facts.timed else 1
    begins = [number * length for number in range(count)]
    return tuple(
        Segment(number, begin, end)
        for number, (begin, end) in enumerate(zip(begins, [*begins[1:], _NO_END], strict=True))
    )


def frames(
    file: str | BinaryIO,
    segment: Segment,
    sampling: Sampling,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Frame]:
    """Yields the frames of a segment that are to be looked at, in the order of time.

    What can't be decoded is passed over, as long as there is another frame.

    Args:
        file: As for `probe`.
        segment: The segment.
        sampling: Which frames are looked at.
        limits: The largest frame, and the largest number of frames in the whole video.

    Raises:
        MediaError: ``too_large``; ``corrupt`` where no frame of the segment could be decoded; or
            as for `probe`.
        OSError: The file can't be read.
    """
    with open_video(file) as video:
        _check_count(video, sampling, limits)
        clock = _Clock(video)
        choice = _choice(clock, segment, sampling)
        found = _by_packets if video.timed else _by_frames
        converter = FrameConverter(video.stream, limits)
        last = -1
        for ticks, frame in found(video, clock, choice):
            timestamp = clock.microseconds(ticks)
            if timestamp > last:
                last = timestamp
                yield Frame(timestamp, converter.to_rgb(frame))


class _Clock:
    """A stream's times: in ticks of its time base from its first frame, and in microseconds."""

    def __init__(self, video: OpenVideo) -> None:
        self.base = Fraction(video.stream.time_base or Fraction(1, _MICROSECONDS))
        self.start = video.start

    def microseconds(self, ticks: int) -> int:
        return max(0, math.floor(ticks * self.base * _MICROSECONDS))

    def ticks(self, microseconds: int) -> int:
        """Returns the first tick that isn't before a time."""
        return math.ceil(Fraction(microseconds, _MICROSECONDS) / self.base)


def _choice(clock: _Clock, segment: Segment, sampling: Sampling) -> Choice:
    steps = Fraction(sampling.fps).limit_denominator(_MICROSECONDS) * clock.base
    return Choice(
        begin=clock.ticks(segment.begin_us) if segment.number else -_NO_END,
        end=clock.ticks(segment.end_us),
        keyframes=sampling.frames == "keyframes",
        grid=steps if sampling.frames == "fps" else None,
    )


def _by_packets(
    video: OpenVideo, clock: _Clock, choice: Choice
) -> Iterator[tuple[int, VideoFrame]]:
    """Yields the chosen frames, found by the times of packets; decodes what they need."""
    if choice.begin <= 0:
        yield from _decoded_sparsely(video, chain(video.head, video.packets()), clock, choice)
    elif packets := _packets_before(video, clock, choice.begin):
        yield from _decoded_sparsely(video, packets, clock, choice)
    else:
        with open_video(video.source) as again:
            packets = chain(again.head, again.packets())
            yield from _decoded_sparsely(again, packets, clock, choice)


def _decoded_sparsely(
    video: OpenVideo, packets: Iterator[Packet[VideoStream]], clock: _Clock, choice: Choice
) -> Iterator[tuple[int, VideoFrame]]:
    decoder = SparseDecoder(video.stream)
    ready = chain.from_iterable(
        decoder.take(packet, wanted)
        for packet, wanted in chosen_packets(packets, clock.start, choice)
    )
    decoded = 0
    for frame in chain(ready, decoder.finish()):
        decoded += 1
        yield int(frame.pts or 0) - clock.start, frame
    if decoder.asked and not decoded:
        raise MediaError("corrupt", f"none of {decoder.asked} frames can be decoded")


def _packets_before(
    video: OpenVideo, clock: _Clock, begin: int
) -> Iterator[Packet[VideoStream]] | None:
    """Returns packets from a keyframe that is shown before a tick; None where seeking fails."""
    for seconds in (0, 2, 10, 60):
        # Demuxers seek by the time of decoding, or only nearly.
        target = clock.start + max(0, begin - 1 - math.ceil(seconds / clock.base))
        try:
            video.container.seek(target, stream=video.stream)
        except FFmpegError:
            return None
        packets = video.packets()
        first = next((packet for packet in packets if packet.is_keyframe), None)
        if first is not None and first.pts is not None and first.pts - clock.start < begin:
            return chain([first], packets)
    return None


def _by_frames(video: OpenVideo, clock: _Clock, choice: Choice) -> Iterator[tuple[int, VideoFrame]]:
    """Yields the chosen frames of a video without reliable times; decodes all of it.

    A time that is missing, or far from the last one, is taken to be one frame later.
    """
    step = max(1, round(1 / (video.rate * clock.base)))
    previous: int | None = None
    shift = 0
    for frame in _decoded(video):
        told = frame.pts if frame.pts is not None else frame.dts
        expected = 0 if previous is None else previous + step
        ticks = expected if told is None else told - clock.start + shift
        gap = ticks - (previous if previous is not None else -1)
        if not 0 < gap <= _LONGEST_STEP / clock.base:
            shift, ticks = shift + expected - ticks, expected
        if choice.wants(ticks, previous, frame.key_frame):
            yield ticks, frame
        previous = ticks
    if previous is None and video.head:
        raise MediaError("corrupt", "none of the video's frames can be decoded")


def _decoded(video: OpenVideo) -> Iterator[VideoFrame]:
    """Yields every frame from the file's beginning that can be decoded."""
    decoder = video.stream.codec_context
    for packet in chain(video.head, video.packets(), (None,)):
        try:
            decoded = decoder.decode(packet)
        except FFmpegError:
            continue
        yield from decoded


def _first_frame(video: OpenVideo) -> VideoFrame | None:
    """Returns a video's first frame; None where none can be decoded."""
    decoder = video.stream.codec_context
    for packet in chain(video.head, islice(video.packets(), _TRIED_PACKETS), (None,)):
        try:
            decoded = decoder.decode(packet)
        except FFmpegError:
            continue
        if decoded:
            return decoded[0]
    return None


def _duration(video: OpenVideo) -> int:
    """Returns a video's length in microseconds: the stream's, the container's or the packets'."""
    stream, container = video.stream, video.container
    if stream.duration and stream.time_base:
        return math.ceil(stream.duration * stream.time_base * _MICROSECONDS)
    if container.duration and container.duration > 0:
        return container.duration
    clock, last = _Clock(video), 0
    for packet in chain(video.head, video.packets()):
        if packet.pts is not None:
            last = max(last, packet.pts - clock.start + (packet.duration or 0))
    return clock.microseconds(last)


def _check_count(video: OpenVideo, sampling: Sampling, limits: Limits) -> None:
    rate = float(video.rate)
    if sampling.frames == "fps":
        rate = min(rate, sampling.fps)
    elif sampling.frames == "keyframes" and video.head:
        rate *= sum(packet.is_keyframe for packet in video.head) / len(video.head)
    seconds = (video.container.duration or 0) / _MICROSECONDS
    if seconds * rate > limits.max_frames:
        raise MediaError(
            "too_large",
            f"about {seconds * rate:,.0f} frames would be looked at, at most "
            f"{limits.max_frames:,}: ask for fewer with --fps, or raise --max-frames",
        )
