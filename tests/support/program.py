"""Running the program as a user does: in a process of its own."""

from __future__ import annotations

import atexit
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
from support.forkserver import ForkServer

_IN_ONE_PROCESS = {"FACEBATCH_BEAM_OPTIONS": "--direct_running_mode=in_memory"}


def facebatch(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs the program in a process of its own, to its end.

    Without ``--workers`` all its work is done in that process, since starting a worker takes longer
    than what most tests let it do.

    On Linux the process is forked with the libraries imported; elsewhere, where a process with
    these libraries can't be forked safely, it is started.
    """
    environment = {**os.environ, **({} if "--workers" in arguments else _IN_ONE_PROCESS)}
    if sys.platform == "linux":
        if not _fork_server().is_usable:
            _fork_server.cache_clear()
        return _fork_server().run(arguments, environment, timeout)
    return subprocess.run(
        command(*arguments),
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@functools.cache
def _fork_server() -> ForkServer:
    server = ForkServer()
    atexit.register(server.close)
    return server


def command(*arguments: str) -> list[str]:
    """Returns the command line that runs this environment's facebatch."""
    return [str(Path(sys.executable).with_name("facebatch")), *arguments]


def told(stderr: str) -> list[str]:
    """Returns the lines of a program's standard error that aren't progress."""
    progress = re.compile(r"[a-z]+( begins|:) ?.*")
    lines = stderr.splitlines()
    return [line for line in lines if line[:10] == "facebatch:" or not progress.fullmatch(line)]


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Returns a launcher's worker processes."""
    try:
        children = process.children(recursive=True)
        return [child for child in children if "facebatch.pipelines.worker" in child.cmdline()]
    except psutil.Error:
        return []


def leftover_workers(launcher: int) -> list[psutil.Process]:
    """Returns worker processes that a launcher left behind, whoever their parent is now."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        is_ours = "facebatch.pipelines.worker" in words and str(launcher) in words
        if is_ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found
