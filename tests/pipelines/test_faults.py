"""Workers and launchers killed in mid-run, and what the same command makes of it afterwards."""

from __future__ import annotations

import contextlib
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import poisoned
from support.albums import Album
from support.equality import assert_equal_clusters, assert_equal_extractions
from support.examples import examples
from support.faulty import FullFileSystem
from support.pictures import encode
from support.program import command, facebatch, leftover_workers, told, workers_of

from facebatch.collection import Collection
from facebatch.collection.lease import Lease
from facebatch.config import Execution, ExtractSettings, RunSettings
from facebatch.demo.render import render_face
from facebatch.errors import CollectionError, StageFailed
from facebatch.extract.items import Item
from facebatch.extract.plan import cut
from facebatch.jobs.run import run_extract
from facebatch.media.sources.listing import MediaFile, list_root
from facebatch.media.sources.roots import Root
from facebatch.pipelines.extract import ExtractShard

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


def start(
    album: Album, url: str, *options: str, stage: str = "extract", workers: int = 2
) -> subprocess.Popen[str]:
    photos = str(album.folder)
    launcher = subprocess.Popen(
        command(stage, photos, "--output", url, "--workers", str(workers), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _started.append(launcher)
    return launcher


def wait_for_workers(launcher: subprocess.Popen[str], workers: int = 2) -> list[psutil.Process]:
    deadline = time.monotonic() + START_SECONDS
    process = psutil.Process(launcher.pid)
    while time.monotonic() < deadline:
        if len(found := workers_of(process)) == workers:
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


def finish(album: Album, url: str, *, stage: str = "extract") -> Collection:
    """Runs the same command to its end, in one process: how many there are is no part of it."""
    done = facebatch(stage, str(album.folder), "--output", url)
    assert done.returncode == 0, done.stderr
    return Collection.open(url)


def test_a_killed_worker_ends_the_run_and_the_same_command_finishes_it(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    launcher = start(album, url, stage="run")
    workers = wait_for_workers(launcher)
    wait_for_a_shard(url, launcher)
    workers[0].kill()
    killed = time.monotonic()
    _, stderr = launcher.communicate(timeout=60)
    assert time.monotonic() - killed < DEAD_WORKER_SECONDS
    assert launcher.returncode == 1
    assert "worker process died" in stderr
    assert len(told(stderr)) == 1  # nothing of Beam's or gRPC's own
    wait_until_no_worker_is_left(launcher.pid)
    committed = set(Collection.open(url).snapshot().shards)
    collection = finish(album, url, stage="run")
    assert committed <= set(collection.snapshot().shards)
    assert_equal_extractions(collection, undisturbed)
    assert_equal_clusters(collection, undisturbed)


@pytest.mark.full
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
    launcher = start(album, url, workers=1)
    wait_for_workers(launcher, 1)
    wait_for_a_shard(url, launcher)
    launcher.kill()
    launcher.communicate()
    wait_until_no_worker_is_left(launcher.pid)
    assert_equal_extractions(finish(album, url), undisturbed)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)]
)
def test_an_interrupted_run_ends_in_good_order(
    number: signal.Signals, album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    launcher = start(album, url, workers=1)
    wait_for_workers(launcher, 1)
    wait_for_a_shard(url, launcher)
    # A terminal sends Ctrl-C to every process of the group, a scheduler SIGTERM to the first.
    if number == signal.SIGINT:
        os.killpg(launcher.pid, number)
    else:
        launcher.send_signal(number)
    _, stderr = launcher.communicate(timeout=60)
    assert launcher.returncode == 130
    [line] = told(stderr)
    assert "the same command" in line
    wait_until_no_worker_is_left(launcher.pid)
    assert Collection.open(url).storage.files("attempts") == []
    assert_equal_extractions(finish(album, url), undisturbed)


def test_a_store_that_refuses_a_shard_ends_the_run_with_one_line(
    album: Album, tmp_path: Path
) -> None:
    collection = Collection.create(str(tmp_path / "collection"), ExtractSettings())
    collection.storage.write("faces", b"a file where the folder should be")
    done = facebatch("extract", str(album.folder), "--output", collection.storage.url)
    assert done.returncode == 1
    assert len(told(done.stderr)) == 1
    assert "can't be written" in done.stderr
    assert collection.snapshot().shards == ()


def test_a_photo_that_crashes_or_hangs_its_decoder_costs_itself_only(
    album: Album, undisturbed: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / album.folder.name
    shutil.copytree(album.folder, photos)
    (photos / "crashes.jpg").write_bytes(poisoned.CRASHES)
    (photos / "hangs.jpg").write_bytes(poisoned.HANGS)
    url = str(tmp_path / "collection")
    # The run isn't started with these variables, but its decoders are.
    for name, value in poisoned.environment().items():
        monkeypatch.setenv(name, value)
    extract = ("extract", str(photos), "--output", url)
    done = facebatch(*extract, "--max-seconds", "2")
    assert done.returncode == 0, done.stderr
    assert "nothing to extract" in facebatch(*extract).stdout
    collection = Collection.open(url)
    rows = collection.snapshot().media.select(["path", "reason"]).to_pylist()
    reasons = {row["path"]: row["reason"] for row in rows}
    assert (reasons.pop("crashes.jpg"), reasons.pop("hangs.jpg")) == ("crashed", "too_slow")
    assert len(reasons) == len(undisturbed.snapshot().media)
    assert collection.snapshot().face_ids.tolist() == undisturbed.snapshot().face_ids.tolist()


def test_two_runs_at_once_give_what_one_gives(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    here = ("--", "--direct_running_mode=in_memory")
    launchers = [start(album, url, *here, stage="run") for _ in range(2)]
    for launcher in launchers:
        _, stderr = launcher.communicate(timeout=120)
        assert launcher.returncode == 0, stderr
        assert told(stderr) == []
    collection = Collection.open(url)
    assert_equal_extractions(collection, undisturbed)
    assert_equal_clusters(collection, undisturbed)


def test_a_disk_that_is_full_ends_the_run_with_one_line_and_loses_nothing(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")

    def no_large_files() -> None:
        # As a full disk does, it lets small files through and refuses larger ones in their midst.
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        command("extract", str(album.folder), "-o", url, "--workers", "1", "--no-guard"),
        preexec_fn=no_large_files,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert len(told(done.stderr)) == 1
    assert "can't be written" in done.stderr
    assert_equal_extractions(finish(album, url), undisturbed)


IN_THIS_PROCESS = RunSettings(guard=False, beam_options=("--direct_running_mode=in_memory",))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Root, Collection]:
    """A few photos in several folders, and an undisturbed extraction of them."""
    place = tmp_path_factory.mktemp("small")
    for number in range(4):
        photo = place / "photos" / str(number % 2) / f"{number}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(encode(render_face(number, size=160)))
    root = Root("photos", str(place / "photos"))
    return root, night(root, str(place / "collection"))


def night(root: Root, url: str) -> Collection:
    collection = Collection.create(url, ExtractSettings())
    run_extract([root], collection, IN_THIS_PROCESS, lambda progress: None)
    return collection


@examples(2, 8)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=3))
def test_after_any_sequence_of_faults_the_tables_are_those_of_an_undisturbed_run(
    small: tuple[Root, Collection], tmp_path_factory: pytest.TempPathFactory, rooms: list[int]
) -> None:
    """Each night the store takes so many files, and then no more; the last night takes all."""
    root, expected = small
    url = f"full://{tmp_path_factory.mktemp('full')}/collection"
    try:
        for room in rooms:
            FullFileSystem.room = room
            with contextlib.suppress(CollectionError, StageFailed):
                night(root, url)
    finally:
        FullFileSystem.room = math.inf
    assert_equal_extractions(night(root, url), expected)


def test_shards_in_any_order_and_more_than_once_give_the_same_tables(
    small: tuple[Root, Collection], tmp_path: Path
) -> None:
    root, expected = small
    files = [entry for entry in list_root(root) if isinstance(entry, MediaFile)]
    shards = [shard for file in files for shard in cut([Item(file)], 1_000)]
    collection = Collection.create(str(tmp_path / "collection"), ExtractSettings())
    lease = Lease(collection.storage)
    work = ExtractShard(collection, Execution(guard=False), lease)
    with lease.held():
        for shard in [*reversed(shards), *shards]:
            done = work.embed(work.detect(shard))
            # As an element that is delivered again after it was written.
            work.write(done)
            work.write(done)
    assert_equal_extractions(collection, expected)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_kills_at_random_moments_change_nothing(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    seed = int(os.environ.get("FACEBATCH_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"FACEBATCH_TEST_SEED={seed}")
    moments = random.Random(seed)
    for _ in range(5):
        launcher = start(album, url, stage="run")
        workers = wait_for_workers(launcher)
        time.sleep(moments.uniform(0, 5))
        with contextlib.suppress(psutil.NoSuchProcess):
            moments.choice([*workers, psutil.Process(launcher.pid)]).kill()
        launcher.communicate(timeout=60)
        wait_until_no_worker_is_left(launcher.pid)
    collection = finish(album, url, stage="run")
    assert_equal_extractions(collection, undisturbed)
    assert_equal_clusters(collection, undisturbed)
