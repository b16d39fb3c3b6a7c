"""Searching among many faces in worker processes: what the stages after extraction hand out.

Few faces are searched in the launcher, which starts at once and has the same code.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.config import RunSettings
from facebatch.monitor import stages
from facebatch.monitor.stages import Report, Step, nobody
from facebatch.neighbors import Neighbors
from facebatch.neighbors.index import Plan
from facebatch.pipelines import index, neighbors
from facebatch.stages.index import build_here
from facebatch.stages.trees import find_here
from facebatch.storage.store import Storage

LEAST_FACES = 200_000
"""Below so many faces starting workers takes longer than what they do."""


@dataclass(frozen=True)
class Searching:
    """What is done by a run's workers.

    Args:
        storage: The collection's, where workers of other machines find what lies between.
        settings: Runner and workers, as a number.
        report: Told how far it is.
    """

    storage: Storage
    settings: RunSettings
    report: Report = nobody

    def find(
        self, embeddings: npt.NDArray[np.float32], k: int, reach: float, plan: Plan, seed: int
    ) -> Neighbors:
        """Finds neighbours, as `facebatch.stages.trees.find_here` does."""
        asked = embeddings, k, reach, plan, seed
        with stages.neighbors(self.report) as tell:
            if len(embeddings) < LEAST_FACES:
                return find_here(*asked, tell)
            with self._between() as storage:
                return neighbors.find_neighbors(*asked, storage, self.settings, tell)

    def build(self, embeddings: npt.NDArray[np.float32], plan: Plan, seed: int) -> Any:
        """Builds an index, as `facebatch.stages.index.build_here` does."""
        if len(embeddings) < LEAST_FACES:
            return build_here(embeddings, plan, seed)
        with self._between() as storage:
            return index.build(embeddings, plan, seed, storage, self.settings, self._tell_index)

    def _tell_index(self, done: int, total: int) -> None:
        self.report(Step("index", done, total))

    @contextmanager
    def _between(self) -> Iterator[Storage]:
        """Gives a folder that all workers reach, for as long as it lasts."""
        if self.settings.is_local:
            with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
                yield Storage(folder)
            return
        path = f"attempts/search-{secrets.token_hex(8)}"
        try:
            yield Storage(f"{self.storage.url.rstrip('/')}/{path}")
        finally:
            self.storage.remove(path)
