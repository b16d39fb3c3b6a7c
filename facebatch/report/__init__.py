"""The report: one HTML file that shows what was processed, what failed and who is in the photos.

It is complete in itself: style and images are part of it, nothing is fetched and no script runs.
`collect` reads tables, `render` makes a page of what was read; neither knows the other's business.
"""

from __future__ import annotations

from facebatch.collection import Collection, Snapshot
from facebatch.report.data import ReportData, collect
from facebatch.report.page import render

__all__ = ["REPORT", "ReportData", "collect", "render", "write_report"]

REPORT = "report.html"
"""Path of the report inside its collection."""


def write_report(collection: Collection, snapshot: Snapshot) -> str:
    """Writes a collection's report.

    Args:
        collection: The collection.
        snapshot: Its shards; people are those of the current generation.

    Returns:
        The path written, inside the collection.

    Raises:
        CollectionError: A table can't be read, or the report can't be written.
    """
    page = render(collect(collection, snapshot))
    # The name of a folder that isn't UTF-8 has no UTF-8 form, and is in the page all the same.
    collection.storage.write(REPORT, page.encode("utf-8", "replace"))
    return REPORT
