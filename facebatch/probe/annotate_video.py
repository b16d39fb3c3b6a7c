"""Copies of videos with a box around every face: looked for in some frames, drawn into all.

The video is decoded twice, so that a face has its name from its first frame on and memory holds no
pictures: once to find and link its faces, once to draw them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.codec import codecs_available
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream
from PIL import Image

from facebatch.errors import MediaError
from facebatch.faces.drawing import drawn
from facebatch.live.following import Follower
from facebatch.live.naming import Label, Namer
from facebatch.media.video.containers import OpenVideo, open_video
from facebatch.media.video.frames import WHOLE, Sampling, frames, probe
from facebatch.probe.probe import Prober

_MICROSECOND = Fraction(1, 1_000_000)
_TICK = Fraction(1, 90_000)
_ENCODERS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"crf": "20", "preset": "veryfast"},
    "mpeg4": {"qscale": "3"},
}
"""H.264 where FFmpeg was built with it, else what every FFmpeg has."""
_BT709, _LIMITED = 1, 1
_LONGEST_STEPS = 2.5
"""Steps between looks over which a box is drawn on, where a face was missed once."""


@dataclass(frozen=True)
class Look:
    """Where a track's face is in one frame.

    Args:
        time_us: The frame's time.
        box: x0, y0, x1, y1, float32 (4,).
    """

    time_us: int
    box: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Followed:
    """The faces of a video.

    Args:
        tracks: Each track's looks, in the order of time.
        labels: Each track's ``name`` and ``probability``.
        step_us: Time between two looks at the video.
    """

    tracks: Sequence[Sequence[Look]]
    labels: Sequence[dict[str, Any]]
    step_us: int

    def at(self, time_us: int) -> tuple[list[list[float]], list[dict[str, Any]]]:
        """Returns the boxes of a moment and their labels; between two looks boxes move evenly."""
        boxes, labels = [], []
        for looks, label in zip(self.tracks, self.labels, strict=True):
            box = _box_at(looks, time_us, _LONGEST_STEPS * self.step_us)
            if box is not None:
                boxes.append(box.tolist())
                labels.append(label)
        return boxes, labels

    def described(self) -> list[dict[str, Any]]:
        """Returns each track for a summary: name, probability, when, and in how many looks."""
        return [
            {
                **label,
                "begin_us": looks[0].time_us,
                "end_us": looks[-1].time_us,
                "detections": len(looks),
            }
            for looks, label in zip(self.tracks, self.labels, strict=True)
        ]


def _box_at(looks: Sequence[Look], time_us: int, longest: float) -> npt.NDArray[np.float32] | None:
    after = next((place for place, look in enumerate(looks) if look.time_us >= time_us), None)
    if after is None:
        last = looks[-1]
        # A face seen in the last frame that was looked at is there until the next would have been.
        return last.box if time_us - last.time_us < longest / _LONGEST_STEPS else None
    late = looks[after]
    if late.time_us == time_us:
        return late.box
    early = looks[after - 1] if after else None
    if early is None:
        return None
    if late.time_us - early.time_us > longest:
        return early.box if time_us - early.time_us < longest / _LONGEST_STEPS else None
    share = np.float32((time_us - early.time_us) / (late.time_us - early.time_us))
    return early.box + share * (late.box - early.box)


def find_tracks(file: BinaryIO, prober: Prober, namer: Namer, fps: float) -> Followed:
    """Finds the faces of a video, links them and names the tracks.

    Args:
        file: The video, seekable.
        prober: Finds and embeds the faces of a frame.
        namer: Says of faces, by their embeddings, who they are.
        fps: Frames a second that are looked at.

    Raises:
        MediaError: The video can't be decoded.
        OSError: It can't be read.
    """
    facts = probe(file)
    follower = Follower(prober, namer)
    looks: dict[int, list[Look]] = defaultdict(list)
    labels: dict[int, Label] = {}
    for frame in frames(file, WHOLE, Sampling("fps", fps)):
        for seen in follower.look(frame.pixels, frame.timestamp_us):
            number = seen.sighting.track.number
            looks[number].append(Look(frame.timestamp_us, seen.box))
            labels[number] = seen.sighting.label
        follower.ended(frame.timestamp_us)
    step = int(1e6 / min(fps, facts.rate))
    return Followed(
        [looks[number] for number in sorted(looks)],
        [labels[number] for number in sorted(looks)],
        step,
    )


def write_copy(file: BinaryIO, followed: Followed, copy: BinaryIO) -> None:
    """Writes the annotated copy of a video, an MP4 file with the original's sound.

    Args:
        file: The video, seekable.
        followed: Its faces.
        copy: A new file that is open for writing and seekable.

    Raises:
        MediaError: The video can't be decoded, or its copy not be encoded.
        OSError: It can't be read, or the copy not be written.
    """
    try:
        with av.open(copy, "w", format="mp4") as out, open_video(file) as original:
            sound = _Sound(out, original)
            stream: VideoStream | None = None
            for frame in frames(file, WHOLE, Sampling("all")):
                picture = drawn(frame.pixels, *followed.at(frame.timestamp_us))
                stream = stream or _video_stream(out, picture)
                sound.copy_until(frame.timestamp_us)
                _encode(out, stream, picture, frame.timestamp_us)
            if stream is not None:
                out.mux(stream.encode(None))
                sound.copy_until(None)
    except FFmpegError as error:
        raise MediaError("corrupt", f"its copy can't be written: {error.strerror}") from error


def _video_stream(out: OutputContainer, picture: Image.Image) -> VideoStream:
    name = next(name for name in _ENCODERS if name in codecs_available)
    stream = cast(VideoStream, out.add_stream(name, options=dict(_ENCODERS[name])))
    # Encoders want even sides, and a clock that holds any frame's time.
    stream.width, stream.height = (max(2, side // 2 * 2) for side in picture.size)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = _TICK
    context.colorspace, context.color_range = _BT709, _LIMITED
    return stream


def _encode(out: OutputContainer, stream: VideoStream, picture: Image.Image, time_us: int) -> None:
    size = (stream.width, stream.height)
    if any(abs(a - b) > 1 for a, b in zip(picture.size, size, strict=True)):
        picture = picture.resize(size)  # the video changes its size on the way
    frame = av.VideoFrame.from_ndarray(np.asarray(picture.crop((0, 0, *size))), "rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED)
    frame.pts, frame.time_base = int(time_us * _MICROSECOND / _TICK), _TICK
    out.mux(stream.encode(frame))


class _Sound:
    """The original's sound, on its way into the copy as it is.

    Args:
        out: The copy, before anything was written to it.
        original: The original, of which nothing else is read while this is made.
    """

    def __init__(self, out: OutputContainer, original: OpenVideo) -> None:
        self._out = out
        self._packets: deque[Packet[AudioStream]] = deque()
        voice = original.container.streams.best("audio")
        if not isinstance(voice, AudioStream) or voice.time_base is None:
            return
        try:
            self._stream = out.add_stream_from_template(voice)
        except ValueError:
            # MP4 can't hold this codec; the copy is silent.
            return
        beginning = original.start * Fraction(original.stream.time_base or 1)
        self._start = round(beginning / voice.time_base)
        with suppress(FFmpegError):
            original.container.seek(0)
            for packet in original.container.demux(voice):
                if packet.size and packet.pts is not None and packet.dts is not None:
                    self._packets.append(packet)

    def copy_until(self, time_us: int | None) -> None:
        """Copies what is heard up to a time; None copies the rest."""
        while self._packets:
            packet = self._packets[0]
            pts, dts = int(packet.pts or 0) - self._start, int(packet.dts or 0) - self._start
            if time_us is not None and pts * packet.time_base > time_us * _MICROSECOND:
                return
            self._packets.popleft()
            packet.pts, packet.dts, packet.stream = pts, dts, self._stream
            self._out.mux(packet)
