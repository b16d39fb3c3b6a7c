"""`facebatch import xmp` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from support.exportable import HEIGHT, WIDTH, Archive, archive_at
from support.packets import mwg
from support.program import facebatch

from facebatch.stages import cluster_people

BOX = (10.0, 10.0, 30.0, 30.0)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = archive_at(tmp_path / "collection")
    made.put("a.jpg", [BOX])
    cluster_people(made.collection, made.collection.snapshot())
    (tmp_path / "photos").mkdir()
    packet = mwg([("Ada", (0.2, 0.4, 0.2, 0.4)), ("Bob", (0.9, 0.9, 0.1, 0.1))])
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "photos" / "a.jpg", xmp=packet)
    return made


def test_what_is_found_is_said_without_deciding(archive: Archive, tmp_path: Path) -> None:
    places = str(tmp_path / "collection"), str(tmp_path / "photos")
    done = facebatch("import", "xmp", *places, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "1 photo read, 1 with named faces; 2 regions, 1 matched with faces; 1 face named",
        "  a.jpg: no face was found there: Bob",
    ]
    assert not (tmp_path / "collection" / "decisions").exists()


def test_names_become_one_decision(archive: Archive, tmp_path: Path) -> None:
    places = str(tmp_path / "collection"), str(tmp_path / "photos")
    done = facebatch("import", "xmp", *places, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["kind"], summary["xmp"]["matched"]) == ("import", 1)
    assert len(list((tmp_path / "collection" / "decisions").iterdir())) == 1
    done = facebatch("people", "list", places[0], "--json")
    assert [one["name"] for one in json.loads(done.stdout)["people"]] == ["Ada"]


def test_photos_must_be_named(archive: Archive, tmp_path: Path) -> None:
    done = facebatch("import", "xmp", str(tmp_path / "collection"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "say where the photos are" in done.stderr
