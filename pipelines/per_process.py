"""What a worker process makes once and keeps, such as a model or its decoders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apache_beam.utils.shared import Shared


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
