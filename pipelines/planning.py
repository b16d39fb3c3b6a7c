"""Plan: list the roots, drop what is known, open videos that have work left, and cut shards.

    ListMedia ──┐                    ┌─ vanished
                ├─ decide ─▶ look ───┼─ count ─▶ plan
    KnownMedia ─┘            inside  └─ items ─▶ CutShards

What is listed and what is known meet by folder, as one element each: an archive of which nothing
changed has as many elements as folders, not as files.
"""

from __future__ import annotations

import json
import os
import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import apache_beam as beam
from apache_beam.pvalue import AsList

from facebatch import tables
from facebatch.collection.lease import Lease
from facebatch.config import ExtractSettings
from facebatch.errors import MediaError
from facebatch.extract.decide import (
    Decision,
    Rules,
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
from facebatch.extract.progress import Tally
from facebatch.media.kinds import extension_of
from facebatch.media.limits import Limits
from facebatch.media.sources.exclusion import Exclusion
from facebatch.media.sources.ignored import Ignored
from facebatch.media.sources.listing import Marked, MediaFile, Unreadable, list_root, shown
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import Root
from facebatch.media.video.foreign import HEAD, is_foreign
from facebatch.pipelines.work import PerProcess
from facebatch.storage.store import Storage

if TYPE_CHECKING:
    from facebatch.media.video.frames import Segment

FILES_TOGETHER = 10_000
"""Files of one folder that are one element of the listing, at most."""

_LOOKED_INTO = Unsure | Video | Beside

LONGEST_SECONDS = 10_000_000
"""Longest video that is taken at its word, 116 days: broken files claim any length."""


@dataclass(frozen=True)
class PlanJob:
    """What planning needs, as plain data.

    Args:
        roots: What is listed.
        storage: Where the collection lies.
        shards: The snapshot's shards; empty where there is no collection yet.
        settings: The extraction settings.
        limits: How much one item may ask for.
        workers: Worker processes.
        rules: Retries, attempts, erasure.
        plan_storage: Where the plan is written.
        plan_path: The plan's path there.
        guard: Whether videos are opened in a process of their own.
    """

    roots: tuple[Root, ...]
    storage: Storage
    shards: tuple[str, ...]
    settings: ExtractSettings
    limits: Limits
    workers: int
    rules: Rules
    plan_storage: Storage
    plan_path: str
    guard: bool = True


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
    lease: Lease | None = None,
    decoders: PerProcess | None = None,
) -> Planned:
    """Lists the roots and decides what is to be done.

    Args:
        pipeline: What it is applied to.
        job: What is planned.
        lease: What each worker checks before it lists; None where nothing is written.
        decoders: Where a worker process keeps its pool of decoders, which open videos.
    """
    listing = pipeline | ListMedia(job.roots, lease, Tally(job.plan_storage, job.plan_path))
    folders = listing | "folders" >> beam.Filter(lambda entry: isinstance(entry, tuple))
    rest = listing | "rest" >> beam.Filter(lambda entry: not isinstance(entry, tuple))
    not_listed = rest | beam.Filter(lambda entry: isinstance(entry, Unreadable | Marked))
    known = pipeline | KnownMedia(job.storage, job.shards, job.roots)
    decisions = (
        {"listed": folders, "known": known}
        | beam.CoGroupByKey()
        | "decide" >> beam.ParDo(_Decide(job), AsList(not_listed))
    )
    looked = (
        decisions
        | "unsure" >> beam.Filter(lambda decision: isinstance(decision[1], _LOOKED_INTO))
        | beam.Reshuffle()
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
            (rest, foreign) | beam.Flatten() | "count the rest" >> beam.Map(_count_rest),
        )
        | "counts" >> beam.Flatten()
        | beam.CombineGlobally(Plan.total)
        | "write plan" >> beam.Map(_write_plan, job.plan_storage, job.plan_path)
    )
    work = settled | "work" >> beam.Map(lambda decision: decision[1])
    items = work | "items" >> beam.Filter(lambda item: isinstance(item, Item))
    vanished = work | "vanished" >> beam.Filter(lambda row: isinstance(row, Known | Noted))
    return Planned(total, items, vanished)


class ListMedia(beam.PTransform):
    """Lists roots: files as ``(folder's key, pickled files)``, other entries as they are.

    Args:
        roots: What is listed.
        lease: What each worker checks before it lists.
        tally: Where it writes down how far it is.
    """

    def __init__(self, roots: Sequence[Root], lease: Lease | None, tally: Tally) -> None:
        super().__init__()
        self._roots = tuple(roots)
        self._lease = lease
        self._tally = tally

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        roots = begin | beam.Create(self._roots) | beam.Reshuffle()
        return roots | beam.FlatMap(_list, self._lease, self._tally)


def _list(
    root: Root, lease: Lease | None, tally: Tally
) -> Iterator[tuple[bytes, bytes] | Ignored | Unreadable | Marked]:
    if lease is not None:
        lease.check()
    waiting: list[MediaFile] = []
    for entry in tally.counted(root.name, list_root(root), MediaFile):
        if isinstance(entry, MediaFile):
            is_full = len(waiting) >= FILES_TOGETHER
            if waiting and (is_full or entry.container != waiting[0].container):
                yield waiting[0].container, _packed(waiting)
                waiting = []
            waiting.append(entry)
        else:
            yield entry
    if waiting:
        yield waiting[0].container, _packed(waiting)


class KnownMedia(beam.PTransform):
    """Reads what a snapshot knows of the roots' items: ``(folder's key, pickled rows)``."""

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


def _read_known(
    shard: str, storage: Storage, roots: frozenset[str]
) -> Iterator[tuple[bytes, bytes]]:
    names = [field.name for field in fields(Known) if field.name != "shard"]
    rows = tables.read(storage, f"media/{shard}.parquet", "media", [*names, "path_bytes"])
    folders = defaultdict(list)
    for row in rows.to_pylist():
        if row["root"] in roots:
            raw = row.pop("path_bytes")
            if raw is not None:
                row["path"] = os.fsdecode(raw)
            known = Known(**row, shard=shard)
            folders[MediaFile(known.root, "", known.path, 0, "").container].append(known)
    for container, members in folders.items():
        yield container, _packed(members)


class _Decide(beam.DoFn):
    """Says what is to be done with the files of one folder."""

    def __init__(self, job: PlanJob) -> None:
        self._rules = job.rules
        self._roots = {root.name: root for root in job.roots}
        self._exclusions = {root.name: Exclusion(root.excluded) for root in job.roots}

    def process(
        self,
        pair: tuple[bytes, Mapping[str, Iterable[bytes]]],
        not_listed: list[Unreadable | Marked],
    ) -> Iterator[Decision]:
        """Yields a decision for each item, and for each video that has to be opened."""
        unlisted = [(at.root, at.path) for at in not_listed if isinstance(at, Unreadable)]
        marked = [(at.root, at.path) for at in not_listed if isinstance(at, Marked)]
        listed: dict[str, MediaFile] = {
            file.path: file for part in pair[1]["listed"] for file in _unpacked(part)
        }
        known: dict[str, list[Known]] = {path: [] for path in listed}
        for part in pair[1]["known"]:
            for row in _unpacked(part):
                known.setdefault(row.path, []).append(row)
        for path, rows in known.items():
            file = listed.get(path)
            if file is None and not is_absent(rows[0], self._roots, unlisted):
                continue
            decisions = list(decide_file(file, rows, self._rules))
            if file is None:
                state: State = "excluded" if self._leaves_out(rows[0], marked) else "vanished"
                yield from ((state, work) for _, work in decisions)
            elif look_first(file, rows, decisions):
                yield "new", Unsure(file, tuple(rows))
            else:
                yield from decisions

    def _leaves_out(self, row: Known, marked: Sequence[tuple[str, str]]) -> bool:
        """Tells whether an item isn't listed because a rule leaves it out."""
        if self._exclusions[row.root].covers(row.path):
            return True
        return any(root == row.root and lies_below(row.path, path) for root, path in marked)


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


def _count_rest(entry: Ignored | Unreadable | Marked) -> Plan:
    if isinstance(entry, Ignored):
        return Plan(left_out=(entry,))
    if isinstance(entry, Marked):
        return Plan()
    return Plan(unreadable=(f"{entry.root}/{entry.path}: {entry.message}",))


def _write_plan(total: Plan, storage: Storage, path: str) -> Plan:
    storage.write(path, json.dumps(total.as_json()).encode())
    return total


def _packed(entries: Sequence[Any]) -> bytes:
    return pickle.dumps(entries, protocol=5)


def _unpacked(data: bytes) -> Sequence[Any]:
    """Returns what `_packed` made in another worker of the same run."""
    entries: Sequence[Any] = pickle.loads(data)  # noqa: S301
    return entries
