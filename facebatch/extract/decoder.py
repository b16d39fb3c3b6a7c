"""Decoding in a process of its own, so that a decoder that crashes or hangs costs its item only.

Native decoders do both on broken files, and no exception tells. A worker therefore hands encoded
bytes to a child, ``python -m facebatch.extract.decoder``, which answers with the pixels that
detection reads and then with the chips; pixels cross in shared memory. A child that dies or
doesn't answer in time is replaced, and its item is quarantined as ``crashed`` or ``too_slow``.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from facebatch.config import ExtractSettings
from facebatch.errors import MediaError, WorkerDied
from facebatch.extract.pictures import (
    FacePicture,
    FramePicture,
    PhotoPicture,
    Pixels,
    Scale,
    Views,
)
from facebatch.media.limits import DEFAULT_LIMITS, Limits
from facebatch.media.photo.decode import Photo, PhotoFacts
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.reader import MediaReader
from facebatch.workers.isolation import end_with_parent, ending

if TYPE_CHECKING:
    from facebatch.media.video.frames import Segment, VideoFacts

SHARED_BYTES = 32_000_000
"""Shared memory of a child, of which only what is used takes room. It holds the file of a large
photo, or all its chips; what is larger crosses the pipe, more slowly."""

ALARM_SECONDS = 5.0
"""How long after the limit a child ends by itself, whoever waits for it, were its parent gone."""

_LOG = logging.getLogger(__name__)
_START_SECONDS = 60.0
_MODULE = "facebatch.extract.decoder"


class Decoder(Protocol):
    """What turns media files into pictures; one item at a time."""

    def facts(self, data: bytes) -> PhotoFacts:
        """Returns what is known of a photo without decoding it.

        Raises:
            MediaError: The bytes are no photo that can be decoded.
        """

    def photo(self, data: bytes) -> tuple[PhotoFacts, FacePicture]:
        """Returns a photo and what is known of it; errors as for `facts`."""

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

    def facts(self, data: bytes) -> PhotoFacts:
        """As `Decoder.facts`."""
        return Photo(data, self._limits).facts

    def photo(self, data: bytes) -> tuple[PhotoFacts, FacePicture]:
        """As `Decoder.photo`."""
        photo = Photo(data, self._limits)
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


class GuardedDecoder:
    """Decodes in a child process, which is started at the first item and replaced when it fails.

    Args:
        settings: The extraction settings.
        limits: How much one item may ask for; the time holds for each photo and each frame.
    """

    def __init__(self, settings: ExtractSettings, limits: Limits = DEFAULT_LIMITS) -> None:
        self._settings = settings
        self._limits = limits
        self._child: _Child | None = None

    def facts(self, data: bytes) -> PhotoFacts:
        """As `Decoder.facts`."""
        found: PhotoFacts = self._ask("facts", pickle.PickleBuffer(data))
        return found

    def photo(self, data: bytes) -> tuple[PhotoFacts, FacePicture]:
        """As `Decoder.photo`."""
        facts, pixels, scale = self._ask("photo", pickle.PickleBuffer(data))
        return facts, _ChildsPicture(self, pixels, scale)

    def video_facts(self, file: MediaFile) -> VideoFacts:
        """As `Decoder.video_facts`."""
        found: VideoFacts = self._ask("video_facts", file)
        return found

    def frames(self, file: MediaFile, segment: Segment) -> Iterator[tuple[int, FacePicture]]:
        """As `Decoder.frames`."""
        self._ask("begin", file, segment)
        while (found := self._ask("frame")) is not None:
            timestamp_us, pixels, scale = found
            yield timestamp_us, _ChildsPicture(self, pixels, scale)

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        """Returns the chips of the picture that was asked for last; as `FacePicture.views`."""
        views, matrices = self._ask("views", landmarks)
        return views.copy(), matrices.copy()

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Has the child do something, and returns its answer.

        Arrays of an answer lie in shared memory, and are valid until the next call.
        """
        if self._child is None:
            self._child = _Child(self._settings, self._limits)
        try:
            self._child.channel.send((method, arguments))
            kind, answer = self._child.channel.receive(self._limits.max_seconds)
        except TimeoutError:
            self.close()
            words = f"decoding took longer than {self._limits.max_seconds:g} s"
            raise MediaError("too_slow", words) from None
        except (EOFError, ConnectionError):
            words = self._child.last_words()
            self.close()
            raise MediaError("crashed", words) from None
        except BaseException:
            self.close()  # it may yet answer what nobody waits for any more
            raise
        if kind == "media":
            raise MediaError(*answer)
        if kind == "bug":
            # Whatever it is, it came of this file, and the other files don't have it.
            _LOG.warning("decoding met a bug: %s", answer)
            raise MediaError("crashed", f"unforeseen: {answer.splitlines()[-1]}")
        return answer


class _ChildsPicture:
    """The picture that a child holds at present."""

    def __init__(self, decoder: GuardedDecoder, pixels: Pixels, scale: Scale) -> None:
        self._decoder = decoder
        self._pixels = pixels
        self._scale = scale

    def for_detection(self) -> tuple[Pixels, Scale]:
        return self._pixels, self._scale

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        return self._decoder.views(landmarks)


class DecoderPool:
    """As many decoders as are in use at once, each acquire to one thread at a time.

    Args:
        settings: The extraction settings.
        limits: How much one item may ask for.
    """

    def __init__(self, settings: ExtractSettings, limits: Limits = DEFAULT_LIMITS) -> None:
        self._settings = settings
        self._limits = limits
        self._idle: queue.SimpleQueue[GuardedDecoder] = queue.SimpleQueue()

    @contextmanager
    def acquire(self) -> Iterator[Decoder]:
        """Lends a decoder."""
        try:
            decoder = self._idle.get_nowait()
        except queue.Empty:
            decoder = GuardedDecoder(self._settings, self._limits)
        try:
            yield decoder
        finally:
            self._idle.put(decoder)

    def close(self) -> None:
        """Ends the children of all decoders that nobody holds."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


class _Channel:
    """One end of a pipe whose large objects cross in shared memory.

    Requests and answers take turns, so that one piece of memory serves both.
    """

    def __init__(self, pipe: Connection, memory: mmap.mmap) -> None:
        self._pipe = pipe
        self._memory = memoryview(memory)

    def send(self, message: object) -> None:
        buffers: list[pickle.PickleBuffer] = []
        data = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        raw = [buffer.raw() for buffer in buffers]
        sizes = [part.nbytes for part in raw]
        shared = sum(sizes) <= len(self._memory)
        self._pipe.send_bytes(pickle.dumps((data, sizes, shared)))
        at = 0
        for part, size in zip(raw, sizes, strict=True):
            if shared:
                self._memory[at : at + size] = part
                at += size
            elif size:
                self._pipe.send_bytes(part)
        self._pipe.send_bytes(b"sent")

    def receive(self, seconds: float | None = None) -> Any:
        """Returns a message.

        Raises:
            TimeoutError: None began to come within the time.
            EOFError: The other end is gone.
        """
        if seconds is not None and not self._pipe.poll(seconds):
            raise TimeoutError
        data, sizes, shared = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 (our own child)
        buffers: list[memoryview | bytes] = []
        at = 0
        for size in sizes:
            if shared:
                buffers.append(self._memory[at : at + size])
                at += size
            else:
                buffers.append(self._pipe.recv_bytes() if size else b"")
        self._pipe.recv_bytes()
        return pickle.loads(data, buffers=buffers)  # noqa: S301


class _Child:
    """A running child, seen from its parent."""

    def __init__(self, settings: ExtractSettings, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        with _private_memory() as memory, theirs:
            command = [sys.executable, "-P", "-m", _MODULE]
            handles = (theirs.fileno(), memory)
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [*command, *map(str, handles), str(os.getpid())],
                pass_fds=handles,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.channel = _Channel(Connection(ours.detach()), mmap.mmap(memory, SHARED_BYTES))
        # Whoever forgets the child ends it.
        self._end = weakref.finalize(self, _end, self._process)
        try:
            self.channel.send((settings, limits))
            self.channel.receive(_START_SECONDS)
        except (EOFError, ConnectionError, TimeoutError) as error:
            words = self.last_words()
            self.kill()
            raise WorkerDied(f"the decoding process could not begin: {words}") from error

    def last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ALARM_SECONDS)
        return ending(self._process.returncode)

    def kill(self) -> None:
        self._end()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@contextmanager
def _private_memory() -> Iterator[int]:
    """Gives the descriptor of a file without a name, which lies in memory where that can be had."""
    if hasattr(os, "memfd_create"):
        # /dev/shm would be as fast, but containers keep it small, and writing beyond it kills.
        descriptor = os.memfd_create("facebatch")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, SHARED_BYTES)
        yield descriptor
    finally:
        os.close(descriptor)


class _Server:
    """The child's side: does what it is asked for, and holds the picture that is at work."""

    def __init__(self, settings: ExtractSettings, limits: Limits) -> None:
        self._decoder = LocalDecoder(settings, limits)
        self._picture: FacePicture | None = None
        self._frames: Iterator[tuple[int, FacePicture]] = iter(())

    def facts(self, data: memoryview) -> PhotoFacts:
        return self._decoder.facts(bytes(data))

    def photo(self, data: memoryview) -> tuple[PhotoFacts, Pixels, Scale]:
        facts, self._picture = self._decoder.photo(bytes(data))
        return facts, *self._picture.for_detection()

    def video_facts(self, file: MediaFile) -> VideoFacts:
        return self._decoder.video_facts(file)

    def begin(self, file: MediaFile, segment: Segment) -> None:
        self._frames = self._decoder.frames(file, segment)

    def frame(self) -> tuple[int, Pixels, Scale] | None:
        found = next(self._frames, None)
        if found is None:
            return None
        timestamp_us, self._picture = found
        return timestamp_us, *self._picture.for_detection()

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        if self._picture is None:
            raise ValueError("there is no picture to cut chips from")
        return self._picture.views(landmarks)


def main() -> NoReturn:
    """Serves one parent until it is gone."""
    # Whoever stops a run stops the worker, which then ends this process by going.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    handle, memory, parent = map(int, sys.argv[1:])
    end_with_parent(parent)
    channel = _Channel(Connection(handle), mmap.mmap(memory, SHARED_BYTES))
    try:
        settings, limits = channel.receive()
        server = _Server(settings, limits)
        channel.send(None)
        while True:
            method, arguments = channel.receive()
            # Its default is to end the process, which holds even while a decoder hangs.
            signal.setitimer(signal.ITIMER_REAL, limits.max_seconds + ALARM_SECONDS)
            channel.send(_answer(server, method, arguments))
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (EOFError, ConnectionError):
        os._exit(0)


def _answer(server: _Server, method: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "done", getattr(server, method)(*arguments)
    except MediaError as error:
        return "media", (error.reason, error.message)
    except MemoryError:
        return "media", ("too_large", "not enough memory to decode it")
    except Exception:
        return "bug", traceback.format_exc()


if __name__ == "__main__":
    main()
