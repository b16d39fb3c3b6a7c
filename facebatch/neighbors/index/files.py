"""Index files: faiss' own format, as bytes for any store, mapped into memory from a local disk."""

from __future__ import annotations

from typing import Any, BinaryIO

import faiss
import numpy as np

from facebatch.errors import CollectionError, SpaceMismatch
from facebatch.storage.store import Storage


def to_bytes(index: faiss.Index) -> bytes:
    """Returns the index in faiss' own file format; for a large one, `write` takes less memory."""
    return bytes(faiss.serialize_index(index))


def write(index: faiss.Index, storage: Storage, path: str) -> None:
    """Writes an index file, in pieces.

    Raises:
        CollectionError: The store refuses it.
    """

    def fill(file: BinaryIO) -> None:
        writer: Any = faiss.PyCallbackIOWriter  # type: ignore[attr-defined]
        faiss.write_index(index, writer(file.write))

    storage.write_large(path, fill)


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


def read(storage: Storage, path: str, dimension: int | None = None) -> faiss.Index:
    """Opens an index file; from a local disk only what a search touches is read.

    Args:
        storage: Where it lies.
        path: Path inside it.
        dimension: Dimension that the index must have; any by default.

    Raises:
        CollectionError: There is no such file, or it isn't a whole faiss index.
        SpaceMismatch: The index is of another dimension.
    """
    if not storage.is_local:
        return from_bytes(storage.read(path), dimension)
    # The flag that maps more than lists is younger than the oldest faiss that serves.
    flags = getattr(faiss, "IO_FLAG_MMAP_IFC", faiss.IO_FLAG_MMAP)
    try:
        index = faiss.read_index(storage.full_path(path), flags)
    except RuntimeError as error:
        raise CollectionError(
            f"{storage.public}/{path} can't be read, build the index again: {error}"
        ) from error
    return _of_dimension(index, dimension)


def _of_dimension(index: faiss.Index, dimension: int | None) -> faiss.Index:
    if dimension is not None and index.d != dimension:
        raise SpaceMismatch(
            f"the index holds {index.d} dimensions where {dimension} are expected; "
            "it was built from another embedder, build it again"
        )
    return index
