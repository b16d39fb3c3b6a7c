"""Plan: decide what is to be done with what is listed and known, open videos, and count.

                                ┌─ vanished
    pieces ─▶ decide ─▶ look ───┼─ count ─▶ plan
                        inside  └─ items ─▶ CutShards

The launcher lists the roots and writes pieces, files with what is listed and what is known of it
(`facebatch.extract.pieces`). What there is to do becomes elements of Beam's with files and rows,
which cost the local runner some kilobytes each; of the rest only the states do. Pieces with more
work than `SLICE_ITEMS` are planned in slices, by one pipeline after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import apache_beam as beam

from facebatch.collection.lease import Lease
from facebatch.errors import MediaError
from facebatch.extract import pieces
from facebatch.extract.decide import (
    Decision,
    State,
    decide_beside,
    decide_file,
    decide_foreign,
    decide_segments,
    decide_unopened,
    is_absent,
    lies_below,
    look_first,
)
from facebatch.extract.decoder import Decoder, LocalDecoder
from facebatch.extract.frames import orientation_beside
from facebatch.extract.guarded_decoder import DecoderPool
from facebatch.extract.items import Beside, Item, Known, Noted, Unsure, Video
from facebatch.extract.plan import Plan
from facebatch.media.kinds import extension_of
from facebatch.media.sources.exclusion import Exclusion
from facebatch.media.sources.ignored import Ignored
from facebatch.media.sources.listing import Marked, MediaFile, Unreadable, shown
from facebatch.media.sources.reader import MediaReader
from facebatch.media.video.foreign import HEAD, is_foreign
from facebatch.pipelines.slices import PlanJob, Slice, count_rest, write_plan
from facebatch.pipelines.work import PerProcess

if TYPE_CHECKING:
    from facebatch.media.video.frames import Segment

_LOOKED_INTO = Unsure | Video | Beside

LONGEST_SECONDS = 10_000_000
"""Longest video that is taken at its word, 116 days: broken files claim any length."""


@dataclass(frozen=True)
class Planned:
    """What planning gives.

    Args:
        total: The plan, one `Plan` that has been written down.
        items: The items to extract.
        vanished: The rows of items that aren't below their roots any more, and those of photos
            whose sidecars are to be remembered.
    """

    total: beam.PCollection
    items: beam.PCollection
    vanished: beam.PCollection


def plan(
    pipeline: beam.Pipeline,
    job: PlanJob,
    part: Slice,
    lease: Lease | None = None,
    decoders: PerProcess | None = None,
) -> Planned:
    """Decides what is to be done with the pieces of a slice.

    Args:
        pipeline: What it is applied to.
        job: What is planned.
        part: The slice.
        lease: What each worker checks before it reads a piece; None where nothing is written.
        decoders: Where a worker process keeps its pool of decoders, which open videos.
    """
    decisions = (
        pipeline
        | beam.Create(part.pieces)
        | beam.Reshuffle()
        | "decide" >> beam.ParDo(_Decide(job, part, lease))
    )
    looked = (
        decisions
        | "unsure" >> beam.Filter(lambda decision: isinstance(decision[1], _LOOKED_INTO))
        | "spread" >> beam.Reshuffle()
        | "look" >> beam.ParDo(_LookInside(job, decoders or PerProcess()))
    )
    settled = (
        decisions
        | "others" >> beam.Filter(lambda decision: not isinstance(decision[1], _LOOKED_INTO)),
        looked | "media" >> beam.Filter(lambda entry: isinstance(entry, tuple)),
    ) | "settled" >> beam.Flatten()
    foreign = looked | "foreign" >> beam.Filter(lambda entry: isinstance(entry, Ignored))
    total = (
        (
            settled | "count items" >> beam.Map(_count_item),
            foreign | "count the rest" >> beam.Map(count_rest),
        )
        | "counts" >> beam.Flatten()
        | beam.CombineGlobally(Plan.total)
        | "with the rest" >> beam.Map(lambda total, rest: Plan.total([total, rest]), part.beside)
        | "write plan" >> beam.Map(write_plan, part.plan_storage, part.plan_path)
    )
    work = settled | "work" >> beam.Map(lambda decision: decision[1])
    items = work | "items" >> beam.Filter(lambda item: isinstance(item, Item))
    vanished = work | "vanished" >> beam.Filter(lambda row: isinstance(row, Known | Noted))
    return Planned(total, items, vanished)


class _Decide(beam.DoFn):
    """Says what is to be done with the files of one piece."""

    def __init__(self, job: PlanJob, part: Slice, lease: Lease | None) -> None:
        self._rules = job.rules
        self._roots = {root.name: root for root in job.roots}
        self._addresses = part.addresses
        self._exclusions = {root.name: Exclusion(root.excluded) for root in job.roots}
        self._between = part.between
        self._unlisted = _places(part, Unreadable)
        self._marked = _places(part, Marked)
        self._lease = lease

    def process(self, path: str) -> Iterator[Decision]:
        """Yields a decision for each item, and for each video that has to be opened."""
        if self._lease is not None:
            self._lease.check()
        listed, found = pieces.read_piece(self._between, path, self._addresses)
        known: dict[bytes, list[Known]] = {place: [] for place in listed} | found
        for place, rows in known.items():
            file = listed.get(place)
            if file is None and not is_absent(rows[0], self._roots, self._unlisted):
                continue
            decisions = list(decide_file(file, rows, self._rules))
            if file is None:
                state: State = "excluded" if self._leaves_out(rows[0]) else "vanished"
                yield from ((state, work) for _, work in decisions)
            elif look_first(file, rows, decisions):
                yield "new", Unsure(file, tuple(rows))
            else:
                yield from decisions

    def _leaves_out(self, row: Known) -> bool:
        """Tells whether an item isn't listed because a rule leaves it out."""
        if self._exclusions[row.root].covers(row.path):
            return True
        return any(root == row.root and lies_below(row.path, path) for root, path in self._marked)


def _places(part: Slice, kind: type[Unreadable | Marked]) -> list[tuple[str, str]]:
    return [(at.root, at.path) for at in part.not_listed if isinstance(at, kind)]


class _LookInside(beam.DoFn):
    """Tells files that are no media by their first bytes, opens videos and reads sidecars."""

    def __init__(self, job: PlanJob, decoders: PerProcess) -> None:
        self._job = job
        self._decoders = decoders
        self._reader = MediaReader()

    def process(
        self, decision: tuple[str, Unsure | Video | Beside]
    ) -> Iterator[Decision | Ignored]:
        """Yields a decision for each item, or says that the file is ignored."""
        work, rules = decision[1], self._job.rules
        if isinstance(work, Beside):
            yield decide_beside(work, orientation_beside(self._reader, work.file), rules)
        elif isinstance(work, Video):
            yield from self._decide_video(work)
        elif self._is_foreign(work.file):
            place = f"{work.file.root}/{shown(work.file.path)}"
            yield Ignored("content", extension_of(work.file.path), 1, (place,))
            yield from decide_foreign(work.known)
        else:
            for state, item in decide_file(work.file, work.known, rules):
                if isinstance(item, Video):
                    yield from self._decide_video(item)
                else:
                    yield state, item

    def _is_foreign(self, file: MediaFile) -> bool:
        try:
            return is_foreign(file.path, self._reader.head(file, HEAD))
        except MediaError:
            return False  # whoever reads it will say what is wrong

    def _decide_video(self, video: Video) -> Iterator[Decision]:
        """Yields a decision for each segment of a video."""
        try:
            found = self._look(video.file)
        except MediaError as error:
            failure = (error.reason, error.message)
            yield from decide_unopened(video, failure, self._job.rules)
        else:
            yield from decide_segments(video, found, self._job.rules)

    def _acquire(self) -> AbstractContextManager[Decoder]:
        settings, limits = self._job.settings, self._job.limits
        if not self._job.guard:
            return nullcontext(LocalDecoder(settings, limits))
        pool: DecoderPool = self._decoders.get(lambda: DecoderPool(settings, limits))
        return pool.acquire()

    def _look(self, file: MediaFile) -> dict[Segment, int]:
        """Returns a video's segments, and about how many frames are looked at in each."""
        from facebatch.media.video.frames import Sampling, segments

        settings, limits = self._job.settings, self._job.limits
        with self._acquire() as decoder:
            facts = decoder.video_facts(file)
        rate = Sampling(settings.frames, settings.fps).rate(facts)
        seconds = facts.duration_us / 1e6
        if seconds * rate > limits.max_frames or seconds > LONGEST_SECONDS:
            message = (
                f"{seconds:,.0f} s of video, {limits.max_frames:,} frames at most are looked at"
            )
            raise MediaError("too_large", message)
        lengths = {
            segment: min(segment.end_us, facts.duration_us) - segment.begin_us
            for segment in segments(facts)
        }
        return {segment: round(length / 1e6 * rate) for segment, length in lengths.items()}


def _count_item(decision: Decision) -> Plan:
    state, work = decision
    if isinstance(work, Item):
        # The file's bytes are counted with its first segment.
        size = 0 if work.number else work.file.size
        return Plan({state: 1}, cost=work.cost, bytes=size)
    return Plan({state: 1})
