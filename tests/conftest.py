"""Fixtures that several rooms share: a rendered album and an undisturbed run over it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.albums import Album
from support.faulty import FaultyFileSystem
from support.program import facebatch

from facebatch.collection.collection import Collection
from facebatch.demo.album import SMALL, write_album


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    folder = tmp_path_factory.mktemp("photos") / "album"
    return Album(folder, write_album(folder, preset=SMALL))


@pytest.fixture(scope="session")
def undisturbed(album: Album, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The album after one undisturbed `facebatch run` in two processes, as a user runs it."""
    url = str(tmp_path_factory.mktemp("undisturbed") / "collection")
    done = facebatch("run", str(album.folder), "--output", url, "--workers", "2")
    assert done.returncode == 0, done.stderr
    return Collection.open(url)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("FACEBATCH_") and name != "FACEBATCH_TEST_DATA":
            monkeypatch.delenv(name)


@pytest.fixture
def faults() -> Iterator[dict[tuple[str, str], OSError]]:
    """Faults of stores at ``faulty://`` URLs, by (operation, end of the path); see faulty.py."""
    FaultyFileSystem.faults.clear()
    yield FaultyFileSystem.faults
    FaultyFileSystem.faults.clear()
