"""What to do next, in one to three lines that fit what a command found."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from facebatch.storage.printable import count
from facebatch.storage.urls import public_url

DOUBTFUL = 0.5
"""Names that are expected to be wrong, from which on there is something to look through."""


def after_run(summary: Mapping[str, Any], url: str, gallery: str | None) -> Iterator[str]:
    """Yields what to do after a run: see to failures, name people, look through doubtful names.

    Args:
        summary: The run's summary.
        url: The collection, as it was given.
        gallery: The gallery, where one was.
    """
    yield from after_extract(summary["extract"], url, clusters=False)
    people, place = summary["people"], _quoted(url)
    if people["unchanged"] or not people["active"]:
        return
    unnamed = _unnamed(people)
    if unnamed and people["named"] == 0 and gallery is None:
        yield (
            f"next: `facebatch review {place}` asks who they are, in a browser; or `facebatch "
            "gallery build FOLDER -o GALLERY` enrols known people, and run with --gallery GALLERY"
        )
    elif unnamed:
        yield (
            f"next: {count(unnamed, 'person', 'people')} without a name: `facebatch review "
            f"{place}` asks who they are, `facebatch people suggest {place}` who is likely the same"
        )
    if (summary.get("matches", {}).get("expected_wrong") or 0.0) >= DOUBTFUL:
        yield (
            f"next: some names may be wrong: `facebatch review {place}` shows each person's least "
            "typical faces, and a smaller --fdr gives fewer names"
        )


def after_extract(summary: Mapping[str, Any], url: str, *, clusters: bool = True) -> Iterator[str]:
    """Yields what to do after an extraction.

    Args:
        summary: The extraction's summary.
        url: The collection, as it was given.
        clusters: Whether grouping the faces is still to be done.
    """
    place = _quoted(url)
    if summary["quarantined"]:
        code = next(iter(summary["reasons"]))
        yield (
            f"next: `facebatch inspect {place} --failures` says what failed and why; the same "
            f"command with --retry {code} tries those again"
        )
    if clusters and summary["faces"]:
        yield f"next: `facebatch index {place}`, then `facebatch cluster {place}` makes people"


def after_clustering(summary: Mapping[str, Any], url: str) -> Iterator[str]:
    """Yields what to do after a clustering."""
    people = summary["people"]
    if not people["unchanged"] and _unnamed(people):
        yield f"next: `facebatch review {_quoted(url)}` asks who they are, in a browser"


def after_identification(summary: Mapping[str, Any], url: str) -> Iterator[str]:
    """Yields what to do after an identification."""
    if summary["matched"] and not summary["unchanged"]:
        yield f"next: `facebatch cluster {_quoted(url)}` groups the faces by these names"


def after_enrolment(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yields what to do with a gallery."""
    place = _quoted(summary["gallery"])
    yield f"next: `facebatch run PHOTOS -o COLLECTION --gallery {place}` names these people"


def _unnamed(people: Mapping[str, Any]) -> int:
    """Returns how many people have no name, hidden ones aside; 0 where it isn't known."""
    if people.get("named") is None:
        return 0
    return int(people["active"] - (people.get("hidden") or 0) - people["named"])


def _quoted(url: str) -> str:
    return shlex.quote(public_url(url))
