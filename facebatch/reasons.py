"""The reason codes of quarantined items, and what each means: for code, docs and report alike."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "empty": "The file has no bytes.",
        "not_an_image": "Its content is no picture format that is known, whatever its name says.",
        "truncated": "The picture ends too early: a copy or a download was cut off.",
        "corrupt": "The picture's data contradicts itself.",
        "too_large": "The picture has more pixels than are decoded (250 million), or than memory.",
        "crashed": "The process that decoded it died, twice; see docs/concepts.md, Failures.",
        "io_error": "Reading the file failed.",
        "permission": "This user may not read the file.",
        "vanished": "The file was there when the folder was listed and gone when it was read.",
    }
)
