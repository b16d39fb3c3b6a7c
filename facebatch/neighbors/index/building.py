"""Building an index: trained in one process, filled in shards of rows, merged.

Each step gives the same result for any number of threads and any division into shards of whole
blocks: training and adding compute every row, or every block of rows, by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from facebatch.errors import CollectionError
from facebatch.faces.embeddings import check_unit_rows
from facebatch.neighbors.index.plan import Plan

SHARD_ROWS = 1 << 17
"""Rows of a shard: 64 MiB of 128-d embeddings. A whole number of `_BLOCK_ROWS`."""

_BLOCK_ROWS = 1 << 14
_TRAINING_ROWS_PER_LIST = 40
"""faiss warns below 39; more cost time in proportion and moved recall by less than .01."""
_TRAINING_ROUNDS = 8
_CODE_TRAINING_ROWS = 1 << 16
_HNSW_BUILD_BREADTH = 80


def build(
    embeddings: npt.NDArray[np.float32], plan: Plan | None = None, seed: int = 0
) -> faiss.Index:
    """Builds the index of L2-normalised embeddings.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.
        plan: What to build (`facebatch.neighbors.index.choose`); a flat index by default.
        seed: Of what is drawn for training.

    Returns:
        An inner-product index, whose scores are cosine similarities.

    Raises:
        CollectionError: A row isn't of length 1 (or not finite); it would have no meaningful
            neighbours and would spoil those of others.
    """
    n, d = embeddings.shape
    plan = plan or Plan("flat", n, d, embeddings.nbytes, ())
    check_unit_rows(embeddings, "embedding", CollectionError)
    index: faiss.Index = train(embeddings, plan, seed)
    add(index, embeddings, 0)
    return index


def train(embeddings: npt.NDArray[np.float32], plan: Plan, seed: int) -> Any:
    """Returns the empty index that shards of the embeddings can be added to.

    Args:
        embeddings: (n, d) float32, all of them; a sample is read.
        plan: What to build.
        seed: Of the sample, and of what training draws.
    """
    d = plan.dimension
    index: Any
    if plan.kind == "flat":
        index = faiss.IndexFlatIP(d)
        return index
    if plan.kind == "hnsw":
        index = faiss.IndexHNSWFlat(d, plan.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _HNSW_BUILD_BREADTH
        index.hnsw.efSearch = plan.breadth
        return index
    wanted = plan.lists * _TRAINING_ROWS_PER_LIST
    sample = _sample(embeddings, max(wanted, _CODE_TRAINING_ROWS if plan.codes else 0), seed)
    lists = _empty_lists(plan)
    lists.cp.niter = _TRAINING_ROUNDS
    lists.cp.seed = seed & 0x7FFFFFFF
    lists.train(sample)
    if plan.kind == "ivf":
        return lists
    exact: Any = faiss.IndexScalarQuantizer(
        d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index = faiss.IndexRefine(lists, exact)
    index.k_factor = plan.candidates
    index.is_trained = True
    # The index owns the two now, and frees them.
    lists.this.disown()
    exact.this.disown()
    index.own_fields = index.own_refine_index = True
    return index


def add(index: faiss.Index, embeddings: npt.NDArray[np.float32], first: int) -> None:
    """Adds rows to an index.

    Args:
        index: Trained; for all but lists it holds exactly the rows before the first.
        embeddings: (m, d) float32, rows of length 1.
        first: Number of the first of them among all rows; a multiple of `SHARD_ROWS` in shards.
    """
    for start in range(0, len(embeddings), _BLOCK_ROWS):
        block = np.ascontiguousarray(embeddings[start : start + _BLOCK_ROWS], dtype=np.float32)
        lists, exact = parts(index)
        if lists is None:
            with one_thread(isinstance(index, faiss.IndexHNSW)):
                index.add(block)
            continue
        lists.add_with_ids(block, np.arange(first + start, first + start + len(block)))
        if exact is not None:
            exact.add(block)
            index.ntotal = exact.ntotal


def shard(trained: faiss.Index, embeddings: npt.NDArray[np.float32], first: int) -> faiss.Index:
    """Returns an index of one shard's rows alone, for `merge`.

    Args:
        trained: The empty index, left as it is.
        embeddings: (m, d) float32, the shard's rows.
        first: Number of the first of them among all rows.
    """
    # Through its bytes: faiss' own copy of an index that compares again shares what it owns.
    index = faiss.deserialize_index(faiss.serialize_index(trained))
    add(index, embeddings, first)
    return index


def merge(trained: faiss.Index, shards: Iterable[faiss.Index]) -> faiss.Index:
    """Moves the rows of shards, in their order, into the empty index that they were made from.

    Args:
        trained: The empty index; it is filled and returned.
        shards: They are empty afterwards.
    """
    lists, exact = parts(trained)
    for other in shards:
        if lists is None:
            trained.merge_from(other)
            continue
        other_lists, other_exact = parts(other)
        lists.merge_from(other_lists, 0)  # rows carry their numbers with them
        if exact is not None:
            exact.merge_from(other_exact)
            trained.ntotal = exact.ntotal
    return trained


def parts(index: faiss.Index) -> tuple[Any, Any]:
    """Returns an index's lists, and the rows that candidates are compared with again; or None."""
    if isinstance(index, faiss.IndexRefine):
        base, exact = map(faiss.downcast_index, (index.base_index, index.refine_index))
        return base, exact
    return (index, None) if isinstance(index, faiss.IndexIVF) else (None, None)


class one_thread:  # noqa: N801 (a context manager is used like a function)
    """Lets faiss work with one thread in the caller's thread, where that decides the result."""

    def __init__(self, needed: bool = True) -> None:
        self._needed = needed
        self._before = 0

    def __enter__(self) -> None:
        if self._needed:
            self._before = faiss.omp_get_max_threads()
            faiss.omp_set_num_threads(1)

    def __exit__(self, *_error: object) -> None:
        if self._needed:
            faiss.omp_set_num_threads(self._before)


def _empty_lists(plan: Plan) -> Any:
    d, metric = plan.dimension, faiss.METRIC_INNER_PRODUCT
    coarse: Any = faiss.IndexFlatIP(d)
    lists: Any
    if plan.codes:
        lists = faiss.IndexIVFPQ(coarse, d, plan.lists, plan.codes, 8, metric)
    elif plan.half:
        half = faiss.ScalarQuantizer.QT_fp16
        lists = faiss.IndexIVFScalarQuantizer(coarse, d, plan.lists, half, metric, False)
    else:
        lists = faiss.IndexIVFFlat(coarse, d, plan.lists, metric)
    coarse.this.disown()  # the lists own it now, and free it
    lists.own_fields = True
    lists.nprobe = plan.probes
    # Few rows for many lists are no reason to warn: they are all looked at then.
    lists.cp.min_points_per_centroid = 1
    if plan.codes:
        lists.pq.cp.min_points_per_centroid = 1
    return lists


def _sample(embeddings: npt.NDArray[np.float32], wanted: int, seed: int) -> npt.NDArray[np.float32]:
    if wanted >= len(embeddings):
        return np.ascontiguousarray(embeddings, dtype=np.float32)
    rows = np.random.default_rng(seed).choice(len(embeddings), wanted, replace=False)
    return np.ascontiguousarray(embeddings[np.sort(rows)], dtype=np.float32)
