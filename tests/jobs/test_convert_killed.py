"""A conversion killed at several moments, and what the same command makes of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.convertible import NAME
from support.equality import assert_equal_extractions
from support.program import command, facebatch

from facebatch import tables
from facebatch.collection import Collection, integrity
from facebatch.collection.collection import read_info
from facebatch.people import PeopleView
from facebatch.storage.store import Storage

LONGEST_SECONDS = 120
Moment = Callable[[Path, int], bool]


def shards_of(target: Path) -> int:
    """The shards that are committed; a file that is being written has another name."""
    return len(Storage(str(target)).files("media"))


MOMENTS: dict[str, Moment] = {
    "when it has begun": lambda target, _: (target / "conversion.json").exists(),
    "with faces that no media file commits": lambda target, _: any(
        (target / "faces").glob("[!.]*.parquet")
    ),
    "after the first shard": lambda target, _: shards_of(target) >= 1,
    "half through": lambda target, shards: 2 * shards_of(target) >= shards,
    "after the last shard": lambda target, shards: shards_of(target) == shards,
    "while people are taken over": lambda target, _: (target / "people").exists(),
}


def arguments(source: Collection, target: Path) -> list[str]:
    words = ["convert", source.storage.url, "--output", str(target), "--embedder", "dlib-resnet"]
    return [*words, "--workers", "2", "--json"]


def killed_at(moment: Moment, source: Collection, target: Path) -> bool:
    """Starts the command, kills it and its workers, and tells whether that was before its end."""
    shards = len(source.snapshot().shards)
    launcher = subprocess.Popen(
        command(*arguments(source, target)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not moment(target, shards) and launcher.poll() is None:
            assert time.monotonic() < deadline, "the moment never came"
            time.sleep(0.002)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launcher.pid, signal.SIGKILL)
    return launcher.wait() == -signal.SIGKILL


def finished(source: Collection, target: Path) -> dict[str, object]:
    done = facebatch(*arguments(source, target))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def assert_as_undisturbed(target: Path, converted: Collection) -> None:
    made = Collection.open(str(target))
    assert_equal_extractions(made, converted)
    assert made.snapshot().shards == converted.snapshot().shards
    columns = ["chip_to_picture", "landmarks"]
    mine, theirs = (each.snapshot().faces(columns) for each in (made, converted))
    for column in columns:
        assert np.array_equal(tables.matrix(mine[column]), tables.matrix(theirs[column]))
    people, others = PeopleView.of(made), PeopleView.of(converted)
    assert (people.owner, people.faces) == (others.owner, others.faces)
    assert [one.name for one in people.by_name(NAME)] == [NAME]
    assert integrity.check(str(target), deep=True).problems == ()
    assert not (target / "conversion.json").exists()


@pytest.mark.full
@pytest.mark.parametrize(
    "when", ["when it has begun", "half through", "while people are taken over"]
)
def test_the_same_command_finishes_what_was_killed(
    when: str, source: Collection, converted: Collection, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    before = source.snapshot()
    assert len(before.shards) > 3
    if killed_at(MOMENTS[when], source, target):
        assert shards_of(target) <= len(before.shards)
    there = shards_of(target)
    done = finished(source, target)
    assert done["converted_shards"] in (len(before.shards) - there, 0)
    assert_as_undisturbed(target, converted)
    after = source.snapshot()
    assert (after.shards, after.faces_hash) == (before.shards, before.faces_hash)


@pytest.mark.full
def test_one_that_is_killed_again_and_again_loses_no_shard_that_was_done(
    source: Collection, converted: Collection, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    done = 0
    for moment in MOMENTS.values():
        if read_info(str(target)) is None:
            killed_at(moment, source, target)
        assert shards_of(target) >= done
        done = shards_of(target)
    finished(source, target)
    assert_as_undisturbed(target, converted)


@pytest.mark.full
def test_one_that_was_cut_off_at_its_last_line_is_done_and_loses_nothing(
    source: Collection, converted: Collection, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    assert killed_at(MOMENTS["when it has begun"], source, target)
    begun = (target / "conversion.json").read_bytes()
    finished(source, target)
    (target / "conversion.json").write_bytes(begun)
    kept = (target / "sources.json").read_bytes()
    (target / "sources.json").write_bytes(kept + b"\n")  # as a run that came after would
    assert finished(source, target)["converted_shards"] == 0
    assert (target / "sources.json").read_bytes() == kept + b"\n"
    assert_as_undisturbed(target, converted)
    again = facebatch(*arguments(source, target))
    assert (again.returncode, "is a collection already" in again.stderr) == (2, True)
