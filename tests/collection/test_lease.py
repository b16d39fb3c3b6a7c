"""A worker works only for a launcher of its own kind, at its own store, for as long as it runs."""

from __future__ import annotations

import json
import os
import time
from importlib import metadata
from pathlib import Path

import pytest

from facebatch.collection import lease as module
from facebatch.collection.lease import Lease
from facebatch.config import ExtractSettings
from facebatch.errors import WorkerMismatch
from facebatch.storage.store import Storage


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    module._check.cache_clear()
    return Lease(Storage(str(tmp_path)), ExtractSettings())


def test_a_worker_like_the_launcher_may_work(lease: Lease) -> None:
    with lease.held():
        lease.check()
        lease.check_held()
    assert not lease.storage.files("attempts")


def test_a_lease_that_is_held_stays_young(lease: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWED_SECONDS", 0.02)
    with lease.held():
        os.utime(lease.storage.full_path(lease.path), (1, 1))
        deadline = time.monotonic() + 60
        while lease.storage.files("attempts")[0].modified == 1:
            assert time.monotonic() < deadline, "nobody wrote it again"
            time.sleep(0.02)
        lease.check_held()
    assert not lease.storage.files("attempts")


def test_a_worker_that_sees_another_disk_is_refused(lease: Lease, tmp_path: Path) -> None:
    elsewhere = Lease(Storage(str(tmp_path / "own disk")), lease.settings, lease.run)
    with lease.held(), pytest.raises(WorkerMismatch, match="every worker has to reach the same"):
        elsewhere.check()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"facebatch": "9.9"}, f"has facebatch {metadata.version('facebatch')}, the launcher 9.9"),
        ({"fingerprint": "f" * 8}, "the launcher ffffffff: install the same version"),
    ],
)
def test_a_worker_of_another_version_is_refused(
    lease: Lease, words: dict[str, str], message: str
) -> None:
    with lease.held():
        left = json.loads(lease.storage.read(lease.path))
        lease.storage.write(lease.path, json.dumps({**left, **words}).encode())
        with pytest.raises(WorkerMismatch, match=message):
            lease.check()


def test_nothing_is_committed_for_a_run_that_has_ended(lease: Lease) -> None:
    with lease.held():
        lease.check()
    with pytest.raises(WorkerMismatch, match="has ended"):
        lease.check_held()
