"""The page that shows what a camera sees, at ``/live``: the picture, boxes, names, and enrolment.

It is served by the pieces of the review: whoever comes is checked by the same guard.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from facebatch.errors import FacebatchError, MediaError
from facebatch.faces.drawing import drawn
from facebatch.live.following import Seen, Shot
from facebatch.live.known import Known
from facebatch.live.naming import Label
from facebatch.live.sources import BrowserCamera
from facebatch.review.pages import templates
from facebatch.review.security import Access, Guard, check_csrf, checked_form, read_password
from facebatch.review.server import check_language, config, listening
from facebatch.review.shell import SHARED, language_of, login, page, statics
from facebatch.review.texts import translator

_STATIC = {**SHARED, "live.js": ("facebatch.review", "static/live.js", "text/javascript")}
_WIDEST = 960
_QUALITY = 80
_PICTURES_A_SECOND = 10
_PATIENCE = 1.0  # seconds that a watcher waits for another picture before it looks whether to go on


@dataclass(frozen=True)
class _Face:
    """A face as the page shows it, and what is enrolled of it."""

    number: int
    box: tuple[float, ...]
    label: Label
    best: Shot


@dataclass(frozen=True, eq=False)
class _View:
    """What was seen last."""

    count: int
    picture: Image.Image
    faces: Sequence[_Face]
    rate: float


class Window:
    """What was seen last, for the page; a `facebatch.live.watching.Screen`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._view: _View | None = None
        self._closed = False
        self._drawn: tuple[int, bytes] = (-1, b"")

    def show(self, picture: Image.Image, seen: Sequence[Seen], rate: float) -> None:
        """As `facebatch.live.watching.Screen.show`."""
        faces = [
            _Face(
                each.sighting.track.number,
                tuple(each.box.tolist()),
                each.sighting.label,
                each.sighting.best,
            )
            for each in seen
        ]
        with self._changed:
            count = self._view.count + 1 if self._view else 0
            self._view = _View(count, picture, faces, rate)
            self._changed.notify_all()

    def close(self) -> None:
        """Lets those who wait for another picture go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def faces(self) -> Sequence[_Face]:
        """The faces that are seen now."""
        return self._view.faces if self._view else ()

    def picture_after(self, count: int) -> tuple[int, bytes] | None:
        """Waits for a picture after one, and returns its number and JPEG; None after closing.

        Args:
            count: Number of the last picture; it is given again where no other comes for a while.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._view is not None and self._view.count != count),
                _PATIENCE,
            )
            view, (number, jpeg) = self._view, self._drawn
            if self._closed:
                return None
        if view is None:
            return count, b""
        if view.count != number:
            jpeg = _jpeg(view)
            self._drawn = (view.count, jpeg)
        return view.count, jpeg


def _jpeg(view: _View) -> bytes:
    scale = min(1.0, _WIDEST / max(view.picture.size))
    width, height = (max(1, round(side * scale)) for side in view.picture.size)
    boxes = [[side * scale for side in face.box] for face in view.faces]
    shown = view.picture if scale == 1 else view.picture.resize((width, height))
    sink = io.BytesIO()
    picture = drawn(shown, boxes, [face.label for face in view.faces])
    picture.save(sink, "JPEG", quality=_QUALITY)
    return sink.getvalue()


@dataclass(frozen=True)
class LiveSite:
    """What the page works with.

    Args:
        window: What is seen.
        known: Whom faces are named by.
        renew: Is called after somebody was enrolled.
        access: Who may come.
        language: Of the page; None for each browser's own.
        camera: Takes the browser's own pictures, where these are the source.
    """

    window: Window
    known: Known
    renew: Callable[[], None]
    access: Access
    language: str | None = None
    camera: BrowserCamera | None = None
    notices: dict[str, tuple[str, bool]] = field(default_factory=dict)


def make_app(site: LiveSite) -> ASGIApp:
    """Returns the application of the page."""
    app = Starlette(
        routes=[
            Route("/", lambda request: RedirectResponse("/live", 303)),  # noqa: ARG005
            Route("/login", login(templates), methods=["GET", "POST"]),
            Route("/static/{name}", statics(_STATIC)),
            Route("/live", _live),
            Route("/live/faces", _faces),
            Route("/live/picture", _picture),
            Route("/live/enrol", _enrol, methods=["POST"]),
            Route("/live/frame", _frame, methods=["POST"]),
        ]
    )
    app.state.site = site
    return Guard(app, site.access, camera=site.camera is not None)


def _site(request: Request) -> LiveSite:
    site: LiveSite = request.app.state.site
    return site


def _shown(request: Request, template: str, **values: Any) -> Response:
    faces = _site(request).window.faces
    return page(request, templates(), template, faces=faces, **values)


def _live(request: Request) -> Response:
    site = _site(request)
    notice = site.notices.pop(request.scope["session"], None)
    return _shown(request, "live.html.j2", notice=notice, own_camera=site.camera is not None)


def _faces(request: Request) -> Response:
    return _shown(request, "live_faces.html.j2")


async def _picture(request: Request) -> Response:
    """Gives the pictures as they come: motion JPEG, which browsers show as an image."""
    window = _site(request).window

    async def parts() -> AsyncIterator[bytes]:
        count = -1
        yield b"--next\r\n"
        while (found := await run_in_threadpool(window.picture_after, count)) is not None:
            count, jpeg = found
            if jpeg:
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                # A browser shows a picture once the next one's mark is there.
                yield head.encode() + jpeg + b"\r\n--next\r\n"
            await asyncio.sleep(1 / _PICTURES_A_SECOND)

    return StreamingResponse(parts(), media_type="multipart/x-mixed-replace; boundary=next")


async def _enrol(request: Request) -> Response:
    """Puts a face that is seen into the gallery, under a name."""
    async with checked_form(request) as form:
        number, name = str(form.get("track", "")), str(form.get("name", ""))
    text, is_warning = await run_in_threadpool(_enrolled, request, number, name)
    _site(request).notices[request.scope["session"]] = (text, is_warning)
    return RedirectResponse("/live", 303)


def _enrolled(request: Request, number: str, name: str) -> tuple[str, bool]:
    site, t = _site(request), translator(language_of(request))
    face = next((each for each in site.window.faces if str(each.number) == number), None)
    if face is None:
        return t("live.gone"), True
    try:
        called = site.known.enrol(name, face.best)
    except FacebatchError as error:
        return t("live.not_enrolled", why=str(error)), True
    try:
        site.renew()
    except FacebatchError as error:  # a classifier needs two people, say
        return t("live.not_yet", who=called, why=str(error)), True
    return t("live.enrolled", who=called), False


async def _frame(request: Request) -> Response:
    """Takes a picture of the browser's own camera."""
    camera = _site(request).camera
    if camera is None:
        raise HTTPException(404)
    check_csrf(request, request.headers.get("x-csrf"))
    try:
        await run_in_threadpool(camera.push, await request.body())
    except MediaError as error:
        raise HTTPException(422, str(error)) from error
    return Response(status_code=204)


@contextmanager
def served(
    make_site: Callable[[Access], LiveSite],
    *,
    host: str,
    port: int,
    password_file: Path | None,
    language: str | None,
) -> Iterator[str]:
    """Serves the page beside a block, and gives the address to open.

    Args:
        make_site: Makes the site, for those whom an access lets in.
        host: The name or address to listen on.
        port: The port; 0 for any that is free.
        password_file: Holds the password that other machines' browsers have to know.
        language: Of the page.

    Raises:
        UsageError: As for `facebatch.review.server.serve`.
    """
    check_language(language)
    password = read_password(host, password_file)
    with listening(host, port) as listener:
        access = Access(host, listener.getsockname()[1], password)
        site = make_site(access)
        server = uvicorn.Server(config(make_app(site)))
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="page", daemon=True
        )
        thread.start()
        try:
            yield access.url
        finally:
            site.window.close()
            server.should_exit = True
            thread.join(5)
