"""What is to be done with a listed file: whether it is new, and who tries it again.

A pure function of what was listed and what is known: nothing depends on an order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from facebatch.collection.suppression import version_id
from facebatch.extract.items import Beside, Item, Known, Noted, Said, Unsure, Video, version_key
from facebatch.media.kinds import decoder_has_come
from facebatch.media.sources.listing import MediaFile, shown
from facebatch.media.sources.roots import Root
from facebatch.media.video.foreign import may_be_foreign

if TYPE_CHECKING:
    from facebatch.collection import Suppression
    from facebatch.media.video.frames import Segment


RETRYABLE = frozenset({"io_error", "permission", "vanished"})
"""Reason codes of failures that may pass; all other codes are permanent for a version, except that
what misses a decoder is tried again when the decoder has come."""


MAX_ATTEMPTS = 3


DEAD_ATTEMPTS = 2
"""Attempts that a worker didn't survive before an item is extracted in isolation."""


State = Literal[
    "new",
    "changed",
    "retried",
    "reread",
    "unchanged",
    "given_up",
    "vanished",
    "excluded",
    "erased",
    "blocked",
]
"""``reread`` is what seems unchanged and is read again all the same; ``excluded`` is what vanishes
because a rule leaves it out now, or because it never was a medium; ``blocked`` is what lies where
something was erased whose content isn't known."""


STATES: tuple[State, ...] = get_args(State)


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
        and not any(row.root == name and lies_below(row.path, path) for name, path in unreadable)
    )


def lies_below(path: str, folder: str) -> bool:
    """Tells whether a path leads into a folder of its root; the root itself is empty."""
    return not folder or shown(path).startswith(f"{shown(folder)}/")


@dataclass(frozen=True)
class Rules:
    """What decisions depend on beside the item itself; plain data.

    Args:
        retry: Reason codes that are tried again whatever their attempts.
        dead_attempts: For the versions whose attempts were never finished, how many.
        erased: What was erased, and isn't to come back.
        reread: Whether what seems unchanged is read again, and what failed.
    """

    retry: frozenset[str] = frozenset()
    dead_attempts: Mapping[str, int] = field(default_factory=dict)
    erased: Suppression | None = None
    reread: bool = False


Decision = tuple[State, Item | Known | Noted | Video | Unsure | Beside | None]
"""A state, and what there is to do: an item to extract, a row whose item has vanished or whose
sidecars are to be remembered, a video to open, a file or sidecars to look into, or nothing."""


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
    kept_out = _kept_out(listed, rules)
    if kept_out is not None:
        yield kept_out, None
        if kept_out == "erased":  # put in the place of another photo
            others = (row for row in newest if (row.size, row.marker) != _version(listed))
            yield from (("vanished", row) for row in others if not row.is_gone)
        return
    if not listed.is_video:
        state, work = decide(Item(listed), newest[0] if newest else None, rules)
        if state == "unchanged" and newest[0].sidecar != listed.sidecar_version:
            yield state, Beside(listed, newest[0])
        else:
            yield state, work
        return
    newest = [row for row in newest if not row.is_gone]
    # A video that couldn't be opened has one row that says so, and no number of segments.
    complete = len(newest) == max((row.segments or 1 for row in newest), default=-1)
    decisions = [decide(Item(listed), row, rules) for row in newest]
    if complete and all(work is None for _, work in decisions):
        yield from decisions
    else:
        yield "new", Video(listed, tuple(winners(known)))


def _version(file: MediaFile) -> tuple[int, str]:
    return file.size, file.marker


def _kept_out(listed: MediaFile, rules: Rules) -> State | None:
    """Returns the state of a file that an erasure keeps out, so that it isn't even read.

    Another file under the same path is read, and told by its content.
    """
    if rules.erased is None or not rules.erased.hides_media(listed.media_id):
        return None
    if rules.erased.blocks(listed.media_id):
        return "blocked"
    version = version_id(listed.media_id, *_version(listed))
    return "erased" if rules.erased.hides_version(version) and not rules.reread else None


def look_first(listed: MediaFile, known: Sequence[Known], decisions: Sequence[Decision]) -> bool:
    """Tells whether a file's first bytes are to be looked at before anything is decided.

    Args:
        listed: The file.
        known: Every media row that was ever committed for it.
        decisions: What there would be to do.
    """
    if not may_be_foreign(listed.path):
        return False
    has_work = any(isinstance(work, Item | Video) for _, work in decisions)
    return has_work or any(
        row.status == "quarantined" and row.reason == "not_an_image" for row in winners(known)
    )


def decide_foreign(known: Sequence[Known]) -> Iterator[Decision]:
    """Says what is to be done with what is known of a file that is no medium: it vanishes."""
    yield from (("excluded", row) for row in winners(known) if not row.is_gone)


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
    version = _version(video.file)
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
    state = _state(item.file, known, rules)
    if state in ("unchanged", "given_up"):
        return state, None
    return state, _to_extract(item, known, state, rules)


def decide_beside(photo: Beside, said: Said, rules: Rules) -> Decision:
    """Says what is to be done with a photo whose sidecars aren't what they were.

    It is read again only if it may lie otherwise now; a sidecar that says what was applied already
    is remembered, and not looked at a second time. What can't be read changes nothing.

    Args:
        photo: The photo.
        said: What its sidecars say now.
        rules: Attempts.
    """
    known, file = photo.known, photo.file
    if said.missed:
        return "unchanged", None
    applied = known.sidecar_orientation
    if said.orientation == applied or (applied is None and said.orientation == known.orientation):
        return "unchanged", Noted(known, file.sidecar_version)
    return "changed", _to_extract(Item(file), known, "changed", rules)


def _to_extract(item: Item, known: Known | None, state: State, rules: Rules) -> Item:
    """Returns an item with what it takes over from, and how it is extracted."""
    if known is not None:
        attempt = known.attempts + 1 if state == "retried" else 1
        item = replace(
            item, attempt=attempt, supersedes=known.shard, superseded_at=known.committed_at
        )
    dead = rules.dead_attempts.get(version_key(item), 0)
    crashed = state in ("retried", "reread") and known is not None and known.reason == "crashed"
    return replace(item, isolated=crashed or dead >= DEAD_ATTEMPTS)


def _state(listed: MediaFile, known: Known | None, rules: Rules) -> State:
    if known is None or known.is_gone:
        return "new"  # what came back is found by its content, and not detected again
    if (known.size, known.marker) != _version(listed):
        return "changed"
    if rules.reread:
        return "reread"
    if known.status != "quarantined":
        return "unchanged"
    if known.reason in rules.retry:
        return "retried"
    if known.reason == "decoder_missing":
        return "retried" if decoder_has_come(known.message or "") else "given_up"
    may_pass = known.reason in RETRYABLE and known.attempts < MAX_ATTEMPTS
    return "retried" if may_pass else "given_up"
