"""What every application of pages has: files, the way in, and the language of a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from facebatch.review.security import Access
from facebatch.review.texts import LANGUAGES, preferred, translator

SHARED = {
    "style.css": ("facebatch.report.html", "style.css", "text/css"),
    "review.css": ("facebatch.review", "static/review.css", "text/css"),
    "icon.svg": ("facebatch.review", "static/icon.svg", "image/svg+xml"),
}
"""Files that pages of every application show: package, path inside it, and type, by name."""


def language_of(request: Request) -> str:
    """Returns the language that a request is answered in: the site's, else the browser's."""
    chosen: str | None = request.app.state.site.language
    return chosen or preferred(request.headers.get("accept-language", ""))


def page(
    request: Request, made: Environment, template: str, status: int = 200, **values: Any
) -> Response:
    """Returns a page of a template, which gets ``t``, ``lang`` and ``csrf`` beside the values."""
    language, session = language_of(request), request.scope["session"]
    access: Access = request.app.state.site.access
    common = {
        "t": translator(language),
        "lang": LANGUAGES[language],
        "csrf": access.csrf(session) if session else "",
    }
    return HTMLResponse(made.get_template(template).render({**common, **values}), status)


def statics(known: Mapping[str, tuple[str, str, str]]) -> Callable[[Request], Response]:
    """Returns what answers with a file."""

    def answer(request: Request) -> Response:
        found = known.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        package, path, kind = found
        data = files(package).joinpath(path).read_bytes()
        return Response(data, media_type=kind, headers={"cache-control": "max-age=3600"})

    return answer


def login(made: Callable[[], Environment]) -> Callable[[Request], Any]:
    """Returns what asks for the password, where other machines may come."""

    async def answer(request: Request) -> Response:
        access: Access = request.app.state.site.access
        if access.password is None:
            raise HTTPException(404)
        wrong = False
        if request.method == "POST":
            async with request.form(max_files=0, max_fields=4) as form:
                session = access.session_of_password(str(form.get("password", "")))
            if session is not None:
                return access.let_in(RedirectResponse("/", 303), session)
            wrong = True
        return page(request, made(), "login.html.j2", 401 if wrong else 200, wrong=wrong)

    return answer
