"""Finding the graph: choose an index, ask it for every face's neighbours, measure what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import faiss
import numpy as np
import numpy.typing as npt

from facebatch.neighbors.graph import Neighbors, empty, join, nearest
from facebatch.neighbors.index import Plan, build, search
from facebatch.neighbors.index.building import one_thread, parts
from facebatch.neighbors.index.plan import in_lists, list_bytes
from facebatch.workers.threads import in_order

BLOCK_ROWS = 1 << 12
"""Queries that are asked at once. Shards are whole blocks, so that every block is the same
computation whoever makes it."""

_EXACT_ROWS = 50_000
"""Up to here all pairs are compared: some seconds, and nothing is missed."""

_SPARE_CANDIDATES = 8
"""Candidates beyond k, so that rounding in the index can't push a true neighbour over the edge."""

_PROBED_SHARE = 1 / 170
"""Share of the lists that a face looks through. Of the neighbours within tau .994 were found among
a million simulated faces; those beyond tau don't matter."""

_FEWEST_PROBES = 16

_GRAPH_BYTES_PER_NEIGHBOR = 8


@dataclass(frozen=True)
class GraphRecall:
    """What the graph holds of the true neighbours, measured on a sample of its faces.

    Args:
        at_k: Share of all their k nearest neighbours.
        within_reach: Share of those among them that are within reach: the links that count.
        reach: That distance, as d2.
        k: Neighbours of a face.
        sample: Faces compared with all others.
    """

    at_k: float
    within_reach: float
    reach: float
    k: int
    sample: int

    def as_json(self) -> dict[str, float]:
        """Returns the figures as plain data, for a manifest."""
        return asdict(self)


def choose(n: int, d: int, memory: int, k: int = 64) -> Plan:
    """Chooses how the graph is found.

    Args:
        n: Number of faces, 0 or more.
        d: Dimension of their embeddings.
        memory: Bytes that may be taken beside the embeddings themselves.
        k: Neighbours of each face.

    Returns:
        A plan of kind ``flat``, which compares all pairs, or ``ivf``.
    """
    graph = n * k * _GRAPH_BYTES_PER_NEIGHBOR
    if n <= _EXACT_ROWS:
        return Plan("flat", n, d, n * d * 4 + graph, (f"all pairs of {n:,} faces are compared",))
    index = list_bytes(n, d, half=True)
    why = f"{n:,} faces are too many for all pairs; distances are reckoned anew, so float16 serves"
    if index + graph > memory:
        why += f". {index + graph:,} bytes are needed and only {memory:,} are free: it may be slow"
    lists = in_lists(n, d, True, (why,)).lists
    return in_lists(n, d, True, (why,), probes=max(_FEWEST_PROBES, round(lists * _PROBED_SHARE)))


def exact_neighbors(embeddings: npt.NDArray[np.float32], k: int) -> Neighbors:
    """Finds every face's k nearest neighbours by comparing all pairs.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        k: Neighbours wanted, at least 1; clipped to n - 1.

    Returns:
        The graph: n rows of min(k, n - 1) neighbours.

    Raises:
        CollectionError: A row isn't of length 1.
        ValueError: k is below 1.
    """
    return neighbors_of_rows(build(embeddings), embeddings, range(len(embeddings)), k)


def find_neighbors(
    embeddings: npt.NDArray[np.float32],
    k: int,
    plan: Plan,
    seed: int = 0,
    threads: int = 1,
    report: Callable[[int, int], None] = lambda *_: None,
) -> Neighbors:
    """Finds every face's k nearest neighbours in this process.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        k: Neighbours wanted, at least 1; clipped to n - 1.
        plan: How (`choose`).
        seed: Of the index. The graph depends on it and on the embeddings, not on the threads.
        threads: Threads that search.
        report: Called after every block with the faces that are done, and how many there are.

    Returns:
        The graph: n rows of min(k, n - 1) neighbours.

    Raises:
        CollectionError: A row isn't of length 1.
        ValueError: k is below 1.
    """
    index = build(embeddings, plan, seed)
    order = query_order(index)
    result = empty(len(embeddings), _clipped(k, len(embeddings)))
    done = 0
    for rows, part in _in_blocks(index, embeddings, order, k, threads):
        result.distances[rows], result.indices[rows] = part.distances, part.indices
        done += len(rows)
        report(done, len(order))
    return result


def neighbors_of_rows(
    index: faiss.Index,
    embeddings: npt.NDArray[np.float32],
    rows: range | npt.NDArray[np.integer],
    k: int,
    threads: int = 1,
) -> Neighbors:
    """Finds the k nearest neighbours of some rows among all: one shard of the graph.

    Args:
        index: Index of all the embeddings.
        embeddings: (n, d) float32, the rows of the index in its order.
        rows: The rows to find neighbours for.
        k: Neighbours wanted, at least 1; clipped to n - 1.
        threads: Threads that search.

    Returns:
        One row of neighbours for each of ``rows``. Where more than k faces are exactly as near,
        which of them are listed is the index's choice.

    Raises:
        ValueError: k is below 1.
    """
    asked = np.asarray(rows, np.int64)
    found = [part for _, part in _in_blocks(index, embeddings, asked, k, threads)]
    return join([empty(0, _clipped(k, len(embeddings))), *found])


def query_order(index: faiss.Index) -> npt.NDArray[np.int64]:
    """Returns the order (n,) in which asking for every row's neighbours is fastest.

    Rows of one list probe the same lists, which are then still in the processor's cache: a million
    rows took 94 s instead of 154 s.
    """
    lists, _ = parts(index)
    if lists is None:
        return np.arange(index.ntotal)
    inverted = lists.invlists
    sizes = [inverted.list_size(number) for number in range(lists.nlist)]
    rows = [
        faiss.rev_swig_ptr(inverted.get_ids(number), size).copy()
        for number, size in enumerate(sizes)
        if size
    ]
    return np.concatenate([np.empty(0, np.int64), *rows])


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
    truth = _true_neighbors(embeddings, rows.astype(np.int64), k)
    listed = np.where(np.isinf(neighbors.distances[rows]), -1, neighbors.indices[rows])
    # By distance, not by row: of faces that are exactly as near any may be listed.
    worst = truth.distances[:, -1:] if k else np.empty((len(rows), 0), np.float32)
    found = (listed >= 0) & (neighbors.distances[rows] <= worst)
    counts = truth.distances <= reach
    near = found & (neighbors.distances[rows] <= reach)
    return GraphRecall(
        _share(int(found.sum()), truth.distances.size),
        _share(int(near.sum()), int(counts.sum())),
        reach,
        k,
        len(rows),
    )


def _share(found: int, wanted: int) -> float:
    return min(1.0, found / wanted) if wanted else 1.0


def _true_neighbors(
    embeddings: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], k: int
) -> Neighbors:
    if k == 0:
        return empty(len(rows), 0)
    wanted = min(k + 1 + _SPARE_CANDIDATES, len(embeddings))
    queries = np.ascontiguousarray(embeddings[rows], dtype=np.float32)
    _, candidates = faiss.knn(queries, embeddings, wanted, faiss.METRIC_INNER_PRODUCT)
    return nearest(embeddings, rows, candidates, k)


def _clipped(k: int, n: int) -> int:
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return min(k, max(n - 1, 0))


def _in_blocks(
    index: faiss.Index,
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    k: int,
    threads: int,
) -> Iterator[tuple[npt.NDArray[np.int64], Neighbors]]:
    """Yields the rows in blocks with their neighbours, some blocks at a time in threads."""
    k = _clipped(k, len(embeddings))
    wanted = min(k + 1 + _SPARE_CANDIDATES, len(embeddings))
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)

    def ask(block: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Neighbors]:
        # One thread for each block: what a block gives can't depend on how many there are.
        with one_thread():
            _, candidates = search(index, embeddings[block], wanted)
        return block, nearest(embeddings, block, candidates, k)

    blocks = (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))
    return in_order(ask, blocks, threads)
