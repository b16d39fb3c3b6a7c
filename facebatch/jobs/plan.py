"""Plan: what an extraction is about to do, for it and for who only asks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facebatch.collection import Snapshot, Suppression
from facebatch.collection.collection import PLAN_PREFIX, check_target, settings_for
from facebatch.collection.snapshot import take
from facebatch.config import ExtractSettings, RunSettings
from facebatch.extract.decide import Rules
from facebatch.extract.plan import Plan
from facebatch.extract.progress import Progress, ProgressReader, Tally
from facebatch.jobs.known_sources import check_known, prepared
from facebatch.media.sources.exclusion import Exclusion
from facebatch.media.sources.listing import check_roots
from facebatch.media.sources.roots import Root, check_reachable
from facebatch.models import registry
from facebatch.models.engines import choose
from facebatch.models.precision import check_runs
from facebatch.monitor.stages import Report, nobody
from facebatch.pipelines import engine
from facebatch.pipelines.planning import plan
from facebatch.pipelines.runners import works_here
from facebatch.pipelines.slices import PlanJob, list_slices, plan_slices
from facebatch.storage.store import Storage

BYTES_PER_PHOTO = 20_000
BYTES_PER_PHOTO_WITHOUT_CHIPS = 2_000
"""Growth of a collection that a dry run reckons with: about two faces a photo."""


def check_input(roots: Sequence[Root], url: str, settings: RunSettings) -> None:
    """Refuses what can't be run, before anything is written.

    Args:
        roots: What is to be listed.
        url: The collection, which need not exist.
        settings: Runner and engine.

    Raises:
        UsageError: A root, the collection's place, the runner or the engine can't be used.
    """
    if not works_here(settings):
        check_reachable(roots, url)
    check_roots(roots)
    Exclusion(settings.exclude or ())
    engine.check(settings)
    choose(settings.engine, settings.device)


def check_models(extraction: ExtractSettings, settings: RunSettings) -> None:
    """Refuses models that this machine's processor can't run, where it is to; writes nothing.

    Raises:
        UsageError: The detector or the embedder is one of bfloat16, and the processor has none.
    """
    if settings.is_local:
        device = choose(settings.engine, settings.device).device
        for name in (extraction.detector, extraction.embedder):
            check_runs(registry.card(name), device)


def make_plan(
    roots: Sequence[Root],
    url: str,
    flags: Mapping[str, Any],
    config_file: Path | None,
    settings: RunSettings,
    report: Report = nobody,
) -> dict[str, Any]:
    """Says what an extraction would do, and does nothing.

    Args:
        roots: What is to be listed.
        url: The collection, which need not exist.
        flags: Extraction settings given on the command line.
        config_file: TOML file with further settings.
        settings: Workers and retries.
        report: Told a few times a second how far the listing is.

    Returns:
        The plan as plain data, with the number of workers and an estimate of the bytes that the
        collection grows by.

    Raises:
        UsageError: The roots or a setting can't be used.
        InputError: A root isn't the one that the collection knows by its name, or is empty.
    """
    check_input(roots, url, settings)
    settings = settings.with_resolved_workers()
    extraction = settings_for(url, flags, config_file)
    check_models(extraction, settings)
    check_target(url, extraction)
    roots = prepared(roots, Storage(url), settings)
    check_known(roots, Storage(url), settings)
    with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
        here, path = Storage(folder), f"{PLAN_PREFIX}1.json"
        known = known_of(Storage(url))
        job = plan_job(roots, known, extraction, settings, here, path)
        options = settings.beam_options if settings.is_local else ()
        alone = replace(settings, runner="DirectRunner", workers=1, beam_options=options)
        tally = Tally()
        report(Progress())
        # Without the plan, by which an extraction would be said to begin.
        poll = lambda: report(Progress(listed=tally.listed, planned=tally.planned))  # noqa: E731
        slices = list_slices(job, known, here, tally, poll)
        build = lambda pipeline, part: plan(pipeline, job, part)  # noqa: E731
        plan_slices(job, slices, build, alone, tally, poll)
        planned = ProgressReader(here, path).look().plan or Plan()
    each = BYTES_PER_PHOTO if extraction.chips else BYTES_PER_PHOTO_WITHOUT_CHIPS
    return {
        **planned.as_json(),
        "workers": settings.workers,
        "estimated_output_bytes": planned.to_extract * each,
    }


def known_of(storage: Storage) -> Snapshot:
    """Returns what a collection holds, which need not exist."""
    return take(storage) if storage.exists("collection.json") else Snapshot(storage, ())


def plan_job(
    roots: Sequence[Root],
    known: Snapshot,
    extraction: ExtractSettings,
    settings: RunSettings,
    plan_storage: Storage,
    plan_path: str,
) -> PlanJob:
    """Returns what planning needs.

    Args:
        roots: What is listed.
        known: What the collection holds.
        extraction: Its settings.
        settings: Workers and retries.
        plan_storage: Where the plan is written.
        plan_path: The plan's path there.
    """
    erased = Suppression.load(known.storage)
    return PlanJob(
        roots=tuple(roots),
        storage=known.storage,
        shards=known.shards,
        settings=extraction,
        limits=settings.limits(),
        workers=settings.workers,
        rules=Rules(frozenset(settings.retry), {}, erased, settings.reread),
        plan_storage=plan_storage,
        plan_path=plan_path,
        guard=settings.guard,
    )
