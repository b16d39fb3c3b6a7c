"""Logs for machines: one JSON object a line, and no secrets in them."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from facebatch.errors import InputError, UsageError
from facebatch.extract.plan import Plan
from facebatch.extract.progress import Progress
from facebatch.monitor import logs
from facebatch.monitor.stages import Step

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with warnings.catch_warnings():
        yield
    logs.configure("text", verbose=False)
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capture: Capture) -> list[dict[str, object]]:
    said = capture.readouterr().err
    assert said == "" or said.endswith("\n")
    return [json.loads(line) for line in said.splitlines()]


def test_an_event_is_one_line_with_time_level_and_fields(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    logs.event("found", path="a\nb", count=3, share=float("nan"), reasons={"x": 1}, nothing=None)
    (said,) = lines(capsys)
    moment = datetime.fromisoformat(str(said.pop("time")))
    assert moment.utcoffset() == timedelta(0)
    assert said == {
        "level": "info",
        "event": "found",
        "path": "a\nb",
        "count": 3,
        "reasons": {"x": 1},
    }


def test_a_field_never_hides_what_every_line_has(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    logs.event("found", event="other", time="never")
    (said,) = lines(capsys)
    assert said["event"] == "found"
    assert said["time"] != "never"


def test_text_says_nothing_of_events(capsys: Capture) -> None:
    logs.configure("text", verbose=True)
    logs.event("found")
    assert not logs.in_json()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("verbose", "expected"), [(False, ["warning"]), (True, ["info", "warning"])]
)
def test_other_packages_are_heard_from_warning_on(
    verbose: bool, expected: list[str], capsys: Capture
) -> None:
    logs.configure("json", verbose=verbose)
    other = logging.getLogger("apache_beam.runners")
    other.info("starting %d workers", 3)
    other.warning("slow")
    said = lines(capsys)
    assert [line["level"] for line in said] == expected
    assert (said[-1]["event"], said[-1]["logger"]) == ("log", "apache_beam.runners")


def test_an_exception_stays_on_its_line(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("other").exception("it failed")
    (said,) = lines(capsys)
    assert "ValueError: bad" in str(said["traceback"])


def test_secrets_of_urls_are_in_no_line(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    signed = "https://host/a.jpg?X-Amz-Signature=s3cret&b=s3cret"
    logs.run_started("run", ["photos"], "sftp://me:s3cret@host/faces")
    logs.failed(InputError(f"{signed}: no answer"), 2)
    logging.getLogger("other").warning("retrying %s", signed)
    try:
        raise OSError(f"GET '{signed}' failed")
    except OSError as error:
        logs.failed(error, 1)
    said = capsys.readouterr().err
    assert "s3cret" not in said
    assert "sftp://host/faces" in said
    assert said.count("https://host/a.jpg") >= 3


def test_an_error_has_its_class_and_a_bug_its_traceback(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    logs.failed(InputError("no such root"), 2)
    logs.failed(KeyboardInterrupt(), 130)
    logs.failed(ZeroDivisionError("a bug"), 1)
    expected, stopped, bug = lines(capsys)
    assert (expected["kind"], expected["message"]) == ("InputError", "no such root")
    assert (expected["level"], expected["exit_code"]) == ("error", 2)
    assert "traceback" not in expected
    assert "traceback" not in stopped
    assert "ZeroDivisionError" in str(bug["traceback"])


def test_an_error_is_said_once(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    error = InputError("no such root")
    logs.failed(error, 2)
    logs.failed(error, 2)
    assert len(lines(capsys)) == 1


def test_a_format_that_is_none_is_refused() -> None:
    assert [logs.parse_format(name) for name in ("text", "json")] == ["text", "json"]
    with pytest.raises(UsageError, match="one of text, json"):
        logs.parse_format("xml")


def test_progress_is_said_now_and_then_and_the_plan_once(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    now = 100.0
    show = logs.progress_events(10.0, lambda: now)
    plan = Plan({"new": 40, "changed": 0, "retried": 0})
    show(Step("index"))
    for now, items in ((95.0, 0), (100.0, 0), (105.0, 5), (110.0, 20), (111.0, 21), (125.0, 30)):
        seen, left = (None, None) if now == 95.0 else (plan, 130.2 - now)
        failures = {"truncated": 1}
        show(Progress(seen, items=items, faces=2 * items, failures=failures, seconds_left=left))
    planned, *progress = lines(capsys)
    assert (planned["event"], planned["to_extract"]) == ("plan", 40)
    assert [(line["items"], line["faces"]) for line in progress] == [(20, 40), (30, 60)]
    assert [line["items_per_second"] for line in progress] == [2.0, 1.2]
    assert [line["eta_seconds"] for line in progress] == [20, 5]
    assert {line["failed"] for line in progress} == {1}


def test_a_stage_says_how_long_it_took_unless_it_raised(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    with logs.stage("index") as said:
        said["unchanged"] = True
    with pytest.raises(ZeroDivisionError), logs.stage("cluster"):
        raise ZeroDivisionError
    (line,) = lines(capsys)
    assert (line["event"], line["stage"], line["unchanged"]) == ("stage_finished", "index", True)
    assert line["seconds"] == said["seconds"]


def test_the_end_has_the_counts_of_run_and_of_extract(capsys: Capture) -> None:
    logs.configure("json", verbose=False)
    tried = {"extracted": 3, "duplicates": 1, "moved": 4, "touched": 5, "quarantined": 2}
    done = {**tried, "reasons": {"empty": 2}, "faces": 9}
    logs.run_finished(0, 1.5, {"extract": done, "people": {"active": 4}})
    logs.run_finished(3, 1.5, done)
    logs.run_finished(2, 0.1, {})
    run, extract, early = lines(capsys)
    assert done.items() <= run.items()
    assert run["people"] == 4
    assert done.items() <= extract.items()
    assert (extract["level"], extract["exit_code"]) == ("error", 3)
    assert "faces" not in early


def test_every_event_is_in_the_docs() -> None:
    source = Path(logs.__file__).read_text("utf-8")
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    events = set(re.findall(r'event\(\s*"(\w+)"', source)) | {"log"}
    assert len(events) == 8
    for name in events:
        assert f"| `{name}` |" in page
