"""Makes Pillow crash or hang on marked files, as native decoders do on some broken ones.

A process runs this when the folder is on its ``PYTHONPATH``: see tests/poisoned.py.
"""

from __future__ import annotations

import ctypes
import signal
from typing import Any

from PIL import Image

_open = Image.open


def _open_unless_poisoned(file: Any, *arguments: Any, **options: Any) -> Image.Image:
    head = file.read(16)
    file.seek(0)
    if head.endswith(b"CRASHES"):
        signal.raise_signal(signal.SIGSEGV)
    if head.endswith(b"HANGS.."):
        # As a native function does that never gives other threads a turn.
        ctypes.PyDLL(None).sleep(3600)
    return _open(file, *arguments, **options)


Image.open = _open_unless_poisoned
