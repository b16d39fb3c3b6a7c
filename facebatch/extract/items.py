"""What an extraction is about: items, what is known of them, and shards. Plain data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from facebatch import ids
from facebatch.media.sources.listing import MediaFile

if TYPE_CHECKING:
    from facebatch.media.video.frames import Segment


# Costs are whole milliseconds, so that their sums are the same in whatever order they are added.
# Detection costs the same for all photos larger than its size, which smaller files are below;
# decoding grows with the file. Fitted to 250-pixel photos, group photos and 12-megapixel photos.
_PHOTO_MS = 50


_DETECTION_BYTES, _DETECTION_BYTES_PER_MS = 300_000, 1_200


_DECODING_BYTES_PER_MS = 40_000


# A frame of a video is detected in as a photo is; decoding what lies between two costs as much.
_FRAME_MS = 150


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
    orientation: int | None = None
    sidecar: str | None = None
    sidecar_orientation: int | None = None

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
        if self.failure is not None:
            return _PHOTO_MS
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
    def cost(self) -> int:
        """Estimated time of one worker, milliseconds."""
        return sum(item.cost for item in self.items)

    @property
    def superseded_at(self) -> datetime | None:
        """Commit time of the newest row that the shard's rows take over from."""
        moments = (item.superseded_at for item in self.items)
        return max((moment for moment in moments if moment is not None), default=None)

    def as_json(self) -> bytes:
        """Returns the shard as `from_json` reads it."""
        return json.dumps(asdict(self), default=_as_text).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Shard:
        """Returns the shard that `as_json` made the text of."""
        told = json.loads(data)
        return cls(**{**told, "items": tuple(map(_item, told["items"]))})


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{value!r} has no text")


def _item(told: dict[str, Any]) -> Item:
    from facebatch.media.video.frames import Segment  # opens videos, which few shards need

    moment, segment, failure = told["superseded_at"], told["segment"], told["failure"]
    typed = {
        "file": _file(told["file"]),
        "superseded_at": datetime.fromisoformat(moment) if moment else None,
        "segment": Segment(**segment) if segment else None,
        "failure": tuple(failure) if failure else None,
        "contents": tuple((bytes.fromhex(content), faces) for content, faces in told["contents"]),
    }
    return Item(**{**told, **typed})


def _file(told: dict[str, Any]) -> MediaFile:
    return MediaFile(**{**told, "sidecars": tuple(map(_file, told["sidecars"]))})


@dataclass(frozen=True)
class Video:
    """A video with work left, which has to be opened to know its segments.

    Args:
        file: The version that was listed.
        known: The rows that count of its segments, of whatever version.
    """

    file: MediaFile
    known: tuple[Known, ...] = ()


@dataclass(frozen=True)
class Unsure:
    """A file with work left of which only its first bytes tell whether it is a medium at all.

    Args:
        file: The version that was listed.
        known: Every media row that was ever committed for it.
    """

    file: MediaFile
    known: tuple[Known, ...] = ()


@dataclass(frozen=True)
class Beside:
    """A photo that is as it was, and whose sidecars aren't.

    Args:
        file: What was listed.
        known: Its row.
    """

    file: MediaFile
    known: Known


@dataclass(frozen=True)
class Said:
    """What a photo's sidecars say.

    Args:
        orientation: How it lies; None where they say nothing of it.
        problem: What is wrong with one of them, in words.
        missed: Whether one that comes before what counts couldn't be read, and may say more
            another time without being changed.
    """

    orientation: int | None = None
    problem: str | None = None
    missed: bool = False


@dataclass(frozen=True)
class Noted:
    """A photo whose sidecars changed without a change of its frame, which is to be remembered.

    Args:
        known: Its row.
        sidecar: What the row is to say of its sidecars now.
    """

    known: Known
    sidecar: str | None


def version_key(item: Item) -> str:
    """Returns what names one version of one item in the marks of attempts."""
    return version_name(item.media_id, item.file.size, item.file.marker)


def version_name(media_id: bytes, size: int, marker: str) -> str:
    """Returns the name of a version whose media row is at hand."""
    return f"{media_id.hex()}:{size}:{marker}"
