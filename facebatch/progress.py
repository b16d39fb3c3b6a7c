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
from facebatch.errors import CollectionError
from facebatch.plan import Plan
from facebatch.snapshot import Snapshot
from facebatch.storage import Storage


@dataclass(frozen=True)
class Progress:
    """How far an extraction is.

    Args:
        plan: What is to be done; None until the roots are listed.
        items: Media items committed so far.
        faces: Faces found in them.
        duplicates: Items whose content another item of the shard had.
        failures: Items quarantined, by reason code.
    """

    plan: Plan | None = None
    items: int = 0
    faces: int = 0
    duplicates: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def quarantined(self) -> int:
        """Number of items quarantined."""
        return sum(self.failures.values())


def totals(snapshot: Snapshot, before: Sequence[str], plan: Plan | None) -> Progress:
    """Returns what an extraction did, from the rows that count now.

    Args:
        snapshot: Taken after it.
        before: The shards that were there before it.
        plan: What was to be done.
    """
    media = snapshot.media
    new = media.filter(pc.invert(pc.is_in(media["shard"], pa.array(before, pa.string()))))
    rows = new.select(["status", "reason", "faces"]).to_pylist()
    return Progress(
        plan,
        len(rows),
        sum(row["faces"] for row in rows if row["status"] == "ok"),
        sum(row["status"] == "duplicate" for row in rows),
        dict(Counter(row["reason"] for row in rows if row["status"] == "quarantined")),
    )


class Progressing:
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

    def look(self) -> Progress:
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
            items += len(rows["status"])
            duplicates += rows["status"].count("duplicate")
            found = zip(rows["status"], rows["faces"], strict=True)
            faces += sum(count or 0 for status, count in found if status == "ok")
            failures.update(reason for reason in rows["reason"] if reason)
        self._progress = Progress(plan, items, faces, duplicates, dict(failures))
        return self._progress

    def _rows(self, path: str) -> dict[str, list[Any]]:
        columns = ["status", "reason", "faces"]
        return dict(tables.read(self._storage, path, "media", columns).to_pydict())

    def _read_plan(self) -> Plan | None:
        if not self._storage.exists(self._plan_path):
            return None
        return Plan.from_json(json.loads(self._storage.read(self._plan_path)))
