"""Who may talk to the application: checked before anything else is, and in one place.

Names and faces are personal data, and every page that a browser shows may send requests to this
machine. So the host that is asked for, the page that asks, and the browser itself are checked:
against DNS rebinding, against other pages, against other users of the machine.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import stat
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facebatch.errors import UsageError

LOCAL = ("127.0.0.1", "localhost", "[::1]")
"""Names that mean this machine only."""

LARGEST_FORM = 4_000_000
LARGEST_UPLOAD = 64_000_000
"""Bytes that a request may have; a photo that is searched for, and anything else."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)
_PERMISSIONS = "permissions-policy"
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    # Without it, browsers would send no Origin with forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    _PERMISSIONS: "camera=(), geolocation=(), microphone=()",
}
_CAMERA_ONLY = "camera=(self), geolocation=(), microphone=()"
_OPEN = ("/static/", "/login")
"""Paths that nobody needs a session for: they show nothing of the collection."""

_FAILURES, _FAILURES_SECONDS = 10, 600.0
"""Wrong passwords in so many seconds after which no other is looked at."""


@dataclass
class Access:
    """What lets a browser in.

    Args:
        host: The name or address that is listened on.
        port: The port.
        password: What another machine's browser has to know; None where none may come.
    """

    host: str
    port: int
    password: str | None = None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _sessions: set[str] = field(default_factory=set)
    _failures: list[float] = field(default_factory=list)

    @property
    def cookie(self) -> str:
        """Name of the cookie; another for each port, since browsers give all ports all cookies."""
        return f"facebatch-{self.port}"

    @property
    def url(self) -> str:
        """The address to open, once."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/?token={self.token}"

    def allows_host(self, host: str) -> bool:
        """Tells whether a request may be for a host, as its header names it.

        Whoever rebinds a name of theirs to this machine's address has browsers ask for that name.
        """
        name, _, port = host.rpartition(":")
        if self.port == 80 and (not name or host.endswith("]")):
            name, port = host, "80"  # which browsers leave out
        if port != str(self.port):
            return False
        if self.password is None:
            return name in LOCAL
        return name in (*LOCAL, self.host) or _is_address(name)

    def session_of_token(self, token: str) -> str | None:
        """Returns a new session for the token, which then is used up; None for a wrong one."""
        if not self.token or not hmac.compare_digest(token.encode(), self.token.encode()):
            return None
        self.token = ""
        return self._session()

    def session_of_password(self, password: str) -> str | None:
        """Returns a new session for the password; None for a wrong one, or after too many."""
        now = time.monotonic()
        self._failures = [at for at in self._failures if now - at < _FAILURES_SECONDS]
        if self.password is None or len(self._failures) >= _FAILURES:
            return None
        if hmac.compare_digest(_digest(password), _digest(self.password)):
            return self._session()
        self._failures.append(now)
        return None

    def _session(self) -> str:
        session = secrets.token_urlsafe(32)
        self._sessions.add(session)
        return session

    def knows(self, session: str | None) -> bool:
        """Tells whether a session was given to a browser."""
        return session is not None and session in self._sessions

    def csrf(self, session: str) -> str:
        """Returns what every form of a session carries."""
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def let_in(self, response: Response, session: str) -> Response:
        """Gives a browser its session."""
        response.set_cookie(self.cookie, session, httponly=True, samesite="strict", path="/")
        return response


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def read_password(host: str, file: Path | None) -> str | None:
    """Returns the password that a server on a host asks for; None on this machine alone.

    Raises:
        UsageError: Other machines could come, and there is no password, or others may read it.
    """
    if file is None:
        if host in LOCAL or host == "::1":
            return None
        raise UsageError(
            f"--host {host} lets other machines in: write a password into a file that only you "
            "can read, and give --password-file FILE"
        )
    try:
        mode, password = file.stat().st_mode, file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} can't be read: {error}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"others may read {file}: `chmod 600 {file}`")
    if len(password) < 8:
        raise UsageError(f"the password in {file} is too short: 8 characters at least")
    return password


@asynccontextmanager
async def checked_form(request: Request, most_fields: int = 50) -> AsyncIterator[FormData]:
    """Gives a form that one of our pages was sent with; its files are gone afterwards.

    Raises:
        HTTPException: It doesn't carry what the pages of this session do, 403.
    """
    async with request.form(max_files=1, max_fields=most_fields) as form:
        check_csrf(request, form.get("csrf"))
        yield form


def check_csrf(request: Request, given: object) -> None:
    """Refuses a request that doesn't carry what the pages of its session do.

    Raises:
        HTTPException: It doesn't, 403.
    """
    access: Access = request.app.state.site.access
    right = access.csrf(request.scope["session"] or "")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), right.encode()):
        raise HTTPException(403)


class Guard:
    """Lets through what may come, and gives every answer the headers that keep it here.

    Args:
        app: The application.
        access: What lets a browser in.
        camera: Whether its pages may ask for the browser's camera.
    """

    def __init__(self, app: ASGIApp, access: Access, *, camera: bool = False) -> None:
        self._app = app
        self._access = access
        self._headers = {**_HEADERS, _PERMISSIONS: _CAMERA_ONLY} if camera else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = self._refused(scope)
        sent = _Sent(send, self._headers, private=not scope["path"].startswith("/static/"))
        if answer is not None:
            await answer(scope, receive, sent)
            return
        most = LARGEST_UPLOAD if scope["path"] == "/search" else LARGEST_FORM
        await self._app(scope, _Limited(receive, most), sent)

    def _refused(self, scope: Scope) -> Response | None:
        """Returns the answer to what may not pass; None for what may."""
        headers, access = Headers(scope=scope), self._access
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not access.allows_host(host):
            return PlainTextResponse("this is not a host of this application", 403)
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("no such method", 405)
        if scope["method"] == "POST" and not _is_own_page(headers, host):
            return PlainTextResponse("this comes from another page", 403)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_UPLOAD:
            return PlainTextResponse("too large", 413)
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        session = access.session_of_token(token) if token and scope["path"] == "/" else None
        if session is not None:
            return access.let_in(RedirectResponse("/", 303), session)
        scope["session"] = _cookie(headers, access.cookie)
        if access.knows(scope["session"]) or scope["path"].startswith(_OPEN):
            return None
        if access.password is not None:
            return RedirectResponse("/login", 303)
        words = "Open the address that the terminal shows. It works once: start again for another."
        return PlainTextResponse(words, 401)


def _is_own_page(headers: Headers, host: str) -> bool:
    """Tells whether a form was sent by one of our own pages, by what the browser says of it."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return origin == f"http://{host}"


def _cookie(headers: Headers, name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    return found[name].value if name in found else None


class _Limited:
    """Receives a body, up to so many bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413)
        return message


class _Sent:
    """Sends an answer with the headers that every answer has."""

    def __init__(self, send: Send, given: Mapping[str, str], *, private: bool) -> None:
        self._send = send
        self._given = given
        self._private = private

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in self._given.items():
                headers[name] = value
            if self._private:
                headers.setdefault("cache-control", "no-store")
        await self._send(message)
