"""The pages that show: people, a person, a photo, and what was decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from starlette.responses import RedirectResponse, Response

from facebatch import ids
from facebatch.people import Person
from facebatch.people.ledger import described
from facebatch.people.records import read_events
from facebatch.review import pictures
from facebatch.review.asking import called, suggested
from facebatch.review.pages import Visit, face_of, person_of

_PEOPLE, _FACES, _DECISIONS, _EVENTS, _LIKELY = 60, 120, 50, 50, 3
"""How many of each a page shows."""


def people(visit: Visit) -> Response:
    """Lists people: those of a name, those without one, or all, from a place in the list on."""
    query = visit.request.query_params
    searched, only = query.get("q", "").strip(), query.get("only", "")
    roster = visit.state.roster
    begin = _number(query.get("from", "0"))
    if searched:
        everyone = called(visit, searched)
        found, count = everyone[begin : begin + _PEOPLE], len(everyone)
    else:
        numbers = roster.queue if only == "unnamed" else roster.by_size
        found = [roster.person(int(number)) for number in numbers[begin : begin + _PEOPLE]]
        count = len(numbers)
    more = begin + _PEOPLE if begin + _PEOPLE < count else None
    return visit.render(
        "people.html.j2",
        cards=[visit.card(one) for one in found],
        searched=searched,
        only=only,
        begin=begin,
        more=more,
        count=count,
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 10 else 0


def person(visit: Visit, subject: str) -> Response:
    """Shows one person: faces, when and where they were seen, what happened to them."""
    shown = person_of(visit, subject)
    if shown.person_id.hex() != subject:
        query = visit.request.url.query
        return RedirectResponse(f"/person/{shown.person_id.hex()}{query and f'?{query}'}", 303)
    state = visit.state
    rows = state.roster.rows(shown)
    ordered = state.roster.typical(rows) if len(rows) else rows
    begin = _number(visit.request.query_params.get("from", "0"))
    media = np.unique(state.store.media_rows[rows])
    media = media[media >= 0]
    taken = state.store.media.select(["captured_at", "latitude", "longitude"]).take(pa.array(media))
    places = (taken[name].to_pylist() for name in ("latitude", "longitude"))
    return visit.render(
        "person.html.j2",
        card=visit.card(shown),
        faces=visit.faces(ordered[begin : begin + _FACES]),
        more=begin + _FACES if begin + _FACES < len(ordered) else None,
        begin=begin,
        media=len(media),
        timeline=pictures.timeline(taken["captured_at"].to_pylist()),
        world=pictures.world(*places),
        same=suggested(visit, shown) if len(rows) else [],
        events=_events(visit, shown),
    )


def _events(visit: Visit, shown: Person) -> list[dict[str, Any]]:
    """Returns what happened to a person, newest first."""
    table = read_events(visit.state.people.collection)
    who = pa.scalar(shown.person_id, pa.binary(ids.ID_BYTES))
    mine = pc.or_kleene(pc.equal(table["person_id"], who), pc.equal(table["other_id"], who))
    known = visit.state.people.known
    found = []
    for row in table.filter(mine).to_pylist()[::-1][:_EVENTS]:
        other = row["person_id"] if row["other_id"] == shown.person_id else row["other_id"]
        found.append(
            {
                "time": row["time"],
                "kind": row["kind"],
                "faces": row["faces"],
                "other": visit.card(known[other]) if other in known else None,
            }
        )
    return found


def media(visit: Visit, subject: str) -> Response:
    """Shows a photo, or a frame of a video, with its faces."""
    store = visit.state.store
    at = store.media_directory.row(bytes.fromhex(subject))
    asked = visit.request.query_params.get("face")
    if at is None:
        return missing(visit)
    rows = store.in_media(at)
    moments = store.timestamps[rows]
    times, first = np.unique(moments, return_index=True)
    moment = store.timestamps[face_of(visit, asked)] if asked else next(iter(times), 0)
    frames = [
        {"face": store.id_of(row).hex(), "seconds": int(store.timestamps[row]) / 1e6}
        for row in rows[first].tolist()
    ]
    rows = rows[moments == moment]
    rows = rows[np.argsort(store.boxes[rows, 0], kind="stable")]
    return visit.render(
        "media.html.j2",
        photo=pictures.photo(visit, at, rows.tolist()),
        item=store.media.slice(at, 1).to_pylist()[0],
        subject=subject,
        seconds=int(moment) / 1e6,
        frames=frames if len(frames) > 1 else [],
        faces=[_in_photo(visit, row) for row in rows.tolist()],
    )


def _in_photo(visit: Visit, row: int) -> dict[str, Any]:
    """Returns a face of a photo, with whose it is or may be."""
    [shown] = visit.faces([row])
    owner = visit.state.people.known.get(visit.state.owner(row))
    known = visit.state.people.known
    likely = (
        []
        if owner
        else visit.site.desk.asker.person_of(
            visit.state.people, visit.state.store.id_of(row), _LIKELY
        )
    )
    return {
        **shown,
        "owner": visit.card(owner) if owner else None,
        "likely": [
            {**visit.card(known[one.person_id]), "probability": one.probability}
            for one in likely
            if one.person_id in known
        ],
    }


def decisions(visit: Visit) -> Response:
    """Lists what was decided, newest first."""
    people = visit.state.people
    effective = people.effective_decisions
    found = list(effective.decisions)[::-1]
    begin = _number(visit.request.query_params.get("from", "0"))
    page = described(people, found[begin : begin + _DECISIONS])
    for row in page:
        who = people.known.get(bytes.fromhex(row["person_id"])) if row["person_id"] else None
        row["card"] = visit.card(who) if who else None
    more = begin + _DECISIONS if begin + _DECISIONS < len(found) else None
    return visit.render("decisions.html.j2", decisions=page, more=more)


def missing(visit: Visit) -> Response:
    """Says that there is nothing at an address."""
    return Visit(visit.request, visit.state, None, 404, visit.t, visit.language).render(
        "missing.html.j2"
    )
