"""The decoding child: ``python -m facebatch.extract.decoder_child``, started by its worker only.

It decodes what it is asked for in one process, and ends with its parent, or by its own alarm.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from facebatch.config import ExtractSettings
from facebatch.errors import MediaError
from facebatch.extract.decoder import LocalDecoder
from facebatch.extract.decoder_channel import ALARM_SECONDS, SHARED_BYTES, Channel
from facebatch.extract.pictures import (
    FacePicture,
    Pixels,
    Scale,
    Views,
)
from facebatch.media.limits import Limits
from facebatch.media.photo.decode import Box, PhotoFacts
from facebatch.media.sources.listing import MediaFile
from facebatch.workers.isolation import end_with_parent

if TYPE_CHECKING:
    from facebatch.media.video.frames import Segment, VideoFacts


class _Server:
    """The child's side: does what it is asked for, and holds the picture that is at work."""

    def __init__(self, settings: ExtractSettings, limits: Limits) -> None:
        self._decoder = LocalDecoder(settings, limits)
        self._picture: FacePicture | None = None
        self._frames: Iterator[tuple[int, FacePicture]] = iter(())

    def facts(self, data: memoryview, sidecar: int | None) -> PhotoFacts:
        return self._decoder.facts(bytes(data), sidecar)

    def photo(
        self, data: memoryview, sidecar: int | None
    ) -> tuple[PhotoFacts, Pixels, Scale, str | None]:
        facts, self._picture = self._decoder.photo(bytes(data), sidecar)
        return facts, *self._picture.for_detection(), self._picture.note

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

    def part(self, box: Box, size: tuple[int, int]) -> Pixels:
        return self._at_work().part(box, size)

    def views(self, landmarks: npt.NDArray[np.float32]) -> Views:
        return self._at_work().views(landmarks)

    def _at_work(self) -> FacePicture:
        if self._picture is None:
            raise ValueError("there is no picture to cut from")
        return self._picture


def main() -> NoReturn:
    """Serves one parent until it is gone."""
    # Whoever stops a run stops the worker, which then ends this process by going.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    handle, memory, parent = map(int, sys.argv[1:])
    end_with_parent(parent)
    channel = Channel(Connection(handle), mmap.mmap(memory, SHARED_BYTES))
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
