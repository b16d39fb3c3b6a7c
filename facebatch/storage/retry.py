"""What stores raise, as one kind of error, and trying again what may pass by itself.

Every store's client has errors of its own (botocore's, aiohttp's, those of Google and Azure), many
of which aren't ``OSError``. Here they are told by what they say, without importing those packages,
so that the rooms above know `OSError` and its kinds only.
"""

from __future__ import annotations

import errno
import io
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from facebatch.storage.urls import public_text

TRIES = 3
FIRST_PAUSE_SECONDS = 0.2
PAUSE_GROWTH = 5
"""Pauses are 0.2 s and 1 s, each shortened by chance to no less than half of it: workers that
failed together don't come back together."""

_NUMBERS = (
    *(errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT),
    *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE),
    errno.ENOTEMPTY,
    *(errno.ENETDOWN, errno.ENETRESET, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
    getattr(errno, "EREMOTEIO", errno.EIO),
)
_TRANSIENT = frozenset(_NUMBERS)
"""EIO and ESTALE are what a network mount gives while its server is away, ENOTEMPTY what removing a
folder gives into which something is being written."""

_CLIENTS = frozenset(
    {
        *("aiohttp", "aiobotocore", "botocore", "urllib3", "requests", "http"),
        *("gcsfs", "google", "azure", "adlfs", "msrest"),
        *("zipfile", "tarfile", "zlib", "lzma", "_lzma", "gzip", "struct"),
    }
)
_LOST = ("Connection", "Timeout", "Disconnected", "Payload", "IncompleteRead", "ServiceRequest")
_REFUSED = ("Credential", "Auth", "Token")

Result = TypeVar("Result")


def as_os_error(error: BaseException) -> OSError | None:
    """Returns a store's error as the `OSError` that it amounts to; None for an error of ours.

    The message holds no password and no signature.
    """
    message = public_text(str(error)) or type(error).__name__
    if isinstance(error, FileNotFoundError) and error.errno is None and error.__cause__:
        # fsspec's HTTP says so of every file whose size it couldn't get; the cause says why.
        known = as_os_error(error.__cause__)
        if known is not None and (is_transient(known) or isinstance(known, PermissionError)):
            return known
    names = [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__]
    is_clients = any(family in _CLIENTS for family, _ in names)
    if isinstance(error, OSError) and not (is_clients and error.errno is None):
        return error if message == str(error) else _like(error, message)
    status = _status(error)
    if status is not None:
        return _of_status(status, message)
    if isinstance(error, EOFError):
        return OSError(errno.EINVAL, f"it ends too early: {message}")
    if isinstance(error, ValueError | NotImplementedError):
        # What fsspec says of a request that a store can't serve, such as one for a part of a file.
        return OSError(errno.EINVAL, message)
    if not is_clients:
        return None
    kinds = " ".join(name for _, name in names)
    if any(word in kinds for word in _LOST):
        return ConnectionError(errno.ECONNRESET, message)
    if any(word in kinds for word in _REFUSED):
        return PermissionError(errno.EACCES, message)
    return OSError(errno.EINVAL, message)


def is_transient(error: OSError) -> bool:
    """Tells whether an error may pass by itself: a lost connection, a timeout, a busy server."""
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return False
    return isinstance(error, ConnectionError | TimeoutError) or error.errno in _TRANSIENT


@contextmanager
def os_errors() -> Iterator[None]:
    """Lets what a store raises inside leave as an `OSError`."""
    try:
        yield
    except Exception as error:
        known = as_os_error(error)
        if known is None or known is error:
            raise
        raise known from error


def retried(work: Callable[[], Result]) -> Result:
    """Does something on a store, again with growing pauses while its errors may pass.

    Args:
        work: What is done; doing it twice must be as good as doing it once.

    Raises:
        OSError: It failed `TRIES` times, or in a way that stays.
    """
    pause = FIRST_PAUSE_SECONDS
    for left in reversed(range(TRIES)):
        try:
            with os_errors():
                return work()
        except OSError as error:
            if not left or not is_transient(error):
                raise
        time.sleep(pause * random.uniform(0.5, 1))
        pause *= PAUSE_GROWTH
    raise AssertionError("unreachable: the last try returns or raises")


class RetryingFile(io.RawIOBase):
    """A store's file opened for reading whose reads are tried again.

    Args:
        file: The file; it can seek.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        """Tells that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tells that it can seek."""
        return True

    def tell(self) -> int:
        """Returns the place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place."""
        if whence == io.SEEK_CUR:
            offset, whence = self._at + offset, io.SEEK_SET
        self._at = int(retried(lambda: self._file.seek(offset, whence)))
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Returns so many bytes, or all that are left."""

        def attempt() -> bytes:
            self._file.seek(self._at)
            return bytes(self._file.read(-1 if size is None else size))

        data = retried(attempt)
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        """Returns all that is left."""
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer as far as there are bytes, and returns how many."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Closes the store's file."""
        self._file.close()
        super().close()


def _like(error: OSError, message: str) -> OSError:
    """Returns an error of the same kind and number with another message."""
    for kind in (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError):
        if isinstance(error, kind):
            return kind(error.errno, message)
    number = errno.ECONNRESET if isinstance(error, ConnectionError) else error.errno
    number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else number
    return OSError(number, message)


def _of_status(status: int, message: str) -> OSError:
    if status in (404, 410):
        return FileNotFoundError(errno.ENOENT, message)
    if status in (401, 403, 407):
        return PermissionError(errno.EACCES, message)
    if status in (408, 425, 429) or status >= 500:
        return OSError(errno.EBUSY, message)
    return OSError(errno.EINVAL, message)


def _status(error: BaseException) -> int | None:
    """Returns the HTTP status that an error carries in one of the usual ways."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = response.get("Error", {}).get("Code", "")
        return int(found) if found else (503 if code in ("SlowDown", "Throttling") else 400)
    for name in ("status", "status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, str) and value.isdigit():
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None
