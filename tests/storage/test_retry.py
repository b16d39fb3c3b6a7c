from __future__ import annotations

import errno
import io
import zipfile
from collections.abc import Callable

import aiohttp
import botocore.exceptions
import pytest
from fsspec.exceptions import FSTimeoutError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from facebatch.storage import retry
from facebatch.storage.retry import TRIES, RetryingFile, as_os_error, is_transient, retried


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)


def client_error(status: int, code: str) -> Exception:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = botocore.exceptions.ClientError(answer, "GetObject")  # type: ignore[arg-type]
    return error


def response_error(status: int) -> Exception:
    url = URL("https://user:word@host/a.jpg?sig=word")
    request = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.ClientResponseError(request, (), status=status)


def google_error(code: object) -> Exception:
    error = type("HttpError", (Exception,), {"__module__": "gcsfs.retry"})("failed")
    error.code = code
    return error


@pytest.mark.parametrize(
    ("error", "kind", "passes"),
    [
        (client_error(503, "SlowDown"), OSError, True),
        (client_error(500, "InternalError"), OSError, True),
        (client_error(404, "NoSuchKey"), FileNotFoundError, False),
        (client_error(403, "AccessDenied"), PermissionError, False),
        (client_error(400, "InvalidArgument"), OSError, False),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), ConnectionError, True),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), ConnectionError, True),
        (botocore.exceptions.NoCredentialsError(), PermissionError, False),
        (response_error(429), OSError, True),
        (response_error(502), OSError, True),
        (response_error(401), PermissionError, False),
        (response_error(410), FileNotFoundError, False),
        (aiohttp.ServerDisconnectedError(), OSError, True),
        (aiohttp.ClientPayloadError("half"), OSError, True),
        (google_error(503), OSError, True),
        (google_error("404"), FileNotFoundError, False),
        (FSTimeoutError(), TimeoutError, True),
        (zipfile.BadZipFile("no zip"), OSError, False),
        (EOFError(), OSError, False),
        (OSError(errno.EIO, "Input/output error"), OSError, True),
        (OSError(errno.ESTALE, "Stale file handle"), OSError, True),
        (OSError(errno.ENOTEMPTY, "Directory not empty"), OSError, True),
        (OSError(errno.ENOSPC, "No space left"), OSError, False),
        (PermissionError(errno.EACCES, "denied"), PermissionError, False),
        (FileNotFoundError(errno.ENOENT, "gone"), FileNotFoundError, False),
    ],
)
def test_every_stores_errors_are_os_errors_that_pass_or_stay(
    error: Exception, kind: type[OSError], passes: bool
) -> None:
    known = as_os_error(error)
    assert isinstance(known, kind)
    assert is_transient(known) == passes


def test_an_error_of_our_own_stays_what_it_is() -> None:
    for error in (TypeError("a bug"), KeyError("a bug"), MemoryError()):
        assert as_os_error(error) is None

    def buggy() -> None:
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        retried(buggy)


def test_a_message_keeps_no_secret() -> None:
    for error in (OSError(5, "x https://u:word@h/a?sig=word"), response_error(500)):
        assert "word" not in str(as_os_error(error))


def failing(times: int, error: Exception) -> tuple[Callable[[], str], list[int]]:
    calls: list[int] = []

    def work() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return "done"

    return work, calls


def test_what_passes_is_tried_again_and_what_stays_is_not() -> None:
    work, calls = failing(TRIES - 1, client_error(503, "SlowDown"))
    assert (retried(work), len(calls)) == ("done", TRIES)
    work, calls = failing(TRIES, TimeoutError())
    with pytest.raises(TimeoutError):
        retried(work)
    assert len(calls) == TRIES
    work, calls = failing(1, client_error(403, "AccessDenied"))
    with pytest.raises(PermissionError):
        retried(work)
    assert len(calls) == 1


class _Shaky(io.BytesIO):
    """Fails every second read, after it has moved on."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.reads += 1
        if self.reads % 2:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        return data


def test_reads_that_fail_halfway_give_every_byte_once() -> None:
    data = bytes(range(256))
    with RetryingFile(_Shaky(data)) as file:
        assert file.read(10) + file.read(10) == data[:20]
        buffer = bytearray(30)
        assert file.readinto(buffer) == 30
        assert bytes(buffer) == data[20:50]
        file.seek(-6, io.SEEK_END)
        assert (file.read(), file.tell()) == (data[-6:], 256)
        file.seek(-2, io.SEEK_CUR)
        assert file.readall() == data[-2:]
