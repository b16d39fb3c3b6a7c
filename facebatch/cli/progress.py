"""What a command is doing, and for how long still: live on a terminal, else a line now and then.

It goes to standard error. In JSON it is events, and where the summary is JSON nothing is shown.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from facebatch.monitor import logs
from facebatch.monitor.stages import Report, Step, nobody
from facebatch.storage.printable import count, duration

if TYPE_CHECKING:
    from rich.console import Console

    from facebatch.extract.progress import Progress

LINE_SECONDS = 60.0
"""Time between two lines about one stage, where there is no terminal."""

_NAMES = {
    "matches": "identification",
    "clusters": "clustering",
    "neighbors": "neighbours",
    "scores": "scoring",
}
"""What stages are called, where it isn't their names."""

_BAR_FROM_WIDTH = 100
"""Columns of a terminal from which on there is room for bars."""


@contextmanager
def shown(wanted: bool) -> Iterator[Report]:
    """Gives a function that shows the progress it is called with; at the end it is taken away.

    Args:
        wanted: Whether anything is to be shown at all.
    """
    if logs.in_json():
        yield logs.progress_events()
    elif not wanted:
        yield nobody
    elif console := _terminal():
        with live(console) as report:
            yield report
    else:
        with lines(lambda text: print(text, file=sys.stderr, flush=True)) as report:  # noqa: T201
            yield report


def _terminal() -> Console | None:
    """Returns standard error where it is a terminal on which lines can be taken away again."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return None if console.is_dumb_terminal else console


@dataclass
class Stage:
    """A stage that has begun.

    Args:
        name: What it is called.
        number: The stages' own, in the order in which they begin.
        begun: When, by the clock.
        said: How far it is, as it said last.
        ended: When; None while it goes on.
    """

    name: str
    number: int
    begun: float
    said: Progress | Step | None = None
    ended: float | None = field(default=None, init=False)

    def counts(self) -> str:
        """Returns how far it is: ``800 of 1,549 items, 900 faces, 3 failed, 51.2/s``."""
        said = self.said
        if isinstance(said, Step):
            counted = f"{said.done:,} of {said.total:,}" if said.total else ""
            return ", ".join(filter(None, [counted, said.note]))
        if said is None:
            return ""
        if self.name == "listing":
            if said.plan is None and said.planned:
                return f"{said.planned:,} of {count(said.listed, 'item')} planned"
            if said.plan is None:
                return f"{count(said.listed, 'item')} so far" if said.listed else ""
            gone = ("vanished", "excluded")
            there = sum(n for state, n in said.plan.states.items() if state not in gone)
            return f"{count(there, 'item')}, {said.plan.to_extract:,} to extract"
        parts = [_items(said), count(said.faces, "face")]
        if said.quarantined:
            parts.append(f"{said.quarantined:,} failed")
        if said.items and said.seconds:
            parts.append(f"{said.items / said.seconds:.1f}/s")
        return ", ".join(parts)

    def left(self, now: float) -> str:
        """Returns how long it takes still: ``about 20 s left``; empty where nothing tells."""
        said = self.said
        seconds = None
        if isinstance(said, Step):
            if said.total and said.done:
                seconds = (now - self.begun) * (said.total - said.done) / said.done
        elif said is not None and self.name != "listing":
            seconds = said.seconds_left
        return "" if seconds is None else f"{about(seconds)} left"

    def share(self) -> float | None:
        """Returns which share of it is done; None where nothing tells."""
        said = self.said
        if isinstance(said, Step):
            return said.done / said.total if said.total else None
        if said is None or said.plan is None or not said.plan.to_extract:
            return None
        return said.items / said.plan.to_extract


def _items(said: Progress) -> str:
    wanted = said.plan.to_extract if said.plan else said.items
    return f"{said.items:,} of {count(wanted, 'item')}"


def about(seconds: float) -> str:
    """Returns a time as precisely as it is known: ``about 40 s``, ``about 3 min``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 100:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


class Followed:
    """The stages that a command has begun, told by what it reports.

    Args:
        changed: Called with a stage that begins, goes on or ends.
        clock: Gives the time, seconds.
    """

    def __init__(
        self, changed: Callable[[Stage], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._open: list[Stage] = []
        self._begun = 0

    @property
    def current(self) -> Stage | None:
        """The stage that the command is in."""
        return self._open[-1] if self._open else None

    def report(self, said: Progress | Step) -> None:
        """Takes notice of a report."""
        if isinstance(said, Step):
            stage = self._enter(_NAMES.get(said.stage, said.stage), said.within)
        else:
            stage = self._enter_extraction(said)
        stage.said = said
        self._changed(stage)

    def end(self) -> None:
        """Ends all stages."""
        self._leave(0)

    def _enter_extraction(self, said: Progress) -> Stage:
        if said.plan is None:
            return self._enter("listing")
        if self.current and self.current.name == "listing":
            self.current.said = said
        # Where nothing is to be done there is no other stage.
        return self._enter("extraction" if said.plan.to_extract else "listing")

    def _enter(self, name: str, within: str | None = None) -> Stage:
        names = [stage.name for stage in self._open]
        outer = _NAMES.get(within, within) if within else None
        if name in names:
            self._leave(names.index(name) + 1)
        else:
            self._leave(names.index(outer) + 1 if outer in names else 0)
            self._open.append(Stage(name, self._begun, self._clock()))
            self._begun += 1
        return self._open[-1]

    def _leave(self, kept: int) -> None:
        while len(self._open) > kept:
            stage = self._open.pop()
            stage.ended = self._clock()
            self._changed(stage)


@contextmanager
def lines(
    say: Callable[[str], None],
    every: float = LINE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Report]:
    """Gives a function that says when a stage begins and ends, and now and then how far it is.

    Args:
        say: Says one line.
        every: Seconds between two lines about one stage.
        clock: Gives the time, seconds.
    """
    begun: set[int] = set()
    lock = threading.RLock()
    is_over = threading.Event()

    def changed(stage: Stage) -> None:
        if stage.number not in begun:
            begun.add(stage.number)
            about_it = [_first(stage), stage.left(clock())]
            say(_joined(f"{stage.name} begins", about_it))
        if stage.ended is not None:
            say(_joined(stage.name, [stage.counts(), duration(stage.ended - stage.begun)]))

    followed = Followed(changed, clock)

    def report(said: Progress | Step) -> None:
        with lock:
            followed.report(said)

    def tell() -> None:
        while not is_over.wait(every):
            with lock:
                stage = followed.current
                if stage is not None:
                    parts = [stage.counts(), stage.left(clock())]
                    parts = parts if any(parts) else [f"{duration(clock() - stage.begun)} so far"]
                    say(_joined(stage.name, parts))

    threading.Thread(target=tell, name="progress", daemon=True).start()
    try:
        yield report
        with lock:
            followed.end()
    finally:
        is_over.set()


def _first(stage: Stage) -> str:
    """Returns what is known of a stage when it begins."""
    said = stage.said
    if said is None or isinstance(said, Step) or said.plan is None or stage.name == "listing":
        return ""
    return count(said.plan.to_extract, "item")


def _joined(name: str, parts: list[str]) -> str:
    told = ", ".join(part for part in parts if part)
    return f"{name}: {told}" if told else name


@contextmanager
def live(console: Console) -> Iterator[Report]:
    """Gives a function that shows all stages on a terminal, one below the other.

    Args:
        console: The terminal. What is written to standard error meanwhile appears above.
    """
    from rich import progress as bars
    from rich.table import Column

    columns = [
        bars.SpinnerColumn(finished_text="✓"),
        bars.TextColumn("{task.description}", markup=False),
        bars.TimeElapsedColumn(),
        bars.TextColumn("{task.fields[told]}", markup=False, table_column=Column(no_wrap=True)),
    ]
    if console.width >= _BAR_FROM_WIDTH:
        columns.insert(3, bars.BarColumn(bar_width=20))
    tasks: dict[int, bars.TaskID] = {}
    # Standard output may be a file, and is none of the display's business.
    with bars.Progress(*columns, console=console, transient=True, redirect_stdout=False) as display:

        def changed(stage: Stage) -> None:
            if stage.number not in tasks:
                tasks[stage.number] = display.add_task(stage.name, total=None, told="")
            task = tasks[stage.number]
            if stage.ended is not None:
                display.update(task, total=1.0, completed=1.0, told=stage.counts())
                return
            share = stage.share()
            parts = [stage.counts(), stage.left(time.monotonic())]
            told = ", ".join(part for part in parts if part)
            display.update(task, told=told)
            if share is not None:
                display.update(task, total=1.0, completed=min(share, 0.999))

        followed = Followed(changed)
        yield followed.report
        followed.end()
