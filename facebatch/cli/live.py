"""``facebatch live``: people before a camera, in a stream or in a file, as they come."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebatch.cli import options, output
from facebatch.cli.command import Command
from facebatch.cli.commands import query
from facebatch.cli.settings_options import Asked, takes_settings
from facebatch.errors import InputError, UsageError

if TYPE_CHECKING:
    from facebatch.live.known import Known

DETECTION_SIDE = 640
_HOST = "127.0.0.1"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_CLOSING_SECONDS = 10.0


@takes_settings("engine", "device")
def live(
    asked: Asked,
    source: Annotated[
        str,
        typer.Argument(
            help="The number of a camera, the URL of a stream (rtsp, http, tcp...), a video file, "
            "or `browser` for the camera of the browser that opens the page.",
            metavar="SOURCE",
        ),
    ],
    gallery: Annotated[
        str,
        typer.Option(
            "--gallery",
            "-g",
            help="Whom faces are named by; with a page it is made where there is none.",
            metavar="URL",
        ),
    ],
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Look at every frame of a file and embed all of its faces, as fast as that goes.",
        ),
    ] = False,
    size: Annotated[
        int,
        typer.Option(
            help="Long side in pixels that pictures are shrunk to for detection.",
            min=160,
            max=4096,
            metavar="N",
        ),
    ] = DETECTION_SIDE,
    method: options.Method = None,
    fpir: options.Fpir = None,
    threshold: options.Threshold = None,
    again: Annotated[
        str,
        typer.Option(
            help="Time from one greeting of a person to the next: 90s, 10m, 12h.",
            metavar="DURATION",
        ),
    ] = "10m",
    say: Annotated[
        str | None,
        typer.Option(
            help="A command that greets: it is run with the name as its last argument, by no "
            "shell.",
            metavar="COMMAND",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the events and one face of everybody who left; without it nothing is "
            "stored.",
            metavar="FOLDER",
        ),
    ] = None,
    page: Annotated[
        bool,
        typer.Option(
            "--page",
            help="Show picture, boxes and names in a browser, and enrol there whom it sees.",
        ),
    ] = False,
    host: options.Host = _HOST,
    port: options.Port = 0,
    password_file: options.PasswordFile = None,
    language: options.Language = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print events as JSON lines on a terminal too."),
    ] = False,
) -> None:
    """Recognise people live: in a camera's pictures, in a stream, or in a file as it plays.

    Prints who appeared, who was recognised and who left, a line of JSON each; on a terminal, lines
    for people. Ends with the file, or with Ctrl-C.
    """
    output.quiet(verbose=False)
    from facebatch.live.events import Greeter, Sink, Speaker
    from facebatch.live.following import Follower
    from facebatch.live.sources import BROWSER, BrowserCamera, parse_source, read_in_thread
    from facebatch.live.watching import REFRESH_US, Watch
    from facebatch.models.engines import choose
    from facebatch.probe.probe import Prober

    pictures = parse_source(source, fast=fast)
    greeter, command = Greeter(_duration(again)), _command(say)
    with_page = page or source == BROWSER
    if with_page:
        options.check_served("live --page")
    elif host != _HOST or port or password_file or language:
        raise UsageError(
            "--host, --port, --password-file and --language are the page's: add --page"
        )
    run = asked.run()
    choose(run.engine, run.device)
    known = _known(gallery, (method, fpir, threshold), make=with_page)
    prober = Prober(known.live_settings(size), run.execution())
    follower = Follower(prober, known.namer(), 0 if fast else REFRESH_US)
    prober.load()
    with ExitStack() as stack:
        try:
            sink = Sink(sys.stdout, as_json=as_json or not sys.stdout.isatty(), keep=keep)
        except OSError as error:
            raise InputError(f"{keep} can't be written: {error.strerror}") from error
        speaker = Speaker(command, _say) if command else None
        watch = Watch(follower, sink, greeter, _say, speaker)
        stop = stack.enter_context(_stopped_by_signals())
        if with_page:
            from facebatch.review.live import LiveSite, Window, served

            renewing = threading.Lock()

            def renew() -> None:
                with renewing:  # of two who are enrolled at once the later one must not be lost
                    follower.namer = known.namer()
                watch.renaming.set()

            window = watch.screen = Window()
            camera = pictures if isinstance(pictures, BrowserCamera) else None
            url = stack.enter_context(
                served(
                    lambda access: LiveSite(window, known, renew, access, language, camera),
                    host=host,
                    port=port,
                    password_file=password_file,
                    language=language,
                )
            )
            _say(f"open {url} (the address works once); Ctrl-C ends")
        latest = read_in_thread(pictures, stop, _say)
        try:
            summary = watch.run(latest, stop)
        except BrokenPipeError:
            return  # nobody reads the events any more
        finally:
            latest.end()
            if speaker is not None:
                speaker.close(0 if stop.is_set() else _CLOSING_SECONDS)
            stop.set()
        _say(summary.as_text())


def _known(
    gallery: str, asked: tuple[str | None, float | None, float | None], *, make: bool
) -> Known:
    from facebatch.config import resolve_extract
    from facebatch.identify import Gallery
    from facebatch.live.known import Known

    if make and not Gallery.exists(gallery):
        made = Gallery.create(gallery, resolve_extract({}))
        _say(f"made {made.storage.public}, an empty gallery: enrol people on the page")
    method, fpir, threshold = asked
    known = Known.of(query(gallery, method, fpir, threshold, None))
    if not make:
        known.check()
    return known


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if found is None:
        raise UsageError(f"--again {text!r} is no duration: 90s, 10m, 12h or 1d")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])
    except OverflowError as error:
        raise UsageError(f"--again {text} is too long") from error


def _command(say: str | None) -> list[str]:
    if say is None:
        return []
    try:
        words = shlex.split(say)
    except ValueError as error:
        raise UsageError(f"--say {say!r} can't be read: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise UsageError(f"--say {say!r}: there is no such command")
    return words


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Gives an event that Ctrl-C, SIGTERM or a closed terminal sets, for the time of a block."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: str) -> None:
    from facebatch.storage.printable import printable

    typer.echo(f"facebatch: {printable(line)}", err=True)


COMMANDS = (Command(live, "facebatch live 0 --gallery ~/gallery --page"),)
