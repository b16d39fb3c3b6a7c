"""Files on a local disk, written beside their place, flushed to the disk and renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

TEMPORARY_MARK = ".writing-"
"""Part of the name of every file that is still being written."""


def put(target: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Puts a file at a path, whole or not at all.

    Args:
        target: The path; folders above it are made.
        fill: Writes what the file is to hold.

    Raises:
        OSError: The disk refuses it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{TEMPORARY_MARK}{secrets.token_hex(4)}-{target.name}")
    try:
        with beside.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    # Without it a power cut may forget the rename though the file's bytes are on the disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
