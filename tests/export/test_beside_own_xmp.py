"""Sidecars beside photos whose own XMP names people: they hide none of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exportable import Archive
from support.packets import mwg
from support.photos_with_xmp import BOMB, LEFT, ON_THE_LEFT, ON_THE_RIGHT, RIGHT, export, save

from facebatch.export.regions import read_facts


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
