"""The plan of an extraction: which listed items are new, and how they are cut into shards.

Everything here is a pure function of what was listed, what is known and how many workers there
are; no order of arrival enters, so that the same archive gives the same shards every time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args

from facebatch import ids
from facebatch.media.sources import MediaFile

RETRYABLE = frozenset({"io_error", "permission", "vanished"})
"""Reason codes of failures that may pass; all other codes are permanent for a version."""

MAX_ATTEMPTS = 3
DEAD_ATTEMPTS = 2
"""Attempts that a worker didn't survive before an item is extracted in isolation."""

SHARD_MS = 30_000
SHORTEST_SHARD_MS = 1_000
SHARDS_PER_WORKER = 8
"""At least so many where there is work for it. Beam's local runner deals shards out beforehand, so
the last one that a worker has is what the others wait for."""

# Costs are whole milliseconds, so that their sums are the same in whatever order they are added.
# Detection costs the same for all photos larger than its size, which smaller files are below;
# decoding grows with the file. Fitted to 250-pixel photos, group photos and 12-megapixel photos.
_PHOTO_MS = 50
_DETECTION_BYTES, _DETECTION_BYTES_PER_MS = 300_000, 1_200
_DECODING_BYTES_PER_MS = 40_000

State = Literal["new", "changed", "retried", "unchanged", "given_up", "vanished"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Known:
    """What the snapshot says of an item: the part of its media row that planning needs."""

    root: str
    path: str
    size: int
    marker: str
    status: str
    reason: str | None
    attempts: int
    committed_at: datetime
    shard: str


@dataclass(frozen=True)
class Item:
    """A media file that is to be extracted.

    Args:
        file: The version that was listed.
        attempt: Which attempt at this version it is, from 1.
        supersedes: Shard of the row that the new row takes over from; empty for a new item.
        superseded_at: Commit time of that row.
        isolated: Whether it is extracted in a process of its own, since workers died over it.
    """

    file: MediaFile
    attempt: int = 1
    supersedes: str = ""
    superseded_at: datetime | None = None
    isolated: bool = False

    @property
    def cost(self) -> int:
        """Estimated time of one worker, milliseconds."""
        detection = min(self.file.size, _DETECTION_BYTES) // _DETECTION_BYTES_PER_MS
        return _PHOTO_MS + detection + self.file.size // _DECODING_BYTES_PER_MS


@dataclass(frozen=True)
class Shard:
    """Items that are extracted and committed together.

    Args:
        name: Hash of the members.
        items: The members, by container and path.
        isolated: Whether its items are extracted in a process of their own.
    """

    name: str
    items: tuple[Item, ...]
    isolated: bool = False

    @property
    def superseded_at(self) -> datetime | None:
        """Commit time of the newest row that the shard's rows take over from."""
        moments = (item.superseded_at for item in self.items)
        return max((moment for moment in moments if moment is not None), default=None)


def version_key(file: MediaFile) -> str:
    """Returns what names one version of one item in the marks of attempts."""
    return version_name(file.media_id, file.size, file.marker)


def version_name(media_id: bytes, size: int, marker: str) -> str:
    """Returns the name of a version whose media row is at hand."""
    return f"{media_id.hex()}:{size}:{marker}"


def winner(known: Iterable[Known]) -> Known | None:
    """Returns the row that counts among an item's rows: greatest (commit time, shard)."""
    return max(known, key=lambda row: (row.committed_at, row.shard), default=None)


def decide(
    listed: MediaFile | None,
    known: Known | None,
    retry: frozenset[str],
    dead_attempts: Mapping[str, int],
) -> tuple[State, Item | None]:
    """Says what is to be done with an item.

    Args:
        listed: The item as it lies in a root today; None if it isn't there any more.
        known: Its winning media row; None if it was never extracted.
        retry: Reason codes that are tried again whatever their attempts.
        dead_attempts: For the versions whose attempts were never finished, how many.

    Returns:
        The item's state, and the item where it is to be extracted.
    """
    if listed is None:
        return "vanished", None
    state: State
    if known is None:
        state, item = "new", Item(listed)
    elif (known.size, known.marker) != (listed.size, listed.marker):
        state, item = "changed", Item(listed, 1, known.shard, known.committed_at)
    elif known.status != "quarantined":
        return "unchanged", None
    elif known.reason in retry or (known.reason in RETRYABLE and known.attempts < MAX_ATTEMPTS):
        state, item = "retried", Item(listed, known.attempts + 1, known.shard, known.committed_at)
    else:
        return "given_up", None
    crashed = state == "retried" and known is not None and known.reason == "crashed"
    isolated = crashed or dead_attempts.get(version_key(listed), 0) >= DEAD_ATTEMPTS
    return state, replace(item, isolated=isolated)


def shard_cost(total: int, workers: int) -> int:
    """Returns the cost that shards are cut to, for all new items together costing ``total``."""
    share = total // (workers * SHARDS_PER_WORKER)
    return max(SHORTEST_SHARD_MS, min(SHARD_MS, share))


def pack_containers(costs: Mapping[bytes, int], target: int) -> dict[bytes, bytes]:
    """Returns for each container the group it is cut in: small neighbours share one.

    Args:
        costs: Cost of each container's new items.
        target: Cost that a shard is cut to.
    """
    groups: dict[bytes, bytes] = {}
    group, filled = b"", target
    for container in sorted(costs):
        if filled >= target:
            group, filled = container, 0
        groups[container] = group
        filled += costs[container]
    return groups


def cut(items: Sequence[Item], target: int) -> Iterator[Shard]:
    """Cuts one group's items into shards of about equal cost.

    None costs more than ``target`` and its costliest item together. Items that need isolation go
    into shards of their own.
    """
    for isolated in (False, True):
        chosen = [item for item in items if item.isolated == isolated]
        chosen.sort(key=lambda item: (item.file.container, os.fsencode(item.file.path)))
        total = sum(item.cost for item in chosen)
        pieces = -(-total // target)
        parts: dict[int, list[Item]] = {}
        before = 0
        for item in chosen:
            middle = before + item.cost // 2
            parts.setdefault(middle * pieces // total, []).append(item)
            before += item.cost
        for part in parts.values():
            yield Shard(_name(part), tuple(part), isolated)


def _name(items: Iterable[Item]) -> str:
    return ids.shard_name(
        (item.file.media_id, item.file.size, item.file.marker, item.supersedes) for item in items
    )


@dataclass(frozen=True)
class Plan:
    """What an extraction is going to do, in numbers.

    Args:
        states: Number of items in each state.
        ignored: Files that are no candidates.
        unreadable: Folders that couldn't be listed, each with the reason.
        cost: Estimated time of one worker for all items to extract, milliseconds.
        bytes: Size of their files.
    """

    states: Mapping[str, int] = field(default_factory=dict)
    ignored: int = 0
    unreadable: tuple[str, ...] = ()
    cost: int = 0
    bytes: int = 0

    @property
    def to_extract(self) -> int:
        """Number of items that will be extracted."""
        return sum(self.states.get(state, 0) for state in ("new", "changed", "retried"))

    @classmethod
    def total(cls, plans: Iterable[Plan]) -> Plan:
        """Returns the sum of plans."""
        states: Counter[str] = Counter()
        unreadable: set[str] = set()
        ignored = cost = size = 0
        for plan in plans:
            states.update(plan.states)
            unreadable.update(plan.unreadable)
            ignored += plan.ignored
            cost += plan.cost
            size += plan.bytes
        return cls(dict(states), ignored, tuple(sorted(unreadable)), cost, size)

    def as_json(self) -> dict[str, Any]:
        """Returns the plan as plain data."""
        return {
            **{state: self.states.get(state, 0) for state in STATES},
            "ignored": self.ignored,
            "unreadable_folders": list(self.unreadable),
            "to_extract": self.to_extract,
            "bytes": self.bytes,
            "estimated_seconds": self.cost / 1000,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Returns the plan that `as_json` gave."""
        return cls(
            {state: data[state] for state in STATES},
            data["ignored"],
            tuple(data["unreadable_folders"]),
            round(data["estimated_seconds"] * 1000),
            data["bytes"],
        )
