"""Where live pictures come from: files, streams, cameras and a browser; the newest one counts.

A reader in a thread of its own decodes whatever comes, so that no queue grows before a slow look.
A file ends; a stream that stalls or breaks off is connected again for as long as it takes.
"""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from PIL import Image

from facebatch.errors import InputError, MediaError, UsageError
from facebatch.media.limits import DEFAULT_LIMITS
from facebatch.media.video.frames import WHOLE, Sampling, frames
from facebatch.media.video.to_rgb import FrameConverter
from facebatch.storage.urls import public_url

BROWSER = "browser"
"""The source that is the camera of the browser that opens the page."""

STALL_SECONDS = 5.0
"""A stream that gives no picture for so long is connected again."""

_OPEN_SECONDS = 10.0
_MOST_FAILED = 5
"""Pictures in a row that can't be converted before a stream is connected again."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_URL = re.compile(r"(rtsps?|https?|tcp|udp|srt|rtmps?)://", re.IGNORECASE)
_STREAM_OPTIONS = {"analyzeduration": "1000000", "rtsp_transport": "tcp"}
_CAMERAS = {
    "linux": ("/dev/video{}", "v4l2", {}),
    "darwin": ("{}", "avfoundation", {"framerate": "30", "pixel_format": "uyvy422"}),
}
"""FFmpeg's name, format and options of a camera, by system: written, not run."""
_MOST_PIXELS = 4096 * 2304  # of a picture that a browser sends
_ANY_LENGTH = replace(DEFAULT_LIMITS, max_frames=sys.maxsize)

Say = Callable[[str], None]
"""Takes a line that a person should read."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture.

    Args:
        at_us: Its time on the source's clock, microseconds from its beginning.
        captured: When it was there, by `time.monotonic`.
        picture: Gives it upright, in mode RGB; only what is looked at is converted. It may raise
            MediaError: that picture is passed over.
    """

    at_us: int
    captured: float
    picture: Callable[[], Image.Image]


class Source(Protocol):
    """Something that gives frames, once."""

    @property
    def name(self) -> str:
        """What it is called, without secrets."""

    @property
    def drops(self) -> bool:
        """Whether frames may be passed over."""

    def frames(self, stop: threading.Event, say: Say) -> Iterator[Frame]:
        """Yields frames until they end, or soon after the event is set.

        Raises:
            InputError: The source can't be read, or is no video.
        """


def parse_source(text: str, *, fast: bool = False) -> Source:
    """Returns the source that a user names.

    Args:
        text: The number of a camera, a URL, ``browser``, or the path of a file.
        fast: Whether a file is read as fast as it is looked at, every frame of it.

    Raises:
        UsageError: A camera is asked for where none can be read, or only files can be fast.
    """
    if text.isascii() and text.isdecimal():
        source: Source = _Stream(f"camera {text}", *_camera(int(text)))
    elif text == BROWSER:
        source = BrowserCamera()
    elif _URL.match(text):
        source = _Stream(public_url(text), text, None, _STREAM_OPTIONS)
    else:
        return _File(text, fast)
    if fast:
        raise UsageError(f"--fast is for files: {source.name} gives pictures when they are made")
    return source


def _camera(number: int) -> tuple[str, str, Mapping[str, str]]:
    """Returns FFmpeg's name, format and options of a camera."""
    if sys.platform not in _CAMERAS:
        raise UsageError(
            f"cameras are read on Linux and macOS; here, use {BROWSER!r}, or the camera's URL"
        )
    name, device, options = _CAMERAS[sys.platform]
    return name.format(number), device, options


@dataclass(frozen=True)
class _File:
    """A video file: paced by its own times, or every frame of it."""

    path: str
    fast: bool

    @property
    def name(self) -> str:
        return self.path

    @property
    def drops(self) -> bool:
        return not self.fast

    def frames(self, stop: threading.Event, say: Say) -> Iterator[Frame]:
        del say
        path, began = str(Path(self.path).expanduser()), time.monotonic()
        try:
            for frame in frames(path, WHOLE, Sampling("all"), _ANY_LENGTH):
                if not self.fast:
                    stop.wait(began + frame.timestamp_us / 1e6 - time.monotonic())
                if stop.is_set():
                    return
                yield Frame(frame.timestamp_us, time.monotonic(), partial(_same, frame.pixels))
        except MediaError as error:
            raise InputError(f"{self.name}: {error.message} ({error.reason})") from error
        except OSError as error:
            raise InputError(f"{self.name} can't be read: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Stream:
    """A stream or a camera, which FFmpeg reads; one that breaks off is connected again."""

    name: str
    url: str
    format: str | None
    options: Mapping[str, str]
    drops: bool = True

    def frames(self, stop: threading.Event, say: Say) -> Iterator[Frame]:
        began, outage, wait = time.monotonic(), 0.0, _FIRST_WAIT
        seen, shown = False, _Shown()
        while not stop.is_set():
            reason = "the stream ended"
            try:
                for picture in self._connected(stop):
                    shown.check()
                    now = time.monotonic()
                    if outage:
                        say(f"{self.name}: pictures again, after {now - outage:.0f} s")
                    seen, outage, wait = True, 0.0, _FIRST_WAIT
                    yield Frame(round((now - began) * 1e6), now, partial(shown.convert, picture))
            except _Finished:
                return
            except (OSError, FFmpegError, MediaError) as error:
                reason = _reason(error)
            if stop.is_set():
                return
            if not seen or shown.never:
                raise InputError(f"{self.name} can't be watched: {reason}")
            if not outage:
                outage = time.monotonic()
                say(f"{self.name}: {reason}; connecting again")
            stop.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _connected(self, stop: threading.Event) -> Iterator[Callable[[], Image.Image]]:
        """Yields the pictures of one connection.

        Raises:
            _Finished: It gave a recording, to its end.
            FFmpegError, MediaError: It can't be opened, breaks off or stalls.
        """
        with self._opened() as container:
            stream = container.streams.best("video")
            if not isinstance(stream, VideoStream):
                raise MediaError("no_frames", "there is no video in it")
            stream.codec_context.thread_count = 1
            converter, last = FrameConverter(stream, DEFAULT_LIMITS), time.monotonic()
            is_recording = container.duration is not None and container.duration > 0
            began: float | None = None
            for packet in container.demux():  # sound too: pictures may stop before it does
                try:
                    decoded = stream.decode(packet) if packet.stream is stream else []
                except FFmpegError:
                    decoded = []  # a part of a picture was lost; the next ones come
                for frame in decoded:
                    if is_recording and frame.time is not None:
                        began = _paced(began, frame.time, stop)
                    last = time.monotonic()
                    yield converter.later(frame)
                if time.monotonic() - last > STALL_SECONDS:
                    raise MediaError("no_frames", f"no picture for {STALL_SECONDS:.0f} s")
                if stop.is_set():
                    return
            if is_recording:
                raise _Finished

    def _opened(self) -> InputContainer:
        try:
            return av.open(
                self.url,
                format=self.format,
                options=dict(self.options),
                timeout=(_OPEN_SECONDS, STALL_SECONDS),
            )
        except av.error.ExitError as error:
            raise MediaError("no_frames", f"nothing came for {_OPEN_SECONDS:.0f} s") from error


class _Shown:
    """How a stream's pictures fare, which are converted where they are looked at."""

    def __init__(self) -> None:
        self._failed, self._any, self._many = 0, False, False
        self._error: MediaError | None = None

    @property
    def never(self) -> bool:
        """Whether many pictures were looked at, and none could be converted."""
        return self._many and not self._any

    def convert(self, picture: Callable[[], Image.Image]) -> Image.Image:
        """Returns what a function gives, and counts how often in a row it fails."""
        try:
            found = picture()
        except MediaError as error:
            self._failed, self._error = self._failed + 1, error
            raise
        self._failed, self._any = 0, True
        return found

    def check(self) -> None:
        """Raises the last picture's error, once, where too many failed in a row."""
        if self._failed >= _MOST_FAILED and self._error is not None:
            self._failed, self._many = 0, True
            raise self._error


class _Finished(Exception):
    """A recording that was read over the network is at its end."""


def _paced(began: float | None, at: float, stop: threading.Event) -> float:
    """Waits until a recording's frame is due, and returns when its time 0 was.

    Args:
        began: When that was, by `time.monotonic`; None before the first frame.
        at: The frame's time in seconds; after a leap the clock is set anew.
        stop: Ends the waiting.
    """
    now = time.monotonic()
    if began is None or began + at - now > STALL_SECONDS:
        return now - at
    stop.wait(began + at - now)
    return began


def _reason(error: Exception) -> str:
    if isinstance(error, MediaError):
        return error.message
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {STALL_SECONDS:.0f} s"
    if isinstance(error, EOFError | av.error.InvalidDataError):
        return "what it sends is no video"
    return str(getattr(error, "strerror", None) or error)


def _same(picture: Image.Image) -> Image.Image:
    return picture


class BrowserCamera:
    """Pictures that a browser sends, of its own camera."""

    name = "the browser's camera"
    drops = True

    def __init__(self) -> None:
        self._latest = Latest()

    def push(self, jpeg: bytes) -> None:
        """Takes a picture.

        Raises:
            MediaError: It is no JPEG, or too large a picture.
        """
        try:
            picture = Image.open(io.BytesIO(jpeg), formats=["JPEG"])
            if picture.width * picture.height > _MOST_PIXELS:
                raise MediaError("too_large", f"{picture.width} x {picture.height} pixels")
            pixels = picture.convert("RGB")
        except (OSError, ValueError) as error:
            raise MediaError("not_an_image", "it is no JPEG") from error
        now = time.monotonic()
        self._latest.put(Frame(round(now * 1e6), now, partial(_same, pixels)))

    def frames(self, stop: threading.Event, say: Say) -> Iterator[Frame]:
        """Yields the pictures as they come."""
        began, shown = time.monotonic(), True
        while not stop.is_set():
            frame = self._latest.take(STALL_SECONDS)
            if frame is not None:
                shown = True
                yield Frame(round((frame.captured - began) * 1e6), frame.captured, frame.picture)
            elif shown and not stop.is_set():
                say("the browser sends no pictures; open the page and allow its camera")
                shown = False


class Latest:
    """A place for one frame: the newest, or each in turn.

    Args:
        drops: Whether a frame that nobody took makes room for the next.
    """

    def __init__(self, *, drops: bool = True) -> None:
        self._drops = drops
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._ended = False
        self._error: BaseException | None = None

    def put(self, frame: Frame) -> None:
        """Puts a frame; where none may be dropped, after the last one was taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._drops or self._frame is None or self._ended)
            self._frame = frame
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Says that no other comes, and why."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self, seconds: float) -> Frame | None:
        """Returns the frame, once; None where none came for so long, or no other comes.

        Raises:
            FacebatchError: What ended them.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._ended, seconds)
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            if frame is None and self._error is not None:
                raise self._error
            return frame

    @property
    def is_over(self) -> bool:
        """Whether the last frame was taken and no other comes, for no reason that `take` raises."""
        with self._changed:
            return self._ended and self._frame is None and self._error is None


def read_in_thread(source: Source, stop: threading.Event, say: Say) -> Latest:
    """Reads a source in a thread, and returns where its frames are to be taken from."""
    latest = Latest(drops=source.drops)

    def read() -> None:
        try:
            for frame in source.frames(stop, say):
                latest.put(frame)
                if stop.is_set():
                    break
        except Exception as error:  # it ends the program, in the thread that waits
            latest.end(error)
        else:
            latest.end()

    threading.Thread(target=read, name="reader", daemon=True).start()
    return latest
