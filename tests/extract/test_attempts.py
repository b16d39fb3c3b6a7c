from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support import child_work

from facebatch.extract import attempts
from facebatch.extract.items import Item, Shard, version_key
from facebatch.media.sources.listing import MediaFile
from facebatch.storage.store import Storage

FILES = [MediaFile("photos", "/photos", f"{n}\udce9.jpg", n, "1") for n in range(3)]
SHARD = Shard("s1", tuple(Item(file) for file in FILES[:2]))
OVERLAPPING = Shard("s2", tuple(Item(file) for file in FILES[1:]))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "collection"))


@contextmanager
def process_at_work(storage: Storage, shard: Shard) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun a shard and is still alive; killed in the end."""
    members = Path(storage.url).with_suffix(f".{shard.name}")
    members.write_bytes(pickle.dumps(shard))
    command = [sys.executable, child_work.__file__, storage.url, str(members)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def counts(*files: MediaFile) -> dict[str, int]:
    return {version_key(Item(file)): files.count(file) for file in files}


def test_a_process_that_was_killed_leaves_a_dead_attempt_at_every_item(storage: Storage) -> None:
    with process_at_work(storage, SHARD):
        assert attempts.dead(storage) == ({}, []), "it still runs"
    dead, paths = attempts.dead(storage)
    assert dead == counts(*FILES[:2])
    assert len(paths) == 1


def test_attempts_at_an_item_add_up_over_shards(storage: Storage) -> None:
    for shard in (SHARD, OVERLAPPING):
        with process_at_work(storage, shard):
            pass
    dead, paths = attempts.dead(storage)
    assert dead == counts(FILES[0], FILES[1], FILES[1], FILES[2])
    assert len(paths) == 2


def test_a_shard_that_ends_in_good_order_leaves_nothing(storage: Storage) -> None:
    mark = attempts.begin(storage, SHARD)
    assert storage.exists(mark)
    attempts.end(storage, mark)
    assert storage.files("attempts") == []
    attempts.end(storage, mark)


def test_this_processs_own_attempt_is_not_dead(storage: Storage) -> None:
    attempts.begin(storage, SHARD)
    assert attempts.dead(storage) == ({}, [])


def test_two_attempts_of_one_process_have_marks_of_their_own(storage: Storage) -> None:
    first, second = attempts.begin(storage, SHARD), attempts.begin(storage, SHARD)
    attempts.end(storage, first)
    assert storage.exists(second)


def altered(storage: Storage, **changes: object) -> str:
    """Leaves this process's mark with some of its entries changed."""
    path = attempts.begin(storage, SHARD)
    mark = {**json.loads(storage.read(path)), **changes}
    storage.write(path, json.dumps(mark).encode())
    return path


def of_a_dead_machine(storage: Storage, host: str = "another.machine") -> str:
    """Leaves the mark of a process that has been silent for too long."""
    path = altered(storage, host=host)
    silent = time.time() - attempts.SILENT_SECONDS - 60
    os.utime(storage.full_path(path), (silent, silent))
    return path


def test_a_mark_whose_process_number_was_given_to_another_is_dead(storage: Storage) -> None:
    began = psutil.Process(os.getpid()).create_time()
    path = altered(storage, started=began - 3600)
    assert attempts.dead(storage) == (counts(*FILES[:2]), [path])


def test_a_mark_of_another_machine_is_dead_when_it_has_been_silent(storage: Storage) -> None:
    altered(storage, host="another.machine")
    assert attempts.dead(storage) == ({}, []), "it may be alive"
    path = of_a_dead_machine(storage)
    assert attempts.dead(storage) == (counts(*FILES[:2]), [path])
    assert len(storage.files("attempts")) == 2, "the look at the store's clock leaves nothing"


def test_a_process_that_is_only_waited_for_is_dead(storage: Storage) -> None:
    with subprocess.Popen(["true"]) as ended:
        while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        began = psutil.Process(ended.pid).create_time()
        path = altered(storage, pid=ended.pid, started=began)
        assert attempts.dead(storage) == (counts(*FILES[:2]), [path])


def test_a_process_at_work_writes_its_marks_again(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(attempts, "_BEATS", attempts._Beats())
    with attempts.running(storage):
        path = attempts.begin(storage, SHARD)
        marks = [storage.full_path(file.path) for file in storage.files("attempts")]
        for mark in marks:
            os.utime(mark, (1, 1))
        while any(Path(mark).stat().st_mtime == 1 for mark in marks):
            time.sleep(0.01)
        assert [entry.split()[0] for entry in attempts.alive(storage)] == [path]
        attempts.end(storage, path)
    time.sleep(0.05)
    assert storage.files("attempts") == []


def test_a_run_that_was_stopped_takes_its_own_marks_away(storage: Storage) -> None:
    attempts.begin(storage, SHARD, "0123")
    kept = attempts.begin(storage, SHARD, "4567"), attempts.begin(storage, SHARD)
    attempts.withdraw(storage, "0123")
    assert [file.path for file in storage.files("attempts")] == sorted(kept)


def test_forgetting_takes_just_the_marks_named(storage: Storage) -> None:
    old, new = of_a_dead_machine(storage), of_a_dead_machine(storage, "third.machine")
    attempts.forget(storage, [old], counts(*FILES))
    assert attempts.dead(storage)[1] == [new]


def test_a_mark_is_kept_until_every_item_of_it_is_committed(storage: Storage) -> None:
    # A run over another root says nothing of the item that kills its worker.
    mark = of_a_dead_machine(storage)
    attempts.forget(storage, [mark], counts(FILES[0]))
    assert attempts.dead(storage)[1] == [mark]
    attempts.forget(storage, [mark], counts(*FILES[:2]))
    assert attempts.dead(storage) == ({}, [])


def test_the_plan_that_a_killed_run_left_beside_the_marks_is_no_mark(storage: Storage) -> None:
    storage.write("attempts/plan-0123456789abcdef.json", b'{"new": 3}')
    assert attempts.dead(storage) == ({}, [])


@pytest.mark.parametrize("content", [b"", b"{", b"{}"])
def test_a_damaged_mark_stops_no_run_and_can_be_forgotten(storage: Storage, content: bytes) -> None:
    storage.write("attempts/s9-12345678.json", content)
    assert attempts.dead(storage) == ({}, ["attempts/s9-12345678.json"])


def test_a_collection_that_is_not_there_yet_has_no_dead_attempts(storage: Storage) -> None:
    assert attempts.dead(storage) == ({}, [])
