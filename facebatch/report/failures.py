"""What failed, and why: the quarantined items by reason, as a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.extract.decide import MAX_ATTEMPTS, RETRYABLE
from facebatch.media.reasons import REASONS
from facebatch.report.photos import link_of, retry_command

PATHS_PER_REASON = 50
"""Failed files listed under each reason."""


@dataclass(frozen=True)
class FailedItem:
    """One quarantined item; its link is None where it doesn't lie on this computer."""

    root: str
    path: str
    message: str
    link: str | None


@dataclass(frozen=True)
class FailureGroup:
    """The items quarantined for one reason.

    Args:
        reason: The reason code.
        meaning: What it means.
        count: Number of items.
        tried_again: How many of them the next extraction tries again.
        command: What tries all of them again.
        items: The first of them by root and path; at most `PATHS_PER_REASON`.
    """

    reason: str
    meaning: str
    count: int
    tried_again: int
    command: str
    items: tuple[FailedItem, ...]


def collect_failures(
    media: pa.Table, places: Mapping[str, str], collection: str
) -> tuple[FailureGroup, ...]:
    """Returns what failed, the most frequent reason first.

    Args:
        media: Rows of the table ``media``.
        places: Where each root lay when it was listed last, by its name.
        collection: The collection's address, without passwords.
    """
    failed = media.filter(pc.equal(media["status"], "quarantined"))
    groups = [
        _group(reason, failed.filter(pc.equal(failed["reason"], reason)), places, collection)
        for reason in failed["reason"].unique().to_pylist()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.count, group.reason)))


def _group(reason: str, rows: pa.Table, places: Mapping[str, str], collection: str) -> FailureGroup:
    pending = pc.less(rows["attempts"], MAX_ATTEMPTS) if reason in RETRYABLE else None
    ordered = rows.sort_by([("root", "ascending"), ("path", "ascending")])
    listed = ordered.select(["root", "path", "path_bytes", "message"]).slice(0, PATHS_PER_REASON)
    return FailureGroup(
        reason=reason,
        meaning=REASONS.get(reason, "This facebatch doesn't know the code."),
        count=len(rows),
        tried_again=pc.sum(pending, min_count=0).as_py() if pending is not None else 0,
        command=retry_command(reason, rows["root"].unique().to_pylist(), places, collection),
        items=tuple(
            FailedItem(row["root"], row["path"], row["message"] or "", link_of(row, places))
            for row in listed.to_pylist()
        ),
    )
