"""Index: trained in the launcher, filled in shards by the workers, merged in the launcher.

Every shard is an index of its own rows alone, under their final numbers; merging moves them into
the trained one. The result is that of `facebatch.neighbors.index.building` in a single process.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.collection.lease import Lease
from facebatch.config import RunSettings
from facebatch.errors import CollectionError
from facebatch.faces.embeddings import check_unit_rows
from facebatch.neighbors import index
from facebatch.neighbors.index import SHARD_ROWS, Plan
from facebatch.pipelines.engine import each
from facebatch.pipelines.work import PerProcess
from facebatch.storage.store import Storage


@dataclass(frozen=True)
class IndexJob:
    """What a worker needs, as plain data.

    Args:
        storage: Where the rows and the trained index lie and shards go; every worker reaches it.
    """

    storage: Storage

    trained = "trained.index"

    def rows(self, start: int) -> str:
        """Returns the path of a shard's embeddings."""
        return f"rows/{start:012d}.npy"

    def shard(self, start: int) -> str:
        """Returns the path of a shard's index."""
        return f"shards/{start:012d}.index"


def build(
    embeddings: npt.NDArray[np.float32],
    plan: Plan,
    seed: int,
    storage: Storage,
    settings: RunSettings,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Any:
    """Builds an index in worker processes.

    An index of one shard, or of a kind that can't be merged, is built in this process.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        plan: What to build (`facebatch.neighbors.index.choose`).
        seed: Of what is drawn for training.
        storage: An empty folder for what lies between; it is the caller's to remove.
        settings: Runner and workers (as a number).
        report: Called a few times a second while the workers fill, with the shards that are done
            and how many there are.

    Returns:
        The index, the same as in one process.

    Raises:
        CollectionError: A row isn't of length 1.
        WorkerDied, StageFailed, Interrupted: As for `each`.
    """
    starts = range(0, len(embeddings), SHARD_ROWS)
    if len(starts) < 2 or not plan.divisible:
        return index.build(embeddings, plan, seed)
    # Before any worker begins: what a worker raises ends the run as if it were a bug.
    check_unit_rows(embeddings, "embedding", CollectionError)
    trained = index.train(embeddings, plan, seed)
    job = IndexJob(storage)
    storage.write(job.trained, index.to_bytes(trained))
    for start in starts:
        sink = io.BytesIO()
        np.save(sink, np.ascontiguousarray(embeddings[start : start + SHARD_ROWS]))
        storage.write(job.rows(start), sink.getvalue())
    lease = Lease(storage)

    def done() -> int:
        return len(storage.files("shards"))

    with lease.held():
        each(FillShard(job), starts, lease, settings, lambda: report(done(), len(starts)), done)
    shards = (index.from_bytes(storage.read(job.shard(start))) for start in starts)
    return index.merge(trained, shards)


class FillShard:
    """Adds one shard's rows to an empty copy of the trained index and writes it."""

    def __init__(self, job: IndexJob) -> None:
        self._job = job
        self._trained = PerProcess()

    def __call__(self, start: int, /) -> None:
        """Fills one shard; one that is there already is written again, the same."""
        storage = self._job.storage
        trained = self._trained.get(lambda: index.read(storage, self._job.trained))
        rows = np.load(io.BytesIO(storage.read(self._job.rows(start))))
        filled = index.shard(trained, rows, start)
        storage.write(self._job.shard(start), index.to_bytes(filled))
