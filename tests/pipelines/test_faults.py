"""Workers and launchers killed in mid-run, and what the same command makes of it afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from albums import Album
from equality import assert_equal_clusters, assert_equal_extractions
from program import command, facebatch, leftover_workers, workers_of

from facebatch.collection import Collection
from facebatch.config import ExtractSettings

DEAD_WORKER_SECONDS = 10
ORPHAN_SECONDS = 5
START_SECONDS = 60


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _nothing_outlives_a_failed_test() -> Iterator[None]:
    yield
    for launcher in _started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launcher.pid, signal.SIGKILL)
    _started.clear()


def start(album: Album, url: str) -> subprocess.Popen[str]:
    launcher = subprocess.Popen(
        command("run", str(album.folder), "--output", url, "--workers", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _started.append(launcher)
    return launcher


def wait_for_workers(launcher: subprocess.Popen[str]) -> list[psutil.Process]:
    deadline = time.monotonic() + START_SECONDS
    process = psutil.Process(launcher.pid)
    while time.monotonic() < deadline:
        if len(found := workers_of(process)) == 2:
            return found
        time.sleep(0.05)
    raise AssertionError("no workers came up")


def wait_for_a_shard(url: str, launcher: subprocess.Popen[str]) -> None:
    """Waits until the run is in the midst of its shards: one is committed."""
    folder = Path(url, "media")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and launcher.poll() is None:
        if folder.exists() and any(folder.glob("*.parquet")):
            return
        time.sleep(0.02)


def wait_until_no_worker_is_left(launcher: int) -> None:
    deadline = time.monotonic() + ORPHAN_SECONDS
    while leftover_workers(launcher) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert leftover_workers(launcher) == []


def finish(album: Album, url: str) -> Collection:
    done = facebatch("run", str(album.folder), "--output", url, "--workers", "2")
    assert done.returncode == 0, done.stderr
    return Collection.open(url)


def test_a_killed_worker_ends_the_run_and_the_same_command_finishes_it(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    launcher = start(album, url)
    workers = wait_for_workers(launcher)
    wait_for_a_shard(url, launcher)
    workers[0].kill()
    killed = time.monotonic()
    _, stderr = launcher.communicate(timeout=60)
    assert time.monotonic() - killed < DEAD_WORKER_SECONDS
    assert launcher.returncode == 1
    assert "worker process died" in stderr
    assert "Traceback" not in stderr
    wait_until_no_worker_is_left(launcher.pid)
    committed = set(Collection.open(url).snapshot().shards)
    collection = finish(album, url)
    assert committed <= set(collection.snapshot().shards)
    assert_equal_extractions(collection, undisturbed)
    assert_equal_clusters(collection, undisturbed)


def test_a_worker_killed_in_its_first_moment_ends_the_run_too(album: Album, tmp_path: Path) -> None:
    launcher = start(album, str(tmp_path / "collection"))
    process = psutil.Process(launcher.pid)
    deadline = time.monotonic() + START_SECONDS
    # Sooner than the launcher looks at its workers, which it does a few times a second.
    while not (children := process.children()) and time.monotonic() < deadline:
        time.sleep(0.001)
    children[0].kill()
    killed = time.monotonic()
    _, stderr = launcher.communicate(timeout=60)
    assert time.monotonic() - killed < DEAD_WORKER_SECONDS
    assert launcher.returncode == 1
    assert "worker process died" in stderr
    wait_until_no_worker_is_left(launcher.pid)


def test_a_killed_launcher_leaves_no_process_and_the_same_command_finishes(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    launcher = start(album, url)
    wait_for_workers(launcher)
    wait_for_a_shard(url, launcher)
    launcher.kill()
    launcher.communicate()
    wait_until_no_worker_is_left(launcher.pid)
    collection = finish(album, url)
    assert_equal_extractions(collection, undisturbed)
    assert_equal_clusters(collection, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_in_good_order(
    number: signal.Signals, album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    launcher = start(album, url)
    wait_for_workers(launcher)
    wait_for_a_shard(url, launcher)
    # A terminal sends Ctrl-C to every process of the group, a scheduler SIGTERM to the first.
    if number == signal.SIGINT:
        os.killpg(launcher.pid, number)
    else:
        launcher.send_signal(number)
    _, stderr = launcher.communicate(timeout=60)
    assert launcher.returncode == 130
    assert "the same command" in stderr
    wait_until_no_worker_is_left(launcher.pid)
    assert Collection.open(url).storage.files("attempts") == []
    assert_equal_extractions(finish(album, url), undisturbed)


def test_a_store_that_refuses_a_shard_ends_the_run_with_one_line(
    album: Album, tmp_path: Path
) -> None:
    collection = Collection.create(str(tmp_path / "collection"), ExtractSettings())
    collection.storage.write("faces", b"a file where the folder should be")
    done = facebatch("run", str(album.folder), "--output", collection.storage.url)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "can't be written" in done.stderr
    assert collection.snapshot().shards == ()


@pytest.mark.timeout(900)
def test_kills_at_random_moments_change_nothing(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    seed = int(os.environ.get("FACEBATCH_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"FACEBATCH_TEST_SEED={seed}")
    moments = random.Random(seed)
    for _ in range(5):
        launcher = start(album, url)
        workers = wait_for_workers(launcher)
        time.sleep(moments.uniform(0, 5))
        with contextlib.suppress(psutil.NoSuchProcess):
            moments.choice([*workers, psutil.Process(launcher.pid)]).kill()
        launcher.communicate(timeout=60)
        wait_until_no_worker_is_left(launcher.pid)
    collection = finish(album, url)
    assert_equal_extractions(collection, undisturbed)
    assert_equal_clusters(collection, undisturbed)
