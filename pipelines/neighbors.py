"""Neighbours: shards of queries, each of which reads the cells that its queries look through.

The launcher parts the embeddings into cells and writes them in float16, cell by cell, where all
workers reach them; an element is a range of places in that order, whose candidates are written as
Parquet. The launcher reckons their distances anew and keeps those within reach. The graph is the
one that `facebatch.neighbors.find_neighbors` finds in a single process.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from facebatch import neighbors
from facebatch.collection.lease import Lease
from facebatch.config import RunSettings
from facebatch.errors import CollectionError
from facebatch.faces.embeddings import check_unit_rows
from facebatch.neighbors import BLOCK_ROWS, Cells, Neighbors
from facebatch.neighbors.index import Plan
from facebatch.pipelines.engine import each
from facebatch.pipelines.work import PerProcess
from facebatch.storage.store import Storage
from facebatch.workers.machine import usable_cores
from facebatch.workers.threads import in_order

PART_ROWS = 1 << 16
"""Embeddings in a file: 16 MiB of 128-d ones."""

_HELD_PARTS = 64
"""Files that a worker holds, where they can't be mapped: 1 GiB of 128-d embeddings."""


@dataclass(frozen=True)
class GraphJob:
    """What a worker needs, as plain data.

    Args:
        storage: Where the cells lie and candidates go; every worker reaches it.
        k: Neighbours of each face at most.
        reach: d2 up to which neighbours are wanted.
        probes: Cells that a query looks through.
        part_rows: Embeddings in a file.
    """

    storage: Storage
    k: int
    reach: float
    probes: int
    part_rows: int = PART_ROWS

    centroids = "centroids.npy"
    starts = "starts.npy"

    def part(self, number: int) -> str:
        """Returns the path of one file of embeddings, in the order of the cells."""
        return f"cells/{number:06d}.npy"

    def edges(self, start: int) -> str:
        """Returns the path of the candidates of the shard that begins at a place."""
        return f"edges/{start:012d}.parquet"


def find_neighbors(
    embeddings: npt.NDArray[np.float32],
    k: int,
    reach: float,
    plan: Plan,
    seed: int,
    storage: Storage,
    settings: RunSettings,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Neighbors:
    """Finds every face's nearest neighbours within a distance in worker processes.

    Few faces, which are compared with all, are searched in this process.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        k: Neighbours wanted of each at most, at least 1; clipped to n - 1.
        reach: d2 up to which neighbours are listed.
        plan: How (`facebatch.neighbors.choose`).
        seed: Of the cells.
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
    n = len(embeddings)
    if plan.kind == "flat" or n < 2:
        return neighbors.find_neighbors(embeddings, k, reach, plan, seed, usable_cores(), report)
    # Before any worker begins: what a worker raises ends the run as if it were a bug.
    check_unit_rows(embeddings, "embedding", CollectionError)
    k = neighbors.clipped(k, n)
    cells, row_at = neighbors.partition(embeddings, plan, seed)
    job = GraphJob(storage, k, reach, cells.probes, PART_ROWS)
    storage.write(job.centroids, _as_npy(cells.centroids))
    storage.write(job.starts, _as_npy(cells.starts))
    for start, part in neighbors.halves(embeddings, row_at, PART_ROWS):
        storage.write(job.part(start // PART_ROWS), _as_npy(part))
    starts = range(0, n, BLOCK_ROWS)
    shards = [(start, min(n, start + BLOCK_ROWS)) for start in starts]
    lease = Lease(storage)

    def done() -> int:
        return len(storage.files("edges"))

    with lease.held():
        each(SearchShard(job), shards, lease, settings, lambda: report(done(), len(shards)), done)

    def settled(start: int) -> tuple[npt.NDArray[np.int64], Neighbors]:
        rows = row_at[start : start + BLOCK_ROWS].astype(np.int64)
        found = read_edges(job, start)
        proposed = np.where(found >= 0, row_at[found], -1)
        return rows, neighbors.settle(embeddings, rows, proposed, k, reach)

    return neighbors.gather(in_order(settled, starts, usable_cores()), n, k)


class SearchShard:
    """Finds the candidates of a range of places and writes them."""

    def __init__(self, job: GraphJob) -> None:
        self._job = job
        self._opened = PerProcess()

    def __call__(self, shard: tuple[int, int], /) -> None:
        """Searches one shard; one that is there already is written again, the same."""
        opened: OpenCells = self._opened.get(lambda: OpenCells(self._job))
        job = self._job
        found = neighbors.propose(opened.cells, opened.read, *shard, job.k, job.reach)
        job.storage.write(job.edges(shard[0]), _as_parquet(found))


class OpenCells:
    """What all shards of a worker share: the cells, and the files of embeddings.

    From a local disk the files are mapped, so that all workers share one copy; from another store
    some are held.
    """

    def __init__(self, job: GraphJob) -> None:
        self._job = job
        self._parts: dict[int, npt.NDArray[np.float16]] = {}
        self.cells = Cells(
            _read_npy(job.storage, job.centroids), _read_npy(job.storage, job.starts), job.probes
        )

    def read(self, start: int, stop: int) -> npt.NDArray[np.float16]:
        """Returns the embeddings (m, d) at some places."""
        size = self._job.part_rows
        numbers = range(start // size, (stop - 1) // size + 1)
        found = [
            self._part(number)[max(0, start - number * size) : stop - number * size]
            for number in numbers
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _part(self, number: int) -> npt.NDArray[np.float16]:
        storage, path = self._job.storage, self._job.part(number)
        if number in self._parts:
            part = self._parts.pop(number)
        elif storage.is_local:
            # A plain array: slices of a memmap take several times as long to make.
            part = np.asarray(np.load(storage.full_path(path), mmap_mode="r"))
        else:
            part = _read_npy(storage, path)
            if len(self._parts) >= _HELD_PARTS:
                del self._parts[next(iter(self._parts))]  # the one that was asked for longest ago
        self._parts[number] = part
        return part


def read_edges(job: GraphJob, start: int) -> npt.NDArray[np.int32]:
    """Returns the places (q, c) of a shard's candidates; -1 for none."""
    lists = pq.read_table(io.BytesIO(job.storage.read(job.edges(start))))["candidates"]
    column = lists.combine_chunks()
    counts = np.diff(column.offsets.to_numpy())
    result = np.full((len(column), counts.max(initial=0)), -1, np.int32)
    result[np.arange(result.shape[1]) < counts[:, None]] = column.flatten().to_numpy()
    return result


def _as_parquet(found: npt.NDArray[np.int32]) -> bytes:
    there = found >= 0
    ends = np.cumsum(there.sum(axis=1))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(found[there]))
    sink = io.BytesIO()
    pq.write_table(pa.table({"candidates": lists}), sink, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def _as_npy(array: npt.NDArray[np.generic]) -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(array))
    return sink.getvalue()


def _read_npy(storage: Storage, path: str) -> Any:
    return np.load(io.BytesIO(storage.read(path)))
