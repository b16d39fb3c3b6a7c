"""Marks of attempts: a shard being extracted leaves one, and its commit takes it away.

A mark that outlives its process says that the process died over the shard. An item that has two
such marks is extracted in isolation, so that a file that kills its decoder costs itself only.

A process writes its marks again every `BEAT_SECONDS`, so that those of another machine tell by
their age, measured by the store's own clock, whether it lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import psutil

from facebatch.collection.collection import PLAN_PREFIX
from facebatch.collection.lease import LEASE_PREFIX
from facebatch.errors import CollectionError
from facebatch.extract.items import Shard, version_key
from facebatch.storage.store import Storage, StoredFile

_FOLDER = "attempts"
_RUN = "run"
BEAT_SECONDS = 20.0
"""How often a process writes its marks again."""
SILENT_SECONDS = 120.0
"""Age from which a mark of another machine is that of a dead process."""
_SAME_START_SECONDS = 2.0
"""The same process's start, read twice, differs by less; it is measured from the boot."""


def begin(storage: Storage, shard: Shard, run: str = "") -> str:
    """Leaves a mark for a shard that is about to be extracted, and returns its path.

    Args:
        storage: Where the collection lies.
        shard: The shard.
        run: Name of the run, which may `withdraw` it.
    """
    return _leave(storage, shard.name, [version_key(item) for item in shard.items], run)


@contextmanager
def running(storage: Storage) -> Iterator[None]:
    """Leaves a mark while a command works on a collection, so that nothing is erased meanwhile."""
    path = _leave(storage, _RUN, [])
    try:
        yield
    finally:
        end(storage, path)


def is_running(storage: Storage) -> bool:
    """Tells whether a command that left such a mark still works on a collection."""
    for file in storage.files(_FOLDER):
        if not file.path.startswith(f"{_FOLDER}/{_RUN}-"):
            continue
        try:
            mark = _read(storage, file.path)
        except CollectionError:
            continue  # it ended between the listing and the reading
        if _is_alive(mark, file, time.time):
            return True
    return False


def _leave(storage: Storage, name: str, items: Sequence[str], run: str = "") -> str:
    path = f"{_FOLDER}/{name}-{secrets.token_hex(4)}.json"
    mark = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "items": items,
        **({"run": run} if run else {}),
    }
    _BEATS.begin(storage, path, json.dumps(mark).encode())
    return path


def end(storage: Storage, path: str) -> None:
    """Takes a mark away: the shard was committed, or given up in good order."""
    _BEATS.end(storage, path)


class _Beats:
    """The marks of this process, which a thread writes again and again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._marks: dict[tuple[Storage, str], bytes] = {}
        self._pid: int | None = None

    def begin(self, storage: Storage, path: str, mark: bytes) -> None:
        """Writes a mark, and from then on writes it again."""
        storage.write(path, mark)
        with self._lock:
            self._marks[storage, path] = mark
            if self._pid != os.getpid():  # a fork has no threads of its parent's
                self._pid = os.getpid()
                threading.Thread(target=self._beat, name="marks", daemon=True).start()

    def end(self, storage: Storage, path: str) -> None:
        """Removes a mark."""
        with self._lock:  # it isn't written again once it was removed
            self._marks.pop((storage, path), None)
            storage.remove(path)

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            for (storage, path), mark in list(self._marks.items()):
                with self._lock, contextlib.suppress(CollectionError):  # the next may succeed
                    if (storage, path) in self._marks:
                        storage.write(path, mark)


_BEATS = _Beats()


def is_mark(path: str) -> bool:
    """Tells whether a file of the folder of attempts is a mark, not the paper of a run."""
    return not path.startswith((PLAN_PREFIX, LEASE_PREFIX))


def alive(storage: Storage) -> tuple[str, ...]:
    """Returns the paths and times of workers' marks: while they change, somebody is at work."""
    return tuple(
        f"{file.path} {file.modified}"
        for file in storage.files(_FOLDER)
        if is_mark(file.path) and not file.path.startswith(f"{_FOLDER}/{_RUN}-")
    )


def dead(storage: Storage) -> tuple[dict[str, int], list[str]]:
    """Returns how many dead attempts each item version has, and the paths of their marks.

    Marks of processes that still run belong to another run and don't count. A mark that can't be
    read tells nothing but that it may go.
    """
    attempts: Counter[str] = Counter()
    paths = []
    clock = cache(partial(_clock, storage))
    for file in storage.files(_FOLDER):
        if not is_mark(file.path):
            continue
        try:
            mark = _read(storage, file.path)
        except CollectionError:
            continue  # its shard was committed between the listing and the reading
        if _is_alive(mark, file, clock):
            continue
        attempts.update(mark.get("items", ()))
        paths.append(file.path)
    return dict(attempts), paths


def withdraw(storage: Storage, run: str) -> None:
    """Takes away the marks of a run that was stopped in good order, its workers with it."""
    for file in storage.files(_FOLDER):
        if is_mark(file.path):
            with contextlib.suppress(CollectionError):
                if _read(storage, file.path).get("run") == run:
                    storage.remove(file.path)


def _is_alive(mark: Mapping[str, Any], file: StoredFile, clock: Callable[[], float]) -> bool:
    """Tells whether the process that left a mark is at work, on this machine or another."""
    if mark.get("host") == socket.gethostname():
        return _runs_here(mark)
    return bool(mark) and file.modified is not None and clock() - file.modified < SILENT_SECONDS


def _clock(storage: Storage) -> float:
    """Returns the time by the store's clock, seconds since the epoch."""
    path = f"{PLAN_PREFIX}{secrets.token_hex(8)}.json"
    storage.write(path, b"{}")
    try:
        found = [file.modified for file in storage.files(_FOLDER) if file.path == path]
    finally:
        storage.remove(path)
    return next((moment for moment in found if moment is not None), time.time())


def _runs_here(mark: Mapping[str, Any]) -> bool:
    """Tells whether the process that left a mark on this machine still runs."""
    try:
        process = psutil.Process(mark["pid"])
        begun: float = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except psutil.Error:
        return False
    # The number may have been given to another process since.
    return abs(begun - float(mark["started"])) < _SAME_START_SECONDS


def forget(storage: Storage, paths: Iterable[str], committed: Container[str]) -> None:
    """Removes marks that tell nothing any more.

    Args:
        storage: Where the collection lies.
        paths: Paths of dead marks, as `dead` gives them.
        committed: The item versions that have a media row. A mark that names another stays: its
            item may be of a root that wasn't listed since.
    """
    for path in paths:
        try:
            mark = _read(storage, path)
        except CollectionError:
            continue  # another run forgot it
        if all(item in committed for item in mark.get("items", ())):
            storage.remove(path)


def _read(storage: Storage, path: str) -> dict[str, Any]:
    """Returns what a mark says; nothing where it is damaged."""
    try:
        return dict(json.loads(storage.read(path)))
    except (ValueError, TypeError):
        return {}
