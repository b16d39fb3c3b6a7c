"""The report: one HTML file that shows who is in the photos, what is doubtful and what failed.

It is complete in itself: style and images are part of it, nothing is fetched and no script runs.
`collect` reads tables, `render` makes a page of what was read; neither knows the other's business.
"""

from __future__ import annotations

import re

import facebatch
from facebatch import ids
from facebatch.collection import STAGES, Collection, Snapshot
from facebatch.collection.sources import SOURCES
from facebatch.people.recording import FOLDER as DECISIONS
from facebatch.report.data import ReportData, collect
from facebatch.report.doubts import Suggest
from facebatch.report.page import render

__all__ = ["REPORT", "ReportData", "collect", "made_from", "render", "write_report"]

REPORT = "report.html"
"""Path of the report inside its collection."""

_MADE_FROM = re.compile(rb'<meta name="facebatch-inputs" content="([0-9a-f]+)">')


def write_report(
    collection: Collection,
    snapshot: Snapshot,
    suggest: Suggest | None = None,
    *,
    anew: bool = False,
) -> str:
    """Writes a collection's report, unless the one that is there says the same.

    Args:
        collection: The collection.
        snapshot: Its shards; people are those of the current generation.
        suggest: Says which people may be one; by default nothing does.
        anew: Whether it is written anyway, as where photos came or went to which it leads.

    Returns:
        The path of the report, inside the collection.

    Raises:
        CollectionError: A table can't be read, or the report can't be written.
    """
    inputs = made_from(collection, snapshot)
    if not anew and collection.storage.exists(REPORT):
        before = _MADE_FROM.search(collection.storage.read(REPORT))
        if before is not None and before[1].decode() == inputs:
            return REPORT
    page = render(collect(collection, snapshot, suggest), inputs)
    # The name of a folder that isn't UTF-8 has no UTF-8 form, and is in the page all the same.
    collection.storage.write(REPORT, page.encode("utf-8", "replace"))
    return REPORT


def made_from(collection: Collection, snapshot: Snapshot) -> str:
    """Returns a hash of all that a report is made of: facebatch, shards, generations, decisions."""
    storage = collection.storage
    generations = [collection.current(stage) for stage in STAGES]
    parts = [
        facebatch.__version__,
        storage.public,
        snapshot.faces_hash,
        *(f"{file.path} {file.size}" for file in storage.files("media")),
        *(made.name if made else "" for made in generations),
        *sorted(file.path for file in storage.files(DECISIONS)),
        storage.read(SOURCES).decode() if storage.exists(SOURCES) else "",
    ]
    return ids.digest(*(part.encode("utf-8", "surrogateescape") for part in parts)).hex()
