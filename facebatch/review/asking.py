"""The pages that ask: who somebody is, whether two are one, what fits a person and what doesn't."""

from __future__ import annotations

from typing import Any

import numpy as np
from starlette.exceptions import HTTPException
from starlette.responses import Response

from facebatch.people import Person
from facebatch.people.names import folded
from facebatch.people.view import SHORTEST_PREFIX
from facebatch.review.faces import Rows
from facebatch.review.pages import Visit, person_of
from facebatch.review.pictures import framed

FACES_SHOWN = 12
"""Faces of a person beside the cover."""

SUGGESTED = 5
"""People who may be the same; as many keys choose one."""


LEAST_LIKELY = 0.01
"""Probability below which nobody is suggested: it would only be something to read."""

_PAIRS = 20
_LOOSE = 24
_ODD = 60
_ROW = 8


def who(visit: Visit) -> Response:
    """Asks who the next person without a name is; or the one that is named by ``person``."""
    asked = visit.request.query_params.get("person")
    person = person_of(visit, asked) if asked else _next(visit)
    if person is None:
        return visit.render("who.html.j2", card=None)
    rows = visit.state.roster.rows(person)
    if not len(rows):
        return visit.render("who.html.j2", card=None)
    cover = visit.state.roster.cover(person)
    return visit.render(
        "who.html.j2",
        card=visit.card(person),
        faces=visit.faces(_spread(visit, rows, FACES_SHOWN)),
        photo=None if cover is None else framed(visit, cover),
        same=suggested(visit, person),
        left=len(visit.state.roster.queue),
        put_off=len(visit.site.desk.later),
    )


def _next(visit: Visit) -> Person | None:
    roster, later = visit.state.roster, visit.site.desk.later
    for number in roster.queue:
        if roster.ids[number].tobytes() not in later:
            return roster.person(int(number))
    known = visit.state.people.known
    put_off = (known[one] for one in later if one in known)
    return next((one for one in put_off if not one.name and roster.count(one)), None)


def suggested(visit: Visit, person: Person) -> list[dict[str, Any]]:
    """Returns who may be the same as a person, as cards with a probability."""
    known = visit.state.people.known
    found = visit.site.desk.asker.same(visit.state.people, person.person_id, SUGGESTED)
    return [
        {**visit.card(known[one.other]), "probability": one.probability}
        for one in found
        if one.other in known and one.probability >= LEAST_LIKELY
    ]


def _spread(visit: Visit, rows: Rows, count: int) -> Rows:
    """Returns some of a person's faces, evenly from the most typical to the least."""
    ordered = visit.state.roster.typical(rows)
    if len(ordered) <= count:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, count).round().astype(np.int64)]


def confirm(visit: Visit, person: Person, name: str, others: list[Person]) -> Response:
    """Asks whether somebody who is given a name is who has it already."""
    rows = {one.person_id: visit.state.roster.rows(one) for one in (person, *others)}
    return visit.render(
        "confirm.html.j2",
        card=visit.card(person),
        name=name,
        faces=visit.faces(_spread(visit, rows[person.person_id], FACES_SHOWN)),
        others=[
            {**visit.card(one), "shown": visit.faces(_spread(visit, rows[one.person_id], 6))}
            for one in others
        ],
    )


def same(visit: Visit) -> Response:
    """Asks whether two are one person, or a face is a person's: that by which a yes gains most."""
    known = visit.state.people.known
    asked = list(visit.site.desk.asker.questions(visit.state.people))
    if not asked:
        return visit.render("same.html.j2", first=None)
    question = asked[0]
    first, second = (
        _beside(visit, known[who]) if who in known else _loose(visit, who)
        for who in (question.person_id, question.other)
    )
    return visit.render(
        "same.html.j2",
        first=first,
        second=second,
        kind=question.kind,
        probability=question.probability,
        left=len(asked),
    )


def _beside(visit: Visit, person: Person) -> dict[str, Any]:
    """Returns a person as a row of faces."""
    rows = visit.state.roster.rows(person)
    return {**visit.card(person), "shown": visit.faces(_spread(visit, rows, _ROW))}


def _loose(visit: Visit, face: bytes) -> dict[str, Any]:
    """Returns a face of nobody's as a row of one."""
    row = visit.state.store.directory.row(face)
    shown = [] if row is None else visit.faces([row])
    return {"id": face.hex(), "called": visit.t("fit.face"), "faces": 1, "shown": shown}


def fit(visit: Visit, subject: str) -> Response:
    """Shows the faces of nobody's that are likeliest a person's."""
    person = person_of(visit, subject)
    likely = visit.site.desk.asker.loose(visit.state.people, person.person_id, _LOOSE)
    found = [one for one in likely if one.probability >= LEAST_LIKELY]
    rows = [visit.state.store.directory.row(one.other) for one in found]
    faces = visit.faces([row for row in rows if row is not None])
    chances = {one.other.hex(): one.probability for one in found}
    return visit.render(
        "fit.html.j2",
        card=_beside(visit, person),
        faces=[{**face, "probability": chances[face["id"]]} for face in faces],
    )


def odd(visit: Visit, subject: str) -> Response:
    """Shows a person's faces, those that are least like the others first."""
    person = person_of(visit, subject)
    ordered = visit.state.roster.typical(visit.state.roster.rows(person))[::-1]
    return visit.render(
        "odd.html.j2",
        card=visit.card(person),
        typical=visit.faces(ordered[::-1][:_ROW]),
        faces=visit.faces(ordered[:_ODD]),
        count=len(ordered),
    )


def compare(visit: Visit) -> Response:
    """Shows two people beside each other."""
    query = visit.request.query_params
    first, second = (
        person_of(visit, query[side]) if query.get(side) else None for side in ("a", "b")
    )
    if first is None:
        raise HTTPException(404)
    searched = query.get("q", "").strip()
    distance = None
    if second is not None and second is not first:
        distance = visit.state.roster.distance(first, second)
    return visit.render(
        "compare.html.j2",
        first=_beside(visit, first),
        second=_beside(visit, second) if second and second is not first else None,
        distance=distance,
        apart=second is not None
        and frozenset((first.person_id, second.person_id))
        in visit.state.people.effective_decisions.apart,
        searched=searched,
        found=[visit.card(one) for one in called(visit, searched)[:_PAIRS]],
        likely=suggested(visit, first),
    )


def called(visit: Visit, searched: str) -> list[Person]:
    """Returns those whose name holds what is searched for, or whose id begins so."""
    roster, key = visit.state.roster, folded(searched)
    if not key:
        return []
    starts = [number for name, _, number in roster.names if name.startswith(key)]
    found = [number for name, _, number in roster.names if key in name]
    prefix = searched.lower()
    if len(prefix) >= SHORTEST_PREFIX and set(prefix) <= set("0123456789abcdef"):
        found += [at for who, at in roster.numbers.items() if who.hex().startswith(prefix)]
    return [roster.person(number) for number in dict.fromkeys([*starts, *found])]
