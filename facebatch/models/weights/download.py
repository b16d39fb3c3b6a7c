"""Bringing one file over HTTP, of any size, over connections that break, stall or lie.

What came is kept beside the place where it goes, so that the next attempt, or the next command,
goes on from there if the server's file is still the same (RFC 9110: Range with If-Range). Whether
the bytes are the right ones is for the caller to say, by their hash. ``requests`` does what it is
good at: proxies, certificates, redirects (to http and https alone).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from facebatch import __version__
from facebatch.errors import DownloadError
from facebatch.storage.urls import public_text, public_url

if TYPE_CHECKING:
    import requests

Show = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many if that is known."""

_BLOCK = 1 << 16
_TRICKLE = 1000
"""Bytes a second; what brings less doesn't count as bringing anything."""

_REDIRECTS = 10
_LONGEST_PAUSE = 60.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may be others a little later."""


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Args:
        connect: Seconds until it takes the connection.
        stall: Seconds without bytes worth the name after which the connection is given up.
        attempts: Attempts in a row that may bring nothing new.
        connecting: The same for those that reach no server.
        pause: Seconds before the second attempt; each further pause is twice as long.
    """

    connect: float = 10.0
    stall: float = 30.0
    attempts: int = 5
    connecting: int = 2
    pause: float = 1.0


@dataclass(frozen=True)
class Wanted:
    """What is to be brought.

    Args:
        url: Where from.
        part: The file that takes what comes; its folder is there.
        bytes: Its size, if known.
        largest: Bytes that it may have at most.
    """

    url: str
    part: Path
    bytes: int | None
    largest: int

    @property
    def shown(self) -> str:
        """The URL as people may see it."""
        return public_url(self.url)


class _PassingError(Exception):
    """An attempt failed in a way that may pass by itself."""

    def __init__(self, what: str, *, reached: bool = True, after: float = 0.0) -> None:
        super().__init__(what)
        self.reached = reached
        self.after = after


@contextlib.contextmanager
def opened_alone(part: Path) -> Iterator[BinaryIO]:
    """Opens a part for reading and appending, if no other process has it open.

    Raises:
        DownloadError: One has.
        OSError: It can't be written.
    """
    with part.open("a+b") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(f"{part} is being downloaded by another process") from error
        yield opened


def download(wanted: Wanted, part: BinaryIO, show: Show, patience: Patience) -> bool:
    """Brings a file into its part.

    Args:
        wanted: What to bring.
        part: The part, opened by `opened_alone`.
        show: Told of progress.
        patience: How long to wait.

    Returns:
        Whether some of it was there before, so that it is pieced together.

    Raises:
        DownloadError: It can't be had, or not now; what came is kept.
        OSError: It can't be written.
    """
    import requests

    with requests.Session() as session:
        session.headers["User-Agent"] = f"facebatch/{__version__}"
        # A compressed answer couldn't be gone on with, and weights don't shrink.
        session.headers["Accept-Encoding"] = "identity"
        session.max_redirects = _REDIRECTS
        attempt = _Attempt(session, wanted, part, show, patience)
        failed, best = 0, 0
        while True:
            try:
                return attempt.run()
            except _PassingError as error:
                there = part.seek(0, os.SEEK_END)
                failed = 1 if there > best else failed + 1
                best = max(best, there)
                if failed >= (patience.attempts if error.reached else patience.connecting):
                    raise DownloadError(_given_up(wanted, error, there)) from error
                pause = max(patience.pause * 2 ** (failed - 1), error.after)
                time.sleep(min(pause, _LONGEST_PAUSE))


def _given_up(wanted: Wanted, error: _PassingError, there: int) -> str:
    kept = f"; the {there:,} bytes that came are kept for the next time" if there else ""
    return f"{wanted.shown}: {error}{kept}"


class _Attempt:
    """One request at a time for what is missing of a file."""

    def __init__(
        self,
        session: requests.Session,
        wanted: Wanted,
        part: BinaryIO,
        show: Show,
        patience: Patience,
    ) -> None:
        self._session = session
        self._wanted = wanted
        self._part = part
        self._show = show
        self._patience = patience
        self._state = Path(f"{wanted.part}.json")

    def run(self) -> bool:
        """Asks once for what is missing, and takes it.

        Returns:
            Whether something was there before.
        """
        import requests

        start, validator = self._kept()
        headers = {"Range": f"bytes={start}-", "If-Range": validator} if start else {}
        try:
            with self._session.get(
                self._wanted.url,
                headers=headers,
                stream=True,
                timeout=(self._patience.connect, self._patience.stall),
            ) as answer:
                start = self._begun(answer, start)
                self._take(answer, start)
        except requests.exceptions.SSLError as error:
            raise self._refused(f"its certificate isn't trusted: {_cause(error)}") from error
        except requests.exceptions.ReadTimeout as error:
            what = f"no answer in {self._patience.stall:g} s"
            raise _PassingError(what, reached=False) from error
        except requests.exceptions.ConnectionError as error:
            raise _PassingError(_cause(error), reached=_reached(error)) from error
        except requests.exceptions.RequestException as error:
            raise self._refused(_cause(error)) from error
        self._state.unlink(missing_ok=True)
        return start > 0

    def _kept(self) -> tuple[int, str]:
        """How many bytes are there, and what the server called the file that they are of."""
        there = self._part.seek(0, os.SEEK_END)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            state = json.loads(self._state.read_text("utf-8"))
            if there and state.get("url") == self._wanted.shown:
                return there, str(state["validator"])
        return 0, ""

    def _begun(self, answer: requests.Response, start: int) -> int:
        """Looks at an answer's head, and returns at which byte its body begins."""
        if answer.status_code == 206 and start and _starts_at(answer) == start:
            return start
        if answer.status_code in (206, 416) and start:
            self._restart(None)
            raise _PassingError("what is left of it can't be had; it is begun anew")
        if answer.status_code in _PASSING:
            after = answer.headers.get("Retry-After", "")
            raise _PassingError(
                f"the server answers {answer.status_code} {answer.reason}",
                after=float(after) if after.isdecimal() else 0.0,
            )
        if answer.status_code != 200:
            raise self._refused(f"the server answers {answer.status_code} {answer.reason}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise self._refused("the server sends it compressed, unasked")
        self._restart(_validator(answer))
        return 0

    def _restart(self, validator: str | None) -> None:
        """Empties the part, and notes what the server calls the file that it will hold."""
        self._part.truncate(0)
        if validator is None:
            self._state.unlink(missing_ok=True)
        else:
            state = {"url": self._wanted.shown, "validator": validator}
            self._state.write_text(json.dumps(state), "utf-8")

    def _take(self, answer: requests.Response, start: int) -> None:
        """Appends an answer's body to the part."""
        import urllib3

        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        expected = self._wanted.bytes
        if total is not None and total != (expected or total):
            raise self._refused(f"it has {total:,} bytes there, not {expected:,}: another file")
        there, counted, since = start, start, time.monotonic()
        self._show(there, total or expected)
        while True:
            if there > (expected or self._wanted.largest):
                raise self._refused(f"it has more than {expected or self._wanted.largest:,} bytes")
            try:
                block = answer.raw.read1(_BLOCK)
            except urllib3.exceptions.ReadTimeoutError as error:
                raise self._stalled() from error
            except urllib3.exceptions.HTTPError as error:
                raise _PassingError(f"the connection broke after {there:,} bytes") from error
            if not block:
                break
            self._part.write(block)
            there += len(block)
            self._show(there, total or expected)
            if (passed := time.monotonic() - since) >= self._patience.stall:
                if there - counted < _TRICKLE * passed:
                    raise self._stalled()
                counted, since = there, time.monotonic()
        self._part.flush()
        os.fsync(self._part.fileno())
        if there < (expected or 0):
            raise _PassingError(f"it ended after {there:,} of {expected:,} bytes")

    def _stalled(self) -> _PassingError:
        return _PassingError(f"next to nothing came for {self._patience.stall:g} s")

    def _refused(self, what: str) -> DownloadError:
        return DownloadError(f"{self._wanted.shown}: {what}")


def _validator(answer: requests.Response) -> str | None:
    """What If-Range may name the file by: a strong ETag, or else when it was changed."""
    etag = answer.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return answer.headers.get("Last-Modified")


def _starts_at(answer: requests.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _reached(error: requests.exceptions.ConnectionError) -> bool:
    """Whether there was a connection that broke; else there was none to begin with."""
    import requests
    import urllib3

    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
        return False
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return not isinstance(reason, urllib3.exceptions.NewConnectionError)


def _cause(error: BaseException) -> str:
    """The innermost thing that an error of requests says, which wraps several others."""
    while True:
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        if inner is None:
            said = re.sub(r"^\w+\(host=[^)]*\): ", "", str(error))
            return public_text(said) or type(error).__name__
        error = inner
