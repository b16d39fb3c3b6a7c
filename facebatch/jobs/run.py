"""Run: the stages in their sequence. Extraction and search work in several processes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeVar

from facebatch.collection import Collection, Manifest, Snapshot
from facebatch.collection.collection import PLAN_PREFIX
from facebatch.collection.lease import Lease
from facebatch.collection.maintenance import Pruned, prune
from facebatch.config import RunSettings
from facebatch.errors import Interrupted, TooManyFailures, UsageError
from facebatch.extract import attempts
from facebatch.extract.items import version_name
from facebatch.extract.plan import Plan
from facebatch.extract.progress import Progress, ProgressReader, Tally, totals
from facebatch.extract.seen_small import SeenSmall, seen_small
from facebatch.jobs.distributed import Searching
from facebatch.jobs.known_sources import check_known, prepared, remember, remember_ignored
from facebatch.jobs.plan import known_of, plan_job
from facebatch.media.sources.roots import Root
from facebatch.monitor import logs
from facebatch.monitor.stages import Report, Step
from facebatch.pipelines.extract import extract
from facebatch.report import write_report
from facebatch.stages import (
    IdentificationQuery,
    StageResult,
    build_index,
    cluster_people,
    identify_faces,
    likely_pairs,
)
from facebatch.storage.store import Storage

Result = TypeVar("Result")

TOLERATED_FAILURES = 20
"""Failures that a run always tolerates, however few items it tried."""


@dataclass(frozen=True)
class Extraction:
    """What an extraction did.

    Args:
        plan: What it set out to do.
        progress: What it committed.
        seconds: How long it took, start-up included.
        snapshot: What the collection held after it; the stages that follow read this one.
        small: What was seen too small in the photos.
        pruned: What was removed because it had vanished; None where that wasn't asked for.
        refused: Why nothing was removed, though it was asked for.
    """

    plan: Plan
    progress: Progress
    seconds: float
    snapshot: Snapshot
    small: SeenSmall
    pruned: Pruned | None = None
    refused: UsageError | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns the summary as plain data."""
        done = self.progress
        return {
            "plan": self.plan.as_json(),
            "extracted": done.extracted,
            "duplicates": done.duplicates,
            "moved": done.moved,
            "touched": done.touched,
            **({"pruned": self.pruned.as_json()} if self.pruned else {}),
            "quarantined": done.quarantined,
            "reasons": dict(sorted(done.failures.items())),
            "noted": done.noted,
            "shots": self.snapshot.n_shots,
            "faces": done.faces,
            "seen_small": asdict(self.small),
            "seconds": round(self.seconds, 2),
            "items_per_second": round(done.items / self.seconds, 2),
        }

    def check_failures(self, max_failures: float) -> None:
        """Ends a run in which too much failed; called when everything else is done.

        Args:
            max_failures: Tolerated share of the items tried.

        Raises:
            TooManyFailures: More failed, and at least `TOLERATED_FAILURES`.
            UsageError: More has vanished than may be pruned.
        """
        if self.refused is not None:
            raise self.refused
        failed = self.progress.quarantined + len(self.plan.unreadable)
        tried = self.progress.items + len(self.plan.unreadable)
        if failed >= TOLERATED_FAILURES and failed > max_failures * tried:
            raise TooManyFailures(
                f"{failed} of {tried} items failed, more than --max-failures {max_failures:g} "
                "allows. Everything else is committed; `facebatch inspect` lists the reasons."
            )


@dataclass(frozen=True)
class Run:
    """What a whole run did.

    Args:
        extraction: Of the first stage.
        index: Of the stage ``index``.
        matches: Of the stage ``matches``; None where no gallery was given.
        clusters: Of the stage ``clusters``.
        people: Of the stage ``people``.
        report: Where the report lies.
        stage_seconds: How long each stage took.
    """

    extraction: Extraction
    index: StageResult[Manifest]
    matches: StageResult[Manifest] | None
    clusters: StageResult[Manifest]
    people: StageResult[Manifest]
    report: str
    stage_seconds: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Returns the summary as plain data."""
        return {
            "extract": self.extraction.as_json(),
            "index": self.index.as_json(),
            **({"matches": self.matches.as_json()} if self.matches else {}),
            "clusters": self.clusters.as_json(),
            "people": self.people.as_json(),
            "report": self.report,
            "stage_seconds": dict(self.stage_seconds),
        }


def run_all(
    roots: Sequence[Root],
    collection: Collection,
    settings: RunSettings,
    report: Report,
    query: IdentificationQuery | None = None,
    grouping: Mapping[str, Any] | None = None,
) -> Run:
    """Extracts, indexes, identifies where a gallery is given, clusters and reports.

    Args:
        roots: What is to be listed.
        collection: Where everything goes.
        settings: Runner, workers, retries.
        report: Told which stage begins, and how far the extraction is a few times a second.
        query: The gallery that faces are identified against.
        grouping: Settings of the clustering that were asked for.

    Raises:
        FacebatchError: As for `run_extract`, whose input is to be checked before.
        SpaceMismatch: The gallery is of another space; nothing was extracted.
        UsageError: No thresholds are known for the embedder; nothing was extracted.
    """
    if query is not None:
        query.gallery.check_space(collection.space, collection.settings)
        query.check()
    if collection.current("clusters") is None:
        collection.settings.thresholds()
    with attempts.running(collection.storage):
        return _run_stages(roots, collection, settings, report, query, grouping)


def _run_stages(
    roots: Sequence[Root],
    collection: Collection,
    settings: RunSettings,
    report: Report,
    query: IdentificationQuery | None,
    grouping: Mapping[str, Any] | None,
) -> Run:
    took: dict[str, float] = {}

    def stage(name: str, work: Callable[[], Result]) -> Result:
        """Does a stage's work, says so and notes its seconds."""
        with logs.stage(name) as said:
            result = work()
            if isinstance(result, StageResult):
                said["unchanged"] = result.unchanged
        took[name] = said["seconds"]
        return result

    extraction = stage("extract", lambda: run_extract(roots, collection, settings, report))
    snapshot = extraction.snapshot
    searching = Searching(collection.storage, settings.with_resolved_workers(), report)
    report(Step("index"))
    indexed = stage("index", lambda: build_index(collection, snapshot, searching.build))
    matches = None
    if query is not None:
        report(Step("matches"))
        matches = stage("matches", lambda: identify_faces(collection, snapshot, query))
    grow = partial(cluster_people, begin_people=lambda: report(Step("people")))
    report(Step("clusters"))
    clusters, people = stage(
        "people", lambda: grow(collection, snapshot, asked=grouping, find=searching.find)
    )
    report(Step("report"))
    path = stage("report", lambda: write_report(collection, snapshot, likely_pairs))
    path = collection.storage.full_path(path)
    return Run(extraction, indexed, matches, clusters, people, path, took)


def run_extract(
    roots: Sequence[Root], collection: Collection, settings: RunSettings, report: Report
) -> Extraction:
    """Extracts what is new below the roots.

    The summary counts the rows of the shards committed meanwhile as a snapshot has them: of several
    photos with one content, one is counted with its faces and the others are duplicates. Whoever
    opens the collection checks the input first (`check_input`).

    Args:
        roots: What is to be listed.
        collection: Where the faces go.
        settings: Runner, workers, retries.
        report: Called with the progress a few times a second.

    Raises:
        InputError: A root isn't the one that the collection knows by its name, or is empty.
        WorkerDied: A worker process ended too early; what was committed stays.
        Interrupted: The user stopped the run; what was committed stays.
    """
    begun = time.monotonic()
    settings = settings.with_resolved_workers()
    storage = collection.storage
    roots = prepared(roots, storage, settings)
    check_known(roots, storage, settings)
    with attempts.running(storage):
        report(Progress())
        remember(roots, storage, settings)
        collection.sweep()
        done, snapshot, before = _extract(roots, collection, settings, report)
        if done.plan:
            remember_ignored(done.plan.left_out, storage)
        small = seen_small(snapshot, before, collection.settings)
        pruned = refused = None
        if settings.prune:
            try:
                pruned = prune(collection, snapshot, max_prune=settings.max_prune)
                snapshot = collection.snapshot()
            except UsageError as error:
                refused = error
    seconds = time.monotonic() - begun
    return Extraction(done.plan or Plan(), done, seconds, snapshot, small, pruned, refused)


def _extract(
    roots: Sequence[Root], collection: Collection, settings: RunSettings, report: Report
) -> tuple[Progress, Snapshot, tuple[str, ...]]:
    storage = collection.storage
    plan_path = f"{PLAN_PREFIX}{secrets.token_hex(8)}.json"
    dead_attempts, dead_marks = attempts.dead(storage)
    known = known_of(storage)
    job = plan_job(roots, known, collection.settings, settings, storage, plan_path)
    job = replace(job, rules=replace(job.rules, dead_attempts=dead_attempts))
    tally = Tally()
    reader = ProgressReader(storage, plan_path, job.workers, tally=tally)
    lease = Lease(storage, collection.settings)
    try:
        with lease.held():
            poll, signs = lambda: report(reader.poll()), lambda: signs_of_life(reader, storage)
            extract(job, known, collection, settings, lease, tally, poll, signs)
        done = reader.look()
    except Interrupted:
        attempts.withdraw(storage, lease.run)
        raise
    finally:
        storage.remove(plan_path)
    report(done)
    snapshot = collection.snapshot()
    if dead_marks:
        attempts.forget(storage, dead_marks, _versions(snapshot))
    return totals(snapshot, job.shards, done.plan), snapshot, job.shards


def signs_of_life(reader: ProgressReader, storage: Storage) -> Hashable:
    """Returns what changes while somebody extracts.

    Until the plan is there it always changes: planning leaves nothing else in the store.
    """
    progress = reader.poll()
    return time.monotonic() if progress.plan is None else (progress.items, attempts.alive(storage))


def _versions(snapshot: Snapshot) -> set[str]:
    columns = snapshot.items.select(["media_id", "size", "marker"]).to_pylist()
    return {version_name(row["media_id"], row["size"], row["marker"]) for row in columns}
