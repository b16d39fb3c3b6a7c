"""What a worker process does with one element, and what it makes once and keeps (models)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from apache_beam.utils.shared import Shared

from facebatch.config import Execution, ExtractSettings
from facebatch.embed import Embedder, load_embedder


class Work(Protocol):
    """What is done with one element; plain data itself until it is called for the first time.

    It may be called more than once for an element, also at the same time in two processes, and
    gives the same each time.
    """

    def __call__(self, element: Any, /) -> None:
        """Does the work of one element."""


class PerProcess:
    """Something costly that is made once a process, at its first use, and kept.

    Beam's ``Shared`` alone holds on to what was acquired last, of all that a process shares: a
    detector and an embedder that take turns would be loaded anew for every shard.
    """

    def __init__(self) -> None:
        self._shared = Shared()
        self._kept: Any = None

    def get(self, load: Callable[[], Any]) -> Any:
        """Returns it; ``load`` makes it the first time."""
        if self._kept is None:
            self._kept = self._shared.acquire(load)
        return self._kept


def kept_embedder(kept: PerProcess, settings: ExtractSettings, execution: Execution) -> Embedder:
    """Returns the embedder of some settings, loaded once a process."""
    embedder: Embedder = kept.get(
        lambda: load_embedder(settings.embedder, settings.tta, execution.engine, execution.device)
    )
    return embedder
