"""Collections of released versions, kept in tests/released, stay readable."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from facebatch import tables
from facebatch.collection import Collection
from facebatch.collection.integrity import check
from facebatch.collection.summary import inspect_collection
from facebatch.report import write_report
from facebatch.stages import cluster_people

RELEASED = Path(__file__).parents[1] / "released"


HELD = {
    "v1": {"ok": 3, "duplicate": 0, "quarantined": 1, "vanished": 0},
    "v2": {"ok": 4, "duplicate": 0, "quarantined": 1, "vanished": 2},
    "v3": {"ok": 7, "duplicate": 0, "quarantined": 1, "vanished": 0},
}
FACES = {"v1": 3, "v2": 6, "v3": 5}
UNCLUSTERED = {"v1": 0, "v2": 4, "v3": 1}


@pytest.fixture(params=sorted(HELD))
def version(request: pytest.FixtureRequest) -> str:
    """Version 1: three portraits of one rendered person, and a broken file.

    Version 2: such photos of which one was moved and one of another person has vanished, and a
    film.

    Version 3: such photos of which a sidecar turns one and not its copy, and a Live Photo whose
    files have two names.
    """
    return str(request.param)


@pytest.fixture
def collection(version: str, tmp_path: Path) -> Collection:
    return Collection.open(str(shutil.copytree(RELEASED / version, tmp_path / version)))


def test_every_schema_version_has_a_collection() -> None:
    newest = max(tables.contract(table).version for table in tables.table_names())
    assert {f"v{number + 1}" for number in range(newest)} == {p.name for p in RELEASED.glob("v*")}


def test_its_tables_say_what_they_said(collection: Collection, version: str) -> None:
    summary = inspect_collection(collection, with_failures=True)
    assert summary["media"] == HELD[version]
    assert summary["faces"] == FACES[version]
    assert summary["people"] == 1
    assert summary["unclustered"] == summary["alone"] == UNCLUSTERED[version]
    assert summary["reasons"] == {"truncated": 1}


def test_what_a_version_knew_first_is_there_and_null_before_it(
    collection: Collection, version: str
) -> None:
    snapshot = collection.snapshot()
    by_path = {row["path"]: row for row in snapshot.media.to_pylist()}
    turned = [path for path, row in by_path.items() if row["sidecar_orientation"] is not None]
    assert turned == (["turned.jpg"] if version == "v3" else [])
    assert snapshot.n_shots == (1 if version == "v3" else 0)


def test_it_is_sound(collection: Collection) -> None:
    assert check(collection.storage.url).problems == ()


def test_its_stages_still_run(collection: Collection) -> None:
    before = collection.current("people")
    assert before is not None
    clusters, people = cluster_people(collection, collection.snapshot(), tau=0.08)
    assert not clusters.unchanged
    assert people.generation.manifest.active == 1
    assert write_report(collection, collection.snapshot()) == "report.html"
