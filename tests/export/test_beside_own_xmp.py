"""Sidecars beside photos whose own XMP names people: they hide none of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image
from support.exportable import HEIGHT, WIDTH, Archive
from support.packets import mwg

from facebatch.export import Target, named_faces, write_sidecars
from facebatch.export.regions import read_facts
from facebatch.export.sidecars import Written

LEFT, RIGHT = (10.0, 10.0, 30.0, 30.0), (60.0, 10.0, 80.0, 30.0)
ON_THE_LEFT, ON_THE_RIGHT = (0.2, 0.4, 0.2, 0.4), (0.7, 0.4, 0.2, 0.4)
BOMB = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def save(place: Path, packet: bytes | None = None) -> None:
    how: Mapping[str, bytes] = {} if packet is None else {"xmp": packet}
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT)).save(place, **how)


def export(archive: Archive, photos: Path) -> Written:
    snapshot = archive.collection.snapshot()
    faces = named_faces(archive.collection, snapshot)
    return write_sidecars(faces, snapshot.media, Target(photos, "photos"))


def said(place: Path) -> dict[str, tuple[float, ...]]:
    (regions,) = read_facts(place.read_bytes()).regions
    return {region.name: region.box for region in regions}


def test_a_sidecar_hides_nothing_that_its_photo_says(archive: Archive, photos: Path) -> None:
    known, nameless = archive.put("a.jpg", [LEFT, RIGHT])
    archive.name({"Ada": [known], None: [nameless]})
    own = mwg([("Countess", ON_THE_LEFT), ("Bob", ON_THE_RIGHT), ("Cat", (0.5, 0.9, 0.1, 0.1))])
    keyword = (
        b'<dc:subject xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Bag><rdf:li>holiday'
        b"</rdf:li></rdf:Bag></dc:subject></rdf:Description>"
    )
    save(photos / "a.jpg", own.replace(b"</rdf:Description></rdf:RDF>", keyword + b"</rdf:RDF>"))
    assert export(archive, photos).regions == 4
    place = photos / "a.jpg.xmp"
    assert said(place)["Ada"] == pytest.approx((0.1, 0.2, 0.3, 0.6), abs=1e-5)
    assert said(place)["Bob"] == pytest.approx((0.6, 0.2, 0.8, 0.6), abs=1e-5)
    assert set(said(place)) == {"Ada", "Bob", "Cat", "Countess"}
    assert set(read_facts(place.read_bytes()).keywords) == {*said(place), "holiday"}
    assert export(archive, photos).unchanged == 1


def test_a_photo_whose_own_xmp_cannot_be_read_gets_no_sidecar(
    archive: Archive, photos: Path
) -> None:
    archive.put("a.jpg", [LEFT])
    save(photos / "a.jpg", BOMB)
    done = export(archive, photos)
    assert [one["reason"] for one in done.skipped] == ["bad_xmp"]
    assert not (photos / "a.jpg.xmp").exists()
