"""In which frame a photo lies: for single photos, and where faces were erased before."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import as_stored, encode
from support.places import web_server
from support.rows import memory_collection
from support.sidecars import lay_beside, orientation_packet

import facebatch
from facebatch import ids
from facebatch.collection.suppression import Suppression, suppress
from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.extract.decoder import LocalDecoder
from facebatch.extract.frames import ORIENTATIONS, erased_frames, orientation_at, said_for
from facebatch.media.photo.xmp import LARGEST
from facebatch.probe.probe import Prober

SIZE = (260, 200)


def upright(person: int = 26) -> np.ndarray:
    picture = Image.new("RGB", SIZE, (90, 110, 130))
    picture.paste(Image.fromarray(render_face(person, size=200)), (0, 0))
    return np.asarray(picture)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A portrait that lies on its side, and says nothing of it."""
    place = tmp_path / "a.jpg"
    place.write_bytes(encode(as_stored(upright(), 6), quality=95))
    return place


def test_a_single_photo_lies_as_in_a_run(photo: Path) -> None:
    lay_beside(photo, 6, "replace")
    expected = facebatch.detect_faces(encode(upright(), quality=95))
    for found in (
        facebatch.detect_faces(str(photo)),
        facebatch.embed_faces(photo),
        Prober(ExtractSettings()).probe(str(photo)).faces,
    ):
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=4)
    sizes = {(one.width, one.height) for one in (expected, facebatch.detect_faces(photo))}
    assert sizes == {SIZE}
    assert facebatch.detect_faces(photo.read_bytes()).width == SIZE[1], "bytes have no sidecar"


def test_what_says_nothing_leaves_a_single_photo_as_it_is(photo: Path) -> None:
    assert orientation_at(str(photo)) is None
    photo.with_name("a.jpg.xmp").write_bytes(b"<x")
    assert orientation_at(str(photo)) is None
    lay_beside(photo, 6, "replace")
    assert orientation_at(str(photo)) == 6, "the other one counts"
    huge = orientation_packet(3).replace(b"</x:", b" " * LARGEST + b"</x:")
    photo.with_name("a.jpg.xmp").write_bytes(huge)
    assert orientation_at(str(photo)) == 6, "as in a run, where no more is read"
    with web_server(photo.parent) as address:
        assert orientation_at(f"{address}/a.jpg") is None
    assert orientation_at(str(photo.parent / "nowhere" / "a.jpg")) is None


def test_what_a_sidecar_said_is_told_from_how_the_photo_lies(photo: Path) -> None:
    decoder, data = LocalDecoder(ExtractSettings()), photo.read_bytes()
    for turned in ORIENTATIONS:
        said = said_for(decoder, data, None if turned == 1 else turned)
        assert decoder.facts(data, said).turned_by_sidecar == (None if turned == 1 else turned)


def test_the_frames_are_known_in_which_faces_were_erased() -> None:
    storage = memory_collection().storage
    content, other = ids.content_id(b"a"), ids.content_id(b"b")
    assert [*erased_frames(Suppression.load(storage), content)] == []
    suppress(storage, faces=[ids.face_id(content, 0, 0, 2)])
    assert [*erased_frames(Suppression.load(storage), content)] == [None]
    suppress(storage, faces=[ids.face_id(ids.framed(content, 6), 0, 0, 0)])
    erased = Suppression.load(storage)
    assert [*erased_frames(erased, content)] == [None, 6]
    assert [*erased_frames(erased, other)] == []


def test_a_copy_of_a_photo_with_its_sidecar_is_read_alike(photo: Path, tmp_path: Path) -> None:
    sidecar = lay_beside(photo, 8)
    folder = tmp_path / "backup"
    folder.mkdir()
    for each in (photo, sidecar):
        shutil.copy(each, folder)
    assert orientation_at(str(folder / photo.name)) == orientation_at(str(photo)) == 8
