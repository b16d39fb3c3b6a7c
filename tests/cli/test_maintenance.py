"""`compact` and `check`, as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.albums import Album
from support.program import facebatch

from facebatch.collection import Collection


@pytest.fixture
def url(undisturbed: Collection, tmp_path: Path) -> str:
    """A copy of a real collection, extracted by two workers."""
    return str(shutil.copytree(undisturbed.storage.url, tmp_path / "copy"))


def test_compact_says_what_it_would_do_does_it_and_then_has_nothing_to_do(url: str) -> None:
    before = Collection.open(url).snapshot()
    said = facebatch("compact", url, "--dry-run")
    assert f"{len(before.shards)} shards would become 1" in said.stdout
    assert Collection.open(url).snapshot().shards == before.shards
    done = facebatch("compact", url, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["shards_after"] == 1
    assert Collection.open(url).snapshot().faces_hash == before.faces_hash
    assert "nothing to merge: 1 shard" in facebatch("compact", url).stdout


def test_check_tells_damage_by_its_exit_code_repairs_it_and_a_run_makes_it_good(
    url: str, album: Album
) -> None:
    sound = facebatch("check", url)
    assert (sound.returncode, sound.stdout.splitlines()[-1]) == (0, "sound")
    collection = Collection.open(url)
    faces = collection.snapshot().faces_hash
    shard = collection.snapshot().shards[0]
    os.truncate(collection.storage.full_path(f"faces/{shard}.parquet"), 100)
    damaged = facebatch("check", url, "--json")
    assert damaged.returncode == 4
    summary = json.loads(damaged.stdout)
    assert (summary["sound"], summary["repaired"]) == (False, [])
    assert [problem["code"] for problem in summary["problems"]] == ["faces_unreadable"]
    repaired = facebatch("check", url, "--repair")
    assert repaired.returncode == 4, "it was damaged"
    assert f"repaired: media/{shard}.parquet" in repaired.stdout
    assert facebatch("check", url).returncode == 0
    run = facebatch("extract", str(album.folder), "--output", url)
    assert run.returncode == 0, run.stderr
    assert collection.snapshot().faces_hash == faces


@pytest.mark.parametrize("command", ["compact", "check"])
def test_no_collection_ends_with_2_and_one_line(command: str, tmp_path: Path) -> None:
    done = facebatch(command, str(tmp_path / "none"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
