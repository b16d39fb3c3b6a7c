"""Where tests find photos that may not be redistributed with the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[3] / "shared" / "data"


def real_data(name: str) -> Path:
    """A folder or file of real test data, or a skipped test where there is none."""
    root = Path(os.environ.get("FACEBATCH_TEST_DATA", _BESIDE_THE_REPOSITORY))
    found = root / name
    if not found.exists():
        pytest.skip(f"no real test data at {found}; name its folder in FACEBATCH_TEST_DATA")
    return found
