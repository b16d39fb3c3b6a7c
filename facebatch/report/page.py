"""The page: a pure function from what a report says to one HTML document."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from facebatch.report.charts import charts
from facebatch.report.data import ReportData
from facebatch.report.html.environment import render as fill
from facebatch.report.html.words import count
from facebatch.report.sheets import CANDIDATES_PER_PERSON, Sheets

_ALL_OPEN = 12
"""Failures up to which their paths are shown without a click."""


def render(data: ReportData, made_from: str = "") -> str:
    """Returns the report as one HTML document that fetches nothing.

    Args:
        data: What it says.
        made_from: What tells whether it would say the same today; see `made_from`.
    """
    plots = charts(data.overview)
    return fill(
        "report.html.j2",
        data=data,
        made_from=made_from,
        # Of several people of one name, that with the most faces, which comes first.
        sheet_of={one.name: one.person_id for one in reversed(data.sheets.people) if one.name},
        doubtful=has_doubts(data),
        review=shlex.join(["facebatch", "review", data.url]),
        linked=any(face.link for one in data.sheets.people for face in (one.cover, *one.others)),
        places=_places(data, has_plots=bool(plots)),
        notices=list(_notices(data)),
        figures=_figures(data),
        former=list(_former(data.sheets)),
        plots=plots,
        unfolded=data.totals.quarantined <= _ALL_OPEN,
        candidates=CANDIDATES_PER_PERSON,
    )


def _places(data: ReportData, *, has_plots: bool) -> dict[str, str]:
    """Returns the titles of the page's sections by their ids, in their order."""
    return {
        "people": "People",
        **({"look": "Second look"} if has_doubts(data) else {}),
        "failures": "Failures",
        **({"matches": "Recognised"} if data.matches else {}),
        **({"glance": "At a glance"} if has_plots else {}),
        "unclustered": "On their own",
        "processed": "Processed",
        "settings": "Settings",
        "reading": "How to read this",
    }


def has_doubts(data: ReportData) -> bool:
    """Tells whether anything is worth a second look."""
    doubtful = data.matches.doubtful if data.matches else ()
    return bool(data.doubts.wide or data.doubts.pairs or doubtful)


def _notices(data: ReportData) -> Iterator[str]:
    sheets = data.sheets
    if not data.totals.items:
        yield "Nothing was extracted yet: the collection is empty."
    elif not data.totals.faces:
        yield "No face was found in these photos."
    elif not sheets.grouped:
        yield "The faces were not grouped into people yet: facebatch cluster does that."
    if sheets.grouped and (sheets.not_clustered or sheets.vanished):
        yield (
            "The people below are those of an earlier state of the collection: "
            f"{count(sheets.not_clustered, 'face')} came since, {count(sheets.vanished, 'face')} "
            "went. facebatch cluster brings them up to date."
        )
    if not data.has_chips and data.totals.faces:
        yield "The collection was made without chips (--no-chips), so there are no pictures here."


def _figures(data: ReportData) -> dict[str, str]:
    totals, sheets = data.totals, data.sheets
    figures = {
        "people": sheets.active + sheets.hidden if sheets.grouped else None,
        "with a name": sheets.named if sheets.grouped else None,
        "faces": totals.faces,
        **({"faces recognised": data.matches.matched} if data.matches else {}),
        "faces on their own": sheets.unclustered if sheets.grouped else None,
        "photos processed": totals.ok + totals.duplicate,
        "failures": totals.quarantined,
    }
    return {text: "—" if number is None else f"{number:,}" for text, number in figures.items()}


def _former(sheets: Sheets) -> Iterator[str]:
    """Yields how many people aren't shown or are no more, and what became of them."""
    if sheets.hidden:
        yield f"{count(sheets.hidden, 'hidden person', 'hidden people')} not shown"
    for number, became in ((sheets.merged, "merged into others"), (sheets.dissolved, "dissolved")):
        if number:
            yield f"{count(number, 'earlier person', 'earlier people')} {became}"
