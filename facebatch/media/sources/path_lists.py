"""Lists: files that name photos, videos and folders, one a line."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

from facebatch.errors import InputError
from facebatch.storage.retry import retried
from facebatch.storage.store import filesystem, local_path
from facebatch.storage.urls import public_url

MAX_LIST_BYTES = 1_000_000_000
"""A list of ten million paths is about this long."""


def entries_of(place: str) -> tuple[str, list[str]]:
    """Reads a list.

    Empty lines and lines that begin with ``#`` say nothing; a file of such a name is written
    ``./#name``. An entry is a path or URL as it stands: blanks and the signs of globs are part of
    it. A local one that isn't there is looked for in the other form of its accents (NFC, NFD).

    Args:
        place: Path or URL of the list; ``-`` is standard input.

    Returns:
        The folder that relative entries start from, and the entries.

    Raises:
        InputError: The list can't be read, or is too long to be one.
    """
    try:
        if place == "-":
            folder, data = str(Path.cwd()), sys.stdin.buffer.read(MAX_LIST_BYTES + 1)
        else:
            folder, data = _folder(place), retried(lambda: _read(place))
    except OSError as error:
        raise InputError(f"the list {public_url(place)} can't be read: {error}") from error
    if len(data) > MAX_LIST_BYTES or b"\0" in data:
        raise InputError(f"{public_url(place)} is no list of paths")
    lines = (os.fsdecode(line) for line in data.removeprefix(b"\xef\xbb\xbf").splitlines())
    found = [line for line in lines if line.strip() and not line.startswith("#")]
    return folder, [_as_stored(folder, line) for line in found]


def _as_stored(folder: str, entry: str) -> str:
    """Returns a local entry in the Unicode form that the disk has it in, if it has it."""
    if entry.isascii() or "://" in folder or "://" in entry or Path(folder, entry).exists():
        return entry
    forms = (unicodedata.normalize(form, entry) for form in ("NFC", "NFD"))
    return next((form for form in forms if Path(folder, form).exists()), entry)


def _folder(place: str) -> str:
    local = local_path(place)
    return str(Path(local).parent) if local is not None else place.rpartition("/")[0]


def _read(place: str) -> bytes:
    store, path = filesystem(place)
    with store.open(path, "rb") as file:
        return bytes(file.read(MAX_LIST_BYTES + 1))
