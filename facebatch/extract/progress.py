"""Progress of an extraction, counted in committed shards: the same on every runner."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import Snapshot
from facebatch.collection.snapshot import content_keys, with_notes
from facebatch.errors import CollectionError
from facebatch.extract.plan import Plan
from facebatch.extract.time_left import Commits, Pace
from facebatch.storage.store import Storage

REST_SHARE = 20
"""A look at the store is followed by a rest of so many times what it took."""

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far an extraction is.

    Args:
        plan: What is to be done; None until the roots are listed.
        listed: Photos and videos that the listing has seen.
        planned: Those of them that are planned, where they are planned in several slices.
        items: Media items committed so far.
        faces: Faces found in them.
        duplicates: Items whose content another item has.
        moved: Items whose content was that of an item that vanished meanwhile.
        touched: Items of another version and the same content.
        failures: Items quarantined, by reason code.
        noted: Items that were processed, with something to say of it; known at the end.
        seconds: Seconds since the plan.
        seconds_left: Estimated seconds to the end; None until there is a plan.
    """

    plan: Plan | None = None
    listed: int = 0
    planned: int = 0
    items: int = 0
    faces: int = 0
    duplicates: int = 0
    moved: int = 0
    touched: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    noted: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None

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
    media = snapshot.items.select(
        [
            *("media_id", "content_id", "segment", "status", "reason", "message", "faces"),
            *("shard", "attempts"),
        ]
    )
    is_old = _of_shards(media, before)
    # A row without an attempt says what is known already, and of which sidecars.
    is_tried = pc.or_(pc.greater(media["attempts"], 0), pc.equal(media["status"], "vanished"))
    committed = media.filter(pc.and_(pc.invert(is_old), is_tried))
    stored = snapshot.item_rows.filter(pc.invert(_of_shards(snapshot.item_rows, before)))
    detected = stored.filter(pc.equal(stored["status"], "ok"))["media_id"].combine_chunks()
    # Which of several copies was detected in is chance; the others are copies of it.
    is_detected = _mask(pc.is_in(committed["media_id"], detected))
    order = np.argsort(~is_detected, kind="stable")
    new, is_detected = committed.take(pa.array(order)), is_detected[order]
    is_done = ~_mask(pc.is_in(new["status"], pa.array(["vanished", "quarantined"])))
    known = _contents(media.filter(is_old), ["ok", "duplicate"])
    left = _contents(committed, ["vanished"])
    content, counted = _keys(new), _mask(pc.not_equal(new["status"], "vanished"))
    is_held = _mask(pc.is_in(content, known)) | _is_repeated(content, counted)
    is_extracted = is_done & ~is_held & is_detected
    others = is_done & ~is_held & ~is_detected
    has_left = _mask(pc.is_in(content, left))
    quarantined = new.filter(pc.equal(new["status"], "quarantined"))["reason"]
    failures = {one["values"]: one["counts"] for one in pc.value_counts(quarantined).to_pylist()}
    counts = {
        "quarantined": len(quarantined),
        "duplicates": int((is_done & is_held).sum()),
        "extracted": int(is_extracted.sum()),
        "moved": int((others & has_left).sum()),
        "touched": int((others & ~has_left).sum()),
    }
    faces = pc.sum(new["faces"].filter(pa.array(is_extracted))).as_py() or 0
    return Progress(
        plan,
        items=sum(counts.values()),
        faces=faces,
        duplicates=counts["duplicates"],
        moved=counts["moved"],
        touched=counts["touched"],
        failures=failures,
        noted=len(with_notes(committed)),
    )


def _of_shards(rows: pa.Table, shards: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(rows["shard"], pa.array(shards, pa.string()))


def _contents(rows: pa.Table, statuses: Sequence[str]) -> pa.Array:
    """Returns the contents of the rows of some statuses, as `_keys` gives them."""
    return _keys(rows.filter(pc.is_in(rows["status"], pa.array(statuses))))


def _keys(rows: pa.Table) -> pa.Array:
    """Returns what names the content of each row; null where none was read."""
    there = pc.is_valid(rows["content_id"]).combine_chunks()
    keys = content_keys(rows.select(["content_id", "segment"]).filter(there))
    places = pc.subtract(pc.cumulative_sum(there.cast(pa.int64())), 1)
    return keys.take(pc.if_else(there, places, None))


def _is_repeated(content: pa.Array, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tells which contents (n,) one of those that count, further ahead, has as well."""
    rows = np.flatnonzero(counted & _mask(content.is_valid()))
    first = np.zeros(len(content), np.bool_)
    first[rows[ids.first_of_each(ids.from_arrow(content.take(pa.array(rows))))]] = True
    repeated = np.zeros(len(content), np.bool_)
    repeated[rows] = ~first[rows]
    return repeated


def _mask(mask: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    values = pa.chunked_array([mask]) if isinstance(mask, pa.Array) else mask
    return np.asarray(values.to_numpy(), dtype=bool)


class Tally:
    """How far the listing of a run is, and its planning; counted in the launcher."""

    def __init__(self) -> None:
        self._listed: dict[str, int] = {}
        self.planned = 0
        """Listed files that are planned."""

    @property
    def listed(self) -> int:
        """Photos and videos that were listed."""
        return sum(list(self._listed.values()))

    def counted(self, part: str, entries: Iterable[T], of: type) -> Iterator[T]:
        """Yields entries, and counts those of a class.

        Args:
            part: What is listed, such as a root; threads may list several.
            entries: What is listed of it.
            of: The class of those that count.
        """
        self._listed[part] = 0
        for entry in entries:
            self._listed[part] += isinstance(entry, of)
            yield entry


class ProgressReader:
    """Follows one extraction by looking at the collection.

    Args:
        storage: Where the collection lies.
        plan_path: Where the pipeline writes its plan.
        workers: Worker processes, by which the time left is estimated.
        clock: Gives the time, seconds.
        tally: What the listing counts.
    """

    def __init__(
        self,
        storage: Storage,
        plan_path: str,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        tally: Tally | None = None,
    ) -> None:
        self._storage = storage
        self._plan_path = plan_path
        self._tally = tally or Tally()
        self._workers = workers
        self._clock = clock
        self._seen = {file.path for file in storage.files("media")}
        self._progress = Progress()
        self._planned_at = 0.0
        self._shards = 0
        self._last = Commits()
        self._warm: Commits | None = None
        self._rests_until = clock()

    def poll(self) -> Progress:
        """Returns the progress as it stands now, or stood a while ago where a look takes long.

        A look lists the shards: of 30,000 it takes .3 s on a local disk.
        """
        begun = self._clock()
        if begun < self._rests_until:
            return self._timed()
        found = self.look()
        ended = self._clock()
        self._rests_until = ended + REST_SHARE * (ended - begun)
        return found

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
                cost = int(tables.read_metadata(self._storage, file.path, "media").get("cost", 0))
            except CollectionError:
                continue  # a store that fails for a moment may answer the next look
            self._seen.add(file.path)
            if not any(rows["attempts"]):
                continue  # nothing but sidecars were looked at
            if cost and plan is not None:
                self._shards += 1
                self._last = Commits(self._last.cost + cost, self._clock() - self._planned_at)
            items += len(rows["status"]) - rows["status"].count("vanished")
            duplicates += rows["status"].count("duplicate")
            found = zip(rows["status"], rows["faces"], strict=True)
            faces += sum(count or 0 for status, count in found if status == "ok")
            failures.update(reason for reason in rows["reason"] if reason)
        if self._warm is None and self._shards >= self._workers:
            self._warm = self._last
        self._progress = Progress(
            plan,
            self._tally.listed,
            self._tally.planned,
            items,
            faces,
            duplicates,
            failures=failures,
        )
        return self._timed()

    def _timed(self) -> Progress:
        """Returns the progress last seen, with the time that has passed since the plan."""
        if self._progress.plan is None:
            return self._progress
        now = self._clock() - self._planned_at
        pace = Pace(self._progress.plan.cost, self._workers, self._last, self._warm)
        return replace(self._progress, seconds=now, seconds_left=pace.seconds_left(now))

    def _rows(self, path: str) -> dict[str, list[Any]]:
        columns = ["status", "reason", "faces", "attempts"]
        return dict(tables.read(self._storage, path, "media", columns).to_pydict())

    def _read_plan(self) -> Plan | None:
        if not self._storage.exists(self._plan_path):
            return None
        self._planned_at = self._clock()
        return Plan.from_json(json.loads(self._storage.read(self._plan_path)))
