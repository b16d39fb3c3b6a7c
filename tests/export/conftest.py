"""A collection to export."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exportable import Archive, archive_at


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return archive_at(tmp_path / "collection")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """An empty folder for photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder
