"""Local files that other programs watch: there whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(target: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Opens a file for writing that takes its place when the block ends without an error.

    What is being written has a short name of its own, without the target's extension: programs
    that read everything with an extension never see half of it. Unlike a file of `tempfile` it has
    the permissions that the umask gives, so that programs of other users can read it.

    Args:
        target: Where the file goes; its folder is there.
        durable: Whether the bytes are on the disk before the file takes its place. Without it a
            power cut may leave an empty file.

    Raises:
        OSError: The folder can't be written, or the target is one.
    """
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    beside = target.with_name(f".writing-{os.urandom(4).hex()}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
