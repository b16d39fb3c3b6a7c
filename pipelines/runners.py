"""Running a pipeline: which runner a name means, and watching over its workers.

The local runner neither notices a dead worker nor can be stopped from outside, so the pipeline
runs in a thread while this one polls: it reports progress, ends the run when a worker died, and
stops the workers in good order when the user says so. Workers of other machines are watched by
what they leave in the store (`facebatch.pipelines.remote`).
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import apache_beam as beam
import psutil
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from facebatch.config import RunSettings
from facebatch.errors import (
    FacebatchError,
    Interrupted,
    StageFailed,
    UsageError,
    WeightsError,
    WorkerDied,
    WorkerMismatch,
)
from facebatch.monitor import logs
from facebatch.pipelines import remote
from facebatch.pipelines.worker import VERBOSE
from facebatch.workers.machine import check_room, is_scarcity, limits

GOES_ON = "What was committed stays; the same command goes on from there."
POLL_SECONDS = 0.25
DEAD_WORKER_GRACE_SECONDS = 4.0
"""Workers end shortly before a finished pipeline returns; one that is gone longer than this
while the pipeline still runs is dead."""
CONNECT_SECONDS = 20.0
"""How long workers may take to connect before the run says what it waits for."""
START_SECONDS = 60.0
STOP_SECONDS = 30.0
KILL_SECONDS = 4.0

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "DaskRunner": (
            "Beam 2.77's DaskRunner loses data without saying so: of two branches only the last "
            "runs, and what finish_bundle emits is dropped. Use DirectRunner, or a portable "
            "runner such as FlinkRunner."
        )
    }
)

View = TypeVar("View", bound=PipelineOptions)

_LOG = logging.getLogger(__name__)
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WORKER_MODULE = "facebatch.pipelines.worker"
_LOCALHOST = ("localhost", "127.0.0.1", "::1")
_PROXY_EXEMPTIONS = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
_WAITING_THREAD = "run_worker"
"""Name of Beam's thread that waits for a worker process and raises when that fails."""


def run_watched(
    build: Callable[[beam.Pipeline], object],
    settings: RunSettings,
    poll: Callable[[], None] = lambda: None,
    signs: Callable[[], Hashable] | None = None,
) -> None:
    """Runs a pipeline to its end.

    Args:
        build: Applies the transforms to an empty pipeline.
        settings: Runner, workers (as a number) and Beam's own options.
        poll: Called a few times a second while the pipeline runs, every few seconds where other
            machines run it.
        signs: Gives something that changes as long as workers of other machines are at work.

    Raises:
        UsageError: The runner is refused, or isn't known to Beam.
        FacebatchError: A limit leaves workers too few threads, or too little address space.
        WorkerDied: A local worker ended too early, or others gave no sign of life for long.
        WorkerMismatch: A worker sees another store or has another facebatch.
        StageFailed: A worker raised.
        Interrupted: The user stopped the run.
    """
    if _has_local_workers(settings):
        check_room(int(settings.workers))
    keep_localhost_off_proxies(os.environ)
    options = _options(settings)
    pipeline = beam.Pipeline(runner=_runner(settings), options=options)
    build(pipeline)
    watch = _WorkerWatch() if _has_local_workers(settings) else None
    job = remote.Job(lambda: pipeline.run())
    with _threads_ends(watch.thread_ended if watch else _log_end):
        watched(job, settings, poll, signs, watch)
    if job.error is not None:
        raise as_raised(job.error) from job.error


def watched(
    job: remote.Job,
    settings: RunSettings,
    poll: Callable[[], None],
    signs: Callable[[], Hashable] | None,
    watch: _WorkerWatch | None = None,
) -> None:
    """Starts a job and stays with it until it has ended, or ends it.

    Raises:
        WorkerDied: A local worker ended too early, or others gave no sign of life for long.
        Interrupted: The user stopped the run.
    """
    silence = remote.Silence(signs) if signs and not settings.is_local else None
    job.start()
    try:
        while job.runs:
            job.wait(POLL_SECONDS if settings.is_local else remote.POLL_SECONDS)
            poll()
            if watch is not None:
                watch.check()
            if silence is not None:
                silence.check(GOES_ON)
    except BaseException as error:
        with _signals_ignored():
            if watch is not None:
                watch.stop(STOP_SECONDS)
            else:
                job.cancel()
            if works_here(settings):  # what it still writes would outlive what the caller removes
                job.wait(STOP_SECONDS)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted(f"stopped. {GOES_ON}") from None
        raise


def as_raised(error: BaseException) -> FacebatchError:
    """Returns what a worker raised as an error of the launcher's.

    A worker that doesn't fit is the user's to mend; the rest is a bug, or a store that fails.
    """
    words = last_words(error)
    kinds: list[type[FacebatchError]] = [WorkerMismatch, WeightsError]
    for kind in [*kinds, *WeightsError.__subclasses__()]:
        if f"facebatch.errors.{kind.__name__}: " in str(error):
            return kind(words)
    if is_scarcity(error):
        words += _under_limits()
    return StageFailed(f"{words}. {GOES_ON} -v shows more.")


def keep_localhost_off_proxies(environment: MutableMapping[str, str]) -> None:
    """Has gRPC reach the workers of this machine directly, whatever proxy is set for the web.

    gRPC takes ``http_proxy``, ``https_proxy`` and ``grpc_proxy`` for connections to localhost too,
    and then waits for minutes. ``no_grpc_proxy`` is read by gRPC alone and in place of
    ``no_proxy``, so it takes over what stands there.

    Args:
        environment: Variables of the process, which its workers inherit; changed in place.
    """
    exempted = next((environment[name] for name in _PROXY_EXEMPTIONS if environment.get(name)), "")
    hosts = dict.fromkeys([*filter(None, exempted.split(",")), *_LOCALHOST])
    environment["no_grpc_proxy"] = ",".join(hosts)


def last_words(error: BaseException) -> str:
    """Returns what a worker raised, out of the tracebacks that the runner wraps it in."""
    lines = [line for line in str(error).splitlines() if line.strip() and not line[0].isspace()]
    words = re.sub(r" \[while running '.*'\]$", "", lines[-1] if lines else repr(error)).lstrip(
        ": "
    )
    # An error of our own says all in its words; of another the class is half of what it says.
    return re.sub(r"^facebatch\.errors\.\w+: ", "", words)


def _under_limits() -> str:
    """Returns the limits that workers meet, for the end of a message."""
    found = limits()
    return f"; the limits here: {found}" if found else ""


class Options(PipelineOptions):
    """Beam's options with views that are made once.

    Beam asks for some view whenever a transform is applied, several hundred times a run, and each
    parses all options by a parser of its own. All views share their values.
    """

    def view_as(self, cls: type[View]) -> View:
        """Returns the view of a kind."""
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        view: View = views[cls]
        return view


def _options(settings: RunSettings) -> PipelineOptions:
    options = Options(list(settings.beam_options))
    if _has_local_workers(settings):
        options.view_as(DirectOptions).direct_num_workers = settings.workers
    return options


def _has_local_workers(settings: RunSettings) -> bool:
    """Tells whether the pipeline runs in worker processes of this machine.

    It does unless another runner is named, or Beam is given a running mode of its own.
    """
    chosen = any(option.startswith("--direct_running_mode") for option in settings.beam_options)
    return settings.is_local and not chosen


def works_here(settings: RunSettings) -> bool:
    """Tells whether everything runs in this process, which Beam has to be asked for."""
    here = {f"--direct_running_mode={mode}" for mode in ("in_memory", "multi_threading")}
    return settings.is_local and not here.isdisjoint(settings.beam_options)


def check_not_refused(runner: str) -> None:
    """Refuses a runner that loses data.

    Raises:
        UsageError: It is one.
    """
    if runner in REFUSED:
        raise UsageError(f"--runner {runner} is refused: {REFUSED[runner]}")


def check_runner(settings: RunSettings) -> None:
    """Refuses a runner that loses data, isn't known or can't be reached, before anything is done.

    Raises:
        UsageError: It is such a one, or an option of it is unknown.
    """
    check_not_refused(settings.runner)
    if not settings.is_local:
        try:
            beam.runners.create_runner(settings.runner)
        except (ValueError, ImportError) as error:
            raise UsageError(f"--runner {settings.runner}: {error}") from error
    remote.check_options(settings)


def _runner(settings: RunSettings) -> Any:
    check_runner(settings)
    if not settings.is_local:
        return beam.runners.create_runner(settings.runner)
    if not _has_local_workers(settings):
        return FnApiRunner()
    # The name DirectRunner would first look for Prism, a binary that it downloads. This is the
    # runner that it falls back to, with a worker of our own and a quoted interpreter path.
    _LOG.info("%s is run as FnApiRunner, in %d processes", settings.runner, settings.workers)
    # -P keeps a folder called facebatch in the current directory from standing in for it.
    worker = [sys.executable, "-P", "-m", _WORKER_MODULE, str(os.getpid())]
    if _LOG.isEnabledFor(logging.INFO) and not logs.in_json():
        worker.append(VERBOSE)
    command = f"exec {shlex.join(worker)}"
    return FnApiRunner(SubprocessSDKEnvironment.from_command_string(command))


class _WorkerWatch:
    """The worker processes of this process, and whether they live.

    Two things tell of a dead one: the runner's thread that waits for the process raises, which
    holds from the process's first moment but not for an exit code of 0; and a process that was
    seen is there no more.
    """

    def __init__(self) -> None:
        self._workers: dict[int, psutil.Process] = {}
        self._raised = False
        self._missing_since: float | None = None
        self._begun = time.monotonic()
        self._is_connected = False

    def thread_ended(self, name: str, error: BaseException | None) -> None:
        """Takes notice of a thread that ended with an error."""
        _log_end(name, error)
        self._raised |= name == _WAITING_THREAD or (error is not None and is_scarcity(error))

    def check(self) -> None:
        """Looks once; stops the other workers when one died.

        Raises:
            WorkerDied: A worker has been gone for longer than a pipeline takes to end.
        """
        for child in psutil.Process().children():
            if child.pid not in self._workers and _is_worker(child):
                self._workers[child.pid] = child
        now = time.monotonic()
        if not self._is_connected and now - self._begun > CONNECT_SECONDS:
            self._is_connected = True  # it is said once, whatever comes
            if not any(map(_has_connection, self._workers.values())):
                logs.waiting(
                    f"no worker has connected to this process after {CONNECT_SECONDS:.0f} s. They "
                    "connect to localhost, which a firewall or a proxy may prevent"
                    f"{_proxies_set(os.environ)}; still waiting"
                )
        if not self._is_one_missing(now):
            self._missing_since = None
        elif self._missing_since is None:
            self._missing_since = now
        elif now - self._missing_since > DEAD_WORKER_GRACE_SECONDS:
            self.stop(KILL_SECONDS)
            raise WorkerDied(
                "a worker process died (out of memory, killed, or crashed in a decoder)"
                f"{_under_limits()}. {GOES_ON}"
            )

    def _is_one_missing(self, now: float) -> bool:
        if not self._workers:
            return self._raised or now - self._begun > START_SECONDS
        return self._raised or not all(map(_is_alive, self._workers.values()))

    def stop(self, seconds: float) -> None:
        """Stops every worker: in good order within ``seconds``, by force after them."""
        alive = [worker for worker in self._workers.values() if _is_alive(worker)]
        for worker in alive:
            worker.terminate()
        _, stubborn = psutil.wait_procs(alive, timeout=seconds)
        for worker in stubborn:
            worker.kill()
        psutil.wait_procs(stubborn, timeout=KILL_SECONDS)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return _WORKER_MODULE in process.cmdline()
    except psutil.Error:
        return False


def _has_connection(process: psutil.Process) -> bool:
    """Tells whether a process talks to another; True where the system won't tell."""
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.Error:
        return True
    return any(each.status == psutil.CONN_ESTABLISHED for each in connections)


def _proxies_set(environment: Mapping[str, str]) -> str:
    """Returns the variables that name a proxy, for a message; their values may hold passwords."""
    names = [name for name in ("http_proxy", "https_proxy", "grpc_proxy") if environment.get(name)]
    return f" ({', '.join(names)} set)" if names else ""


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Lets workers be stopped in good order however impatiently the user asks."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _threads_ends(notice: Callable[[str, BaseException | None], None]) -> Iterator[None]:
    """Has the errors that the runner's threads end with noticed, in place of printed.

    After an error it stays so, since those threads go on dying until the process ends.
    """

    def hook(arguments: threading.ExceptHookArgs) -> None:
        notice(arguments.thread.name if arguments.thread else "", arguments.exc_value)

    before, threading.excepthook = threading.excepthook, hook
    yield
    threading.excepthook = before


def _log_end(name: str, error: BaseException | None) -> None:
    _LOG.info("the thread %s ended with %r", name, error)
