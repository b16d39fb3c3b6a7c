"""Spark as an engine: one task for each element, on the executors of a cluster.

What Beam's portable runner for Spark does in a job server and containers, Spark does by itself: a
lost executor's tasks are run again by others, and a job that is cancelled ends. Only the DataFrame
interface is used, which a session of Spark Connect has too.

Options after ``--``: ``--master URL`` (``spark://host:7077``, ``yarn``, ``k8s://...``,
``local[2]``) or ``--remote sc://host:15002``, and ``--conf KEY=VALUE``, any number of times.
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import shutil
import sys
import uuid
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa

from facebatch.collection.lease import Lease
from facebatch.config import RunSettings
from facebatch.errors import FacebatchError, UsageError, WorkerDied
from facebatch.pipelines import remote
from facebatch.pipelines.runners import GOES_ON, as_raised, last_words, watched
from facebatch.pipelines.work import Work

_NO_JAVA = "JAVA_GATEWAY_EXITED"

_LOG = logging.getLogger(__name__)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DEFAULTS: Mapping[str, str] = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Executors that a network lost are given up before users do.
    "spark.network.timeout": "60s",
    "spark.executor.heartbeatInterval": "10s",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1",
    **{f"spark.executorEnv.{name}": "1" for name in _THREADS},
}
_DIED = ("Python worker exited unexpectedly", "ExecutorLostFailure", "executor loss")
"""What Spark says of a task whose process died."""


def each(
    work: Work,
    elements: Sequence[Any],
    lease: Lease,
    settings: RunSettings,
    poll: Callable[[], None],
    signs: Callable[[], Hashable] | None = None,
) -> None:
    """Has a cluster do the work of every element; as `facebatch.pipelines.engine.each`."""
    options = _options(settings)
    task = Task(work, elements, lease)
    job = _Job(options, settings.workers, task, len(elements))
    try:
        watched(job, settings, poll, signs)
    finally:
        job.close()
    if job.error is not None:
        raise _as_raised(job.error) from job.error


def check(settings: RunSettings) -> None:
    """Refuses what can't be run: no pyspark, no Java, no cluster, an unknown option.

    Raises:
        UsageError: It is so; the message says what to do.
    """
    options = _options(settings)
    try:
        import pyspark  # noqa: F401
    except ImportError:
        raise UsageError("--runner spark needs pyspark: pip install 'facebatch[spark]'") from None
    if options.remote:
        remote.check_endpoint(options.remote, "--remote")
        return
    if not os.environ.get("JAVA_HOME") and shutil.which("java") is None:
        raise UsageError("--runner spark needs Java 17 or later: no java is on the path")
    if options.master.startswith("spark://"):
        for master in options.master.removeprefix("spark://").split(","):
            remote.check_endpoint(master, "--master")


def _options(settings: RunSettings) -> argparse.Namespace:
    parser = remote.OptionParser()
    parser.add_argument("--master", default="")
    parser.add_argument("--remote", default="")
    parser.add_argument("--conf", action="append", default=[])
    given = list(settings.beam_options)
    remote.check_names(given, parser, strict=True)
    options = parser.parse_args(given)
    if bool(options.master) == bool(options.remote):
        raise UsageError(
            "--runner spark takes the cluster after --: -- --master spark://HOST:7077, or "
            "-- --remote sc://HOST:15002"
        )
    for pair in options.conf:
        if "=" not in pair:
            raise UsageError(f"after --: --conf takes KEY=VALUE, not {pair!r}")
    return options


def _as_raised(error: BaseException) -> FacebatchError:
    if any(words in str(error) for words in _DIED):
        return WorkerDied(
            f"a worker process of the cluster died, and again where its work was tried anew: "
            f"out of memory, killed, or crashed in a decoder. {GOES_ON}"
        )
    lines = [line for line in str(error).splitlines() if "facebatch.errors." in line]
    return as_raised(RuntimeError(lines[0].strip()) if lines else RuntimeError(last_words(error)))


class Task:
    """The work of one partition, which is one element, as a function on record batches.

    It travels to the executors; a Python process of theirs, which does many tasks one after the
    other, unpickles the work once and keeps it, with the models that it has loaded.
    """

    def __init__(self, work: Work, elements: Sequence[Any], lease: Lease) -> None:
        self._name = uuid.uuid4().hex
        self._pickled = pickle.dumps(work, protocol=5)
        self._elements = pickle.dumps(list(elements), protocol=5)
        self._lease = lease

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Does the work of the elements whose numbers come in column ``id``."""
        self._lease.check()
        for batch in batches:
            for number in batch.column(0).to_pylist():
                work, elements = _kept(self._name, self._pickled, self._elements)
                work(elements[number])
            yield batch


_KEPT: dict[str, tuple[Any, list[Any]]] = {}


def _kept(name: str, work: bytes, elements: bytes) -> tuple[Any, list[Any]]:
    """Returns what a process keeps of one task's name, and forgets that of others."""
    if name not in _KEPT:
        _KEPT.clear()
        # Both are from our own launcher, by way of Spark.
        _KEPT[name] = pickle.loads(work), pickle.loads(elements)  # noqa: S301
    return _KEPT[name]


class _Job(remote.Job):
    """A job on a cluster, with its session."""

    def __init__(
        self, options: argparse.Namespace, workers: int, task: Task, elements: int
    ) -> None:
        super().__init__(self._do)
        self._options = options
        self._workers = workers
        self._task = task
        self._elements = elements
        self._session: Any = None

    def _do(self) -> None:
        # The session is made in this thread: in the main one it would take the signals over.
        self._session = _session(self._options, self._workers)
        numbers = self._session.range(0, self._elements, 1, numPartitions=self._elements)
        done = numbers.mapInArrow(self._task, "id long")
        done.write.format("noop").mode("overwrite").save()

    def cancel(self) -> None:
        """Cancels the job and waits until no task of it runs any more."""
        if self._session is not None and self.runs:
            if self._options.remote:
                self._session.interruptAll()
            else:
                self._session.sparkContext.cancelAllJobs()
        self.wait(remote.CANCEL_SECONDS)

    def close(self) -> None:
        """Ends the session, and with it the application and its executors."""
        if self._session is not None:
            self._session.stop()


def _session(options: argparse.Namespace, workers: int) -> Any:
    """Returns a session of its own, which nobody else's settings reach."""
    from pyspark.sql import SparkSession

    # Executors start this interpreter, where nothing else is said: it has facebatch.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("facebatch")
    if options.remote:
        builder = builder.remote(options.remote)
    else:
        builder = builder.master(options.master).config("spark.cores.max", str(workers))
        # What goes wrong comes back as an error, and is said once.
        level = "WARN" if _LOG.isEnabledFor(logging.INFO) else "OFF"
        for key, value in {**_DEFAULTS, "spark.log.level": level}.items():
            builder = builder.config(key, value)
    for pair in options.conf:
        key, _, value = pair.partition("=")
        builder = builder.config(key, value)
    with nullcontext() if _LOG.isEnabledFor(logging.INFO) else _no_words():
        try:
            return builder.getOrCreate()
        except Exception as error:
            if _NO_JAVA not in str(error):
                raise
            # On busy machines it was seen to end at its start, and to run the next time.
            return builder.getOrCreate()


@contextmanager
def _no_words() -> Iterator[None]:
    """Keeps what Java says at its start off the terminal, and all that it says later.

    Java inherits what file descriptor 2 is while it starts.
    """
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
