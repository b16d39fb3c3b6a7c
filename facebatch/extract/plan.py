"""The plan of an extraction: how items are cut into shards, and what it is in numbers.

Everything here is a pure function of the items and the number of workers; no order of arrival
enters, so that the same archive gives the same shards every time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facebatch import ids
from facebatch.extract.decide import STATES
from facebatch.extract.items import Item, Shard
from facebatch.media.sources.ignored import Ignored, summed

SHARD_MS = 30_000
SHORTEST_SHARD_MS = 1_000
SHARDS_PER_WORKER = 8
"""At least so many where there is work for it. Beam's local runner deals shards out beforehand, so
the last one that a worker has is what the others wait for."""


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
        chosen.sort(
            key=lambda item: (item.file.container, os.fsencode(item.file.path), item.number)
        )
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
        (item.media_id, item.file.size, item.file.marker, item.supersedes) for item in items
    )


@dataclass(frozen=True)
class Plan:
    """What an extraction is going to do, in numbers.

    Args:
        states: Number of items in each state.
        left_out: What isn't looked at, by reason.
        unreadable: Folders that couldn't be listed, each with the reason.
        cost: Estimated time of one worker for all items to extract, milliseconds.
        bytes: Size of their files.
    """

    states: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[Ignored, ...] = ()
    unreadable: tuple[str, ...] = ()
    cost: int = 0
    bytes: int = 0

    @property
    def ignored(self) -> int:
        """Number of files and folders that aren't looked at."""
        return sum(part.files for part in self.left_out)

    @property
    def to_extract(self) -> int:
        """Number of items that will be extracted."""
        return sum(self.states.get(state, 0) for state in ("new", "changed", "retried", "reread"))

    @classmethod
    def total(cls, plans: Iterable[Plan]) -> Plan:
        """Returns the sum of plans."""
        states: Counter[str] = Counter()
        unreadable: set[str] = set()
        left_out: list[Ignored] = []
        cost = size = 0
        for plan in plans:
            states.update(plan.states)
            unreadable.update(plan.unreadable)
            left_out += plan.left_out
            cost += plan.cost
            size += plan.bytes
        return cls(dict(states), summed(left_out), tuple(sorted(unreadable)), cost, size)

    def as_json(self) -> dict[str, Any]:
        """Returns the plan as plain data."""
        return {
            **{state: self.states.get(state, 0) for state in STATES},
            "ignored": self.ignored,
            "ignored_kinds": [part.as_json() for part in self.left_out],
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
            tuple(Ignored.from_json(part) for part in data["ignored_kinds"]),
            tuple(data["unreadable_folders"]),
            round(data["estimated_seconds"] * 1000),
            data["bytes"],
        )
