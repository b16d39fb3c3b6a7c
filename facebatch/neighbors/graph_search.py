"""Finding the graph: choose how, ask for every face's neighbours, measure what was found.

Cells or all rows propose candidates by similarity; their distances are then reckoned anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from facebatch.errors import CollectionError
from facebatch.faces.embeddings import check_unit_rows
from facebatch.neighbors.cells import Best, Cells, Vectors, candidates, halves, partition, widened
from facebatch.neighbors.graph import Block, Neighbors, empty, gather, join, nearest
from facebatch.neighbors.index import Plan
from facebatch.neighbors.index.plan import MOST_LISTS, in_lists
from facebatch.workers.threads import in_order

T = TypeVar("T")

BLOCK_ROWS = 1 << 15
"""Queries that are asked at once, a shard: some seconds of work. Of a quarter as many, among ten
million rows, 35 each looked through nine tenths of all cells: too few for a product's speed."""

_EXACT_ROWS = 50_000
"""Up to here all pairs are compared: some seconds, and nothing is missed."""

_ROWS_AT_ONCE = 1 << 13
_RECALL_ROWS = 1 << 17

_SPARE_CANDIDATES = 8
"""Candidates beyond k, so that rounding in the search can't push a true neighbour over the edge."""

_MARGIN = 0.004
"""What a similarity may lack of a d2's own: rows are of length 1 up to `UNIT_TOLERANCE`, and
float16 moves a d2 by less than .001."""

_PROBES = 64
"""Cells that a face looks through. Of the links within tau .99 were found among a million simulated
faces, from either end; those beyond tau don't matter."""

_CELL_FACTOR = 24
"""Finding each row's cell and looking through cells take as long with about sqrt(24 n) of them."""


@dataclass(frozen=True)
class GraphRecall:
    """What the graph holds of the true neighbours, measured on a sample of its faces.

    Args:
        within_reach: Share of the links within reach between these faces and their k nearest
            neighbours that the graph holds, whichever end lists the other.
        reach: That distance, as d2.
        k: Neighbours of a face at most.
        sample: Faces compared with all others.
    """

    within_reach: float
    reach: float
    k: int
    sample: int

    def as_json(self) -> dict[str, float]:
        """Returns the figures as plain data, for a manifest."""
        return asdict(self)


def choose(
    n: int, d: int, memory: int, asked: int | None = None, exact_rows: int = _EXACT_ROWS
) -> Plan:
    """Chooses how the graph is found.

    Args:
        n: Number of faces, 0 or more.
        d: Dimension of their embeddings.
        memory: Bytes that may be taken beside the embeddings themselves.
        asked: Faces whose neighbours are looked for; all by default. Where they are few, parting
            the others would take longer than comparing them.
        exact_rows: Faces up to which all pairs are compared.

    Returns:
        A plan of kind ``flat``, which compares all pairs, or ``ivf``: in lists, which are cells.
    """
    cells = min(MOST_LISTS, 1 << round(np.log2(_CELL_FACTOR * max(1, n)) / 2))
    if n <= exact_rows:
        return Plan("flat", n, d, n * d * 4, (f"all pairs of {n:,} faces are compared",))
    if asked is not None and asked <= cells:
        return Plan("flat", n, d, n * d * 4, (f"{asked:,} faces are compared with all {n:,}",))
    why = f"{n:,} faces are too many for all pairs; distances are reckoned anew, so float16 serves"
    plan = in_lists(n, d, True, (why,), cells, _PROBES)
    if plan.bytes <= memory:
        return plan
    scarce = f"{plan.bytes:,} bytes are needed and only {memory:,} are free: it may be slow"
    return replace(plan, reasons=(*plan.reasons, scarce))


def exact_neighbors(
    embeddings: npt.NDArray[np.float32], k: int, reach: float = np.inf, threads: int = 1
) -> Neighbors:
    """Finds every face's k nearest neighbours by comparing all pairs.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        k: Neighbours wanted, at least 1; clipped to n - 1.
        reach: d2 up to which neighbours are listed.
        threads: Threads that search.

    Raises:
        CollectionError: A row isn't of length 1.
        ValueError: k is below 1.
    """
    n, d = embeddings.shape
    return find_neighbors(embeddings, k, reach, Plan("flat", n, d, 0, ()), threads=threads)


def find_neighbors(
    embeddings: npt.NDArray[np.float32],
    k: int,
    reach: float,
    plan: Plan,
    seed: int = 0,
    threads: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Neighbors:
    """Finds every face's nearest neighbours within a distance, in this process.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        k: Neighbours wanted of each at most, at least 1; clipped to n - 1.
        reach: d2 up to which neighbours are listed.
        plan: How (`choose`).
        seed: Of the cells. The graph depends on it and on the embeddings, not on the threads.
        threads: Threads that search.
        report: Called after every block with the faces that are done, and how many there are.

    Raises:
        CollectionError: A row isn't of length 1.
        ValueError: k is below 1.
    """
    check_unit_rows(embeddings, "embedding", CollectionError)
    rows = np.arange(len(embeddings))
    return neighbors_of_rows(
        embeddings, rows, k, reach, plan, seed=seed, threads=threads, report=report
    )


def neighbors_of_rows(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    k: int,
    reach: float,
    plan: Plan,
    *,
    among: npt.NDArray[np.integer] | None = None,
    seed: int = 0,
    threads: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Neighbors:
    """Finds the nearest neighbours within a distance of some rows among some or all.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        rows: (m,) those that ask, each once, all of them among ``among``.
        k: Neighbours wanted of each at most, at least 1; clipped to the others that there are.
        reach: d2 up to which neighbours are listed.
        plan: How: ``flat`` compares with all, ``ivf`` looks through cells.
        among: The rows that may be neighbours, ascending; all by default.
        seed: Of the cells.
        threads: Threads that search.
        report: Called after every block with the faces that are done, and how many there are.

    Returns:
        The neighbours of each of ``rows``, by the numbers of their rows among all. Where more
        than k faces are exactly as near, which of them are listed is the search's choice.

    Raises:
        ValueError: k is below 1.
    """
    k = clipped(k, len(embeddings) if among is None else len(among))
    if not len(rows) or not k:
        return join([empty(len(rows), k).within(reach)], k)
    # One thread for each block of queries, which are several at a time.
    with threadpool_limits(1, "blas"):
        if plan.kind == "flat":
            found = _compared(embeddings, rows, k, reach, among, threads)
            return join(_told(found, len(rows), report, len), k)
        number_of = np.empty(len(embeddings), np.int64)
        number_of[rows] = np.arange(len(rows))
        parts = _through_cells(embeddings, rows, k, reach, plan, among, seed, threads)
        parts = _told(parts, len(rows), report, lambda part: len(part[0]))
        return gather(((number_of[asked], part) for asked, part in parts), len(rows), k)


def settle(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    proposed: npt.NDArray[np.integer],
    k: int,
    reach: float,
) -> Neighbors:
    """Returns the nearest of the candidates (q, c) of rows (q,), within reach; -1 is none."""
    return nearest(embeddings, rows, proposed, k).within(reach)


def propose(
    cells: Cells, vectors: Vectors, start: int, stop: int, k: int, reach: float
) -> npt.NDArray[np.int32]:
    """Returns the places (q, c) of candidates for the rows at places from start to before stop.

    Args:
        cells: The cells.
        vectors: Reads what lies in them.
        start: The first place.
        stop: The one after the last.
        k: Neighbours wanted.
        reach: d2 up to which they are wanted.
    """
    return candidates(cells, vectors, widened(vectors(start, stop)), *_wanted(k, reach))


def clipped(k: int, n: int) -> int:
    """Returns how many neighbours a face has at most among n, itself being one of them.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return min(k, max(n - 1, 0))


def _wanted(k: int, reach: float) -> tuple[int, float]:
    """Returns how many candidates are wanted, and how similar: the row itself is one of them."""
    return k + 1 + _SPARE_CANDIDATES, 1 - reach / 2 - _MARGIN


def _compared(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    k: int,
    reach: float,
    among: npt.NDArray[np.integer] | None,
    threads: int,
) -> Iterator[Neighbors]:
    """Yields the neighbours of rows, in blocks, by comparing each with all others."""
    others = np.arange(len(embeddings)) if among is None else among

    def ask(block: npt.NDArray[np.int64]) -> Neighbors:
        queries = np.ascontiguousarray(embeddings[block], dtype=np.float32)
        best, asked = Best(len(block), *_wanted(k, reach)), np.arange(len(block))
        for start in range(0, len(others), _ROWS_AT_ONCE):
            some = embeddings[others[start : start + _ROWS_AT_ONCE]]
            best.look(queries, asked, np.ascontiguousarray(some, dtype=np.float32), start)
        return settle(embeddings, block, _rows_at(others, best.kept()), k, reach)

    return in_order(ask, _blocks(rows), threads)


def _through_cells(
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    k: int,
    reach: float,
    plan: Plan,
    among: npt.NDArray[np.integer] | None,
    seed: int,
    threads: int,
) -> Iterator[tuple[npt.NDArray[np.int64], Neighbors]]:
    """Yields the rows in blocks of what is near, with their neighbours."""
    cells, row_at = partition(embeddings, plan, seed, among)
    vectors = np.empty((len(row_at), embeddings.shape[1]), np.float16)
    for start, block in halves(embeddings, row_at):
        vectors[start : start + len(block)] = block
    asks = np.zeros(len(embeddings), np.bool_)
    asks[rows] = True

    def ask(places: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Neighbors]:
        queries = widened(vectors[places])
        read: Vectors = lambda start, stop: vectors[start:stop]  # noqa: E731
        found = candidates(cells, read, queries, *_wanted(k, reach))
        block = row_at[places].astype(np.int64)
        return block, settle(embeddings, block, _rows_at(row_at, found), k, reach)

    return in_order(ask, _blocks(np.flatnonzero(asks[row_at])), threads)


def _told(
    parts: Iterator[T], total: int, report: Callable[[int, int], None], size: Callable[[T], int]
) -> Iterator[T]:
    """Yields parts, and reports after each how many rows are done."""
    done = 0
    for part in parts:
        done += size(part)
        report(done, total)
        yield part


def _rows_at(
    row_at: npt.NDArray[np.integer], places: npt.NDArray[np.int32]
) -> npt.NDArray[np.integer]:
    """Returns the row at each place, -1 for none."""
    return np.where(places >= 0, row_at[places], -1)


def _blocks(rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    return (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))


def recall(
    embeddings: npt.NDArray[np.float32],
    neighbors: Neighbors,
    reach: float,
    sample: int = 1000,
    seed: int = 0,
) -> GraphRecall:
    """Measures what the graph misses.

    Args:
        embeddings: (n, d) float32, rows of length 1.
        neighbors: Their graph.
        reach: d2 up to which links count in what follows.
        sample: Faces that are compared with all others, all where there are fewer.
        seed: Of the sample.

    Returns:
        The recall, 1 where there is nothing to find.
    """
    n, k = len(neighbors), neighbors.k
    rows = np.sort(np.random.default_rng(seed).choice(n, min(sample, n), replace=False))
    truth = _true_neighbors(embeddings, rows.astype(np.int64), k).within(reach)
    wanted = len(truth.indices)
    askers = rows[truth.askers]
    ends = zip(askers.tolist(), truth.indices.tolist(), truth.distances.tolist(), strict=True)
    found = sum(
        _lists(neighbors, one, other)
        or _lists(neighbors, other, one)
        or _is_full(neighbors, one, d2)
        for one, other, d2 in ends
    )
    return GraphRecall(found / wanted if wanted else 1.0, reach, k, len(rows))


def _lists(neighbors: Neighbors, face: int, other: int) -> bool:
    listed = slice(neighbors.starts[face], neighbors.starts[face + 1])
    return bool((neighbors.indices[listed] == other).any())


def _is_full(neighbors: Neighbors, face: int, d2: float) -> bool:
    """Tells whether a face lists as many as it may, none of them farther than a d2.

    Of others that are exactly as near any may then be listed.
    """
    listed = neighbors.distances[neighbors.starts[face] : neighbors.starts[face + 1]]
    return len(listed) == neighbors.k > 0 and bool(listed[-1] <= d2)


def _true_neighbors(
    embeddings: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int
) -> Block:
    if k == 0:
        return empty(len(rows), 0)
    wanted = min(k + 1 + _SPARE_CANDIDATES, len(embeddings))
    queries = np.ascontiguousarray(embeddings[rows], dtype=np.float32)
    best = faiss.ResultHeap(len(rows), wanted, keep_max=True)
    for start in range(0, len(embeddings), _RECALL_ROWS):
        block = np.ascontiguousarray(embeddings[start : start + _RECALL_ROWS], dtype=np.float32)
        near = faiss.knn(queries, block, min(wanted, len(block)), faiss.METRIC_INNER_PRODUCT)
        best.add_result(near[0], near[1] + start)
    best.finalize()
    return nearest(embeddings, rows, np.asarray(best.I, np.int64), k)
