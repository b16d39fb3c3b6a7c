"""What a worker and its decoding child talk through: a pipe, and memory that both have."""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

SHARED_BYTES = 32_000_000
"""Shared memory of a child, of which only what is used takes room. It holds the file of a large
photo, or all its chips; what is larger crosses the pipe, more slowly."""


class Channel:
    """One end of a pipe whose large objects cross in shared memory.

    Requests and answers take turns, so that one piece of memory serves both.
    """

    def __init__(self, pipe: Connection, memory: mmap.mmap) -> None:
        self._pipe = pipe
        self._memory = memoryview(memory)

    def send(self, message: object) -> None:
        """Sends a message, which is anything that can be pickled."""
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


@contextmanager
def private_memory() -> Iterator[int]:
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


ALARM_SECONDS = 5.0
"""How long after the limit a child ends by itself, whoever waits for it, were its parent gone."""
