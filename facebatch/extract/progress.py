"""Progress of an extraction, counted in committed shards: the same on every runner."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection import Snapshot
from facebatch.collection.snapshot import with_notes
from facebatch.errors import CollectionError
from facebatch.extract.plan import Plan
from facebatch.storage.store import Storage


@dataclass(frozen=True)
class Progress:
    """How far an extraction is.

    Args:
        plan: What is to be done; None until the roots are listed.
        items: Media items committed so far.
        faces: Faces found in them.
        duplicates: Items whose content another item has.
        moved: Items whose content was that of an item that vanished meanwhile.
        touched: Items of another version and the same content.
        failures: Items quarantined, by reason code.
        noted: Items that were processed, with something to say of it; known at the end.
    """

    plan: Plan | None = None
    items: int = 0
    faces: int = 0
    duplicates: int = 0
    moved: int = 0
    touched: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    noted: int = 0

    @property
    def quarantined(self) -> int:
        """Number of items quarantined."""
        return sum(self.failures.values())

    @property
    def extracted(self) -> int:
        """Number of items whose faces were looked for."""
        others = self.duplicates + self.moved + self.touched
        return self.items - self.quarantined - others


def totals(snapshot: Snapshot, before: Sequence[str], plan: Plan | None) -> Progress:
    """Returns what an extraction did, from the rows that count now.

    Args:
        snapshot: Taken after it.
        before: The shards that were there before it.
        plan: What was to be done.
    """
    media = snapshot.media.select(
        ["media_id", "content_id", "segment", "status", "reason", "message", "faces", "shard"]
    )
    is_old = _of_shards(media, before)
    committed = media.filter(pc.invert(is_old))
    new = committed.drop_columns("message").to_pylist()
    held = _contents(media.filter(is_old), ["ok", "duplicate"])
    left = _contents(committed, ["vanished"])
    stored = snapshot.rows.filter(pc.invert(_of_shards(snapshot.rows, before)))
    detected = set(stored.filter(pc.equal(stored["status"], "ok"))["media_id"].to_pylist())
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    faces = 0
    # Which of several copies was detected in is chance; the others are copies of it.
    for row in sorted(new, key=lambda row: row["media_id"] not in detected):
        content = (row["content_id"], row["segment"])
        if row["status"] == "vanished":
            continue
        if row["status"] == "quarantined":
            failures[row["reason"]] += 1
            kind = "quarantined"
        elif content in held:
            kind = "duplicates"
        elif row["media_id"] in detected:
            kind = "extracted"
            faces += row["faces"]
        else:
            kind = "moved" if content in left else "touched"
        counts[kind] += 1
        held.add(content)
    return Progress(
        plan,
        counts.total(),
        faces,
        counts["duplicates"],
        counts["moved"],
        counts["touched"],
        dict(failures),
        len(with_notes(committed)),
    )


def _of_shards(rows: pa.Table, shards: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(rows["shard"], pa.array(shards, pa.string()))


def _contents(rows: pa.Table, statuses: Sequence[str]) -> set[tuple[bytes, int]]:
    rows = rows.filter(pc.is_in(rows["status"], pa.array(statuses)))
    return set(zip(rows["content_id"].to_pylist(), rows["segment"].to_pylist(), strict=True))


class ProgressReader:
    """Follows one extraction by looking at the collection.

    Args:
        storage: Where the collection lies.
        plan_path: Where the pipeline writes its plan.
    """

    def __init__(self, storage: Storage, plan_path: str) -> None:
        self._storage = storage
        self._plan_path = plan_path
        self._seen = {file.path for file in storage.files("media")}
        self._progress = Progress()

    def poll(self) -> Progress:
        """Returns the progress as it stands now."""
        plan = self._progress.plan or self._read_plan()
        items, faces = self._progress.items, self._progress.faces
        duplicates = self._progress.duplicates
        failures = Counter(self._progress.failures)
        for file in self._storage.files("media"):
            if file.path in self._seen:
                continue
            try:
                rows = self._rows(file.path)
            except CollectionError:
                continue  # a store that fails for a moment may answer the next look
            self._seen.add(file.path)
            items += len(rows["status"]) - rows["status"].count("vanished")
            duplicates += rows["status"].count("duplicate")
            found = zip(rows["status"], rows["faces"], strict=True)
            faces += sum(count or 0 for status, count in found if status == "ok")
            failures.update(reason for reason in rows["reason"] if reason)
        self._progress = Progress(plan, items, faces, duplicates, failures=dict(failures))
        return self._progress

    def _rows(self, path: str) -> dict[str, list[Any]]:
        columns = ["status", "reason", "faces"]
        return dict(tables.read(self._storage, path, "media", columns).to_pydict())

    def _read_plan(self) -> Plan | None:
        if not self._storage.exists(self._plan_path):
            return None
        return Plan.from_json(json.loads(self._storage.read(self._plan_path)))
