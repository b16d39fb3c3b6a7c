"""The reason codes of quarantined items, and what each means: for code, docs and report alike."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "empty": "The file has no bytes.",
        "not_an_image": "Its content is no known picture or video format, whatever its name says.",
        "truncated": "The picture ends too early: a copy or a download was cut off.",
        "corrupt": "The picture's data contradicts itself.",
        "too_large": "More pixels, bytes or frames than the limits allow, or than memory holds.",
        "too_slow": "Decoding took longer than `--max-seconds`.",
        "no_frames": "The video has no picture that can be decoded.",
        "decoder_missing": "Decoding needs a package that isn't installed; the message names it.",
        "crashed": "The process that decoded it died; see docs/concepts.md, Failures.",
        "io_error": "Reading the file failed.",
        "permission": "This user may not read the file.",
        "vanished": "The file was there when the folder was listed and gone when it was read.",
    }
)
