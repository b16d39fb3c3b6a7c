"""A sidecar's orientation: how it is said, and of which photos it counts."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from PIL import Image
from support.pictures import as_stored, dng, encode, gradient, with_orientation
from support.sidecars import orientation_packet

from facebatch.media.orientation import composed, inverse, turned
from facebatch.media.photo.decode import Photo
from facebatch.media.photo.sidecar import said_orientation
from facebatch.media.photo.xmp import XmpError

UPRIGHT = np.asarray(gradient(64, 48))
AS_ELEMENT = orientation_packet(6).replace(
    b' tiff:Orientation="6"/>', b"><tiff:Orientation> 6 </tiff:Orientation></rdf:Description>"
)
needs_rawpy = pytest.mark.skipif(
    importlib.util.find_spec("rawpy") is None, reason="rawpy isn't installed"
)


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (orientation_packet(6), 6),
        (AS_ELEMENT, 6),
        (b"\xef\xbb\xbf" + orientation_packet(1), 1),
        (orientation_packet(6).decode().encode("utf-16"), 6),
        (orientation_packet(0), None),
        (orientation_packet(9), None),
        (orientation_packet("Rotate 90 CW"), None),
        (orientation_packet(6, toolkit="facebatch"), None),
        (orientation_packet(6).replace(b"ns.adobe.com/tiff/1.0", b"example.com/tiff"), None),
    ],
)
def test_an_orientation_is_read_in_either_of_rdfs_forms(packet: bytes, said: int | None) -> None:
    assert said_orientation(packet) == said


@pytest.mark.parametrize("packet", [b"", b"<x", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_what_is_no_xmp_is_refused(packet: bytes) -> None:
    with pytest.raises(XmpError):
        said_orientation(packet)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
def test_a_photo_that_says_nothing_lies_as_its_sidecar_says(kind: str, orientation: int) -> None:
    lossless = {"lossless": True} if kind == "WEBP" else {}
    exact = {"quality": 98, "subsampling": 0} if kind == "JPEG" else lossless
    photo = Photo(encode(as_stored(UPRIGHT, orientation), kind, **exact), sidecar=orientation)
    facts = photo.facts
    assert (facts.width, facts.height, facts.exif.orientation) == (64, 48, orientation)
    assert facts.turned_by_sidecar == (None if orientation == 1 else orientation)
    shown = np.asarray(photo.decode().pixels, int)
    assert np.abs(shown - UPRIGHT).mean() < 3


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize("own", [1, 6])
def test_what_a_photo_says_itself_counts_first(kind: str, own: int) -> None:
    data = encode(as_stored(UPRIGHT, own), kind, exif=with_orientation(own))
    photo = Photo(data, sidecar=3)
    assert photo.facts.exif.orientation == own
    assert photo.facts.turned_by_sidecar is None
    assert Photo(data).facts == photo.facts


@needs_rawpy
@pytest.mark.parametrize(("own", "said"), [(1, 8), (6, 1), (6, 6), (3, 6), (8, 6)])
def test_a_raw_file_lies_as_its_sidecar_says_whatever_it_says_itself(own: int, said: int) -> None:
    stored = as_stored(UPRIGHT, said)
    taken_for_upright = np.asarray(turned(Image.fromarray(stored), own))
    preview = encode(stored, quality=95, subsampling=0)
    photo = Photo(dng(taken_for_upright, own, preview), sidecar=said)
    assert photo.facts.exif.orientation == said
    assert photo.facts.turned_by_sidecar == (None if said == own else said)
    assert np.abs(np.asarray(photo.decode().pixels, int) - UPRIGHT).mean() < 3


@needs_rawpy
def test_a_raw_files_preview_that_was_turned_already_is_turned_on_from_there() -> None:
    preview = encode(UPRIGHT, quality=95, subsampling=0)
    same = Photo(dng(UPRIGHT, 6, preview), sidecar=6)
    assert (same.facts.exif.orientation, same.facts.turned_by_sidecar) == (1, None)
    photo = Photo(dng(UPRIGHT, 6, preview), sidecar=8)
    assert (photo.facts.exif.orientation, photo.facts.turned_by_sidecar) == (3, 3)
    assert np.abs(np.asarray(photo.decode().pixels, int) - UPRIGHT[::-1, ::-1]).mean() < 3


@pytest.mark.parametrize("first", range(1, 9))
@pytest.mark.parametrize("second", range(1, 9))
def test_two_turns_make_one(first: int, second: int) -> None:
    picture = gradient(5, 4)
    both = turned(turned(picture, first), second)
    assert turned(picture, composed(first, second)).tobytes() == both.tobytes()
    assert composed(first, inverse(first)) == 1
