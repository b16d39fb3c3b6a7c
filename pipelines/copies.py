"""Copies: which contents that are known already an item may hold."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import AsSingleton

from facebatch import tables
from facebatch.collection import Collection
from facebatch.collection.snapshot import content_keys
from facebatch.extract.items import Item
from facebatch.storage.store import Storage

COPIES_COMPARED = 64
"""Known contents of one size that a new file is compared with, at most. Files beyond it that are
copies all the same have their faces found a second time, and are told by their content."""

_KEPT_APART = 10_000


class FindCopies(beam.PTransform):
    """Gives items the contents that are known of files of their size.

    Only those have to be compared: files of different sizes have different contents.
    """

    def __init__(self, storage: Storage, shards: Sequence[str]) -> None:
        super().__init__()
        self._storage = storage
        self._shards = tuple(shards)

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        if not self._shards:
            return items
        sizes = (
            items
            | "sizes" >> beam.Map(lambda item: item.file.size)
            | beam.CombineGlobally(_Sizes())
        )
        known = (
            items.pipeline
            | "shards" >> beam.Create(self._shards)
            | "spread" >> beam.Reshuffle()
            | "contents" >> beam.FlatMap(_contents_of, self._storage, AsSingleton(sizes))
        )
        by_size = items | "by size" >> beam.Map(lambda item: (_size_key(item), item))
        return (
            {"items": by_size, "contents": known}
            | beam.CoGroupByKey()
            | "copies" >> beam.FlatMap(_with_contents)
        )


class _Sizes(beam.CombineFn):
    """Collects the distinct sizes, as a sorted array of int64."""

    def create_accumulator(self) -> list[npt.NDArray[np.int64]]:
        """Begins with no size."""
        return []

    def add_inputs(
        self, parts: list[npt.NDArray[np.int64]], sizes: Iterable[int]
    ) -> list[npt.NDArray[np.int64]]:
        """Adds some."""
        return [self._distinct([*parts, np.fromiter(sizes, np.int64)])]

    def add_input(
        self, parts: list[npt.NDArray[np.int64]], size: int
    ) -> list[npt.NDArray[np.int64]]:
        """Adds one, and makes them distinct now and then."""
        parts = [*parts, np.array([size])]
        return parts if len(parts) < _KEPT_APART else [self._distinct(parts)]

    def merge_accumulators(
        self, many: Iterable[list[npt.NDArray[np.int64]]]
    ) -> list[npt.NDArray[np.int64]]:
        """Adds those of several."""
        return [self._distinct([part for parts in many for part in parts])]

    def extract_output(self, parts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        """Returns them."""
        return self._distinct(parts)

    @staticmethod
    def _distinct(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
        return np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))


def _contents_of(
    shard: str, storage: Storage, sizes: npt.NDArray[np.int64]
) -> Iterator[tuple[tuple[int, int], tuple[bytes, int]]]:
    if not len(sizes):
        return
    columns = ["size", "segment", "content_id", "faces", "status"]
    rows = tables.read(storage, f"media/{shard}.parquet", "media", columns)
    # Only the shard that extracted a content has its faces, whoever holds the content now.
    wanted = pc.and_(pc.equal(rows["status"], "ok"), pc.is_in(rows["size"], pa.array(sizes)))
    for row in rows.filter(wanted).to_pylist():
        yield (row["size"], row["segment"]), (row["content_id"], row["faces"])


def _size_key(item: Item) -> tuple[int, int]:
    return item.file.size, item.number


def _with_contents(pair: tuple[tuple[int, int], Mapping[str, Iterable[Any]]]) -> Iterator[Item]:
    contents = tuple(heapq.nsmallest(COPIES_COMPARED, set(pair[1]["contents"])))
    for item in pair[1]["items"]:
        yield replace(item, contents=contents)


class StandingContents:
    """Tells whether what a run found in other shards is still there when it writes.

    Somebody may compact or prune the collection meanwhile, which drops contents that nobody holds.

    Args:
        collection: The collection.
        shards: The shards of the snapshot that the run began with.
    """

    def __init__(self, collection: Collection, shards: Sequence[str]) -> None:
        self._collection = collection
        self._seen = {f"media/{shard}.parquet" for shard in shards}
        self._rewritten = False

    def without_lost_copies(self, media: pa.Table) -> pa.Table:
        """Returns media rows without copies of a content whose faces are gone.

        Their items stay as they were for the snapshot: the next run extracts them.
        """
        copies = media.filter(pc.equal(media["status"], "duplicate"))
        own = content_keys(media.filter(pc.equal(media["status"], "ok")))
        copies = copies.filter(pc.invert(pc.is_in(content_keys(copies), own)))
        if not len(copies) or not self._was_rewritten():
            return media
        extracted = self._collection.snapshot().extracted["content"].combine_chunks()
        lost = copies.filter(pc.invert(pc.is_in(content_keys(copies), extracted)))
        return media.filter(
            pc.invert(pc.is_in(media["media_id"], lost["media_id"].combine_chunks()))
        )

    def _was_rewritten(self) -> bool:
        """Tells whether any shard replaced others since the run began."""
        storage = self._collection.storage
        for file in storage.files("media"):
            if not self._rewritten and file.path not in self._seen:
                metadata = tables.read_metadata(storage, file.path, "media")
                self._rewritten = metadata.get("replaces", "[]") != "[]"
                self._seen.add(file.path)
        return self._rewritten
