"""Face regions as other programs write them, in every form of RDF, and XMP made to do harm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.packets import microsoft, mwg

from facebatch.export.placing import match, place_regions, upright
from facebatch.export.regions import FoundRegion, facts_of, read_facts
from facebatch.export.xmp import Region, StoredPicture, sidecar
from facebatch.media.photo.xmp import XmpError

ADA = FoundRegion("Ada", (0.1, 0.2, 0.3, 0.6), (100, 50))
PICARD = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
 xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"><mwg-rs:Regions><rdf:Description>
 <mwg-rs:AppliedToDimensions rdf:parseType="Resource"><stDim:w>100</stDim:w><stDim:h>50</stDim:h>
 </mwg-rs:AppliedToDimensions><mwg-rs:RegionList><rdf:Seq><rdf:li rdf:parseType="Resource">
 <mwg-rs:Name>Ada</mwg-rs:Name><mwg-rs:Area rdf:parseType="Resource"><stArea:x>20</stArea:x>
 <stArea:y>20</stArea:y><stArea:w>20</stArea:w><stArea:h>20</stArea:h>
 <stArea:unit>pixel</stArea:unit></mwg-rs:Area></rdf:li></rdf:Seq></mwg-rs:RegionList>
 </rdf:Description></mwg-rs:Regions></rdf:Description></rdf:RDF></x:xmpmeta>"""


def only(packet: bytes) -> FoundRegion:
    ((found,),) = read_facts(packet).regions
    return found


def near(found: FoundRegion, wanted: FoundRegion) -> bool:
    return found.name == wanted.name and found.box == pytest.approx(wanted.box)


def test_regions_of_the_metadata_working_group() -> None:
    found = only(mwg([("Ada", (0.2, 0.4, 0.2, 0.4))]))
    assert near(found, ADA)
    assert found.applied_to == (100, 50)


def test_elements_in_place_of_attributes_and_pixels_in_place_of_shares() -> None:
    assert near(only(PICARD), ADA)


def test_regions_of_microsoft() -> None:
    assert near(only(microsoft([("Ada", (0.1, 0.2, 0.2, 0.4))])), ADA)


@pytest.mark.parametrize("kind", ["Pet", "Focus", "BarCode"])
def test_other_things_than_faces_have_no_regions(kind: str) -> None:
    assert read_facts(mwg([("Rex", (0.5, 0.5, 0.1, 0.1))], kind=kind)).regions == ()


@pytest.mark.parametrize(("name", "x"), [("", "0.5"), ("Ada", "nan"), ("Ada", "1e999"), ("A", "")])
def test_regions_without_name_or_sense_are_none(name: str, x: str) -> None:
    assert read_facts(mwg([(name, (x, 0.5, 0.1, 0.1))])).regions == ()  # type: ignore[list-item]


def test_unnamed_faces_of_picasa_are_nobody() -> None:
    assert read_facts(microsoft([("f" * 16, (0.1, 0.2, 0.2, 0.4))])).regions == ()


def test_what_this_program_wrote_says_nothing_new() -> None:
    ours = sidecar(StoredPicture(100, 50), [Region((0.2, 0.4, 0.2, 0.4), "Ada")], ["Ada"])
    assert near(only(ours), ADA)
    assert facts_of([ours]).regions == ()


LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
HOSTILE = {
    "entities": LAUGHS,
    "entities in UTF-16": LAUGHS.decode().encode("utf-16"),
    "a file from outside": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a document type alone": b'<!DOCTYPE a SYSTEM "http://localhost/a.dtd"><a/>',
    "depth": b"<a>" * 5000 + b"</a>" * 5000,
    "elements": b"<a>" + b"<b/>" * 150_000 + b"</a>",
    "nothing": b"",
    "half": mwg([("Ada", (0.2, 0.4, 0.2, 0.4))])[:200],
    "an unknown encoding": b'<?xml version="1.0" encoding="nonsense"?><a/>',
    "no text": bytes(range(256)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_xmp_made_to_do_harm_is_refused(name: str) -> None:
    with pytest.raises(XmpError):
        read_facts(HOSTILE[name])


@given(
    orientation=st.integers(1, 8),
    corner=st.tuples(st.floats(0, 60), st.floats(0, 30)),
    sides=st.tuples(st.floats(1, 30), st.floats(1, 15)),
)
def test_what_is_exported_is_found_where_it_was(
    orientation: int, corner: tuple[float, float], sides: tuple[float, float]
) -> None:
    picture = StoredPicture(100, 50, orientation)
    box = (*corner, corner[0] + sides[0], corner[1] + sides[1])
    (area,) = picture.areas(np.array([box]))
    assert area is not None
    found = only(mwg([("Ada", area)], picture.stored_size))
    assert upright(found.box, orientation, picture) == pytest.approx(box, abs=1e-3)
    (one,) = place_regions([found], picture, np.array([box]))
    assert one.face == 0


def test_sides_that_are_named_say_whether_the_picture_was_turned_before() -> None:
    picture = StoredPicture(100, 50, 6)
    box = np.array([[10.0, 10.0, 30.0, 30.0]])
    turned = FoundRegion("Ada", (0.1, 0.2, 0.3, 0.6), (100, 50))
    (one,) = place_regions([turned], picture, box)
    assert (one.face, one.box) == (0, pytest.approx((10, 10, 30, 30)))
    stored = FoundRegion("Ada", (0.1, 0.2, 0.3, 0.6), (50, 100))
    assert place_regions([stored], picture, box)[0].face is None
    unsaid = FoundRegion("Ada", (0.1, 0.2, 0.3, 0.6))
    assert place_regions([unsaid], picture, box)[0].face == 0


def test_each_face_has_one_region_the_one_that_overlaps_most() -> None:
    faces = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    around = (-3.0, -4.0, 13.0, 14.0)
    assert match([around, (1, 1, 11, 11), (19, 0, 31, 11)], faces) == [None, 0, 1]
    assert match([around], faces) == [0]
    assert match([(11, 0, 19, 10)], faces) == [None]


def test_a_point_is_about_the_face_that_has_it() -> None:
    faces = np.array([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    assert match([(22, 3, 22, 3), (15, 3, 15, 3)], faces) == [1, None]
