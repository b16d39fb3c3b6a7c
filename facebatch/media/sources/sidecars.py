"""Whose the XMP sidecars of a folder are."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from facebatch.media.kinds import RAW_EXTENSIONS, extension_of, is_sidecar
from facebatch.media.sources.folders import Entry


class Sidecars:
    """The sidecars of one folder, by whose they are.

    ``photo.jpg.xmp`` is that of ``photo.jpg``, as digiKam and darktable have it, and comes first.
    ``photo.xmp`` is Lightroom's way, and is that of the raw file where there is one of that name,
    else of whatever photo has it: Lightroom writes into all others themselves.

    Args:
        entries: What lies straight in the folder.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        found = [entry for entry in entries if is_sidecar(entry.name) and entry.is_file]
        self._by_base: dict[str, Entry] = {}
        for entry in sorted(found):
            if not entry.name.startswith("."):
                self._by_base.setdefault(posixpath.splitext(entry.name)[0], entry)
        names = (entry.name for entry in entries) if self._by_base else ()
        self._raw = {posixpath.splitext(name)[0] for name in names if _is_raw(name)}

    def of(self, name: str) -> list[Entry]:
        """Returns a photo's sidecars, the one that counts before the other first."""
        if not self._by_base:
            return []
        stem = posixpath.splitext(name)[0]
        bases = [name, stem] if _is_raw(name) or stem not in self._raw else [name]
        return [self._by_base[base] for base in bases if base in self._by_base]


def _is_raw(name: str) -> bool:
    return extension_of(name) in RAW_EXTENSIONS
