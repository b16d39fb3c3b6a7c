"""Extract: list, drop what is known, cut shards, and one fused chain a shard.

    ListMedia ──┐
                ├─ decide ─┬─ plan
    KnownMedia ─┘          └─ CutShards ─▶ DetectFaces ▶ EmbedFaces ▶ WriteShard

Only references cross a shuffle, never pixels: after the shards are spread over the workers, one
element is one shard, and a worker holds one shard's chips at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, AsSingleton
from apache_beam.utils.shared import Shared

from facebatch import tables
from facebatch.collection import Collection
from facebatch.config import Execution, ExtractSettings
from facebatch.detect import Detector, load_detector
from facebatch.embed import Embedder, load_embedder
from facebatch.extract import ShardTables, detect_shard, embed_shard
from facebatch.media.sources import (
    Ignored,
    MediaFile,
    MediaReader,
    Root,
    Unreadable,
    list_root,
    shown,
)
from facebatch.pipelines import stopping
from facebatch.plan import (
    Item,
    Known,
    Plan,
    Shard,
    cut,
    decide,
    pack_containers,
    shard_cost,
    winner,
)
from facebatch.storage import Storage


@dataclass(frozen=True)
class PlanJob:
    """What planning needs, as plain data.

    Args:
        roots: What is listed.
        storage: Where the collection lies.
        shards: The snapshot's shards; empty where there is no collection yet.
        workers: Worker processes.
        retry: Reason codes whose items are tried again.
        dead_attempts: Attempts that were never finished, by item version.
        plan_storage: Where the plan is written.
        plan_path: The plan's path there.
    """

    roots: tuple[Root, ...]
    storage: Storage
    shards: tuple[str, ...]
    workers: int
    retry: frozenset[str]
    dead_attempts: Mapping[str, int]
    plan_storage: Storage
    plan_path: str


def plan(pipeline: beam.Pipeline, job: PlanJob) -> tuple[beam.PCollection, beam.PCollection]:
    """Lists the roots and decides what is new.

    Returns:
        The plan, one `Plan` that has been written down, and the `Item`s to extract.
    """
    listing = pipeline | ListMedia(job.roots)
    files = listing | "files" >> beam.Filter(lambda entry: isinstance(entry, MediaFile))
    rest = listing | "rest" >> beam.Filter(lambda entry: not isinstance(entry, MediaFile))
    unreadable = rest | beam.Filter(lambda entry: isinstance(entry, Unreadable))
    known = pipeline | KnownMedia(job.storage, job.shards, job.roots)
    decisions = (
        {"listed": files | beam.Map(lambda file: (file.media_id, file)), "known": known}
        | beam.CoGroupByKey()
        | "decide" >> beam.FlatMap(_decide, job, AsList(unreadable))
    )
    total = (
        (
            decisions | "count items" >> beam.Map(_count_item),
            rest | "count the rest" >> beam.Map(_count_rest),
        )
        | beam.Flatten()
        | beam.CombineGlobally(Plan.total)
        | "write plan" >> beam.Map(_write_plan, job.plan_storage, job.plan_path)
    )
    items = decisions | "to extract" >> beam.FlatMap(lambda pair: [pair[1]] if pair[1] else [])
    return total, items


def extract(
    pipeline: beam.Pipeline, job: PlanJob, collection: Collection, execution: Execution
) -> None:
    """Applies the whole stage to a pipeline."""
    total, items = plan(pipeline, job)
    (
        items
        | CutShards(job.workers)
        # The side input makes the chain wait until the plan is written, so that progress has an
        # end to count towards.
        | "detect" >> beam.ParDo(DetectFaces(collection, execution), AsSingleton(total))
        | "embed" >> beam.ParDo(EmbedFaces(collection.settings, execution))
        | "write" >> beam.ParDo(WriteShard(collection))
    )


class ListMedia(beam.PTransform):
    """Lists roots: ``MediaFile``, ``Ignored`` and ``Unreadable`` entries."""

    def __init__(self, roots: Sequence[Root]) -> None:
        super().__init__()
        self._roots = tuple(roots)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        return begin | beam.Create(self._roots) | beam.Reshuffle() | beam.FlatMap(list_root)


class KnownMedia(beam.PTransform):
    """Reads what a snapshot knows of the roots' items: ``(media id, Known)``, one a row."""

    def __init__(self, storage: Storage, shards: Sequence[str], roots: Sequence[Root]) -> None:
        super().__init__()
        self._storage = storage
        self._shards = tuple(shards)
        self._roots = frozenset(root.name for root in roots)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        return (
            begin
            | beam.Create(self._shards)
            | beam.Reshuffle()
            | beam.FlatMap(_read_known, self._storage, self._roots)
        )


class CutShards(beam.PTransform):
    """Cuts items into shards of similar cost and spreads them over the workers."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self._workers = workers

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        workers = self._workers
        packing = (
            items
            | "costs" >> beam.Map(lambda item: (item.file.container, item.cost))
            | beam.CombinePerKey(sum)
            | beam.combiners.ToDict()
            | "pack" >> beam.Map(_pack, workers)
        )
        return (
            items
            | "by group"
            >> beam.Map(
                lambda item, packed: (packed[1][item.file.container], item), AsSingleton(packing)
            )
            | beam.GroupByKey()
            | "cut"
            >> beam.FlatMap(
                lambda pair, packed: cut(list(pair[1]), packed[0]), AsSingleton(packing)
            )
            | beam.Reshuffle()
        )


class DetectFaces(beam.DoFn):
    """Turns a shard's references into its tables, chips as pixels: decode, detect, align."""

    def __init__(self, collection: Collection, execution: Execution) -> None:
        self._collection = collection
        self._execution = execution
        self._detector = _Model()
        self._reader = MediaReader()

    def process(self, shard: Shard, _plan: Plan) -> Iterator[ShardTables]:
        """Extracts one shard, unless somebody committed it meanwhile."""
        if self._collection.is_committed(shard.name):
            return
        # Beam drives the rest of the chain while this generator waits at its yield.
        with stopping.attempt(self._collection.storage, shard):
            yield detect_shard(
                shard, self._reader, self._load, self._collection.settings, self._execution
            )

    def _load(self) -> Detector:
        settings, execution = self._collection.settings, self._execution
        detector: Detector = self._detector.get(
            lambda: load_detector(
                settings.detector,
                min_face=settings.min_face,
                engine=execution.engine,
                device=execution.device,
            )
        )
        return detector


class EmbedFaces(beam.DoFn):
    """Puts embeddings in the place of a shard's chip pixels, all its faces in full batches."""

    def __init__(self, settings: ExtractSettings, execution: Execution) -> None:
        self._settings = settings
        self._execution = execution
        self._embedder = _Model()

    def process(self, shard: ShardTables) -> Iterator[ShardTables]:
        """Embeds one shard's faces."""
        yield embed_shard(shard, self._load, self._settings, self._execution)

    def _load(self) -> Embedder:
        settings, execution = self._settings, self._execution
        embedder: Embedder = self._embedder.get(
            lambda: load_embedder(
                settings.embedder, settings.tta, execution.engine, execution.device
            )
        )
        return embedder


class _Model:
    """A model that is loaded once a process, at its first use, and kept.

    Beam's ``Shared`` alone holds on to what was acquired last, of all that a process shares: a
    detector and an embedder that take turns would be loaded anew for every shard.
    """

    def __init__(self) -> None:
        self._shared = Shared()
        self._kept: Any = None

    def get(self, load: Callable[[], Any]) -> Any:
        """Returns the model; ``load`` gives it the first time."""
        if self._kept is None:
            self._kept = self._shared.acquire(load)
        return self._kept


class WriteShard(beam.DoFn):
    """Commits a shard: its faces, then its media file."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._items = Metrics.counter("facebatch", "media_items")
        self._faces = Metrics.counter("facebatch", "faces")

    def process(self, shard: ShardTables) -> None:
        """Commits one shard."""
        name = shard.shard.name
        with stopping.writing():
            if self._collection.is_committed(name):
                return  # by another run meanwhile; its faces file isn't to be written over
            self._collection.commit_shard(
                name, shard.media, shard.faces, after=shard.shard.superseded_at
            )
        self._items.inc(len(shard.media))
        self._faces.inc(len(shard.faces))


def _read_known(
    shard: str, storage: Storage, roots: frozenset[str]
) -> Iterator[tuple[bytes, Known]]:
    names = [field.name for field in fields(Known) if field.name != "shard"]
    rows = tables.read(storage, f"media/{shard}.parquet", "media", ["media_id", *names])
    for row in rows.to_pylist():
        if row["root"] in roots:
            yield row.pop("media_id"), Known(**row, shard=shard)


def _decide(
    pair: tuple[bytes, Mapping[str, Iterable[Any]]], job: PlanJob, unreadable: list[Unreadable]
) -> Iterator[tuple[str, Item | None]]:
    listed = next(iter(pair[1]["listed"]), None)
    known = winner(pair[1]["known"])
    if listed is None and known is not None and _below(known, unreadable):
        return
    yield decide(listed, known, job.retry, job.dead_attempts)


def _below(known: Known, folders: list[Unreadable]) -> bool:
    """Tells whether an item that wasn't listed lies in a folder that couldn't be."""
    return any(
        known.root == folder.root
        and (not folder.path or known.path.startswith(f"{shown(folder.path)}/"))
        for folder in folders
    )


def _count_item(decision: tuple[str, Item | None]) -> Plan:
    state, item = decision
    if item is None:
        return Plan({state: 1})
    return Plan({state: 1}, cost=item.cost, bytes=item.file.size)


def _count_rest(entry: Ignored | Unreadable) -> Plan:
    if isinstance(entry, Ignored):
        return Plan(ignored=entry.files)
    return Plan(unreadable=(f"{entry.root}/{entry.path}: {entry.message}",))


def _write_plan(total: Plan, storage: Storage, path: str) -> Plan:
    storage.write(path, json.dumps(total.as_json()).encode())
    return total


def _pack(costs: Mapping[bytes, int], workers: int) -> tuple[int, dict[bytes, bytes]]:
    target = shard_cost(sum(costs.values()), workers)
    return target, pack_containers(costs, target)
