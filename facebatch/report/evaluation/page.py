"""The page of an evaluation: its figures in plain words, its plots and its worst errors.

Like the collection's report it is one file that fetches nothing. The plots lie beside it as PNG
files too, black on white, for papers and slides.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from facebatch.faces.thumbnails import thumbnail
from facebatch.report.evaluation.model import (
    Chart,
    Content,
    Error,
    Face,
    Gallery,
    Kind,
    Line,
    Scores,
    Table,
)
from facebatch.report.html.document import document, plot_figure
from facebatch.report.html.elements import Html, tag
from facebatch.storage.store import Storage

CHIP_SIDE = 112
"""Side of an error's face in pixels."""


def write_evaluation(
    folder: str, kind: Kind, scores: Scores, details: Mapping[str, Any]
) -> list[str]:
    """Writes an evaluation's page ``<kind>.html`` and its plots ``<kind>-<plot>.png``.

    What needs a detail that isn't there is left out.

    Args:
        folder: Where they go, a path or fsspec URL.
        kind: Which evaluation it is.
        scores: Its scores.
        details: Of pairs ``distances`` (n,) d2, NaN where a photo has no face, ``same`` (n,)
            bool, ``pairs`` [(left, right)], ``chips`` {photo: JPEG} and, instead of probabilities
            that are fitted here, ``probability`` (n,). Of identification ``scores`` (p, g),
            ``truth`` (p,), ``names`` (g), ``probes`` (p photos), ``gallery`` (g photos),
            ``chips`` {photo: JPEG} and ``gallery_chips`` {name: JPEG}. Of clusters ``labels``
            (n,) and ``truth`` (n,). Of detection nothing.

    Returns:
        The paths written, the page first.

    Raises:
        CollectionError: The folder can't be written.
    """
    from facebatch.report.evaluation.content import explain

    content = explain(kind, scores, details)
    storage = Storage(folder)
    # A path that isn't UTF-8 has no UTF-8 form, and is in the page all the same.
    storage.write(f"{kind}.html", render_evaluation(content).encode("utf-8", "replace"))
    written = [f"{kind}.html"]
    for chart in content.charts:
        written.append(f"{kind}-{chart.plot.name}.png")
        storage.write(written[-1], chart.plot.png())
    return [storage.full_path(path) for path in written]


def render_evaluation(content: Content) -> str:
    """Returns the page of an evaluation, which fetches nothing."""
    sections = [
        ("figures", "Figures", _lines(content.lines)),
        ("plots", "Plots", _charts(content.charts)),
        *((f"table-{n}", table.title, _table(table)) for n, table in enumerate(content.tables)),
        *((f"errors-{n}", one.title, _gallery(one)) for n, one in enumerate(content.galleries)),
    ]
    shown = [(place, title, part) for place, title, part in sections if part]
    return document(
        content.title,
        tag(
            "header",
            tag("h1", content.title),
            [tag("p", text) for text in content.summary],
            tag("nav", [tag("a", title, href=f"#{place}") for place, title, _ in shown]),
            [tag("p", text, class_="notice") for text in content.notices],
            _headline(content.headline),
        ),
        tag(
            "main",
            [tag("section", tag("h2", title), part, id=place) for place, title, part in shown],
        ),
        tag(
            "footer",
            tag(
                "p",
                "Pictures of faces are personal data. Hand this file on as you would the photos.",
                class_="soft small",
            ),
        ),
    )


def _headline(figures: Mapping[str, str]) -> Html:
    boxes = [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures.items()]
    return tag("dl", boxes, class_="figures four")


def _lines(lines: Sequence[Line]) -> Html | None:
    if not lines:
        return None
    head = [tag("th", "Figure", scope="col"), tag("th", "Value", scope="col")]
    rows = [
        tag(
            "tr",
            tag("th", line.name, scope="row"),
            tag("td", line.value),
            tag("td", line.meaning, class_="meaning small"),
        )
        for line in lines
    ]
    columns = tag("tr", head, tag("th", "What it says", scope="col", class_="name"))
    return tag("table", tag("thead", columns), tag("tbody", rows), class_="meanings")


def _charts(charts: Sequence[Chart]) -> Html | None:
    figures = [plot_figure(chart.plot.svg(), chart.title, chart.caption) for chart in charts]
    return tag("div", figures, class_="plots") if figures else None


def _table(table: Table) -> list[Html]:
    head = tag("tr", [tag("th", text, scope="col") for text in table.header])
    rows = [
        tag("tr", tag("th", tag("bdi", row[0]), scope="row"), [tag("td", cell) for cell in row[1:]])
        for row in table.rows
    ]
    return [
        tag("p", table.text),
        tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="scroll narrow"),
    ]


def _gallery(gallery: Gallery) -> list[Html]:
    errors = [_error(error) for error in gallery.errors]
    text = tag("p", gallery.text)
    return [text, tag("div", errors, class_="errors")] if errors else [text]


def _error(error: Error) -> Html:
    sides = [
        tag(
            "div",
            _chip(face),
            tag("p", face.role, class_="soft small") if face.role else None,
            tag("p", tag("bdi", face.label), class_="small"),
        )
        for face in error.faces
    ]
    return tag("article", tag("h3", error.title), tag("div", sides, class_="sides"), class_="error")


def _chip(face: Face) -> Html:
    jpeg = thumbnail(face.chip, CHIP_SIDE)
    if jpeg is None:
        return tag("div", "no face", class_="chip none small")
    source = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    return tag("img", src=source, alt=f"Face in {face.label}", class_="chip", decoding="async")
