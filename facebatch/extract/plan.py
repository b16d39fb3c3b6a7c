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
from typing import TYPE_CHECKING, Any, Literal, get_args

from facebatch import ids
from facebatch.media.kinds import decoder_has_come
from facebatch.media.sources.listing import MediaFile, shown
from facebatch.media.sources.roots import Root

if TYPE_CHECKING:
    from facebatch.collection.suppression import Suppression
    from facebatch.media.video.frames import Segment

RETRYABLE = frozenset({"io_error", "permission", "vanished"})
"""Reason codes of failures that may pass; all other codes are permanent for a version, except that
what misses a decoder is tried again when the decoder has come."""

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

# A frame of a video is detected in as a photo is; decoding what lies between two costs as much.
_FRAME_MS = 150

State = Literal["new", "changed", "retried", "unchanged", "given_up", "vanished", "erased"]
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
    message: str | None = None
    segment: int = 0
    segments: int | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is known that the item isn't below its root any more."""
        return self.status == "vanished"


@dataclass(frozen=True)
class Item:
    """A photo, or one time segment of a video, that is to be extracted.

    Args:
        file: The version that was listed.
        segment: Which part of a video it is; None for a photo, and for a video that couldn't be
            opened.
        segments: Number of parts that the video has; 0 where there is no segment.
        frames: Estimated number of frames that faces are looked for in.
        failure: Reason code and message where a video couldn't be opened.
        contents: What is known of files of the same size: content ids and their numbers of faces.
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
    segment: Segment | None = None
    segments: int = 0
    frames: int = 0
    failure: tuple[str, str] | None = None
    contents: tuple[tuple[bytes, int], ...] = ()

    @property
    def number(self) -> int:
        """Number of the segment; 0 for a photo."""
        return self.segment.number if self.segment else 0

    @property
    def media_id(self) -> bytes:
        """The item's id."""
        return ids.media_id(self.file.root, self.file.path, self.number)

    @property
    def cost(self) -> int:
        """Estimated time of one worker, milliseconds."""
        if self.segment is not None:
            return _PHOTO_MS + self.frames * _FRAME_MS
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


@dataclass(frozen=True)
class Video:
    """A video with work left, which has to be opened to know its segments.

    Args:
        file: The version that was listed.
        known: The rows that count of its segments, of whatever version.
    """

    file: MediaFile
    known: tuple[Known, ...] = ()


def version_key(item: Item) -> str:
    """Returns what names one version of one item in the marks of attempts."""
    return version_name(item.media_id, item.file.size, item.file.marker)


def version_name(media_id: bytes, size: int, marker: str) -> str:
    """Returns the name of a version whose media row is at hand."""
    return f"{media_id.hex()}:{size}:{marker}"


def winners(known: Iterable[Known]) -> list[Known]:
    """Returns the rows that count among a file's: greatest (commit time, shard) of a segment."""
    newest: dict[int, Known] = {}
    for row in sorted(known, key=lambda row: (row.committed_at, row.shard)):
        newest[row.segment] = row
    return [newest[segment] for segment in sorted(newest)]


def is_absent(row: Known, roots: Mapping[str, Root], unreadable: Iterable[tuple[str, str]]) -> bool:
    """Tells whether a row's item, which wasn't listed, can be said to have vanished.

    It can't where only some files of its root were asked for, nor where it lies in a folder that
    couldn't be listed.

    Args:
        row: What is known of the item.
        roots: The roots that were listed, by name.
        unreadable: Root and path of every folder that couldn't be.
    """
    root = roots.get(row.root)
    return (
        root is not None
        and root.is_whole
        and not any(
            row.root == name and (not path or shown(row.path).startswith(f"{shown(path)}/"))
            for name, path in unreadable
        )
    )


@dataclass(frozen=True)
class Rules:
    """What decisions depend on beside the item itself; plain data.

    Args:
        retry: Reason codes that are tried again whatever their attempts.
        dead_attempts: For the versions whose attempts were never finished, how many.
        erased: What was erased, and isn't to come back.
    """

    retry: frozenset[str] = frozenset()
    dead_attempts: Mapping[str, int] = field(default_factory=dict)
    erased: Suppression | None = None


Decision = tuple[State, Item | Known | Video | None]
"""A state, and what there is to do: an item to extract, a row whose item has vanished, a video to
open, or nothing."""


def decide_file(
    listed: MediaFile | None, known: Sequence[Known], rules: Rules
) -> Iterator[Decision]:
    """Says what is to be done with a file: one decision an item, or one for a video to open.

    Args:
        listed: The file as it lies in a root today; None if it isn't there any more.
        known: Every media row that was ever committed for it.
        rules: Retries, attempts, erasure.
    """
    newest = winners(known)
    if listed is None:
        yield from (("vanished", row) for row in newest if not row.is_gone)
        return
    if rules.erased and rules.erased.hides_media(listed.media_id):
        yield "erased", None
        return
    if not listed.is_video:
        yield decide(Item(listed), newest[0] if newest else None, rules)
        return
    newest = [row for row in newest if not row.is_gone]
    # A video that couldn't be opened has one row that says so, and no number of segments.
    complete = len(newest) == max((row.segments or 1 for row in newest), default=-1)
    decisions = [decide(Item(listed), row, rules) for row in newest]
    if complete and all(work is None for _, work in decisions):
        yield from decisions
    else:
        yield "new", Video(listed, tuple(winners(known)))


def decide_segments(
    video: Video, segments: Mapping[Segment, int], rules: Rules
) -> Iterator[Decision]:
    """Says what is to be done with the segments of a video that was opened.

    Args:
        video: The video.
        segments: Its segments and about how many frames are looked at in each.
        rules: Retries, attempts.
    """
    known = {row.segment: row for row in video.known}
    for segment, frames in segments.items():
        item = Item(video.file, segment=segment, segments=len(segments), frames=frames)
        yield decide(item, known.pop(segment.number, None), rules)
    yield from (("vanished", row) for row in known.values() if not row.is_gone)


def decide_unopened(video: Video, failure: tuple[str, str], rules: Rules) -> Iterator[Decision]:
    """Says what is to be done with a video that couldn't be opened.

    Segments of the same version that are known already stay as they are, for another night.
    Otherwise one item says why, and the segments of an earlier version have vanished.

    Args:
        video: The video.
        failure: Reason code and message.
        rules: Retries, attempts.
    """
    version = (video.file.size, video.file.marker)
    present = [row for row in video.known if not row.is_gone]
    same = [row for row in present if row.segments and (row.size, row.marker) == version]
    if same:
        for row in same:
            state, work = decide(Item(video.file), row, rules)
            yield ("given_up" if work else state), None
        return
    first, *_ = [*(row for row in video.known if row.segment == 0), None]
    yield decide(Item(video.file, failure=failure), first, rules)
    yield from (("vanished", row) for row in present if row.segment)


def decide(item: Item, known: Known | None, rules: Rules) -> tuple[State, Item | None]:
    """Says what is to be done with an item that was listed.

    Args:
        item: The item, as if it were new.
        known: Its winning media row; None if it was never extracted.
        rules: Retries, attempts.

    Returns:
        The item's state, and the item where it is to be extracted.
    """
    state = _state(item.file, known, rules.retry)
    if state in ("unchanged", "given_up"):
        return state, None
    if known is not None:
        attempt = known.attempts + 1 if state == "retried" else 1
        item = replace(
            item, attempt=attempt, supersedes=known.shard, superseded_at=known.committed_at
        )
    dead = rules.dead_attempts.get(version_key(item), 0)
    crashed = state == "retried" and known is not None and known.reason == "crashed"
    return state, replace(item, isolated=crashed or dead >= DEAD_ATTEMPTS)


def _state(listed: MediaFile, known: Known | None, retry: frozenset[str]) -> State:
    if known is None or known.is_gone:
        return "new"  # what came back is found by its content, and not detected again
    if (known.size, known.marker) != (listed.size, listed.marker):
        return "changed"
    if known.status != "quarantined":
        return "unchanged"
    if known.reason in retry:
        return "retried"
    if known.reason == "decoder_missing":
        return "retried" if decoder_has_come(known.message or "") else "given_up"
    may_pass = known.reason in RETRYABLE and known.attempts < MAX_ATTEMPTS
    return "retried" if may_pass else "given_up"


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
