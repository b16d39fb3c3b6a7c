"""What an extraction did, counted from the rows that count after it."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from facebatch import tables
from facebatch.collection import Snapshot
from facebatch.extract.progress import totals

NAMES = [
    *("media_id", "content_id", "segment", "status", "reason", "message", "faces", "shard"),
    "attempts",
]
STATUSES = st.sampled_from(["ok", "duplicate", "quarantined", "vanished"])


@st.composite
def media_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of a few contents, in shards of before and of now, of items that were tried or not."""
    found = []
    for number in range(draw(st.integers(0, 12))):
        status = draw(STATUSES)
        content = draw(st.integers(0, 3))
        unread = status in ("quarantined", "vanished") and draw(st.booleans())
        found.append(
            {
                "media_id": bytes([number]) * 16,
                "content_id": None if unread else bytes([content]) * 16,
                "segment": draw(st.integers(0, 1)),
                "status": status,
                "reason": draw(st.sampled_from(["empty", "crashed"]))
                if status == "quarantined"
                else None,
                "message": None,
                "faces": draw(st.integers(0, 5)),
                "shard": draw(st.sampled_from(["before", "now"])),
                "attempts": draw(st.integers(0, 1)),
                "was_detected": draw(st.booleans()),
            }
        )
    return found


def as_table(rows: list[dict[str, Any]], names: list[str]) -> pa.Table:
    kinds = {field.name: field.type for field in tables.schema("media", 1)}
    kinds |= {"shard": pa.string(), "attempts": pa.int32()}
    return pa.table({name: pa.array([row[name] for row in rows], kinds[name]) for name in names})


def counted_one_by_one(rows: list[dict[str, Any]]) -> tuple[Counter[str], Counter[str], int]:
    held = {
        (row["content_id"], row["segment"])
        for row in rows
        if row["shard"] == "before" and row["status"] in ("ok", "duplicate")
    }
    new = [
        row
        for row in rows
        if row["shard"] == "now" and (row["attempts"] or row["status"] == "vanished")
    ]
    left = {(row["content_id"], row["segment"]) for row in new if row["status"] == "vanished"}
    kinds: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    faces = 0
    for row in sorted(new, key=lambda row: not (row["was_detected"] and row["shard"] == "now")):
        content = (row["content_id"], row["segment"])
        if row["status"] == "vanished":
            continue
        if row["status"] == "quarantined":
            kinds["quarantined"] += 1
            failures[row["reason"]] += 1
        elif content in held:
            kinds["duplicates"] += 1
        elif row["was_detected"]:
            kinds["extracted"] += 1
            faces += row["faces"]
        else:
            kinds["moved" if content in left else "touched"] += 1
        held.add(content)
    return kinds, failures, faces


@examples(60, 400)
@given(rows=media_rows())
def test_totals_are_those_of_counting_row_by_row(rows: list[dict[str, Any]]) -> None:
    stored = [{**row, "status": "ok"} for row in rows if row["was_detected"]]
    snapshot = SimpleNamespace(
        items=as_table(rows, NAMES), item_rows=as_table(stored, ["media_id", "status", "shard"])
    )
    found = totals(cast(Snapshot, snapshot), ["before"], None)
    kinds, failures, faces = counted_one_by_one(rows)
    assert found.items == kinds.total()
    others = kinds["duplicates"], kinds["moved"], kinds["touched"]
    assert (found.duplicates, found.moved, found.touched) == others
    assert (dict(found.failures), found.faces) == (dict(failures), faces)
