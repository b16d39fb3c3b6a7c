"""Files that crash or hang their decoder, in processes that are started with the environment."""

from __future__ import annotations

import os
from pathlib import Path

_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFI"
CRASHES = _JPEG + b"CRASHES" + bytes(100)
HANGS = _JPEG + b"HANGS.." + bytes(100)


def environment() -> dict[str, str]:
    """The variables that make new processes obey the marks."""
    paths = [str(Path(__file__).parent / "poison"), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
