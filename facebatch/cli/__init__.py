"""The command line: parse, call, print. What a command does is a stage's or a pipeline's business.

No command is imported before it is asked for, and nothing heavy before it runs, so that
``facebatch --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from facebatch import __version__
from facebatch.cli.command import COLLECTION_VARIABLE, group
from facebatch.cli.deliberate import deliberate, limits_met
from facebatch.cli.program import Program
from facebatch.errors import FacebatchError, Interrupted
from facebatch.monitor import logs
from facebatch.storage.printable import printable

_INTERRUPTED = "interrupted. What was committed stays; the same command goes on from there."

_ERRNO = re.compile(r"\[Errno \d+\] ([^:\n]+)(?:: '[^'\n]*'(?: -> '[^'\n]*')?)?")
"""What the system says of a file, whose name the message has already."""

_ABORTING = frozenset({"apache_beam", "pyarrow"})
_interrupted = threading.Event()
"""Set from the moment on in which the user asked the program to stop."""

_while_importing = threading.Event()
"""Set where that was while a library was loaded."""

app = group(
    "facebatch",
    "Turn an archive of photos and videos into an index of faces and a list of people.",
    cls=Program,
    epilog="Settings are given as flags, as variables (`FACEBATCH_MAX_SIDE=1024`) or in a TOML "
    f"file (`--config`). `{COLLECTION_VARIABLE}` names the collection where an argument doesn't. "
    "`facebatch help COMMAND` says more of a command.\n\n"
    "Exit codes: 0 done; 1 bug or dead worker; 2 usage or input error; "
    "3 too many failures; 4 refused, different, damaged or incomplete (unlock, verify, check, "
    "erase, train head); 130 interrupted.",
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"facebatch {__version__}")
        raise typer.Exit


@app.callback()
def _general(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process with its exit code.

    Args:
        arguments: The arguments after the program's name; the process's own by default. What
            follows a ``--`` goes to Beam as it is.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    ours, separator, beams = _split(given)
    if separator and ours[:1] and ours[0] not in ("run", "extract"):
        print(f"facebatch: {ours[0]} takes no Beam options after --", file=sys.stderr)  # noqa: T201
        _end(2)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        app(ours, obj=tuple(beams), prog_name="facebatch")
    except SystemExit as ended:
        # Typer ends the process by itself when Ctrl-C reaches it, and says nothing. What compiled
        # code calls back swallows an exception that happens to be raised in it.
        if ended.code == Interrupted.exit_code or _interrupted.is_set():
            if not logs.in_json():
                print(f"facebatch: {_INTERRUPTED}{_limits_met()}", file=sys.stderr)  # noqa: T201
            _end(Interrupted.exit_code)
        _end(ended.code)
    except Exception as error:
        told = deliberate(error)
        if isinstance(told, Interrupted):
            told.args = (f"{told}{_limits_met()}",)
        if isinstance(told, FacebatchError):
            _end(_say(told))
        if not logs.in_json():
            raise
        logs.failed(error, 1)
        _end(1)
    _end(0)


def _limits_met() -> str:
    """Returns the limits of the process where one of them, not the user, may have interrupted it.

    OpenBLAS interrupts the program that loads it when it gets no threads.
    """
    return limits_met() if _while_importing.is_set() else ""


def _say(error: FacebatchError) -> int:
    """Says what ended the program, and returns its exit code."""
    if logs.in_json():
        logs.failed(error, error.exit_code)
    else:
        said = _ERRNO.sub(r"\1", str(error))
        lines = "\n".join(printable(line) for line in said.splitlines())
        begin = "" if lines.startswith("facebatch ") else "facebatch: "
        print(f"{begin}{lines}", file=sys.stderr)  # noqa: T201
    return error.exit_code


def _end(code: str | int | None) -> NoReturn:
    """Ends the process; at once where a pipeline ran or a table was read.

    The local runner's threads wait for dead workers and would never end, and those of gRPC and
    Arrow now and then abort a process whose interpreter is being taken apart.
    """
    if not _ABORTING.isdisjoint(sys.modules) and not isinstance(code, str):
        with contextlib.suppress(OSError):  # nobody reads any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code or 0)
    sys.exit(code)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """Lets what schedulers and closing terminals send stop the program as Ctrl-C does."""
    if frame is not None and "importlib" in frame.f_code.co_filename:
        _while_importing.set()
    _interrupted.set()
    raise KeyboardInterrupt


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in arguments:
        return arguments, False, []
    at = arguments.index("--")
    return arguments[:at], True, arguments[at + 1 :]
