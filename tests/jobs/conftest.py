"""A collection to convert, and one that was converted undisturbed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.convertible import convert, make_convertible
from support.shared import made_once

from facebatch.collection import Collection


@pytest.fixture(scope="session")
def made(undisturbed: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The album as if mobilefacenet had been the embedder: its chips, and whatever embeddings.

    Its people are those of the album; one of them has a name.
    """

    def make(place: Path) -> None:
        make_convertible(place, undisturbed)

    return made_once("to_convert", make, tmp_path_factory) / "source"


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Collection:
    return Collection.open(str(shutil.copytree(made, tmp_path / "source")))


@pytest.fixture(scope="session")
def converted(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The album converted back to dlib-resnet; it is read only."""

    def make(place: Path) -> None:
        convert(Collection.open(str(made)), str(place / "target"))

    return Collection.open(str(made_once("converted", make, tmp_path_factory) / "target"))
