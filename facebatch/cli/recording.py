"""What `run` and `extract` leave behind for machines: events meanwhile, metrics afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebatch.cli.deliberate import deliberate
from facebatch.errors import FacebatchError, InputError, Interrupted
from facebatch.monitor import logs, metrics
from facebatch.storage.urls import public_url

if TYPE_CHECKING:
    from facebatch.collection import Collection


@dataclass
class Record:
    """What a command puts down of itself.

    Args:
        metrics_file: Where its metrics go, if they are wanted.
        summary: Its summary, as soon as there is one.
        holding: What the collection holds after it, where that is known.
    """

    metrics_file: Path | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    holding: Mapping[str, Any] | None = None

    def put(self, summary: Mapping[str, Any], collection: Collection) -> None:
        """Puts down a summary, and what the collection holds if metrics are wanted."""
        self.summary = summary
        if self.metrics_file is not None:
            from facebatch.collection.summary import inspect_collection

            self.holding = inspect_collection(collection)


@contextmanager
def recorded(
    command: str, roots: Sequence[str], url: str, metrics_file: Path | None
) -> Iterator[Record]:
    """Says that a command began and how it ended, whatever ends it.

    Args:
        command: Its name.
        roots: Names of its roots.
        url: The collection.
        metrics_file: Where its metrics go, if they are wanted.

    Raises:
        UsageError: The metrics can't go there; nothing was begun.
        InputError: They could not be written after a run that went well.
    """
    if metrics_file is not None:
        metrics.check_target(metrics_file)
    logs.run_started(command, roots, url)
    begun = time.monotonic()
    record = Record(metrics_file)
    try:
        yield record
    except BaseException as error:
        ended = deliberate(error)
        code = _exit_code(ended)
        logs.failed(ended, code)
        try:
            _finish(record, url, code, time.monotonic() - begun)
        except InputError as unwritten:
            logs.failed(unwritten, code)
        if ended is error:
            raise
        raise ended from error
    _finish(record, url, 0, time.monotonic() - begun)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return Interrupted.exit_code
    return error.exit_code if isinstance(error, FacebatchError) else 1


def _finish(record: Record, url: str, exit_code: int, seconds: float) -> None:
    logs.run_finished(exit_code, seconds, record.summary)
    if record.metrics_file is None:
        return
    sample = metrics.sample_of(
        record.summary,
        collection=public_url(url).rstrip("/").rsplit("/", 1)[-1],
        exit_code=exit_code,
        finished=time.time(),
        seconds=seconds,
        holding=record.holding,
    )
    metrics.write(record.metrics_file, sample)
