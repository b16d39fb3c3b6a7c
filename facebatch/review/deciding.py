"""What a form asks for, done: one address takes every decision.

A form carries what its page showed. Where that has changed since, nothing is decided, and the page
comes again with what happened meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from facebatch.errors import DecisionRefused, UsageError
from facebatch.people import Person, edit
from facebatch.people.deciding import Outcome, People
from facebatch.people.names import folded, written
from facebatch.review import asking, looking
from facebatch.review.desk import State
from facebatch.review.pages import Notice, Visit, is_id, person_of
from facebatch.review.security import checked_form
from facebatch.review.texts import table

_MOST_FACES = 2000
"""Faces that one form may name."""


@dataclass(frozen=True)
class Asked:
    """What a form asks for.

    Args:
        action: What.
        person: Id of the person, or of the face of nobody's, that it is about; may be empty.
        other: Id of another; may be empty.
        faces: Ids of faces that were chosen.
        name: The name typed.
        decision: The decision to undo; the newest where it is empty.
        sure: Whether a person of the same name is somebody else.
        page: The page that it comes from, one of `PAGES`.
        subject: What that page is about.
        about: Ids of all that the page showed.
        seen: What it showed of them, as `State.seen` gives it.
        generation: The people's generation then, and the newest decision.
    """

    action: str
    person: str
    other: str
    faces: tuple[str, ...]
    name: str
    decision: str
    sure: bool
    page: str
    subject: str
    about: tuple[str, ...]
    seen: str
    generation: str


Show = Callable[[Visit, str], Response]

PAGES: dict[str, Show] = {
    "who": lambda visit, subject: asking.who(visit),  # noqa: ARG005
    "people": lambda visit, subject: looking.people(visit),  # noqa: ARG005
    "same": lambda visit, subject: asking.same(visit),  # noqa: ARG005
    "fit": asking.fit,
    "odd": asking.odd,
    "person": looking.person,
    "media": looking.media,
    "decisions": lambda visit, subject: looking.decisions(visit),  # noqa: ARG005
}
"""The pages that forms come from, by name."""


async def decide(request: Request) -> Response:
    """Takes the decision that a form asks for."""
    async with checked_form(request, _MOST_FACES + 50) as form:
        asked = _asked(form)
    return await run_in_threadpool(_decided, request, asked)


def _asked(form: FormData) -> Asked:
    """Reads a form.

    Raises:
        HTTPException: It is none of ours, 400.
    """

    def text(name: str) -> str:
        found = form.get(name, "")
        return found if isinstance(found, str) else ""

    faces = tuple(str(one) for one in form.getlist("faces"))
    about = tuple(filter(None, text("about").split(",")))
    given = (*faces, *about, *filter(None, (text("person"), text("other"), text("subject"))))
    if not all(map(is_id, given)) or text("page") not in PAGES or len(faces) > _MOST_FACES:
        raise HTTPException(400)
    return Asked(
        action=text("action"),
        person=text("person"),
        other=text("other"),
        faces=faces,
        name=written(text("name"))[:200],
        decision=text("decision"),
        sure=text("sure") == "yes",
        page=text("page"),
        subject=text("subject"),
        about=about,
        seen=text("seen"),
        generation=text("generation"),
    )


def _decided(request: Request, asked: Asked) -> Response:
    visit = Visit.of(request)
    if asked.action == "later":
        return _put_off(visit, asked)
    if asked.action == "name" and not asked.sure:
        others = namesakes(visit, asked)
        if others:
            return asking.confirm(visit, person_of(visit, asked.person), asked.name, others)
    if asked.action not in _VERBS:
        raise HTTPException(400)

    def unless(state: State) -> bool:
        return bool(asked.about) and state.seen(map(bytes.fromhex, asked.about)) != asked.seen

    try:
        outcome = visit.site.desk.decide(lambda people: _VERBS[asked.action](people, asked), unless)
    except UsageError as error:
        return _again(request, asked, visit.t("refused", why=_why(visit, error)), 422)
    if outcome is None:
        return _again(request, asked, _what_changed(visit, asked), 409)
    if asked.page == "same" and asked.action != "undo":
        pair = bytes.fromhex(asked.person), bytes.fromhex(asked.other)
        visit.site.desk.asker.answered.add(pair)
    elif asked.action == "undo":
        visit.site.desk.asker.answered.clear()
    return RedirectResponse(_next(asked, outcome), 303)


def _why(visit: Visit, error: UsageError) -> str:
    """Returns why a decision can't be taken, in the page's language where that is known."""
    if isinstance(error, DecisionRefused) and f"refused.{error.reason}" in table():
        return visit.t(f"refused.{error.reason}", who=error.who)
    return str(error)


def _put_off(visit: Visit, asked: Asked) -> Response:
    """Leaves a question for later: nothing is decided."""
    person, desk = bytes.fromhex(asked.person), visit.site.desk
    if asked.page == "same":
        desk.asker.put_off.add((person, bytes.fromhex(asked.other)))
    else:
        desk.put_off(person)
    return RedirectResponse(f"/{asked.page}", 303)


def namesakes(visit: Visit, asked: Asked) -> list[Person]:
    """Returns others who have the name that somebody is to get, whatever the case of letters."""
    roster, key = visit.state.roster, folded(asked.name)
    found = [roster.person(number) for name, _, number in roster.names if name == key]
    return [one for one in found if one.person_id.hex() != asked.person]


def _again(request: Request, asked: Asked, text: str, status: int) -> Response:
    """Returns the page that a form came from once more, with what is to be said."""
    visit = Visit.of(request, Notice(text, is_warning=True), status)
    if asked.page in _OF_A_SUBJECT and asked.subject:
        subject = asked.subject
        known = visit.state.people.known.get(bytes.fromhex(subject))
        if known is not None and known.merged_into is not None:
            subject = known.merged_into.hex()
        return PAGES[asked.page](visit, subject)
    return PAGES[asked.page](visit, "")


_OF_A_SUBJECT = ("person", "media", "fit", "odd")


def _what_changed(visit: Visit, asked: Asked) -> str:
    """Returns what happened since a page was shown, in words."""
    newest = asked.generation.partition("~")[2]
    about = {bytes.fromhex(one) for one in asked.about}
    since = [
        visit.t(f"kind.{outcome.decision.kind}")
        for name, outcome in visit.site.desk.outcomes.items()
        if name > newest and outcome.decision.about & about
    ]
    what = visit.t("changed.by", what=", ".join(since)) if since else visit.t("changed.elsewhere")
    return f"{visit.t('changed.title')} {what} {visit.t('changed.again')}"


def _next(asked: Asked, outcome: Outcome) -> str:
    """Returns where a browser goes after a decision."""
    place = f"/{asked.page}"
    if asked.page in _OF_A_SUBJECT and asked.subject:
        place += f"/{asked.subject}"
    return f"{place}?{urlencode({'done': outcome.decision.decision})}"


def _name(people: People, asked: Asked) -> Outcome:
    return edit.name_person(people, asked.person, asked.name)


def _same(people: People, asked: Asked) -> Outcome:
    person, other = (people.known.get(bytes.fromhex(one)) for one in (asked.person, asked.other))
    if person is None:
        return edit.merge_people(people, asked.person, [asked.other])
    if other is None:
        return edit.assign_faces(people, asked.person, [asked.other])
    first, second = (people.meant(said) for said in (asked.person, asked.other))
    # Who has a name keeps it, and the address that goes with it.
    keep, gone = (first, second) if first.name and not second.name else (second, first)
    return edit.merge_people(people, keep.person_id.hex(), [gone.person_id.hex()])


def _assign(people: People, asked: Asked) -> Outcome:
    return edit.assign_faces(people, asked.person, _chosen(asked))


def _apart(people: People, asked: Asked) -> Outcome:
    return edit.keep_apart(people, asked.person, asked.other)


def _reject(people: People, asked: Asked) -> Outcome:
    return edit.reject_faces(people, asked.person, _chosen(asked), no_face=False)


def _another(people: People, asked: Asked) -> Outcome:
    return edit.split_person(people, asked.person, _chosen(asked))


def _no_face(people: People, asked: Asked) -> Outcome:
    first, *others = _chosen(asked)
    return edit.reject_faces(people, first, others, no_face=True)


def _hide(people: People, asked: Asked) -> Outcome:
    return edit.hide_person(people, asked.person)


def _undo(people: People, asked: Asked) -> Outcome:
    return edit.undo(people, asked.decision or None)


def _chosen(asked: Asked) -> Sequence[str]:
    if not asked.faces:
        raise DecisionRefused("no_face_chosen", "no face was chosen")
    return asked.faces


_VERBS: dict[str, Callable[[People, Asked], Outcome]] = {
    "name": _name,
    "same": _same,
    "assign": _assign,
    "apart": _apart,
    "reject": _reject,
    "another": _another,
    "no_face": _no_face,
    "hide": _hide,
    "undo": _undo,
}
