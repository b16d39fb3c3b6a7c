"""The metrics file, as Prometheus' own parser reads it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import InputError, UsageError
from facebatch.monitor.metrics import Sample, check_target, exposition, sample_of, write

parser = pytest.importorskip("prometheus_client.parser")

EXTRACT = {
    "plan": {"new": 15},
    "extracted": 3,
    "duplicates": 1,
    "moved": 4,
    "touched": 5,
    "quarantined": 2,
    "reasons": {"empty": 1, "truncated": 1},
    "faces": 9,
    "seconds": 4.5,
}
RUN = {
    "extract": EXTRACT,
    "index": {"faces": 90},
    "people": {"active": 7},
    "stage_seconds": {"index": 0.5},
}
HOLDING = {
    "media": {"ok": 30, "duplicate": 2, "quarantined": 4},
    "reasons": {"empty": 4},
    "faces": 90,
    "people": 7,
    "bytes": 123_456,
}


def values(text: str) -> dict[tuple[str, str], float]:
    """Returns every value by metric and the value of its second label."""
    read: dict[tuple[str, str], float] = {}
    for family in parser.text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for line in family.samples:
            assert line.name == family.name
            labels = {k: v for k, v in line.labels.items() if k != "collection"}
            read[line.name.removeprefix("facebatch_"), *(labels.values() or ("",))] = line.value
    return read


def sample(summary: dict[str, Any], exit_code: int = 0, **known: Any) -> Sample:
    fixed = {"collection": "faces", "exit_code": exit_code, "finished": 1.75e9, "seconds": 60.25}
    return sample_of(summary, **{**fixed, **known})


def test_everything_that_is_known_of_a_run_is_there() -> None:
    assert values(exposition(sample(RUN, holding=HOLDING))) == {
        ("run_timestamp_seconds", ""): 1.75e9,
        ("run_success", ""): 1,
        ("run_exit_code", ""): 0,
        ("run_duration_seconds", ""): 60.25,
        ("last_success_timestamp_seconds", ""): 1.75e9,
        ("stage_duration_seconds", "extract"): 4.5,
        ("stage_duration_seconds", "index"): 0.5,
        ("new_items", ""): 15,
        ("new_quarantined_items", "empty"): 1,
        ("new_quarantined_items", "truncated"): 1,
        ("items", "ok"): 30,
        ("items", "duplicate"): 2,
        ("items", "quarantined"): 4,
        ("quarantined_items", "empty"): 4,
        ("faces", ""): 90,
        ("people", ""): 7,
        ("collection_bytes", ""): 123_456,
    }


def test_an_extraction_and_an_early_end_say_what_they_know() -> None:
    extracted = values(exposition(sample(EXTRACT)))
    assert extracted["new_items", ""] == 15
    assert ("people", "") not in extracted
    early = values(exposition(sample({}, exit_code=2)))
    assert early == {
        ("run_timestamp_seconds", ""): 1.75e9,
        ("run_success", ""): 0,
        ("run_exit_code", ""): 2,
        ("run_duration_seconds", ""): 60.25,
    }


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]) | st.just("\n")))
def test_any_collections_name_comes_through(name: str) -> None:
    text = exposition(sample({}, collection=name))
    (family, *_) = parser.text_string_to_metric_families(text)
    assert family.samples[0].labels == {"collection": name}


def test_a_failed_run_keeps_the_time_of_the_last_good_one(tmp_path: Path) -> None:
    path = tmp_path / "faces.prom"
    write(path, sample(RUN, finished=1_750_000_000.25))
    write(path, sample({}, exit_code=1, finished=1_750_086_400.0))
    read = values(path.read_text())
    assert read["last_success_timestamp_seconds", ""] == 1_750_000_000.25
    assert read["run_timestamp_seconds", ""] == 1_750_086_400.0
    assert read["run_success", ""] == 0


@pytest.mark.parametrize("before", [b"", b"\xff\xfe", b"facebatch_last_success_times"])
def test_a_damaged_file_is_written_anew(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "faces.prom"
    path.write_bytes(before)
    write(path, sample({}, exit_code=1))
    assert ("last_success_timestamp_seconds", "") not in values(path.read_text())


def test_the_collector_can_read_the_file_and_sees_no_other(tmp_path: Path) -> None:
    write(tmp_path / "faces.prom", sample(RUN))
    assert [path.name for path in tmp_path.iterdir()] == ["faces.prom"]
    assert stat.S_IMODE((tmp_path / "faces.prom").stat().st_mode) & 0o400


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        check_target(tmp_path / "none" / "faces.prom")
    with pytest.raises(UsageError, match="it is a folder"):
        check_target(tmp_path)
    check_target(tmp_path / "faces.prom")
    with pytest.raises(InputError, match="can't be written"):
        write(tmp_path / "none" / "faces.prom", sample(RUN))


def test_every_metric_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
    for name, _ in values(exposition(sample(RUN, holding=HOLDING))):
        assert f"`facebatch_{name}" in page
