"""What a run says of itself while it works: one JSON object a line, for machines that read logs.

In text mode nothing of it is said: people see the progress bar and the summary. Nothing here knows
of Beam, and what goes out has no passwords, keys or signatures of URLs in it.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from facebatch.monitor.stages import Step
from facebatch.storage.urls import public_text

if TYPE_CHECKING:
    from facebatch.extract.progress import Progress
    from facebatch.monitor.stages import Report

Format = Literal["text", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

PROGRESS_SECONDS = 10.0
"""Time between two progress events."""

_FIELDS = "facebatch_fields"
"""Attribute of a log record that carries an event's fields."""

_SAID = "_facebatch_said"
"""Attribute of an error that was said already."""

_COUNTS = ("extracted", "duplicates", "moved", "touched", "quarantined", "reasons", "faces")
"""What the end of a run says of its extraction."""

_EVENTS = logging.getLogger("facebatch.events")
_EVENTS.setLevel(logging.INFO)
_EVENTS.propagate = False
_EVENTS.addHandler(logging.NullHandler())


def configure(format: Format, verbose: bool) -> None:  # noqa: A002 (it's the option's name)
    """Sets up logging to stderr for the rest of the process.

    As text, other packages' messages are kept off the terminal unless ``verbose`` asks for them.
    As JSON, there are all events, and messages from WARNING on, or from INFO on with ``verbose``.
    """
    if format == "text":
        level = logging.INFO if verbose else logging.CRITICAL
        logging.basicConfig(level=level, stream=sys.stderr)
        _EVENTS.handlers = [logging.NullHandler()]
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JsonLines())
        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING, handlers=[handler], force=True
        )
        _EVENTS.handlers = [handler]
        logging.captureWarnings(verbose)
    if not verbose:
        warnings.simplefilter("ignore")


def parse_format(text: str) -> Format:
    """Returns the format that an option names.

    Raises:
        UsageError: There is none of that name.
    """
    from facebatch.errors import UsageError

    for known in FORMATS:
        if known == text:
            return known
    raise UsageError(f"--log-format {text!r}: it is one of {', '.join(FORMATS)}")


def in_json() -> bool:
    """Tells whether stderr is for JSON lines alone."""
    return any(isinstance(handler.formatter, _JsonLines) for handler in _EVENTS.handlers)


def event(name: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Says that something happened; only in JSON.

    Args:
        name: What happened, in snake case.
        level: A level of `logging`.
        fields: What else there is to say, as plain data; None is left out.
    """
    _EVENTS.log(level, name, extra={_FIELDS: fields})


def run_started(command: str, roots: Sequence[str], collection: str, **settings: Any) -> None:
    """Says which command begins, over which roots.

    Args:
        command: Its name.
        roots: Names of the roots.
        collection: URL of the collection.
        settings: Whatever else is worth saying.
    """
    from facebatch import __version__

    event(
        "run_started",
        command=command,
        version=__version__,
        roots=list(roots),
        collection=collection,
        **settings,
    )


def waiting(message: str) -> None:
    """Says what a run waits for: on the terminal as a line, in JSON as an event.

    Args:
        message: One line, without anything secret.
    """
    event("waiting", level=logging.WARNING, message=message)
    if not in_json():
        print(f"facebatch: {message}", file=sys.stderr, flush=True)  # noqa: T201


def failed(error: BaseException, exit_code: int) -> None:
    """Says what ended a command, once for each error; a bug's traceback included."""
    from facebatch.errors import FacebatchError

    if getattr(error, _SAID, False):
        return
    setattr(error, _SAID, True)
    is_bug = not isinstance(error, FacebatchError | KeyboardInterrupt)
    event(
        "error",
        level=logging.ERROR,
        kind=type(error).__name__,
        message=str(error),
        exit_code=exit_code,
        traceback="".join(traceback.format_exception(error)) if is_bug else None,
    )


def run_finished(exit_code: int, seconds: float, summary: Mapping[str, Any]) -> None:
    """Says how a command ended.

    Args:
        exit_code: What the process ends with.
        seconds: How long it took.
        summary: As `Run.as_json` or `Extraction.as_json` of the pipelines gives it; empty where
            there is none.
    """
    done = summary.get("extract", summary)
    counts = {name: done.get(name) for name in _COUNTS}
    people = summary.get("people", {}).get("active")
    event(
        "run_finished",
        level=logging.INFO if exit_code == 0 else logging.ERROR,
        exit_code=exit_code,
        seconds=round(seconds, 2),
        **counts,
        people=people,
    )


@contextmanager
def stage(name: str) -> Iterator[dict[str, Any]]:
    """Times a stage and says when it is finished; one that raises isn't.

    Args:
        name: Name of the stage.

    Yields:
        A dictionary for what else is to be said, such as ``unchanged``. Afterwards it holds
        ``seconds`` too.
    """
    begun = time.monotonic()
    said: dict[str, Any] = {}
    yield said
    said["seconds"] = round(time.monotonic() - begun, 2)
    event("stage_finished", stage=name, **said)


def progress_events(
    every: float = PROGRESS_SECONDS, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Returns a function that says how far an extraction is, for whoever follows it.

    It says the plan once, as soon as there is one, and from then on the progress now and then.

    Args:
        every: Least time between two progress events, seconds.
        clock: Gives the time, seconds.
    """
    begun: float | None = None
    said_at = 0.0

    def show(progress: Progress | Step) -> None:
        nonlocal begun, said_at
        if isinstance(progress, Step) or progress.plan is None:
            return
        now = clock()
        if begun is None:
            begun = said_at = now
            event("plan", **progress.plan.as_json())
        elif now - said_at >= every:
            said_at = now
            event("progress", **_progress_fields(progress, now - begun))

    return show


def _progress_fields(progress: Progress, elapsed: float) -> dict[str, Any]:
    """Returns how far an extraction is, some seconds after its plan."""
    rate = progress.items / elapsed if elapsed > 0 else 0.0
    left = progress.seconds_left
    to_extract = progress.plan.to_extract if progress.plan else 0
    return {
        "items": progress.items,
        "to_extract": to_extract,
        "faces": progress.faces,
        "duplicates": progress.duplicates,
        "failed": progress.quarantined,
        "items_per_second": round(rate, 2),
        "eta_seconds": None if left is None else round(left),
    }


class _JsonLines(logging.Formatter):
    """Turns log records into JSON objects of one line each."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end."""
        moment = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, _FIELDS, None)
        if fields is None:
            said |= {"event": "log", "logger": record.name, "message": record.getMessage()}
            if record.exc_info:
                said["traceback"] = self.formatException(record.exc_info)
        else:
            said["event"] = record.getMessage()
            said |= {name: value for name, value in fields.items() if name not in said}
        return json.dumps(_plain(said), allow_nan=False)


def _plain(value: Any) -> Any:
    """Returns a value as JSON can hold it, without None in objects and without secrets."""
    if isinstance(value, Mapping):
        items = ((str(name), _plain(part)) for name, part in value.items())
        return {name: part for name, part in items if part is not None}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    return public_text(str(value))
