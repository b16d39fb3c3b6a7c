"""Work that other machines do: whether it can begin, whether it goes on, and how it is ended."""

from __future__ import annotations

import argparse
import difflib
import socket
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from apache_beam.options.pipeline_options import (
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
)

from facebatch.config import RunSettings
from facebatch.errors import UsageError, WorkerDied

POLL_SECONDS = 5.0
"""How often progress of other machines is looked at, which lists the store."""
SILENCE_SECONDS = 900.0
"""How long workers of other machines may give no sign of life; a cluster may have to start them."""
CONNECT_SECONDS = 10.0
CANCEL_SECONDS = 60.0
"""How long a job may take to end after it was cancelled."""

_SERVED = ("PortableRunner", "FlinkRunner", "SparkRunner")
"""Runners behind a job server, which has options of its own that Beam can't tell beforehand."""
_ALIKE = 0.8


class Job:
    """A job that runs in a thread, so that this one can watch it.

    Args:
        run: Starts it. What it returns is waited for and cancelled, as Beam's results are; None
            where it has ended.
    """

    def __init__(self, run: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self._run = run
        self._result: Any = None
        self._thread = threading.Thread(target=self._follow, name="pipeline", daemon=True)

    def _follow(self) -> None:
        try:
            self._result = self._run()
            if self._result is not None:
                self._result.wait_until_finish()
        except BaseException as error:
            self.error = error

    def start(self) -> None:
        """Starts it."""
        self._thread.start()

    @property
    def runs(self) -> bool:
        """Whether it hasn't ended."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Waits for its end, so long at most."""
        self._thread.join(seconds)

    def cancel(self) -> None:
        """Has it cancelled, and waits until it has ended."""
        result = self._result
        if result is not None and self.runs:
            result.cancel()
            self.wait(CANCEL_SECONDS)


class Silence:
    """How long nothing has changed that workers change while they are at work.

    Args:
        signs: Gives something that changes.
    """

    def __init__(self, signs: Callable[[], Hashable]) -> None:
        self._signs = signs
        self._last: Hashable = None
        self._since = time.monotonic()

    def check(self, goes_on: str) -> None:
        """Looks once.

        Raises:
            WorkerDied: Nothing has changed for `SILENCE_SECONDS`.
        """
        signs = self._signs()
        now = time.monotonic()
        if signs != self._last:
            self._last, self._since = signs, now
        elif now - self._since > SILENCE_SECONDS:
            raise WorkerDied(
                f"no worker has given a sign of life for {SILENCE_SECONDS / 60:.0f} minutes: "
                f"nothing was committed, and nothing begun. {goes_on}"
            )


def check_options(settings: RunSettings) -> None:
    """Refuses options that Beam doesn't know, and endpoints and files that aren't there.

    Raises:
        UsageError: It is so.
    """
    given = list(settings.beam_options)
    check_names(given, _parser(), settings.runner not in _SERVED)
    options = PipelineOptions(given)
    if settings.runner in _SERVED:
        endpoint = options.view_as(PortableOptions).job_endpoint
        if endpoint and endpoint != "embed":
            check_endpoint(endpoint, "--job_endpoint")
        elif settings.runner != "PortableRunner":
            _check_jar(settings.runner, options)


class OptionParser(argparse.ArgumentParser):
    """Reads the options after ``--``; what is wrong with them is the user's to mend."""

    def __init__(self) -> None:
        super().__init__(allow_abbrev=False, add_help=False)

    def error(self, message: str) -> NoReturn:
        """Refuses.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"after --: {message}")


def _parser() -> argparse.ArgumentParser:
    """Returns a parser of every option that Beam knows."""
    parser = OptionParser()
    # Templates give some values later; here they are only read.
    parser.add_value_provider_argument = parser.add_argument  # type: ignore[attr-defined]
    for part in PipelineOptions.__subclasses__():
        part._add_argparse_args(parser)
    return parser


def check_names(given: Sequence[str], parser: argparse.ArgumentParser, strict: bool) -> None:
    """Refuses options that a parser doesn't know.

    Args:
        given: The words after ``--``.
        parser: What knows the options.
        strict: Whether to refuse also what resembles no known option.

    Raises:
        UsageError: There is one.
    """
    known = [name for action in parser._actions for name in action.option_strings]
    _, unknown = parser.parse_known_args(list(given))
    for word in unknown:
        name = word.partition("=")[0]
        near = difflib.get_close_matches(name, known, 1, _ALIKE)
        if near or (strict and name.startswith("-")):
            meant = f"; {near[0]} was meant?" if near else ""
            raise UsageError(f"after --: the runner knows no option {name}{meant}")
        if strict:
            raise UsageError(f"after --: {word!r} belongs to no option")


def check_endpoint(endpoint: str, option: str) -> None:
    """Refuses an endpoint that nobody answers at.

    Args:
        endpoint: ``host:port``, or a URL with both.
        option: What gave it.

    Raises:
        UsageError: Nobody does, or it isn't one.
    """
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise UsageError(f"{option} takes host:port, not {endpoint!r}")
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        raise UsageError(f"{option} {endpoint}: nobody answers there ({error})") from error


def _check_jar(runner: str, options: PipelineOptions) -> None:
    """Gets the Java job server of a runner, which Beam starts on this machine."""
    from apache_beam.runners.portability import flink_runner, spark_runner
    from apache_beam.runners.portability.job_server import JavaJarJobServer

    servers = {
        "FlinkRunner": flink_runner.FlinkJarJobServer,
        "SparkRunner": spark_runner.SparkJarJobServer,
    }
    cache = options.view_as(JobServerOptions).jar_cache_dir
    try:
        place = servers[runner](options).path_to_jar()
        if not Path(JavaJarJobServer.local_jar(place, cache)).exists():
            raise FileNotFoundError(place)
    except Exception as error:  # whatever a download may raise
        raise UsageError(
            f"--runner {runner} needs a job server, which can't be had: {error}. Give the file "
            "or --job_endpoint of one that runs"
        ) from error
