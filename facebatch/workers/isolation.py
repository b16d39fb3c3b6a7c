"""Running items one by one in a process of their own, so that a crash costs one item.

The child is started afresh (nothing is inherited), loads what it needs once, and answers item by
item. When it dies, the item it was working on is the culprit, and a new child takes the rest.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

from facebatch.errors import WorkerDied

T = TypeVar("T")
R = TypeVar("R")

PARENT_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Crashed(Generic[T]):
    """What came of an item whose process died: how it ended, for a person to read."""

    item: T
    message: str


def run_isolated(
    prepare: Callable[..., Callable[[T], R]], arguments: Sequence[Any], items: Sequence[T]
) -> Iterator[R | Crashed[T]]:
    """Yields one result an item, in order, each computed in a child process.

    Args:
        prepare: Importable function that a child calls once; it returns the function that is
            called for each item.
        arguments: Its arguments; plain data.
        items: Plain data, one after the other handed to a child.

    Raises:
        WorkerDied: A child ended before it could work on anything, which is no item's fault.
    """
    context = multiprocessing.get_context("spawn")
    done = 0
    while done < len(items):
        ours, theirs = context.Pipe()
        child = context.Process(
            target=_serve, args=(theirs, os.getpid(), prepare, tuple(arguments)), daemon=True
        )
        child.start()
        theirs.close()
        try:
            _wait_until_ready(ours, child)
            for item in items[done:]:
                ours.send(item)
                yield ours.recv()
                done += 1
        except (EOFError, ConnectionError):
            child.join()
            yield Crashed(items[done], ending(child.exitcode))
            done += 1
        finally:
            ours.close()
            child.join(timeout=10)
            if child.is_alive():
                child.kill()
                child.join()


def _wait_until_ready(pipe: Connection, child: SpawnProcess) -> None:
    try:
        pipe.recv()
    except (EOFError, ConnectionError):
        child.join()
        raise WorkerDied(f"isolated extraction could not begin: {ending(child.exitcode)}") from None


def ending(exitcode: int | None) -> str:
    """Returns how a process ended, for a person to read."""
    if exitcode is not None and exitcode < 0:
        return f"the process that worked on it was killed by {signal.Signals(-exitcode).name}"
    return f"the process that worked on it ended with exit code {exitcode}"


def _serve(
    pipe: Connection, parent: int, prepare: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    end_with_parent(parent)
    work = prepare(*arguments)
    pipe.send(None)
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        pipe.send(work(item))


def end_with_parent(parent: int) -> None:
    """Ends this process as soon as its parent is gone, so that no kill leaves an orphan.

    Args:
        parent: The parent's process id, as the parent itself gave it: a parent that died before
            this call is noticed as well.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
