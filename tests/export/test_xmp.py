"""Sidecars: what another program reads in them."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from facebatch.export.xmp import Region, StoredPicture, sidecar
from facebatch.media.photo.xmp_tree import is_ours

# As the Metadata Working Group's guidelines 2.0 and the IPTC's standard 2008-02-29 write them.
SPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
}
REGIONS = "rdf:RDF/rdf:Description/mwg-rs:Regions"
LISTED = f"{REGIONS}/mwg-rs:RegionList/rdf:Bag/rdf:li"


def attribute(element: ElementTree.Element, name: str) -> str:
    prefix, _, local = name.partition(":")
    return element.attrib[f"{{{SPACES[prefix]}}}{local}"]


def parsed(data: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(data)


def listed(data: bytes, place: str) -> list[str | None]:
    found = parsed(data).findall(f"rdf:RDF/rdf:Description/{place}/rdf:Bag/rdf:li", SPACES)
    return [item.text for item in found]


def test_regions_stand_as_the_guidelines_write_them() -> None:
    picture = StoredPicture(200, 100)
    data = sidecar(picture, [Region((0.25, 0.5, 0.1, 0.2), "Ada"), Region((0.5, 0.5, 1, 1))], [])
    dimensions = parsed(data).find(f"{REGIONS}/mwg-rs:AppliedToDimensions", SPACES)
    assert dimensions is not None
    assert [attribute(dimensions, f"stDim:{name}") for name in ("w", "h", "unit")] == [
        *("200", "100"),
        "pixel",
    ]
    first, second = parsed(data).findall(LISTED, SPACES)
    area = first.find("mwg-rs:Area", SPACES)
    assert area is not None
    assert [float(attribute(area, f"stArea:{side}")) for side in "xywh"] == [0.25, 0.5, 0.1, 0.2]
    assert attribute(area, "stArea:unit") == "normalized"
    assert [first.findtext(f"mwg-rs:{name}", None, SPACES) for name in ("Name", "Type")] == [
        "Ada",
        "Face",
    ]
    assert second.find("mwg-rs:Name", SPACES) is None, "an unknown face has no name"


def test_everyone_is_a_keyword_and_a_person_in_the_image_once() -> None:
    data = sidecar(None, [], ["Bo", "Ada", "Bo"])
    assert listed(data, "dc:subject") == ["Ada", "Bo"]
    assert listed(data, "Iptc4xmpExt:PersonInImage") == ["Ada", "Bo"]
    assert parsed(data).find(REGIONS, SPACES) is None


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_name_gives_a_sidecar_that_parses(name: str) -> None:
    data = sidecar(StoredPicture(9, 9), [Region((0.5, 0.5, 0.1, 0.1), name)], [name])
    (item,) = parsed(data).findall(LISTED, SPACES)
    found = item.findtext("mwg-rs:Name", "", SPACES)
    assert "\n" not in found
    if name.isprintable():
        assert found == name.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
        assert listed(data, "dc:subject") == [found]


def test_markup_and_control_characters_in_a_name_are_text() -> None:
    name = '</rdf:li> & "O\'Neil"\t<!--]]>\x00'
    assert listed(sidecar(None, [], [name]), "dc:subject") == [
        '</rdf:li> & "O\'Neil" <!--]]>\ufffd'
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_lies_on_the_face_in_the_stored_picture(orientation: int) -> None:
    """The box is found in the picture that Pillow turns upright, the region in the stored one."""
    pixels = np.zeros((60, 100), np.uint8)
    pixels[10:30, 55:85] = 255
    stored = Image.fromarray(pixels)
    stored.getexif()[ExifTags.Base.Orientation] = orientation
    upright = ImageOps.exif_transpose(stored)
    box = np.array([upright.getbbox()], np.float64)
    picture = StoredPicture(*upright.size, orientation)
    assert picture.stored_size == stored.size
    (area,) = picture.areas(box)
    assert area == pytest.approx((0.7, 20 / 60, 0.3, 20 / 60))


SIDE = st.floats(-50, 150, width=32)


@given(st.tuples(SIDE, SIDE, SIDE, SIDE), st.integers(1, 8))
def test_a_region_never_leaves_the_picture(
    box: tuple[float, float, float, float], orientation: int
) -> None:
    (area,) = StoredPicture(100, 80, orientation).areas(np.array([box], np.float64))
    x0, y0, x1, y1 = box
    if min(x1, 100) <= max(x0, 0) or min(y1, 80) <= max(y0, 0):
        assert area is None
        return
    assert area is not None
    x, y, width, height = area
    assert min(width, height) > 0
    assert min(x - width / 2, y - height / 2) >= -1e-9
    assert max(x + width / 2, y + height / 2) <= 1 + 1e-9


def test_a_sidecar_is_known_by_its_writer_alone() -> None:
    data = sidecar(None, [], ["Ada"])
    assert is_ours(data)
    assert not is_ours(data.replace(b'x:xmptk="facebatch"', b'x:xmptk="XMP Core 4.4.0-Exiv2"'))
    named = sidecar(None, [], ['x:xmptk="facebatch"']).replace(b' x:xmptk="facebatch"', b"", 1)
    assert not is_ours(named), "a name that says so is no writer"
    assert not is_ours(b"")
