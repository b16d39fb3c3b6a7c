"""A local worker process: ``python -m facebatch.pipelines.worker LAUNCHER_PID [verbose]``.

Beam's own worker, with three things done first: one thread for each math library, an orderly
stop on SIGTERM, and an end as soon as the launcher is gone. Beam's does none of them.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

VERBOSE = "verbose"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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
    stop_on_sigterm()

    from apache_beam.runners.worker import sdk_worker_main

    if VERBOSE not in sys.argv:
        # Beam prints the traceback of whatever a stage raised, from every worker, before it
        # hands it to the launcher, which says it once.
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (it lives as long as the process)
    sdk_worker_main.main(sys.argv)
    # All work is handed over. Taking torch or OpenVINO apart would take half a second a worker, and
    # the launcher waits for one after the other.
    os._exit(0)


if __name__ == "__main__":
    main()
