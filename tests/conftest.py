"""Fixtures that several rooms share: a rendered album and an undisturbed run over it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.albums import Album
from support.examples import register_profiles
from support.faulty import FaultyFileSystem
from support.program import command
from support.shared import made_once

from facebatch.collection import Collection
from facebatch.demo.album import SMALL, write_album
from facebatch.demo.truth import Truth

register_profiles()
# No model is installed but those that come with packages, also for the programs that tests start.
os.environ["FACEBATCH_MODELS"] = "/no/models/folder"


def pytest_runtest_setup() -> None:
    """Spares Beam what it would find out again, where a test imported it."""
    if "apache_beam" in sys.modules:
        from support.beam_reflection import remember_reflection

        remember_reflection()


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    """The small album; it is read only."""

    def make(place: Path) -> None:
        truth = write_album(place / "album", preset=SMALL)
        (place / "truth.json").write_text(truth.to_json(), encoding="utf-8")

    place = made_once("photos", make, tmp_path_factory)
    truth = Truth.from_json((place / "truth.json").read_text(encoding="utf-8"))
    return Album(place / "album", truth)


@pytest.fixture(scope="session")
def undisturbed(album: Album, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The album after one undisturbed `facebatch run` in two processes, as a user runs it.

    It is read only: what writes takes a copy.
    """

    def make(place: Path) -> None:
        words = command("run", str(album.folder), "--output", str(place / "collection"))
        done = subprocess.run(
            [*words, "--workers", "2"], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr

    place = made_once("undisturbed", make, tmp_path_factory)
    return Collection.open(str(place / "collection"))


_KEPT = ("FACEBATCH_TEST_DATA", "FACEBATCH_MODELS")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("FACEBATCH_") and name not in _KEPT:
            monkeypatch.delenv(name)


@pytest.fixture
def faults() -> Iterator[dict[tuple[str, str], OSError]]:
    """Faults of stores at ``faulty://`` URLs, by (operation, end of the path); see faulty.py."""
    FaultyFileSystem.faults.clear()
    yield FaultyFileSystem.faults
    FaultyFileSystem.faults.clear()
