"""Where the photos of a collection lie, for links from the report to them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import join
from typing import Any

from fsspec.core import split_protocol


def link_of(item: Mapping[str, Any], places: Mapping[str, str]) -> str | None:
    """Returns a ``file://`` address of a photo or video; None unless it lies on this computer.

    Args:
        item: Its media row's ``root``, ``path`` and ``path_bytes``.
        places: Where each root lay when it was listed last, by its name.
    """
    protocol, folder = split_protocol(places.get(item["root"], ""))
    if not folder or protocol not in (None, "file", "local"):
        return None
    path = item["path"] if item["path_bytes"] is None else os.fsdecode(item["path_bytes"])
    photo = Path(folder, path)
    try:
        return photo.absolute().as_uri() if photo.is_file() else None
    except (OSError, ValueError):  # no name of a file, such as one with a zero byte in it
        return None


def retry_command(
    reason: str, roots: Iterable[str], places: Mapping[str, str], collection: str
) -> str:
    """Returns the command that tries again what failed for a reason.

    Args:
        reason: The reason code.
        roots: Names of the roots that it is found in.
        places: Where each root lay when it was listed last; one that isn't known is left out, and
            where none is, PHOTOS stands for them.
        collection: The collection's address, without passwords.
    """
    words = ["facebatch", "run"]
    known = sorted(set(roots) & places.keys())
    for name in known:
        own_name = places[name].rstrip("/").rpartition("/")[2] == name
        words += [places[name]] if own_name else ["--root", f"{name}={places[name]}"]
    words += [] if known else ["PHOTOS"]
    return join([*words, "--output", collection, "--retry", reason])
