"""What this machine lets the process use, cores and memory, and how workers are laid out on it.

A container sees its host's cores and memory, and is killed at its own limits; those are read from
the control groups (cgroups, version 2 and 1) that the process is in. Other systems have none.
"""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facebatch.errors import FacebatchError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

WORKER_BYTES = 1_000_000_000
"""What a worker is reckoned with: its libraries and networks, and a photo of some 50 megapixels."""

LAUNCHER_BYTES = 500_000_000
"""What the launcher is reckoned with."""

WORKER_THREADS = 36
LAUNCHER_THREADS = 28
"""Threads that a worker with its decoder and the launcher have at least, gRPC's among them, and
most of them before there is anything to do: measured with one worker on two cores."""

LEAST_ADDRESSES = 3_600_000_000
"""Address space that the launcher reserves with its libraries and threads, of which it uses little:
3.5 GB, measured as well; a worker 3.1 GB."""

_PROBE_STACK = 65_536

_ROOT = Path("/")

_SIGNS_OF_SCARCITY = (
    "can't start new thread",
    "cannot allocate memory",
    "failed to map segment",
    "resource temporarily unavailable",
    "std::bad_alloc",
)
"""What Python, the loader of libraries and compiled code say when something is refused."""


@dataclass(frozen=True)
class Arrangement:
    """Worker processes, and threads that each works with."""

    workers: int
    threads: int


def arrange(cores: int, memory: int) -> Arrangement:
    """Returns the fastest arrangement that fits.

    That is a process of one thread for each core. Threads of one process get in each other's way in
    Python's own work (two do 1.4 to 1.6 times as much as one, two processes 1.9 times), but a
    further thread needs a tenth of a further process's memory; so they fill the cores that
    memory leaves without a process.

    Args:
        cores: Cores that may be used.
        memory: Bytes that may be used.
    """
    fitting = max(1, (memory - LAUNCHER_BYTES) // WORKER_BYTES)
    workers = min(cores, fitting)
    return Arrangement(workers, cores // workers)


def usable_cores(root: Path = _ROOT) -> int:
    """Returns the number of cores this process may keep busy, at least 1.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    shares = [cores, *(quota for folder in _groups(root, "cpu") if (quota := _cpu_quota(folder)))]
    return max(1, math.ceil(min(shares)))


def usable_memory(root: Path = _ROOT) -> int:
    """Returns the bytes that this process and its children may still take.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    import psutil

    free: list[int] = [psutil.virtual_memory().available]
    for folder in _groups(root, "memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit is not None:
            used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
            free.append(limit - (used or 0) + _page_cache(folder))
    return max(0, min(free))


def limits(root: Path = _ROOT) -> str:
    """Returns the limits that somebody set for this process, for a message; empty where none is.

    Libraries say little when they meet one: a thread or a mapping of memory fails somewhere, often
    in compiled code that ends the process.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    found = []
    if resource is not None:
        processes = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        if os.getuid() != 0 and processes != resource.RLIM_INFINITY:
            found.append(f"{processes:,} processes and threads of this user (ulimit -u)")
        for name, words in (("RLIMIT_AS", "address space (ulimit -v)"), ("RLIMIT_DATA", "data")):
            space = resource.getrlimit(getattr(resource, name))[0]
            if space != resource.RLIM_INFINITY:
                found.append(f"{space / 1e9:.1f} GB of {words}")
    threads = [_number(folder / "pids.max") for folder in _groups(root, "pids")]
    if smallest := min((each for each in threads if each is not None), default=None):
        found.append(f"{smallest:,} processes and threads of this container (pids.max)")
    memory = [_number(folder / "memory.max") for folder in _groups(root, "memory")]
    if smallest := min((each for each in memory if each is not None), default=None):
        found.append(f"{smallest / 1e9:.1f} GB of memory (memory.max)")
    return ", ".join(found)


def check_room(workers: int, root: Path = _ROOT) -> None:
    """Refuses to start workers where a limit leaves too few threads or too little address space.

    gRPC aborts the process, or waits for ever, where one of its threads can't be started.

    Args:
        workers: How many are to be started.
        root: Where ``proc`` and ``sys`` lie.

    Raises:
        FacebatchError: There is too little; the message names the limits.
    """
    check_addresses()
    found = limits(root)
    if not found:
        return
    needed = LAUNCHER_THREADS + workers * WORKER_THREADS
    if not _can_start(needed):
        words = "worker needs" if workers == 1 else "workers need"
        raise FacebatchError(
            f"{workers} {words} about {needed} threads and processes, and the system gives fewer; "
            f"the limits here: {found}"
        )


def check_addresses() -> None:
    """Refuses to begin where the address space is too small for the launcher of workers.

    What fails there is chance: a library that isn't found, an error without words, or a thread that
    dies before it says that it began, which is waited for.

    Raises:
        FacebatchError: It is too small; the message names the limits.
    """
    if is_short_of_addresses():
        raise FacebatchError(
            f"a process needs {LEAST_ADDRESSES / 1e9:.1f} GB of address space, most of which is "
            f"reserved and never used; the limits here: {limits()}"
        )


def is_short_of_addresses() -> bool:
    """Tells whether this process may have less address space than a launcher of workers needs."""
    # No limit is -1 on Linux, and the largest number there is elsewhere.
    return resource is not None and 0 <= resource.getrlimit(resource.RLIMIT_AS)[0] < LEAST_ADDRESSES


def _can_start(count: int) -> bool:
    """Tells whether the system lets this process have so many more threads."""
    done = threading.Event()
    started: list[threading.Thread] = []
    before = threading.stack_size(_PROBE_STACK)
    try:
        for _ in range(count):
            thread = threading.Thread(target=done.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        return False
    finally:
        threading.stack_size(before)
        done.set()
        for thread in started:
            thread.join()
    return True


def is_scarcity(error: BaseException) -> bool:
    """Tells whether an error is the system's refusal of memory, a process or a thread."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno in (errno.EAGAIN, errno.ENOMEM):
        return True
    return any(sign in str(error).lower() for sign in _SIGNS_OF_SCARCITY)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yields the folders of the control groups that limit this process, innermost first."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup"
        if controllers:  # version 1 has a hierarchy for each controller
            base /= controller
        folder = base / group.lstrip("/")
        yield folder
        # A container often sees its own group as the root, under a path that it can't see.
        while folder != base:
            folder = folder.parent
            yield folder


def _cpu_quota(folder: Path) -> float | None:
    """Returns the cores' worth of time that a group may use; None where it isn't limited."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    quota_us, period_us = (
        _number(folder / "cpu.cfs_quota_us"),
        _number(folder / "cpu.cfs_period_us"),
    )
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _page_cache(folder: Path) -> int:
    """Returns the bytes of a group's file cache that it would give up."""
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    stat = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return int(stat.get("inactive_file") or stat.get("total_inactive_file") or 0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max"
        return None
