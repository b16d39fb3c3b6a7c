"""A rendered album as tests hand it around."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facebatch.demo.truth import Truth


@dataclass(frozen=True)
class Album:
    """A rendered album and what is true of it."""

    folder: Path
    truth: Truth
