"""What a file holds that could tell of somebody: ids, texts, places, pictures and vectors.

Every file below a collection or a gallery is read through its own reader, whatever wrote it and
whether anything still points to it: tables by their types and not by their names, indexes by the
vectors that they give back, pages with the images in them. Nothing here knows what is looked for.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facebatch import ids, tables
from facebatch.errors import CollectionError
from facebatch.storage.store import Storage, filesystem

Kind = Literal["ids", "texts", "places", "pictures", "vectors"]

BATCH_ROWS = 10_000
"""Rows of a table that are looked at together."""

LONGEST_BINARY = 4_000_000
"""Bytes up to which a file of no known kind is searched for ids at every offset."""

_PICTURE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
_PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"RIFF", b"GIF8")
_DATA_PICTURE = re.compile(r"data:image/[a-z+.-]+;base64,([A-Za-z0-9+/=\s]+)")


@dataclass(frozen=True, eq=False)
class Part:
    """Values of one kind from one place in a file.

    Args:
        where: The column, or what else the place is called.
        kind: ``ids`` are (n,) V16; ``texts`` and ``pictures`` (encoded images) lists; ``places``
            pairs of root and path; ``vectors`` (n, d) float.
        values: The n values.
        rows: The row of its table's batch that each value is of, (n,); None outside of tables.
    """

    where: str
    kind: Kind
    values: Any
    rows: npt.NDArray[np.int64] | None = None


def walk(storage: Storage) -> list[str]:
    """Returns the path of every file, half written and hidden ones included, sorted."""
    store, root = filesystem(storage.url)
    store.invalidate_cache()
    base = storage.full_path("x").removesuffix("x")
    try:
        found = store.find(root)
    except OSError as error:
        raise CollectionError(f"{storage.public} can't be listed: {error}") from error
    return sorted(str(path).removeprefix(base) for path in found)


def read(storage: Storage, path: str) -> Iterator[Part]:
    """Yields what one file holds.

    Raises:
        CollectionError: It can't be read as what it is called, so nobody knows what it holds.
    """
    ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 (a path on any filesystem)
    try:
        if ending == ".parquet":
            for batch in batches(storage, path):
                yield from of_table(batch)
            yield Part("file metadata", "texts", _metadata(storage, path))
            return
        yield from _of_bytes(storage.read(path), ending)
    except (pa.ArrowException, ValueError, RuntimeError, OSError, zipfile.BadZipFile) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CollectionError(f"{storage.public}/{path} can't be read: {message}") from error


def batches(storage: Storage, path: str) -> Iterator[pa.Table]:
    """Yields a Parquet file's rows, `BATCH_ROWS` at a time, of whatever table it is."""
    with storage.open(path) as file:
        for batch in pq.ParquetFile(file).iter_batches(BATCH_ROWS):
            yield pa.Table.from_batches([batch])


def of_table(rows: pa.Table) -> Iterator[Part]:
    """Yields what rows of any table hold, column by column."""
    names = set(rows.column_names)
    paths = [name for name in ("path", "path_bytes") if name in names and "root" in names]
    for name in paths:
        yield _places(rows, name)
    for name in rows.column_names:
        if name not in paths and not (paths and name == "root"):
            column = rows[name].combine_chunks()
            column = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
            yield from _of_column(name, column, np.arange(len(rows)))


def _places(rows: pa.Table, name: str) -> Part:
    pairs = zip(rows["root"].to_pylist(), rows[name].to_pylist(), strict=True)
    known = [
        (row, (str(root), os.fsdecode(path)))
        for row, (root, path) in enumerate(pairs)
        if root is not None and path is not None
    ]
    return Part(name, "places", [place for _, place in known], np.array([row for row, _ in known]))


def _of_column(name: str, column: pa.Array, rows: npt.NDArray[np.int64]) -> Iterator[Part]:
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    column, rows = column.filter(pa.array(valid)), rows[valid]
    kind = column.type
    if not len(column):
        return
    if pa.types.is_dictionary(kind):
        yield from _of_column(name, column.dictionary_decode(), rows)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield Part(name, "texts", column.to_pylist(), rows)
    elif _is_binary(kind):
        yield from _of_binary(name, column.to_pylist(), rows)
    elif pa.types.is_struct(kind):
        for field, inner in zip(kind, column.flatten(), strict=True):
            yield from _of_column(f"{name}.{field.name}", inner, rows)
    elif pa.types.is_map(kind):
        yield from _of_column(name, column.cast(pa.list_(kind.value_type)), rows)
        keys = pa.ListArray.from_arrays(column.offsets, column.keys)
        yield from _of_column(name, keys, rows)
    elif _is_list(kind):
        yield from _of_lists(name, column, rows)


def _is_binary(kind: pa.DataType) -> bool:
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in binary)


def _is_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in lists)


def _of_binary(name: str, values: list[bytes], rows: npt.NDArray[np.int64]) -> Iterator[Part]:
    pictures = np.array([value.startswith(_PICTURE_STARTS) for value in values])
    short = np.array([len(value) == ids.ID_BYTES for value in values])

    def chosen(mask: npt.NDArray[np.bool_]) -> list[bytes]:
        return [values[number] for number in np.flatnonzero(mask)]

    yield Part(name, "ids", ids.as_array(chosen(short)), rows[short])
    yield Part(name, "pictures", chosen(pictures), rows[pictures])
    others = ~pictures & ~short
    yield Part(name, "texts", [os.fsdecode(value) for value in chosen(others)], rows[others])


def _of_lists(name: str, column: pa.Array, rows: npt.NDArray[np.int64]) -> Iterator[Part]:
    parents = pc.list_parent_indices(column).to_numpy()
    values = pc.list_flatten(column)
    if not pa.types.is_floating(column.type.value_type):
        yield from _of_column(name, values, rows[parents])
        return
    lengths = np.bincount(parents, minlength=len(column))
    numbers = values.to_numpy(zero_copy_only=False)
    for length in np.unique(lengths[lengths > 0]).tolist():
        of_length = lengths == length
        vectors = numbers[of_length[parents]].reshape(-1, length)
        yield Part(name, "vectors", vectors, rows[of_length])


def _metadata(storage: Storage, path: str) -> list[str]:
    with storage.open(path) as file:
        raw = pq.read_schema(file).metadata or {}
    return [os.fsdecode(value) for key, value in raw.items() if key != b"ARROW:schema"]


def _of_bytes(data: bytes, ending: str) -> Iterator[Part]:
    if ending == ".json":
        yield from _of_json(json.loads(data))
    elif ending in (".html", ".htm", ".svg"):
        yield from _of_page(data.decode("utf-8", "surrogateescape"))
    elif ending == ".index":
        yield Part("index", "vectors", index_vectors(data))
    elif ending == ".npz":
        yield from _of_arrays(data)
    elif ending in _PICTURE_ENDINGS:
        yield Part("picture", "pictures", [data])
    else:
        yield from _of_anything(data)


def _of_json(value: Any) -> Iterator[Part]:
    texts: list[str] = []
    vectors: dict[int, list[Sequence[float]]] = {}

    def gather(node: Any) -> None:
        if isinstance(node, str):
            texts.append(node)
        elif isinstance(node, dict):
            texts.extend(node)
            for inner in node.values():
                gather(inner)
        elif isinstance(node, list):
            if len(node) > 1 and all(isinstance(inner, float) for inner in node):
                vectors.setdefault(len(node), []).append(node)
            for inner in node:
                gather(inner)

    gather(value)
    yield from _of_texts(texts)
    for found in vectors.values():
        yield Part("numbers", "vectors", np.array(found, np.float64))


def _of_texts(texts: list[str]) -> Iterator[Part]:
    pictures = []
    for text in texts:
        for encoded in _DATA_PICTURE.findall(text):
            try:
                pictures.append(base64.b64decode(encoded))
            except binascii.Error as error:
                raise ValueError(f"an image in it is damaged: {error}") from error
    yield Part("text", "texts", [_DATA_PICTURE.sub("", text) for text in texts])
    yield Part("image", "pictures", pictures)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []

    def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.texts.extend(value for _, value in attributes if value)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.texts.append(data)


def _of_page(text: str) -> Iterator[Part]:
    page = _Page()
    page.feed(text)
    page.close()
    yield from _of_texts(page.texts)


def index_vectors(data: bytes) -> npt.NDArray[np.float32]:
    """Returns the vectors that a FAISS index gives back, (n, d) float32.

    Those of an index that compresses are only near the ones that were added.

    Raises:
        RuntimeError: It isn't a whole FAISS index, or is of a kind that keeps no vectors.
    """
    import faiss

    index = faiss.deserialize_index(np.frombuffer(data, np.uint8))
    while isinstance(index, faiss.IndexIDMap):
        index = faiss.downcast_index(index.index)
    inverted = faiss.try_extract_index_ivf(index)
    if inverted is not None:
        inverted.make_direct_map()
    if not index.ntotal:
        return np.zeros((0, index.d), np.float32)
    vectors: npt.NDArray[np.float32] = index.reconstruct_n(0, index.ntotal)
    return vectors


def _of_arrays(data: bytes) -> Iterator[Part]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if array.dtype.kind == "f" and array.ndim == 2 and array.shape[1]:
                yield Part(name, "vectors", array)
            elif array.dtype.kind == "U":
                yield Part(name, "texts", array.reshape(-1).tolist())
            elif array.dtype.kind in "SVu" and not array.nbytes % ids.ID_BYTES:
                yield Part(name, "ids", ids.as_array([array.tobytes()]))


def _of_anything(data: bytes) -> Iterator[Part]:
    try:
        yield from _of_texts(data.decode("utf-8").splitlines())
        return
    except UnicodeDecodeError:
        pass
    if len(data) > LONGEST_BINARY:
        raise ValueError(f"it is of no known kind, and of {len(data):,} bytes")
    windows = np.lib.stride_tricks.sliding_window_view(
        np.frombuffer(data, np.uint8), min(ids.ID_BYTES, len(data))
    )
    if windows.shape[1] == ids.ID_BYTES:
        yield Part("bytes", "ids", ids.as_array([windows.tobytes()]))


def vectors_of(rows: pa.Table, column: str) -> npt.NDArray[np.float32]:
    """Returns a column of embeddings as an array (n, d) float32."""
    return np.ascontiguousarray(tables.matrix(rows[column]), np.float32)
