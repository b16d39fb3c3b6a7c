"""The lease of a run: what its launcher leaves in the store, and its workers look for there.

A worker of another machine may see another disk under the same path, or have another facebatch
installed; what it wrote would be lost, or wrong, without a word. So each worker reads the lease
before it does anything. The launcher takes the lease away when the run ends, also when the user
stops it, and no worker commits anything without it.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata

from facebatch.config import ExtractSettings
from facebatch.errors import CollectionError, WorkerMismatch
from facebatch.storage.store import Storage

LEASE_PREFIX = "attempts/lease-"
RENEWED_SECONDS = 3600.0
"""How often it is written again, so that nobody takes it, and what its workers are handed, for
what a killed run has left."""


@dataclass(frozen=True)
class Lease:
    """What ties the workers of a run to its launcher; plain data.

    Args:
        storage: Where results go: the collection, or a folder for what lies between.
        settings: Extraction settings, of which every worker has to compute the same fingerprint;
            None for work that no setting changes.
        run: The run's name.
    """

    storage: Storage
    settings: ExtractSettings | None = None
    run: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"{LEASE_PREFIX}{self.run}.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Leaves it for as long as the run lasts."""
        words, ended = json.dumps(self._words()).encode(), threading.Event()

        def renew() -> None:
            while not ended.wait(RENEWED_SECONDS):
                with suppress(CollectionError):  # the next may succeed
                    self.storage.write(self.path, words)

        self.storage.write(self.path, words)
        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.storage.remove(self.path)

    def check(self) -> None:
        """Finds out, once in a process, whether this worker may work for the launcher.

        Raises:
            WorkerMismatch: It sees another store, or has another facebatch.
        """
        _check(self)

    def check_held(self) -> None:
        """Refuses to commit for a run that has ended.

        Raises:
            WorkerMismatch: The launcher took the lease away.
        """
        if not self.storage.exists(self.path):
            raise WorkerMismatch(f"the run that a worker on {_host()} works for has ended")

    def _words(self) -> dict[str, str]:
        words = {"facebatch": metadata.version("facebatch")}
        if self.settings is not None:
            words["fingerprint"] = self.settings.fingerprint()
        return words


@cache
def _check(lease: Lease) -> None:
    try:
        asked = dict(json.loads(lease.storage.read(lease.path)))
    except CollectionError:
        raise WorkerMismatch(
            f"a worker on {_host()} doesn't find this run at {lease.storage.public}: every worker "
            "has to reach the same store under the same name, such as a bucket or a disk that all "
            "of them mount"
        ) from None
    mine = lease._words()
    for what, theirs in asked.items():
        if mine.get(what) != theirs:
            raise WorkerMismatch(
                f"a worker on {_host()} has {what} {mine.get(what)}, the launcher {theirs}: "
                "install the same version of facebatch, with the same models, on every machine"
            )


def _host() -> str:
    return socket.gethostname()
