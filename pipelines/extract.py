"""Extract: what the plan gives, in one fused chain a shard.

    plan ─▶ items ─▶ FindCopies ─▶ CutShards ─▶ DetectFaces ▶ EmbedFaces ▶ WriteShard
       └──▶ vanished ─▶ MarkVanished

Only references cross a shuffle, never pixels: after the shards are spread over the workers, one
element is one shard, and a worker holds one shard's chips at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsSingleton

from facebatch.collection import Collection
from facebatch.collection.suppression import suppress
from facebatch.config import Execution, ExtractSettings
from facebatch.detect import Detector, load_detector
from facebatch.embed import Embedder, load_embedder
from facebatch.extract import stopping
from facebatch.extract.guarded_decoder import DecoderPool
from facebatch.extract.items import Shard
from facebatch.extract.plan import Plan
from facebatch.extract.shard import ShardTables, Tools, detect_shard, embed_shard
from facebatch.media.sources.reader import MediaReader
from facebatch.pipelines.copies import FindCopies, StandingContents
from facebatch.pipelines.per_process import PerProcess
from facebatch.pipelines.planning import CutShards, PlanJob, plan
from facebatch.pipelines.vanishing import MarkVanished

if TYPE_CHECKING:
    from facebatch.collection import Suppression


def extract(
    pipeline: beam.Pipeline, job: PlanJob, collection: Collection, execution: Execution
) -> None:
    """Applies the whole stage to a pipeline."""
    decoders = PerProcess()
    planned = plan(pipeline, job, decoders)
    planned.vanished | MarkVanished(collection)
    (
        planned.items
        | FindCopies(job.storage, job.shards)
        | CutShards(job.workers)
        # The side input makes the chain wait until the plan is written, so that progress has an
        # end to count towards.
        | "detect"
        >> beam.ParDo(
            DetectFaces(collection, execution, job.rules.erased, decoders),
            AsSingleton(planned.total),
        )
        | "embed" >> beam.ParDo(EmbedFaces(collection.settings, execution))
        | "write" >> beam.ParDo(WriteShard(collection, job.shards))
    )


class DetectFaces(beam.DoFn):
    """Turns a shard's references into its tables, chips as pixels: decode, detect, align."""

    def __init__(
        self,
        collection: Collection,
        execution: Execution,
        erased: Suppression | None = None,
        decoders: PerProcess | None = None,
    ) -> None:
        self._collection = collection
        self._execution = execution
        self._erased = erased
        self._detector = PerProcess()
        self._decoders = decoders or PerProcess()
        self._reader = MediaReader()

    def process(self, shard: Shard, _plan: Plan) -> Iterator[ShardTables]:
        """Extracts one shard, unless somebody committed it meanwhile."""
        if self._collection.is_committed(shard.name):
            return
        settings, execution = self._collection.settings, self._execution
        lend = None
        if execution.guard:
            lend = self._decoders.get(lambda: DecoderPool(settings, execution.limits)).acquire
        tools = Tools(self._reader, self._load, settings, execution, lend, self._erased)
        # Beam drives the rest of the chain while this generator waits at its yield.
        with stopping.attempt(self._collection.storage, shard):
            yield detect_shard(shard, tools)

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
        self._embedder = PerProcess()

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


class WriteShard(beam.DoFn):
    """Commits a shard: its faces, then its media file."""

    def __init__(self, collection: Collection, shards: Sequence[str] = ()) -> None:
        self._collection = collection
        self._standing = StandingContents(collection, shards)
        self._items = Metrics.counter("facebatch", "media_items")
        self._faces = Metrics.counter("facebatch", "faces")

    def process(self, shard: ShardTables) -> None:
        """Commits one shard."""
        name = shard.shard.name
        with stopping.writing():
            suppress(self._collection.storage, **shard.erased)
            media = self._standing.without_lost_copies(shard.media)
            if not len(media) or self._collection.is_committed(name):
                return  # by another run meanwhile; its faces file isn't to be written over
            self._collection.commit_shard(name, media, shard.faces, after=shard.shard.superseded_at)
        self._items.inc(len(media))
        self._faces.inc(len(shard.faces))
