"""What a collection remembers of its roots holds until something else is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.rows import memory_collection

from facebatch.collection.sources import SOURCES, Sources
from facebatch.config import RunSettings
from facebatch.errors import CollectionError
from facebatch.jobs.known_sources import prepared, remember, remember_ignored
from facebatch.media.sources.ignored import Ignored
from facebatch.media.sources.roots import Root
from facebatch.storage.store import Storage

ROOT = Root("photos", "/somewhere/photos")


@pytest.fixture
def storage() -> Storage:
    return memory_collection().storage


def left_out(storage: Storage, **settings: Any) -> tuple[tuple[str, ...], bool]:
    [root] = prepared([ROOT], storage, RunSettings(**settings))
    return root.excluded, root.follow_links


def test_rules_are_remembered_until_others_are_given(storage: Storage) -> None:
    assert left_out(storage) == ((), False)
    remember([ROOT], storage, RunSettings(exclude=("*.png",), follow_links=True))
    assert left_out(storage) == (("*.png",), True)
    assert left_out(storage, exclude=("x/",)) == (("x/",), True)
    remember([ROOT], storage, RunSettings())
    assert left_out(storage) == (("*.png",), True)
    remember([ROOT], storage, RunSettings(exclude=(), follow_links=False))
    assert left_out(storage) == ((), False)


def test_places_are_remembered_by_name_and_without_passwords(storage: Storage) -> None:
    remember([ROOT, Root("web", "https://me:secret@host/x")], storage, RunSettings())
    remember([Root("photos", "/elsewhere")], storage, RunSettings())
    remember_ignored([Ignored("hidden", "", 1, ("photos/.a",))], storage)
    known = Sources.read(storage)
    assert known.roots == {"photos": "/elsewhere", "web": "https://host/x"}
    assert known.ignored == (Ignored("hidden", "", 1, ("photos/.a",)),)
    assert b"secret" not in storage.read(SOURCES)


def test_what_is_remembered_is_written_only_when_it_changed(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    remember([ROOT], storage, RunSettings())
    before = (tmp_path / SOURCES).stat().st_mtime_ns
    remember([ROOT], storage, RunSettings())
    assert (tmp_path / SOURCES).stat().st_mtime_ns == before


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"roots": 1}', b"\xff"])
def test_a_damaged_memory_is_an_error_that_says_what_to_do(storage: Storage, data: bytes) -> None:
    storage.write(SOURCES, data)
    with pytest.raises(CollectionError, match=f"{SOURCES} is damaged.*Without the file"):
        Sources.read(storage)
