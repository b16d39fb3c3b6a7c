"""Neighbours: shards of queries against one index that every worker maps into its memory.

The launcher trains and fills the index; embeddings and index lie as files where all workers reach
them; an element is a range of queries, whose edges are written as Parquet. The graph is the one
that `facebatch.neighbors.find_neighbors` finds in a single process.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from facebatch import neighbors, tables
from facebatch.collection.lease import Lease
from facebatch.config import RunSettings
from facebatch.neighbors import BLOCK_ROWS, Neighbors, index
from facebatch.neighbors.index import Plan
from facebatch.pipelines.engine import each
from facebatch.pipelines.work import PerProcess
from facebatch.storage.store import Storage

SHARD_BLOCKS = 4
"""Blocks of queries in a shard: a few seconds of work among a million faces."""


@dataclass(frozen=True)
class GraphJob:
    """What a worker needs, as plain data.

    Args:
        storage: Where embeddings and index lie and edges go; every worker reaches it.
        k: Neighbours of each face.
    """

    storage: Storage
    k: int

    embeddings = "embeddings.npy"
    index = "faces.index"

    def edges(self, start: int) -> str:
        """Returns the path of the edges of the shard that begins at a place in the order."""
        return f"edges/{start:012d}.parquet"


def find_neighbors(
    embeddings: npt.NDArray[np.float32],
    k: int,
    plan: Plan,
    seed: int,
    storage: Storage,
    settings: RunSettings,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Neighbors:
    """Finds every face's k nearest neighbours in worker processes.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        k: Neighbours wanted, at least 1; clipped to n - 1.
        plan: How (`facebatch.neighbors.choose`).
        seed: Of the index.
        storage: An empty folder for what lies between; it is the caller's to remove.
        settings: Runner and workers (as a number).
        report: Called a few times a second while the workers search, with the shards that are done
            and how many there are.

    Returns:
        The graph, the same as in one process.

    Raises:
        CollectionError: A row isn't of length 1.
        WorkerDied, StageFailed, Interrupted: As for `each`.
    """
    built = index.build(embeddings, plan, seed)
    order = neighbors.query_order(built)
    if len(order) < 2:
        return neighbors.find_neighbors(embeddings, k, plan, seed)
    job = GraphJob(storage, k)
    storage.write(job.embeddings, _as_npy(embeddings))
    storage.write(job.index, index.to_bytes(built))
    del built
    step = BLOCK_ROWS * SHARD_BLOCKS
    starts = range(0, len(order), step)
    lease = Lease(storage)
    shards = [(start, start + step) for start in starts]

    def done() -> int:
        return len(storage.files("edges"))

    with lease.held():
        each(SearchShard(job), shards, lease, settings, lambda: report(done(), len(shards)), done)
    result = neighbors.empty(len(order), min(k, len(order) - 1))
    for start in starts:
        rows, part = read_edges(job, start)
        result.distances[rows], result.indices[rows] = part.distances, part.indices
    return result


class SearchShard:
    """Finds the neighbours of a range of queries and writes them as edges."""

    def __init__(self, job: GraphJob) -> None:
        self._job = job
        self._opened = PerProcess()

    def __call__(self, shard: tuple[int, int], /) -> None:
        """Searches one shard; one that is there already is written again, the same."""
        opened: _Opened = self._opened.get(lambda: _Opened(self._job))
        rows = opened.order[shard[0] : shard[1]]
        found = neighbors.neighbors_of_rows(opened.index, opened.embeddings, rows, self._job.k)
        self._job.storage.write(self._job.edges(shard[0]), _as_parquet(rows, found))


class _Opened:
    """What all shards of a worker share."""

    def __init__(self, job: GraphJob) -> None:
        self.index = index.read(job.storage, job.index)
        self.embeddings = _open_npy(job.storage, job.embeddings)
        self.order = neighbors.query_order(self.index)


def read_edges(job: GraphJob, start: int) -> tuple[npt.NDArray[np.int32], Neighbors]:
    """Returns the rows of a shard of the graph, and their neighbours."""
    edges = pq.read_table(io.BytesIO(job.storage.read(job.edges(start))))
    part = Neighbors(tables.matrix(edges["distances"]), tables.matrix(edges["indices"]))
    return edges["row"].to_numpy(), part


def _as_parquet(rows: npt.NDArray[np.int64], found: Neighbors) -> bytes:
    columns = {
        "row": rows.astype(np.int32),
        "indices": tables.vectors(found.indices),
        "distances": tables.vectors(found.distances),
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def _as_npy(embeddings: npt.NDArray[np.float32]) -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(embeddings, dtype=np.float32))
    return sink.getvalue()


def _open_npy(storage: Storage, path: str) -> npt.NDArray[np.float32]:
    """Opens an array; from a local disk it is mapped, so that all workers share one copy."""
    opened: npt.NDArray[np.float32]
    if storage.is_local:
        opened = np.load(storage.full_path(path), mmap_mode="r")
    else:
        opened = np.load(io.BytesIO(storage.read(path)))
    return opened
