"""The index that answers nearest-neighbour queries over embeddings.

It is flat: exact, without training, as large as the embeddings themselves. Rows are numbers from
0 in the order in which the embeddings were given; which face a row is, its owner keeps beside it
(``ids.parquet``). Nothing here knows of collections or stages.
"""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt

from facebatch.errors import CollectionError, SpaceMismatch

_UNIT_TOLERANCE = 1e-3
"""Largest deviation of an embedding's length from 1; float32 rounding stays below 1e-6."""


def build(embeddings: npt.NDArray[np.float32]) -> faiss.Index:
    """Builds the index of L2-normalised embeddings.

    Args:
        embeddings: (n, d) float32, rows of length 1; n may be 0.

    Returns:
        A flat inner-product index, whose scores are cosine similarities.

    Raises:
        CollectionError: A row isn't of length 1 (or not finite); it would have no meaningful
            neighbours and would spoil those of others.
    """
    _check_unit_rows(embeddings)
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(np.ascontiguousarray(embeddings, dtype=np.float32))
    return index


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
        similarities are ordered by row number.

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
    order = np.lexsort((rows, -similarity), axis=-1)
    return np.take_along_axis(similarity, order, -1), np.take_along_axis(rows, order, -1)


def to_bytes(index: faiss.Index) -> bytes:
    """Returns the index in faiss' own file format, for stores that aren't local folders."""
    return bytes(faiss.serialize_index(index))


def from_bytes(data: bytes, dimension: int | None = None) -> faiss.Index:
    """Restores an index from `to_bytes`.

    Args:
        data: The bytes of an index file.
        dimension: Dimension that the index must have; any by default.

    Raises:
        CollectionError: The bytes aren't a whole faiss index.
        SpaceMismatch: The index is of another dimension.
    """
    try:
        index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
    except RuntimeError as error:
        raise CollectionError(f"the index can't be read, build it again: {error}") from error
    return _of_dimension(index, dimension)


def _of_dimension(index: faiss.Index, dimension: int | None) -> faiss.Index:
    if dimension is not None and index.d != dimension:
        raise SpaceMismatch(
            f"the index holds {index.d} dimensions where {dimension} are expected; "
            "it was built from another embedder, build it again"
        )
    return index


def _check_unit_rows(embeddings: npt.NDArray[np.float32]) -> None:
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    # Not "> tolerance", which a NaN would pass.
    wrong = ~(np.abs(lengths - 1) <= _UNIT_TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise CollectionError(
            f"embedding {row} has length {lengths[row]}, not 1; extract its photo again"
        )
