"""The page of an evaluation: its figures in plain words, its plots and its worst errors.

Like the collection's report it is one file that fetches nothing. The plots lie beside it as PNG
files too, black on white, for papers and slides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facebatch.faces.thumbnails import thumbnail
from facebatch.report.evaluation.model import (
    Content,
    Kind,
    Scores,
)
from facebatch.report.html.environment import render
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
            (n,), ``truth`` (n,), ``names`` of the people by their number in the truth, ``photos``
            (n photos) and ``chips_of``, which gives {photo: JPEG} of some. Of detection nothing.

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
    return render(
        "evaluation.html.j2",
        content=content,
        chip_of=lambda face: thumbnail(face.chip, CHIP_SIDE),
    )
