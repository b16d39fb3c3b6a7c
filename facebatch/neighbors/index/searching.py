"""Asking an index for the nearest rows, and measuring how many of them it finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import faiss
import numpy as np
import numpy.typing as npt

from facebatch.errors import SpaceMismatch
from facebatch.neighbors.index.building import parts

_MOST_PROBED = 0.25
"""Share of the lists beyond which comparing with everything would be as fast."""
_WIDEST_WALK = 1024
_EXACT_BLOCK = 1 << 17


@dataclass(frozen=True)
class Recall:
    """What a search finds, measured on a sample of the rows, each asking for the others.

    Args:
        at_1: Share of the sample whose nearest row is found.
        at_10: Share found of their ten nearest rows.
        sample: Rows that asked.
    """

    at_1: float
    at_10: float
    sample: int

    def as_json(self) -> dict[str, float]:
        """Returns the figures as plain data, for a manifest."""
        return asdict(self)


def search(
    index: faiss.Index, queries: npt.NDArray[np.float32], k: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Finds the most similar rows for each query.

    Args:
        index: Index made by `build`.
        queries: (q, d) float32, rows of length 1.
        k: Rows wanted for each query, at least 1; clipped to the size of the index.

    Returns:
        Similarity (q, k) float32, -1..1 and descending, and row numbers (q, k) int64. Equal
        similarities are ordered by row number. Where an index that isn't flat finds fewer rows,
        the last places hold minus infinity and -1.

    Raises:
        SpaceMismatch: The queries are of another dimension than the index.
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if queries.shape[1] != index.d:
        raise SpaceMismatch(
            f"queries of {queries.shape[1]} dimensions can't be searched in an index of {index.d}; "
            "embed them with the embedder that the index was built from"
        )
    k = min(k, index.ntotal)
    if k == 0 or len(queries) == 0:
        shape = (len(queries), k)
        return np.empty(shape, np.float32), np.empty(shape, np.int64)
    similarity, rows = index.search(np.ascontiguousarray(queries, dtype=np.float32), k)
    similarity = np.where(rows < 0, np.float32(-np.inf), similarity)
    order = np.lexsort((rows, -similarity), axis=-1)
    return np.take_along_axis(similarity, order, -1), np.take_along_axis(rows, order, -1)


def recall(
    index: faiss.Index, embeddings: npt.NDArray[np.float32], sample: int = 1000, seed: int = 0
) -> Recall:
    """Measures what an index finds of what comparing with everything finds.

    Args:
        index: Index of all the embeddings.
        embeddings: (n, d) float32, rows of length 1.
        sample: Rows that ask, all where there are fewer.
        seed: Of the sample.

    Returns:
        The recall; 1 where there is nothing to find.
    """
    rows = _sample_rows(len(embeddings), sample, seed)
    return _measured(index, embeddings, rows, _nearest_ten(embeddings, rows))


def tune(
    index: faiss.Index,
    embeddings: npt.NDArray[np.float32],
    wanted: float,
    sample: int = 1000,
    seed: int = 0,
) -> Recall:
    """Doubles what a query looks at until the recall of the ten nearest is as wanted.

    Args:
        index: Index of all the embeddings; what it probes, or how broadly it walks, is changed.
        embeddings: (n, d) float32, rows of length 1.
        wanted: Share of the ten nearest rows.
        sample: Rows that ask, all where there are fewer.
        seed: Of the sample.

    Returns:
        The recall that was reached. It can fall short of what is wanted: no more than a quarter
        of the lists is probed.
    """
    rows = _sample_rows(len(embeddings), sample, seed)
    truth = _nearest_ten(embeddings, rows)
    reached = _measured(index, embeddings, rows, truth)
    while reached.at_10 < wanted and _look_further(index):
        reached = _measured(index, embeddings, rows, truth)
    return reached


def effort(index: faiss.Index) -> int:
    """Returns the lists that a query probes, or the breadth of its walk; 0 for a flat index."""
    lists, _ = parts(index)
    if lists is not None:
        return int(lists.nprobe)
    return int(index.hnsw.efSearch) if isinstance(index, faiss.IndexHNSW) else 0


def _look_further(index: faiss.Index) -> bool:
    lists, _ = parts(index)
    if lists is not None:
        if 2 * lists.nprobe > max(8, _MOST_PROBED * lists.nlist):
            return False
        lists.nprobe *= 2
        return True
    if isinstance(index, faiss.IndexHNSW) and 2 * index.hnsw.efSearch <= _WIDEST_WALK:
        index.hnsw.efSearch *= 2
        return True
    return False


def _sample_rows(n: int, sample: int, seed: int) -> npt.NDArray[np.int64]:
    generator = np.random.default_rng(seed)
    return np.sort(generator.choice(n, min(sample, n), replace=False)).astype(np.int64)


def _nearest_ten(
    embeddings: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Returns the ten rows nearest to each of some, themselves not among them, by comparing all."""
    k = min(10, len(embeddings) - 1)
    if k < 1 or not len(rows):
        return np.empty((len(rows), 0), np.int64)
    best = faiss.ResultHeap(len(rows), k + 1, keep_max=True)
    queries = np.ascontiguousarray(embeddings[rows], dtype=np.float32)
    for start in range(0, len(embeddings), _EXACT_BLOCK):
        block = np.ascontiguousarray(embeddings[start : start + _EXACT_BLOCK], dtype=np.float32)
        near = faiss.knn(queries, block, min(k + 1, len(block)), faiss.METRIC_INNER_PRODUCT)
        best.add_result(near[0], near[1] + start)
    best.finalize()
    return _without_self(np.asarray(best.I, np.int64), rows, k)


def _without_self(
    found: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.int64]:
    own = found == rows[:, None]
    # A row that isn't among its own nearest, because of exact copies, gives its last place up.
    own[~own.any(axis=1), -1] = True
    others: npt.NDArray[np.int64] = found[~own].reshape(len(rows), -1)[:, :k]
    return others


def _measured(
    index: faiss.Index,
    embeddings: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
) -> Recall:
    k = truth.shape[1]
    if k == 0 or not len(rows):
        return Recall(1.0, 1.0, len(rows))
    found = _without_self(search(index, embeddings[rows], k + 1)[1], rows, k)
    hits = (truth[:, :, None] == found[:, None, :]).any(axis=2)
    return Recall(float(hits[:, 0].mean()), float(hits.mean()), len(rows))
