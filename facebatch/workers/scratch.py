"""Arrays that lie in a file and not in memory, for what is too much to hold and quick to read."""

from __future__ import annotations

import mmap
import tempfile
from math import prod

import numpy as np
import numpy.typing as npt


def scratch(*shape: int) -> npt.NDArray[np.float32]:
    """Returns an array of zeros, float32, mapped from a temporary file.

    The file has no name, so that nobody else can open it, and is gone with the array or its
    process. What was written to it takes no memory where others need that.

    Args:
        shape: Lengths of the axes.

    Raises:
        OSError: The file can't be made.
    """
    size = 4 * prod(shape)
    if not size:
        return np.zeros(shape, np.float32)
    with tempfile.TemporaryFile(prefix="facebatch-") as file:
        file.truncate(size)
        memory = mmap.mmap(file.fileno(), size)
    return np.frombuffer(memory, np.float32).reshape(shape)
