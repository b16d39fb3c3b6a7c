"""What every page is made with: its values, its forms, and the answer that carries it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from facebatch.people import Person
from facebatch.people.decisions import Decision
from facebatch.report.html import words
from facebatch.report.html.environment import environment
from facebatch.review.desk import Desk, State
from facebatch.review.faces import Rows
from facebatch.review.originals import Originals
from facebatch.review.security import Access
from facebatch.review.shell import language_of, page
from facebatch.review.texts import Translate, table, translator

AHEAD = 20
"""Questions that the progress looks ahead."""

PAGES = (
    *("who", "same", "people", "search", "when", "where"),
    *("failures", "evaluation", "decisions"),
)
"""The pages that every page leads to."""

_UNDO_PAGES = ("who", "same", "people", "fit", "odd", "person", "media")

_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Site:
    """What the pages work with.

    Args:
        desk: What is known, and takes decisions.
        originals: Shows photos.
        eye: Finds the faces of photos that are searched for.
        access: Who may come.
        language: The language of all pages; None for each browser's own.
    """

    desk: Desk
    originals: Originals
    eye: Any
    access: Access
    language: str | None = None


@dataclass(frozen=True)
class Notice:
    """Something to say above a page.

    Args:
        text: What.
        is_warning: Whether something didn't go as asked.
        undo: The decision that it is about, to be undone.
    """

    text: str
    is_warning: bool = False
    undo: str = ""


@dataclass(frozen=True)
class Visit:
    """A request for a page, and the state that it is answered from.

    Args:
        request: The request.
        state: What is known when it came.
        notice: What to say above the page.
        status: The answer's status.
    """

    request: Request
    state: State
    notice: Notice | None = None
    status: int = 200
    t: Translate = field(default=translator("en"))
    language: str = "en"

    @classmethod
    def of(cls, request: Request, notice: Notice | None = None, status: int = 200) -> Visit:
        """Returns the visit that a request is."""
        site: Site = request.app.state.site
        language = language_of(request)
        t = translator(language)
        visit = cls(request, site.desk.state, notice, status, t, language)
        done = site.desk.outcomes.get(request.query_params.get("done", ""))
        if notice is not None or done is None:
            return visit
        return replace(visit, notice=visit.told(done.decision))

    def told(self, decision: Decision) -> Notice:
        """Returns what is said of a decision that was just taken."""
        who = self.state.people.known.get(decision.person_id or b"")
        called = self.called(who) if who else ""
        text = self.t(f"done.{decision.kind}", who=called, count=len(decision.concerns))
        return Notice(text, undo="" if decision.kind == "undo" else decision.decision)

    @property
    def site(self) -> Site:
        """What the pages work with."""
        site: Site = self.request.app.state.site
        return site

    @property
    def _page(self) -> tuple[str, str]:
        """The page, and whom it is about, that an undo comes back to."""
        _, page, *subject = self.request.url.path.split("/")
        if page not in _UNDO_PAGES:
            return "decisions", ""
        return page, subject[0] if subject else ""

    def called(self, person: Person) -> str:
        """Returns what a person is called on a page."""
        short = person.person_id.hex()[: words.SHORT_ID]
        return person.name or self.t("person.unnamed", id=short)

    def card(self, person: Person) -> dict[str, Any]:
        """Returns what is shown of a person wherever they appear."""
        cover = self.state.roster.cover(person)
        return {
            "id": person.person_id.hex(),
            "name": person.name,
            "called": self.called(person),
            "faces": self.state.roster.count(person),
            "cover": None if cover is None else self.state.store.id_of(cover).hex(),
            "hidden": person.hidden,
        }

    def faces(self, rows: Rows | Sequence[int]) -> list[dict[str, Any]]:
        """Returns what is shown of faces: id, photo, where it is from, and when it was taken."""
        store, chosen = self.state.store, np.asarray(rows, np.int64)
        facts = store.facts(chosen, ("media_id", "root", "path", "captured_at"))
        return [
            {
                "id": store.id_of(row).hex(),
                "media": media.hex() if media else None,
                "title": "" if media is None else _title(root, path, at),
            }
            for row, media, root, path, at in zip(chosen.tolist(), *facts.values(), strict=True)
        ]

    def seen(self, *about: str) -> dict[str, str]:
        """Returns what a form carries of what its page shows: of whom, which, and as of when."""
        subjects = [bytes.fromhex(one) for one in about]
        return {
            "about": ",".join(about),
            "seen": self.state.seen(subjects),
            "generation": f"{self.state.generation}~{self.site.desk.newest}",
        }

    def render(self, template: str, **values: Any) -> Response:
        """Returns a page."""
        desk = self.site.desk
        common = {
            "pages": PAGES,
            "path": self.request.url.path,
            "collection": desk.collection.name,
            "progress": self.state.roster.progress(AHEAD),
            "ahead": AHEAD,
            "running": desk.is_running,
            "pending": len(self.state.people.pending),
            "unclustered": self.state.store.unclustered,
            "notice": self.notice,
            "seen": self.seen,
            "texts": table(),
            "undo_page": self._page[0],
            "undo_subject": self._page[1],
        }
        return page(self.request, templates(), template, self.status, **common, **values)


@cache
def templates() -> Environment:
    """Returns what the application's templates are read and filled with."""
    made = environment("facebatch.review")
    made.filters.update(percent=lambda share: f"{100 * share:.{0 if share >= 0.1 else 1}f} %")
    return made


def _title(root: str, path: str, at: Any) -> str:
    return f"{root}/{path}" + (f", {words.moment(at)}" if at else "")


def is_id(text: Any) -> bool:
    """Tells whether a text is an id as pages write it."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def person_of(visit: Visit, text: str) -> Person:
    """Returns the person of an id; for one who was merged, whom that leads to.

    Raises:
        HTTPException: There is none, 404.
    """
    known = visit.state.people.known
    person = known.get(bytes.fromhex(text)) if is_id(text) else None
    if person is not None and person.merged_into is not None:
        person = known.get(person.merged_into)
    if person is None:
        raise HTTPException(404)
    return person


def face_of(visit: Visit, text: str) -> int:
    """Returns the row of the face of an id.

    Raises:
        HTTPException: There is none, 404.
    """
    row = visit.state.store.directory.row(bytes.fromhex(text)) if is_id(text) else None
    if row is None:
        raise HTTPException(404)
    return row
