"""Workers are as many as cores and memory allow, and a container's limits are its machine."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import told

from facebatch.errors import FacebatchError
from facebatch.workers.machine import (
    LAUNCHER_BYTES,
    WORKER_BYTES,
    Arrangement,
    arrange,
    check_room,
    is_scarcity,
    limits,
    usable_cores,
    usable_memory,
)

GIB = 2**30


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [
        (2, 24 * GIB, Arrangement(2, 1)),
        (1, 24 * GIB, Arrangement(1, 1)),
        (16, 5 * GIB, Arrangement(4, 4)),
        (8, 2 * GIB, Arrangement(1, 8)),
        (2, 0, Arrangement(1, 2)),
    ],
)
def test_a_worker_a_core_and_threads_where_memory_is_short(
    cores: int, memory: int, expected: Arrangement
) -> None:
    assert arrange(cores, memory) == expected


@given(cores=st.integers(1, 256), memory=st.integers(0, 2**42))
def test_an_arrangement_fits_into_cores_and_memory(cores: int, memory: int) -> None:
    room = arrange(cores, memory)
    assert 1 <= room.workers * room.threads <= cores
    assert room.workers == 1 or LAUNCHER_BYTES + room.workers * WORKER_BYTES <= memory


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/cpu.max": "100000 100000\n",
            "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
        },
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/1\n2:memory:/docker/1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    ],
    ids=["v2", "v2-nested", "v1-seen-from-inside"],
)
def test_a_containers_share_of_the_cores_counts(files: dict[str, str], tmp_path: Path) -> None:
    assert usable_cores(write(tmp_path, files)) == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": "50000000",
                "sys/fs/cgroup/memory.current": "40000000",
                "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 5000000\n",
            },
            15_000_000,
        ),
        (
            {
                "proc/self/cgroup": "2:memory:/docker/1\n",
                "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "30000000",
                "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes": "10000000",
                "sys/fs/cgroup/memory/docker/1/memory.stat": "total_inactive_file 0\n",
            },
            20_000_000,
        ),
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": "1000",
                "sys/fs/cgroup/memory.current": "2000",
            },
            0,
        ),
    ],
    ids=["v2", "v1", "above-its-limit"],
)
def test_a_containers_limit_is_the_memory_there_is(
    files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    assert usable_memory(write(tmp_path, files)) == expected


def test_no_limit_leaves_what_the_machine_has(tmp_path: Path) -> None:
    unlimited = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": "max",
        "sys/fs/cgroup/cpu.max": "max 100000",
    }
    for root in (tmp_path / "nothing", write(tmp_path, unlimited)):
        assert usable_memory(root) > 2**20
        assert usable_cores(root) == usable_cores(tmp_path / "nothing")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_cores_that_are_withheld_dont_count() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_limits_of_a_container_are_told(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/box"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/box\n")
    (group / "pids.max").write_text("50\n")
    (group / "memory.max").write_text("2000000000\n")
    told = limits(tmp_path)
    assert "50 processes and threads of this container (pids.max)" in told
    assert "2.0 GB of memory (memory.max)" in told
    (group / "pids.max").write_text("max\n")
    assert "pids.max" not in limits(tmp_path)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), True),
        (ImportError("libx.so: failed to map segment from shared object"), True),
        (ValueError("no such column"), False),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), False),
    ],
)
def test_a_refusal_of_memory_or_threads_is_told_from_a_bug(
    error: Exception, expected: bool
) -> None:
    assert is_scarcity(error) is expected


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't limit address space so")
def test_a_run_under_a_limit_of_memory_ends_before_it_begins(tmp_path: Path) -> None:
    import resource

    program = "from facebatch.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "run", str(tmp_path), "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000,) * 2),
    )
    assert done.returncode == 1
    [line] = told(done.stderr)
    assert line.startswith("facebatch: a process needs 3.6 GB of address space")
    assert line.endswith("the limits here: 2.0 GB of address space (ulimit -v)")
    assert not (tmp_path / "out").exists()


def test_workers_that_would_get_no_threads_arent_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limited = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/pids.max": "70"}
    root = write(tmp_path / "limited", limited)
    begun = threading.active_count()

    def refused(thread: threading.Thread) -> None:
        if threading.active_count() >= begun + 70:
            raise RuntimeError("can't start new thread")
        start(thread)

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", refused)
    check_room(1, root)
    with pytest.raises(FacebatchError, match=r"2 workers need about 100 threads.*here: 70 proc"):
        check_room(2, root)
    assert threading.active_count() == begun
    check_room(2, tmp_path / "unlimited")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't limit address space so")
def test_a_command_under_a_limit_of_memory_names_the_limit_in_one_line() -> None:
    import resource

    program = "from facebatch.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "inspect", "nowhere"],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (80_000_000,) * 2),
    )
    assert done.returncode == 1
    assert "0.1 GB of address space (ulimit -v)" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
