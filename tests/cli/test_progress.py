"""What is shown while a command works: on a terminal, in a file, and where nothing is to be."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest
from rich.console import Console
from support.albums import Album
from support.program import command, facebatch

from facebatch.cli import progress
from facebatch.extract.plan import Plan
from facebatch.extract.progress import Progress
from facebatch.monitor.stages import Report, Step, telling

PLAN = Plan({"new": 1500, "unchanged": 49, "vanished": 3}, cost=90_000)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def work(report: Report, clock: Clock) -> None:
    """Reports what a run does."""
    report(Progress())
    clock.now = 1.2
    report(Progress(listed=800))
    clock.now = 2.0
    report(Progress(PLAN, seconds_left=45.0))
    clock.now = 17.0
    failures = {"truncated": 2, "empty": 1}
    seen = {"items": 800, "faces": 900, "failures": failures, "seconds": 15.0}
    report(Progress(PLAN, seconds_left=14.0, **seen))
    clock.now = 31.0
    report(Step("clusters"))
    clock.now = 31.5
    telling(report, lambda tell: tell(300, 400))()
    clock.now = 40.0
    report(Step("people"))


def test_without_a_terminal_stages_are_said_as_they_begin_and_end() -> None:
    said: list[str] = []
    clock = Clock()
    with progress.lines(said.append, clock=clock) as report:
        work(report, clock)
        clock.now = 40.5
    assert said == [
        "listing begins",
        "listing: 1,549 items, 1,500 to extract, 2.0 s",
        "extraction begins: 1,500 items, about 40 s left",
        "extraction: 800 of 1,500 items, 900 faces, 3 failed, 53.3/s, 29.0 s",
        "clustering begins",
        "neighbours begins",
        "neighbours: 300 of 400, 0.0 s",
        "clustering: 9.0 s",
        "people begins",
        "people: 0.5 s",
    ]


def test_now_and_then_it_is_said_how_far_a_stage_is() -> None:
    said: list[str] = []
    clock = Clock()
    with progress.lines(said.append, every=0.01, clock=clock) as report:
        report(Progress(PLAN, items=750, seconds=10.0, seconds_left=300.0))
        while said.count("extraction: 750 of 1,500 items, 0 faces, 75.0/s, about 5 min left") < 2:
            pass
        report(Step("index"))
        clock.now = 3.0
        while "index: 3.0 s so far" not in said:
            pass


def test_it_is_said_how_many_of_the_listed_files_are_planned() -> None:
    following = progress.Followed(lambda stage: None, Clock())
    for said, told in (
        (Progress(listed=5_000_000), "5,000,000 items so far"),
        (Progress(listed=5_000_000, planned=2_000_000), "2,000,000 of 5,000,000 items planned"),
    ):
        following.report(said)
        assert following.current is not None
        assert following.current.counts() == told


def test_where_nothing_is_to_be_extracted_there_is_no_extraction() -> None:
    said: list[str] = []
    with progress.lines(said.append, clock=Clock()) as report:
        report(Progress())
        report(Progress(Plan({"unchanged": 49})))
    assert said == ["listing begins", "listing: 49 items, 0 to extract, 0.0 s"]


def test_a_stage_that_an_error_ends_isnt_said_to_be_done() -> None:
    said: list[str] = []
    following = progress.lines(said.append, clock=Clock())
    report = following.__enter__()
    report(Step("index"))
    assert not following.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert said == ["index begins"]


@pytest.mark.parametrize("ended_by", [None, KeyboardInterrupt, ZeroDivisionError])
def test_on_a_terminal_the_display_is_taken_down(ended_by: type[BaseException] | None) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, height=30)
    try:
        with progress.live(console) as report:
            work(report, Clock())
            if ended_by is not None:
                raise ended_by
    except (KeyboardInterrupt, ZeroDivisionError):
        pass
    assert "800 of 1,500 items, 900 faces, 3 failed, 53.3/s" in written.getvalue()
    assert screen(written.getvalue()) == []
    assert written.getvalue().rindex("\x1b[?25h") > written.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (3, "a few seconds"),
        (44, "about 40 s"),
        (100, "about 2 min"),
        (3599, "about 60 min"),
        (5400, "about 1.5 h"),
    ],
)
def test_a_time_is_told_as_precisely_as_it_is_known(seconds: float, told: str) -> None:
    assert progress.about(seconds) == told


def test_a_run_in_a_terminal_leaves_its_summary_and_nothing_else(
    album: Album, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    name = next(file.path for file in album.truth.files if len(file.faces) == 1)
    (photos / "a.jpg").write_bytes((album.folder / name).read_bytes())
    written = in_terminal("extract", str(photos), "-o", str(tmp_path / "c"))
    assert "listing" in written
    summary, step = screen(written)
    assert re.fullmatch(r"extracted 1 item, 1 face in [\d.]+ s \([\d.]+ items/s\)", summary)
    assert step.startswith("next: `facebatch index ")
    again = facebatch("extract", str(photos), "-o", str(tmp_path / "c"))
    assert again.stderr.splitlines()[0] == "listing begins"
    dumb = in_terminal("extract", str(photos), "-o", str(tmp_path / "c"), terminal="dumb")
    assert "\x1b" not in dumb
    assert dumb.splitlines()[0] == "listing begins"
    for silent in (("--json",), ("--quiet",)):
        assert facebatch("extract", str(photos), "-o", str(tmp_path / "c"), *silent).stderr == ""
    logged = facebatch("extract", str(photos), "-o", str(tmp_path / "c"), "--log-format", "json")
    assert {json.loads(line)["event"] for line in logged.stderr.splitlines()} == {
        "run_started",
        "plan",
        "run_finished",
    }


def in_terminal(*arguments: str, terminal: str = "xterm") -> str:
    """What the program writes to a terminal that is both its output and its errors."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": terminal, "COLUMNS": "100", "LINES": "30"}
    environment["FACEBATCH_BEAM_OPTIONS"] = "--direct_running_mode=in_memory"
    program = subprocess.Popen(
        command(*arguments), stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    written = b""
    while True:
        if not select.select([master], [], [], 300)[0]:
            program.kill()
            pytest.fail("the program writes nothing and doesn't end")
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # as Linux tells that nobody writes any more
            part = b""
        if not part:
            break
        written += part
    os.close(master)
    assert program.wait() == 0, written
    return written.decode()


def screen(written: str) -> list[str]:
    """The lines that stand on a terminal in the end; those that are empty left out."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|[^\x1b]", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
            column = 0 if written.find("\r\n") < 0 else column
        elif part == "\r":
            column = 0
        elif part.startswith("\x1b["):
            if part.endswith("A"):
                row -= int(part[2:-1] or 1)
            elif part.endswith("K"):
                lines[row] = ""
        else:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]
