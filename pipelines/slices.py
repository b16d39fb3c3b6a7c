"""Slices: what one pipeline plans, so that an archive of any size is planned in bounded memory."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from facebatch.collection import Snapshot
from facebatch.config import ExtractSettings, RunSettings
from facebatch.extract import pieces
from facebatch.extract.decide import Rules
from facebatch.extract.pieces import Addresses
from facebatch.extract.plan import Plan
from facebatch.extract.progress import Tally
from facebatch.media.limits import Limits
from facebatch.media.sources.ignored import Ignored
from facebatch.media.sources.listing import Marked, Unreadable
from facebatch.media.sources.roots import Root
from facebatch.pipelines import remote
from facebatch.pipelines.runners import KILL_SECONDS, run_watched, watched
from facebatch.storage.store import Storage

SLICE_ITEMS = 500_000
"""Items with work, as far as a listing tells, that are planned together, at most (and a piece):
Beam's local runner and its workers hold 5 kB of each, together."""


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
class Slice:
    """What one pipeline plans, as plain data.

    Args:
        between: Where the pieces lie.
        pieces: Their paths.
        files: Number of listed files in them.
        addresses: Those of the files.
        not_listed: The folders that weren't listed, of all roots.
        beside: What the plan says beside the items.
        plan_storage: Where the slice's plan is written.
        plan_path: Its path there.
    """

    between: Storage
    pieces: tuple[str, ...]
    files: int
    addresses: Addresses
    not_listed: tuple[Unreadable | Marked, ...]
    beside: Plan
    plan_storage: Storage
    plan_path: str


def list_slices(
    job: PlanJob, snapshot: Snapshot, between: Storage, tally: Tally, poll: Callable[[], None]
) -> list[Slice]:
    """Lists the roots, and returns what is planned together; one slice at least.

    Args:
        job: What is planned.
        snapshot: What is known.
        between: Where the pieces are written, for the workers to read.
        tally: Counts what is listed.
        poll: Called a few times a second.

    Raises:
        CollectionError: The store fails.
        Interrupted: The user stopped it.
    """
    found: list[Slice] = []
    stop = threading.Event()

    def work() -> None:
        listing = pieces.list_roots(job.roots, tally, stop)
        known = pieces.known_rows(snapshot, job.roots, listing.files)
        reread = job.rules.reread
        written = pieces.write_pieces(listing, known, between, "pieces", stop, reread=reread)
        addresses = Addresses(job.roots, listing.queries)
        rest = Plan.total(map(count_rest, (*listing.left_out, *listing.not_listed)))
        parts = list(pieces.slices(written, SLICE_ITEMS)) or [[]]
        for number, part in enumerate(parts):
            alone = len(parts) == 1
            found.append(
                Slice(
                    between,
                    tuple(piece.path for piece in part),
                    sum(piece.files for piece in part),
                    addresses,
                    listing.not_listed,
                    Plan() if number else rest,
                    job.plan_storage if alone else between,
                    job.plan_path if alone else f"plans/{number}.json",
                )
            )

    task = remote.Job(work)
    try:
        watched(task, RunSettings(), poll, None)
    finally:
        stop.set()
        if task.runs:  # what it still wrote would outlive the folder that is removed
            task.wait(KILL_SECONDS)
    if task.error is not None:
        raise task.error
    return found


def plan_slices(
    job: PlanJob,
    slices: Sequence[Slice],
    build: Callable[..., object],
    settings: RunSettings,
    tally: Tally,
    poll: Callable[[], None],
    signs: Callable[[], Hashable] | None = None,
) -> None:
    """Plans one slice after the other, and writes the plan of all of them.

    Args:
        job: What is planned.
        slices: As `list_slices` gives them.
        build: Applies the transforms of a slice, its argument ``part``, to an empty pipeline.
        settings: As for `run_watched`.
        tally: Counts what is planned.
        poll: As for `run_watched`.
        signs: As for `run_watched`.

    Raises:
        WorkerDied, StageFailed, Interrupted, WorkerMismatch: As for `run_watched`.
    """
    for part in slices:
        run_watched(partial(build, part=part), settings, poll, signs)
        tally.planned += part.files
        gc.collect()  # what a pipeline held refers to itself, and would stay beside the next one's
    if len(slices) > 1:
        plans = (json.loads(part.plan_storage.read(part.plan_path)) for part in slices)
        write_plan(Plan.total(map(Plan.from_json, plans)), job.plan_storage, job.plan_path)


def count_rest(entry: Ignored | Unreadable | Marked) -> Plan:
    """Returns the part of a plan that something which isn't looked at makes."""
    if isinstance(entry, Ignored):
        return Plan(left_out=(entry,))
    if isinstance(entry, Marked):
        return Plan()
    return Plan(unreadable=(f"{entry.root}/{entry.path}: {entry.message}",))


def write_plan(total: Plan, storage: Storage, path: str) -> Plan:
    """Writes a plan, and returns it."""
    storage.write(path, json.dumps(total.as_json()).encode())
    return total
