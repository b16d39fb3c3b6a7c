"""Engines: who hands elements of work to workers, one of Beam's runners or Spark.

A `Work` is called once for each element and leaves what it makes in a store; nothing comes back by
way of the engine. So every engine that calls it at least once for each element will do, and what a
stage computes is the same on all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import apache_beam as beam

from facebatch.collection.lease import Lease
from facebatch.config import RunSettings
from facebatch.errors import UsageError
from facebatch.pipelines.runners import check_not_refused, check_runner, run_watched
from facebatch.pipelines.work import Work


class Each(beam.DoFn):
    """A `Work` as Beam calls it, in a worker that was found to fit the launcher."""

    def __init__(self, work: Work, lease: Lease) -> None:
        self._work = work
        self._lease = lease

    def process(self, element: Any, _waited_for: Any = None) -> None:
        """Does the work of one element; a side input is only waited for."""
        self._lease.check()
        self._work(element)


def check(settings: RunSettings) -> None:
    """Refuses who can't do the work, before anything is written.

    Raises:
        UsageError: The runner isn't known, loses data, lacks something or can't be reached; or how
            many workers it has isn't said.
    """
    check_not_refused(settings.runner)
    if not settings.is_local and not settings.workers:
        raise UsageError(
            f"--runner {settings.runner} needs --workers N: how many work on other machines can't "
            "be told from here"
        )
    if settings.on_spark:
        from facebatch.pipelines import spark

        spark.check(settings)
    else:
        check_runner(settings)


def each(
    work: Work,
    elements: Sequence[Any],
    lease: Lease,
    settings: RunSettings,
    poll: Callable[[], None] = lambda: None,
    signs: Callable[[], Hashable] | None = None,
) -> None:
    """Has workers do the work of every element.

    Args:
        work: What is done.
        elements: Plain data, small: a number, a path.
        lease: What each worker checks before its first element.
        settings: Runner and workers (as a number).
        poll: Called every now and then while workers are at it.
        signs: As for `run_watched`.

    Raises:
        WorkerDied, StageFailed, Interrupted, WorkerMismatch: As for `run_watched`.
    """
    if settings.on_spark:
        from facebatch.pipelines import spark

        spark.each(work, elements, lease, settings, poll, signs)
        return

    def build(pipeline: beam.Pipeline) -> None:
        spread = pipeline | beam.Create(list(elements)) | beam.Reshuffle()
        _ = spread | "work" >> beam.ParDo(Each(work, lease))

    run_watched(build, settings, poll, signs)
