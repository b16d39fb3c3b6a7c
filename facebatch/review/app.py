"""The application: which address is answered by what, behind the guard."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from facebatch.errors import MediaError
from facebatch.people.names import folded
from facebatch.review import asking, looking, overview
from facebatch.review.deciding import decide
from facebatch.review.pages import Site, Visit, face_of, templates
from facebatch.review.security import Guard
from facebatch.review.seeing import search
from facebatch.review.shell import SHARED, login, statics

_NAMES = 8
_DAY = "private, max-age=86400"
_STATIC = {
    **SHARED,
    "review.js": ("facebatch.review", "static/review.js", "text/javascript"),
    "land.svg": ("facebatch.review", "static/land.svg", "image/svg+xml"),
}


class _HexId(Convertor[str]):
    """An id in an address: 32 lower-case hex digits and nothing else."""

    regex = "[0-9a-f]{32}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _HexId())


def make_app(site: Site) -> ASGIApp:
    """Returns the application for a collection.

    Args:
        site: What its pages work with.
    """
    app = Starlette(
        routes=[
            Route("/", lambda request: RedirectResponse("/who", 303)),  # noqa: ARG005
            Route("/login", login(templates), methods=["GET", "POST"]),
            Route("/static/{name}", statics(_STATIC)),
            Route("/who", _page(asking.who)),
            Route("/same", _page(asking.same)),
            Route("/fit/{subject:id}", _page(asking.fit)),
            Route("/odd/{subject:id}", _page(asking.odd)),
            Route("/compare", _page(asking.compare)),
            Route("/people", _page(looking.people)),
            Route("/person/{subject:id}", _page(looking.person)),
            Route("/media/{subject:id}", _page(looking.media)),
            Route("/search", search, methods=["GET", "POST"]),
            Route("/looked/{face:id}", _looked),
            Route("/when", _page(overview.when)),
            Route("/where", _page(overview.where)),
            Route("/failures", _page(overview.failures)),
            Route("/evaluation", _page(overview.evaluation)),
            Route("/decisions", _page(looking.decisions)),
            Route("/names", _names),
            Route("/chip/{face:id}", _chip),
            Route("/photo/{media:id}", _photo),
            Route("/decide", decide, methods=["POST"]),
        ],
        exception_handlers={404: _missing},
    )
    app.state.site = site
    return Guard(app, site.access)


def _page(show: Callable[..., Response]) -> Callable[[Request], Response]:
    """Returns what answers with a page, which reads what is known when it is asked for."""

    def answer(request: Request) -> Response:
        return show(Visit.of(request), **request.path_params)

    return answer


async def _missing(request: Request, error: Exception) -> Response:
    del error
    return await run_in_threadpool(lambda: looking.missing(Visit.of(request)))


def _names(request: Request) -> Response:
    """Says who is called somehow, while a name is typed: for choosing, never for completing."""
    visit = Visit.of(request)
    key = folded(request.query_params.get("q", ""))
    names = visit.state.roster.names
    found = [one for one in names if one[0].startswith(key)] if key else []
    if len(found) < _NAMES and key:
        found += [one for one in names if f" {key}" in one[0] and one not in found]
    cards = [visit.card(visit.state.roster.person(number)) for _, _, number in found[:_NAMES]]
    return JSONResponse([{key: card[key] for key in ("name", "faces", "cover")} for card in cards])


_WORD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 112 112">
<rect width="112" height="112" fill="#808080" fill-opacity=".2"/>
<g font-family="sans-serif" font-size="16" fill="#767676" text-anchor="middle">
<text x="56" y="61">{word}</text></g></svg>"""
"""What is shown of a face that there is no picture of."""


def _chip(request: Request) -> Response:
    visit = Visit.of(request)
    store, row = visit.state.store, face_of(visit, request.path_params["face"])
    chip, item = store.chip(row), store.media_of(row)
    try:
        if chip is None and item is not None:
            box = store.boxes[row].tolist()
            chip = visit.site.originals.face(item, int(store.timestamps[row]), box)
    except MediaError:
        chip = None
    if chip is None:
        word = _WORD.format(word=escape(visit.t("chip")))
        return Response(word, media_type="image/svg+xml", headers={"cache-control": "no-store"})
    return Response(chip, media_type="image/jpeg", headers={"cache-control": _DAY})


def _looked(request: Request) -> Response:
    """Shows a face of a photo that was searched with."""
    chip = request.app.state.site.eye.chips.get(bytes.fromhex(request.path_params["face"]))
    if chip is None:
        raise HTTPException(404)
    return Response(chip, media_type="image/jpeg")


def _photo(request: Request) -> Response:
    """Shows the photo of a media row that is known, or the frame that a face of it is in."""
    visit = Visit.of(request)
    store = visit.state.store
    at = store.media_directory.row(bytes.fromhex(request.path_params["media"]))
    if at is None:
        raise HTTPException(404)
    moment = request.query_params.get("at", "0")
    known = {0, *store.timestamps[store.in_media(at)].tolist()}
    if not moment.isdigit() or int(moment) not in known:
        raise HTTPException(404)
    item = store.media.slice(at, 1).to_pylist()[0]
    try:
        picture = visit.site.originals.picture(item, int(moment))
    except MediaError as error:
        return Response(str(error), 404, media_type="text/plain")
    return Response(picture, media_type="image/jpeg", headers={"cache-control": _DAY})
