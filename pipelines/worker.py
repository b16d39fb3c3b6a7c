"""A local worker process: ``python -m facebatch.pipelines.worker LAUNCHER_PID [verbose]``.

Beam's own worker, with four things done first: one thread for each math library, an orderly
stop on SIGTERM, an end as soon as the launcher is gone, and no clients of databases and clouds.
Beam's does none of them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERBOSE = "verbose"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_NOT_FOR_US = ("boto3", "bson", "pandas")
"""Packages that Beam loads where it finds them, for transforms of its own that no pipeline of
facebatch has. Without them it is loaded in 0.75 s of a processor's time, with all three in 1.3."""


def main() -> None:
    """Runs Beam's worker loop until the launcher ends it."""
    for variable in _THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
    # Beam warns while it is imported, and a root logger without a handler would from then on
    # write to the terminal; with one, everything goes to the launcher, which decides.
    logging.getLogger().addHandler(logging.NullHandler())
    # A terminal sends Ctrl-C to the whole group; the launcher decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    from facebatch.extract.stopping import stop_on_sigterm
    from facebatch.workers.isolation import end_with_parent

    end_with_parent(int(sys.argv[1]))
    threading.excepthook = end_without_threads
    stop_on_sigterm()

    with _hidden(_NOT_FOR_US):
        from apache_beam.runners.worker import sdk_worker_main

    if VERBOSE not in sys.argv:
        # Beam prints the traceback of whatever a stage raised, from every worker, before it
        # hands it to the launcher, which says it once.
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (it lives as long as the process)
    sdk_worker_main.main(sys.argv)
    # All work is handed over. Taking torch or OpenVINO apart would take half a second a worker, and
    # the launcher waits for one after the other.
    os._exit(0)


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Has packages seem not to be installed; what needs one later finds it."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def end_without_threads(ended: threading.ExceptHookArgs) -> None:
    """Ends the process where one of its threads got no memory or thread.

    Beam's worker and the launcher would wait for it for ever.
    """
    from facebatch.workers.machine import is_scarcity

    if ended.exc_value is not None and is_scarcity(ended.exc_value):
        os._exit(1)
    threading.__excepthook__(ended)


if __name__ == "__main__":
    main()
