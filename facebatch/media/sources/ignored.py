"""What of a root isn't looked at, counted by reason, with examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

EXAMPLES = 3
"""Examples that are given of each kind."""

KINDS = 100
"""Kinds that are told apart for one reason; the others are counted together."""

REST = "others"

_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "extension": ("{}", ""),
        "content": ("{}", "no media by its content"),
        "hidden": ("hidden", ""),
        "excluded": ("by --exclude {}", ""),
        "system_folder": ("{} folder", "of the system"),
        "marked_folder": ("folder with {}", ""),
        "linked_folder": ("link to a folder", "--follow-links reads it"),
        "repeated_folder": ("link to a folder that is listed already", ""),
        "special": ("link to nowhere, device or pipe", ""),
        "unsafe_name": ("member of an archive with an unsafe name", ""),
        "linked_member": ("link or device in an archive", ""),
    }
)
"""By reason, what is counted and what there is to say of it. ``{}`` is the kind."""


@dataclass(frozen=True)
class Ignored:
    """Files and folders that aren't looked at for one reason.

    Args:
        reason: ``extension``, which no photo or video has; ``content``, where the extension is that
            of a photo or video and the content text or other data; ``hidden``; ``excluded`` by a
            pattern; ``system_folder``; ``marked_folder``; ``linked_folder``; ``repeated_folder``;
            ``special``; of archives ``unsafe_name`` and ``linked_member``.
        kind: The extension, the folder's name, the pattern or the mark; empty for other reasons.
        files: How many; a folder counts as one.
        examples: Some of them, as root and path.
    """

    reason: str
    kind: str
    files: int
    examples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain data."""
        return {**asdict(self), "examples": list(self.examples)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ignored:
        """Returns what `as_json` gave."""
        return cls(data["reason"], data["kind"], data["files"], tuple(data["examples"]))


def summed(parts: Iterable[Ignored]) -> tuple[Ignored, ...]:
    """Returns one for each reason and kind, the most frequent first."""
    files: dict[tuple[str, str], int] = {}
    examples: dict[tuple[str, str], set[str]] = {}
    of_reason: dict[str, int] = {}
    for part in parts:
        key = part.reason, part.kind
        if key not in files:
            if of_reason.setdefault(part.reason, 0) >= KINDS:
                key = part.reason, REST
            of_reason[part.reason] += key not in files
        files[key] = files.get(key, 0) + part.files
        examples[key] = set(sorted({*examples.get(key, ()), *part.examples})[:EXAMPLES])
    ranked = sorted(files, key=lambda key: (-files[key], key))
    return tuple(Ignored(*key, files[key], tuple(sorted(examples[key]))) for key in ranked)


def described(part: Ignored) -> str:
    """Returns a line's worth of words: how many, of what, and what there is to say of it."""
    noun, remark = _WORDS.get(part.reason, ("{}", part.reason))
    words = f"{part.files:,} {noun.format(part.kind or 'without extension')}"
    return f"{words} ({remark})" if remark else words
