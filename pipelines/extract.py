"""Extract: what the plan gives, one shard after the other.

    plan ─▶ items ─▶ FindCopies ─▶ CutShards ─▶ ExtractShard: detect ▶ embed ▶ write
       └──▶ vanished ─▶ MarkVanished

Only references cross a shuffle, never pixels: after the shards are spread over the workers, one
element is one shard, and a worker holds one shard's chips at a time. Where there is more than one
slice to plan, each is a pipeline that ends with its shards written out, and all shards are
extracted after them. On Spark it is so with one slice as well: it is planned where the launcher is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import apache_beam as beam
from apache_beam.pvalue import AsSingleton

from facebatch.collection import Collection, Snapshot
from facebatch.collection.lease import Lease
from facebatch.collection.suppression import suppress
from facebatch.config import Execution, RunSettings
from facebatch.detect import Detector, load_detector
from facebatch.extract import stopping
from facebatch.extract.guarded_decoder import DecoderPool
from facebatch.extract.items import Shard
from facebatch.extract.pieces import Addresses
from facebatch.extract.progress import Tally
from facebatch.extract.shard import ShardTables, Tools, detect_shard, embed_shard
from facebatch.media.sources.reader import MediaReader
from facebatch.pipelines.copies import FindCopies, StandingContents
from facebatch.pipelines.cutting import CutShards
from facebatch.pipelines.engine import Each, each
from facebatch.pipelines.planning import plan
from facebatch.pipelines.runners import run_watched
from facebatch.pipelines.slices import PlanJob, Slice, list_slices, plan_slices
from facebatch.pipelines.vanishing import MarkVanished
from facebatch.pipelines.work import PerProcess, kept_embedder
from facebatch.storage.store import Storage

if TYPE_CHECKING:
    from facebatch.collection import Suppression


def extract(
    job: PlanJob,
    snapshot: Snapshot,
    collection: Collection,
    settings: RunSettings,
    lease: Lease,
    tally: Tally,
    poll: Callable[[], None],
    signs: Callable[[], Hashable],
) -> None:
    """Extracts what is new below the roots.

    Args:
        job: What is planned.
        snapshot: What the collection holds.
        collection: Where everything goes.
        settings: Runner, workers (as a number), how they compute.
        lease: The run's, which is held.
        tally: Counts what is listed and planned.
        poll: Called every now and then.
        signs: As for `run_watched`.

    Raises:
        WorkerDied, StageFailed, Interrupted, WorkerMismatch: As for `run_watched`.
    """
    decoders = PerProcess()
    work = ExtractShard(
        collection, settings.execution(), lease, job.rules.erased, job.shards, decoders
    )
    folder = f"attempts/shards-{lease.run}"
    between = Storage(f"{collection.storage.url.rstrip('/')}/{folder}")
    try:
        slices = list_slices(job, snapshot, between, tally, poll)
        if len(slices) == 1 and not settings.on_spark:
            build = partial(_plan_and_extract, job=job, part=slices[0], work=work)
            run_watched(build, settings, poll, signs)
            return
        shards = write_shards(job, slices, work, settings, tally, poll, signs)
        if shards:
            written = ExtractWritten(work, between, slices[0].addresses)
            each(written, shards, lease, settings, poll, signs)
    finally:
        collection.storage.remove(folder)


def write_shards(
    job: PlanJob,
    slices: Sequence[Slice],
    work: ExtractShard,
    settings: RunSettings,
    tally: Tally,
    poll: Callable[[], None],
    signs: Callable[[], Hashable] | None = None,
) -> list[str]:
    """Plans slices, and returns the paths of the shards that are written out for `ExtractWritten`.

    Args:
        job: What is planned.
        slices: As `list_slices` gives them.
        work: What is going to extract the shards.
        settings: As for `extract`.
        tally: Counts what is planned.
        poll: Called every now and then.
        signs: As for `run_watched`.

    Raises:
        WorkerDied, StageFailed, Interrupted, WorkerMismatch: As for `run_watched`.
    """
    if settings.on_spark:
        settings = replace(settings, runner="DirectRunner", workers=0, beam_options=())
        settings = settings.with_resolved_workers()
    plan_slices(job, slices, partial(_plan_and_write, job, work), settings, tally, poll, signs)
    return [file.path for file in slices[0].between.files("planned")]


def _plan_and_extract(
    pipeline: beam.Pipeline, job: PlanJob, part: Slice, work: ExtractShard
) -> None:
    """Applies the whole stage to a pipeline."""
    shards, total = _shards(pipeline, job, part, work)
    # The side input makes the chain wait until the plan is written, so that progress has an end to
    # count towards.
    _ = shards | "extract" >> beam.ParDo(Each(work, work.lease), AsSingleton(total))


def _plan_and_write(job: PlanJob, work: ExtractShard, pipeline: beam.Pipeline, part: Slice) -> None:
    """Applies all but the extraction itself to a pipeline, and writes the shards out."""
    shards, total = _shards(pipeline, job, part, work)
    _ = shards | "hand out" >> beam.Map(_write_shard, part.between, AsSingleton(total))


def _shards(
    pipeline: beam.Pipeline, job: PlanJob, part: Slice, work: ExtractShard
) -> tuple[beam.PCollection, beam.PCollection]:
    planned = plan(pipeline, job, part, work.lease, work.decoders)
    planned.vanished | MarkVanished(work.collection)
    shards = planned.items | FindCopies(job.storage, job.shards) | CutShards(job.workers)
    return shards, planned.total


def _write_shard(shard: Shard, between: Storage, _waited_for: object) -> None:
    items = (replace(item, file=Addresses.without(item.file)) for item in shard.items)
    shard = replace(shard, items=tuple(items))
    between.write(f"planned/{shard.name}.json", shard.as_json())


class ExtractShard:
    """Extracts one shard: decode, detect, align; embed; commit.

    Args:
        collection: Where the shard goes.
        execution: How to compute.
        lease: The run's, without which nothing is committed.
        erased: What was erased, and isn't to come back.
        shards: The snapshot's shards, whose contents may be found again.
        decoders: Where a worker process keeps its pool of decoders.
    """

    def __init__(
        self,
        collection: Collection,
        execution: Execution,
        lease: Lease,
        erased: Suppression | None = None,
        shards: Sequence[str] = (),
        decoders: PerProcess | None = None,
    ) -> None:
        self.collection = collection
        self.lease = lease
        self._erased = erased
        self._execution = execution
        self._detector = PerProcess()
        self._embedder = PerProcess()
        self.decoders = decoders or PerProcess()
        self._reader = MediaReader()
        self._standing = StandingContents(collection, shards)

    def __call__(self, shard: Shard, /) -> None:
        """Extracts the shard, unless somebody committed it meanwhile."""
        if self.collection.is_committed(shard.name):
            return
        with stopping.attempt(self.collection.storage, shard, self.lease.run):
            self.write(self.embed(self.detect(shard)))

    def detect(self, shard: Shard) -> ShardTables:
        """Turns a shard's references into its tables, chips as pixels."""
        settings, execution = self.collection.settings, self._execution
        lend = None
        if execution.guard:
            lend = self.decoders.get(lambda: DecoderPool(settings, execution.limits)).acquire
        tools = Tools(self._reader, self._load_detector, settings, execution, lend, self._erased)
        return detect_shard(shard, tools)

    def embed(self, shard: ShardTables) -> ShardTables:
        """Puts embeddings in the place of chip pixels, all faces of a shard in full batches."""
        settings, execution = self.collection.settings, self._execution
        load = partial(kept_embedder, self._embedder, settings, execution)
        return embed_shard(shard, load, settings, execution)

    def write(self, shard: ShardTables) -> None:
        """Commits a shard: its faces, then its media file."""
        name = shard.shard.name
        with stopping.writing():
            self.lease.check_held()
            suppress(self.collection.storage, **shard.erased)
            media = self._standing.without_lost_copies(shard.media)
            if len(media) and not self.collection.is_committed(name):
                after = shard.shard.superseded_at
                cost = shard.shard.cost
                self.collection.commit_shard(name, media, shard.faces, after=after, cost=cost)

    def _load_detector(self) -> Detector:
        settings, execution = self.collection.settings, self._execution
        detector: Detector = self._detector.get(
            lambda: load_detector(
                settings.detector,
                min_face=settings.min_face,
                engine=execution.engine,
                device=execution.device,
            )
        )
        return detector


class ExtractWritten:
    """Extracts shards that planning wrote out.

    Args:
        work: What extracts them.
        between: Where they lie.
        addresses: Those of the files.
    """

    def __init__(self, work: ExtractShard, between: Storage, addresses: Addresses) -> None:
        self._work = work
        self._between = between
        self._addresses = addresses

    def __call__(self, path: str, /) -> None:
        """Extracts the shard in the file at a path."""
        shard = Shard.from_json(self._between.read(path))
        items = (replace(item, file=self._addresses.of(item.file)) for item in shard.items)
        self._work(replace(shard, items=tuple(items)))
