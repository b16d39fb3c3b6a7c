"""Collections of released versions, kept in tests/released, stay readable."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from facebatch import tables
from facebatch.collection import Collection
from facebatch.inspection import inspect_collection
from facebatch.report import write_report
from facebatch.stages import cluster_people

RELEASED = Path(__file__).parent / "released"


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """Version 1: three portraits of one rendered person, and a broken file."""
    return Collection.open(str(shutil.copytree(RELEASED / "v1", tmp_path / "v1")))


def test_every_schema_version_has_a_collection() -> None:
    newest = max(tables.contract(table).version for table in tables.table_names())
    assert {f"v{number + 1}" for number in range(newest)} == {p.name for p in RELEASED.iterdir()}


def test_its_tables_say_what_they_said(collection: Collection) -> None:
    summary = inspect_collection(collection, with_failures=True)
    assert summary["media"] == {"ok": 3, "duplicate": 0, "quarantined": 1}
    assert summary["faces"] == 3
    assert summary["people"] == 1
    assert summary["reasons"] == {"truncated": 1}


def test_its_stages_still_run(collection: Collection) -> None:
    before = collection.current("people")
    assert before is not None
    clusters, people = cluster_people(collection, collection.snapshot(), tau=0.08)
    assert not clusters.unchanged
    assert people.generation.manifest["active"] == 1
    assert write_report(collection, collection.snapshot()) == "report.html"
