"""Marks of attempts: a shard being extracted leaves one, and its commit takes it away.

A mark that outlives its process says that the process died over the shard. An item that has two
such marks is extracted in isolation, so that a file that kills its decoder costs itself only.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psutil

from facebatch.collection.collection import PLAN_PREFIX
from facebatch.errors import CollectionError
from facebatch.extract.items import Shard, version_key
from facebatch.storage.store import Storage

_FOLDER = "attempts"
_RUN = "run"
_SAME_START_SECONDS = 2.0
"""The same process's start, read twice, differs by less; it is measured from the boot."""


def begin(storage: Storage, shard: Shard) -> str:
    """Leaves a mark for a shard that is about to be extracted, and returns its path."""
    return _leave(storage, shard.name, [version_key(item) for item in shard.items])


@contextmanager
def running(storage: Storage) -> Iterator[None]:
    """Leaves a mark while a command works on a collection, so that nothing is erased meanwhile."""
    path = _leave(storage, _RUN, [])
    try:
        yield
    finally:
        end(storage, path)


def is_running(storage: Storage) -> bool:
    """Tells whether a command that left such a mark still works on a collection.

    Of one on another machine nobody here can say that it ended without taking its mark away.
    """
    for file in storage.files(_FOLDER):
        if not file.path.startswith(f"{_FOLDER}/{_RUN}-"):
            continue
        try:
            mark = _read(storage, file.path)
        except CollectionError:
            continue  # it ended between the listing and the reading
        if _runs_here(mark) or mark.get("host") not in (None, socket.gethostname()):
            return True
    return False


def _leave(storage: Storage, name: str, items: Sequence[str]) -> str:
    path = f"{_FOLDER}/{name}-{secrets.token_hex(4)}.json"
    mark = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "items": items,
    }
    storage.write(path, json.dumps(mark).encode())
    return path


def end(storage: Storage, path: str) -> None:
    """Takes a mark away: the shard was committed, or given up in good order."""
    storage.remove(path)


def dead(storage: Storage) -> tuple[dict[str, int], list[str]]:
    """Returns how many dead attempts each item version has, and the paths of their marks.

    Marks of processes that still run on this machine belong to another run and don't count. A mark
    that can't be read tells nothing but that it may go.
    """
    attempts: Counter[str] = Counter()
    paths = []
    for file in storage.files(_FOLDER):
        if file.path.startswith(PLAN_PREFIX):
            continue
        try:
            mark = _read(storage, file.path)
        except CollectionError:
            continue  # its shard was committed between the listing and the reading
        if _runs_here(mark):
            continue
        attempts.update(mark.get("items", ()))
        paths.append(file.path)
    return dict(attempts), paths


def _runs_here(mark: Mapping[str, Any]) -> bool:
    """Tells whether the process that left a mark still runs on this machine."""
    if mark.get("host") != socket.gethostname():
        return False
    try:
        begun: float = psutil.Process(mark["pid"]).create_time()
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
