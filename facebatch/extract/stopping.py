"""What a worker process must finish before it may end: running writes, marks of attempts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from facebatch.extract import attempts
from facebatch.extract.items import Shard
from facebatch.storage.store import Storage

STOPPED_EXIT_CODE = 143
WRITE_SECONDS = 20.0
"""How long a running write is waited for; a shard takes well under one second on a disk."""

_writing = threading.Lock()
_marks: dict[str, Storage] = {}


@contextmanager
def attempt(storage: Storage, shard: Shard, run: str = "") -> Iterator[None]:
    """Leaves a mark while a shard is worked on.

    It is taken away however the work ends, an orderly stop of the process included; it stays only
    when the process dies.

    Args:
        storage: Where the collection lies.
        shard: The shard.
        run: Name of the run.
    """
    with _writing:  # a stop doesn't come between the mark and the knowledge of it
        mark = attempts.begin(storage, shard, run)
        _marks[mark] = storage
    try:
        yield
    finally:
        _marks.pop(mark, None)
        attempts.end(storage, mark)


@contextmanager
def writing() -> Iterator[None]:
    """Holds off an orderly stop while a shard is written."""
    with _writing:
        yield


def stop_on_sigterm() -> None:
    """Makes SIGTERM end this process in good order: the running write first, then the marks."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        _writing.acquire(timeout=WRITE_SECONDS)
        for mark, storage in list(_marks.items()):
            attempts.end(storage, mark)
        os._exit(STOPPED_EXIT_CODE)

    signal.signal(signal.SIGTERM, stop)
