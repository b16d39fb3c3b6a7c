"""The pages about the whole collection: when and where, what failed, and how well it is grouped."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from starlette.exceptions import HTTPException
from starlette.responses import Response

from facebatch.collection.sources import Sources
from facebatch.extract.decide import MAX_ATTEMPTS, RETRYABLE
from facebatch.people.health import BOUNDS
from facebatch.report.photos import retry_command
from facebatch.review import pictures
from facebatch.review.faces import Rows
from facebatch.review.pages import Visit

_PEOPLE, _FACES, _FAILED = 24, 60, 100
"""How many of each a page shows."""

_SQUARE = 0.5
"""Side, in degrees, of the squares that places are gathered in."""

_PERIOD = re.compile(r"(\d{4})(?:-(\d{2}))?")


def when(visit: Visit) -> Response:
    """Shows who was photographed when: by years, or by the months of one, or in one month."""
    asked = visit.request.query_params.get("in", "")
    match = _PERIOD.fullmatch(asked)
    if asked and (match is None or not 1 <= int(match[2] or 1) <= 12):
        raise HTTPException(404)
    months = _months(visit)
    timed = np.flatnonzero(months >= 0)
    steps, rows = months[timed] // 12, None
    if match is not None:
        of_year = timed[months[timed] // 12 == int(match[1])]
        steps, rows = months[of_year] % 12 + 1, of_year
        if match[2]:
            rows = of_year[months[of_year] % 12 + 1 == int(match[2])]
    slots, counts = np.unique(steps, return_counts=True)
    year = match[1] if match else None
    return visit.render(
        "when.html.j2",
        asked=asked,
        year=year,
        slots=[
            {"name": f"{year}-{slot:02}" if year else f"{slot:04}", "count": count}
            for slot, count in zip(slots.tolist(), counts.tolist(), strict=True)
        ],
        most=int(counts.max(initial=1)),
        without=len(months) - len(timed),
        **_who_and_what(visit, rows),
    )


def _months(visit: Visit) -> npt.NDArray[np.int64]:
    """Returns the month that each face was photographed in, counted from year 0; -1 for none."""
    store = visit.state.store
    taken = store.media["captured_at"].combine_chunks()
    month = pc.add(pc.multiply(pc.year(taken), 12), pc.subtract(pc.month(taken), 1))
    of_media = np.append(month.fill_null(-1).to_numpy(zero_copy_only=False), -1)
    return np.asarray(of_media[store.media_rows], np.int64)  # the last is that of no photo


def _who_and_what(visit: Visit, rows: Rows | None) -> dict[str, Any]:
    """Returns the people of some faces, most faces first, and some of the faces."""
    if rows is None:
        return {"cards": None, "faces": [], "count": 0}
    people, labels = visit.state.people, visit.state.people.labels[rows]
    clusters, counts = np.unique(labels[labels >= 0], return_counts=True)
    by_cluster = visit.state.people.by_cluster
    most = np.argsort(-counts, kind="stable")
    cards: list[dict[str, Any]] = []
    for place in most.tolist():
        person = people.known.get(by_cluster.get(int(clusters[place]), b""))
        if person is not None and not person.hidden and len(cards) < _PEOPLE:
            cards.append({**visit.card(person), "there": int(counts[place])})
    picked = np.linspace(0, len(rows) - 1, min(len(rows), _FACES)).round().astype(np.int64)
    return {"cards": cards, "faces": visit.faces(rows[picked]), "count": len(rows)}


def where(visit: Visit) -> Response:
    """Shows where photos were taken, and who is in those of one place."""
    store = visit.state.store
    latitudes, longitudes = (
        np.append(store.media[name].fill_null(np.nan).to_numpy(), np.nan)[store.media_rows]
        for name in ("latitude", "longitude")
    )
    placed = np.flatnonzero(np.isfinite(latitudes) & np.isfinite(longitudes))
    at = visit.request.query_params.get("at", "")
    rows = None
    if at:
        latitude, longitude = _place(at)
        near = np.abs(latitudes[placed] - latitude) <= _SQUARE / 2
        near &= np.abs(longitudes[placed] - longitude) <= _SQUARE / 2
        rows = placed[near]
    return visit.render(
        "where.html.j2",
        at=at,
        world=pictures.world(latitudes[placed], longitudes[placed], _SQUARE),
        without=len(store) - len(placed),
        **_who_and_what(visit, rows),
    )


def _place(text: str) -> tuple[float, float]:
    """Returns the place that an address names.

    Raises:
        HTTPException: It names none, 404.
    """
    try:
        latitude, longitude = map(float, text.split(","))
    except ValueError:
        raise HTTPException(404) from None
    return latitude, longitude


def failures(visit: Visit) -> Response:
    """Shows what failed and why, and the command that tries it again."""
    media = visit.state.store.media
    failed = media.filter(pc.equal(media["status"], "quarantined"))
    groups = [
        _group(visit, row["values"], failed)
        for row in pc.value_counts(failed["reason"]).to_pylist()
    ]
    groups.sort(key=lambda group: (-group["count"], group["reason"]))
    return visit.render("failures.html.j2", groups=groups, count=len(failed))


def _group(visit: Visit, reason: str, failed: pa.Table) -> dict[str, Any]:
    rows = failed.filter(pc.equal(failed["reason"], reason))
    rows = rows.sort_by([("root", "ascending"), ("path", "ascending")])
    collection = visit.site.desk.collection
    places = Sources.read(collection.storage).roots
    names = rows["root"].unique().to_pylist()
    return {
        "reason": reason,
        "count": len(rows),
        "items": rows.select(["root", "path", "message"]).slice(0, _FAILED).to_pylist(),
        "command": retry_command(reason, names, places, collection.storage.public),
        "by_itself": MAX_ATTEMPTS if reason in RETRYABLE else 0,
    }


def evaluation(visit: Visit) -> Response:
    """Shows how well people are grouped, as far as that shows, and what was answered."""
    people = visit.state.people
    manifest = people.generation.manifest if people.generation else None
    health = dict(manifest.health or {}) if manifest else {}
    figures = [
        {"name": name, "value": health[name], "most": bound.most}
        for name, bound in BOUNDS.items()
        if isinstance(health.get(name), int | float)
    ]
    effective = people.effective_decisions
    standing = [one for one in effective.decisions if one.decision not in effective.cancelled]
    kinds = {kind: sum(one.kind == kind for one in standing) for kind in _ANSWERS}
    return visit.render(
        "evaluation.html.j2",
        figures=figures,
        kinds={kind: count for kind, count in kinds.items() if count},
        loose=int((people.labels < 0).sum()),
        faces=len(people.labels),
        widest=_widest(visit),
    )


_ANSWERS = ("name", "merge", "apart", "assign", "split", "reject", "not_a_face", "hide")


def _widest(visit: Visit) -> list[dict[str, Any]]:
    """Returns those whose faces are least alike, as cards."""
    roster = visit.state.roster
    shown = np.flatnonzero(roster.shown & (roster.faces > 2))
    chosen = shown[np.argsort(roster.purity[shown], kind="stable")][:12]
    return [
        {**visit.card(roster.person(int(number))), "purity": float(roster.purity[number])}
        for number in chosen
    ]
