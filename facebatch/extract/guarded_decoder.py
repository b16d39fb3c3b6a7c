"""Decoding in a process of its own, so that a decoder that crashes or hangs costs its item only.

Native decoders do both on broken files, and no exception tells. A worker therefore hands encoded
bytes to a child (`facebatch.extract.decoder_child`), which answers with the pixels that detection
reads and then with the chips; pixels cross in shared memory. A child that dies or doesn't answer in
time is replaced, and its item is quarantined as ``crashed`` or ``too_slow``.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import pickle
import queue
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facebatch.config import ExtractSettings
from facebatch.errors import MediaError, WorkerDied
from facebatch.extract.decoder import Decoder
from facebatch.extract.decoder_channel import (
    ALARM_SECONDS,
    SHARED_BYTES,
    Channel,
    private_memory,
)
from facebatch.extract.pictures import (
    FacePicture,
    Pixels,
    Scale,
    Views,
)
from facebatch.media.limits import DEFAULT_LIMITS, Limits
from facebatch.media.photo.decode import Box, PhotoFacts
from facebatch.media.sources.listing import MediaFile
from facebatch.workers.isolation import ending

if TYPE_CHECKING:
    from facebatch.media.video.frames import Segment, VideoFacts


_LOG = logging.getLogger(__name__)


_START_SECONDS = 60.0


_MODULE = "facebatch.extract.decoder_child"


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

    def facts(self, data: bytes, sidecar: int | None = None) -> PhotoFacts:
        """As `Decoder.facts`."""
        found: PhotoFacts = self._ask("facts", pickle.PickleBuffer(data), sidecar)
        return found

    def photo(self, data: bytes, sidecar: int | None = None) -> tuple[PhotoFacts, FacePicture]:
        """As `Decoder.photo`."""
        facts, pixels, scale, note = self._ask("photo", pickle.PickleBuffer(data), sidecar)
        return facts, _ChildsPicture(self, pixels, scale, note)

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

    def part(self, box: Box, size: tuple[int, int]) -> Pixels:
        """Returns a part of the picture that was asked for last; as `FacePicture.part`."""
        pixels: Pixels = self._ask("part", box, size)
        return pixels

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

    def __init__(
        self, decoder: GuardedDecoder, pixels: Pixels, scale: Scale, note: str | None = None
    ) -> None:
        self.note = note
        self._decoder = decoder
        self._pixels = pixels
        self._scale = scale

    def for_detection(self) -> tuple[Pixels, Scale]:
        return self._pixels, self._scale

    def part(self, box: Box, size: tuple[int, int]) -> Pixels:
        return self._decoder.part(box, size)

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        return self._decoder.views(landmarks)


class DecoderPool:
    """As many decoders as are in use at once, each lent to one thread at a time.

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


class _Child:
    """A running child, seen from its parent."""

    def __init__(self, settings: ExtractSettings, limits: Limits) -> None:
        ours, theirs = socket.socketpair()
        with private_memory() as memory, theirs:
            command = [sys.executable, "-P", "-m", _MODULE]
            handles = (theirs.fileno(), memory)
            self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
                [*command, *map(str, handles), str(os.getpid())],
                pass_fds=handles,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.channel = Channel(Connection(ours.detach()), mmap.mmap(memory, SHARED_BYTES))
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
