"""Sidecars that say how their photos lie, over several nights."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.nights import SETTINGS, Archive, states
from support.pictures import as_stored, encode, gradient, with_orientation
from support.sidecars import lay_beside, orientation_packet

from facebatch import ids, tables
from facebatch.collection.maintenance import compact
from facebatch.demo.render import render_face
from facebatch.detect import Detector
from facebatch.erasure.removal import erase, verify
from facebatch.erasure.selection import Request, select
from facebatch.errors import MediaError
from facebatch.export import Target, named_faces, write_sidecars
from facebatch.export.named_in_photos import find_names
from facebatch.identify import Gallery
from facebatch.jobs.enrol import build_gallery
from facebatch.media.photo.xmp_tree import parsed
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import parse_roots
from facebatch.media.sources.sidecars import Sidecars
from facebatch.pipelines.extract import ExtractShard
from facebatch.review.originals import Originals

SIZE = (240, 200)
AREA = "{http://ns.adobe.com/xmp/sType/Area#}"


def portrait(person: int) -> np.ndarray:
    picture = Image.new("RGB", SIZE, (90, 110, 130))
    picture.paste(Image.fromarray(render_face(person, size=200)), (20, 0))
    return np.asarray(picture)


def put(archive: Archive, path: str, person: int, orientation: int, *, says: bool = False) -> Path:
    """Stores a portrait so that it stands upright when it is turned as an orientation has it."""
    photo = archive.folder / path
    photo.parent.mkdir(parents=True, exist_ok=True)
    stored = as_stored(portrait(person), orientation)
    exif = {"exif": with_orientation(orientation)} if says else {}
    photo.write_bytes(encode(stored, quality=95, **exif))
    return photo


def rows(archive: Archive) -> dict[str, dict]:
    names = ["path", "content_id", "orientation", "sidecar_orientation", "sidecar", "width"]
    found = archive.collection.snapshot().media.select([*names, "status", "faces", "message"])
    return {row["path"]: row for row in found.to_pylist()}


def boxes(archive: Archive) -> dict[bytes, np.ndarray]:
    """The box of the only face of each content."""
    sides = ["x0", "y0", "x1", "y1"]
    found = archive.collection.snapshot().faces(["content_id", *sides]).to_pylist()
    return {row["content_id"]: np.array([row[side] for side in sides]) for row in found}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@pytest.fixture
def detections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []
    honest = ExtractShard._load_detector

    def noticed(self: ExtractShard) -> Detector:
        asked.append("detector")
        return honest(self)

    monkeypatch.setattr(ExtractShard, "_load_detector", noticed)
    return asked


def test_two_copies_of_which_a_sidecar_turns_one_have_a_frame_each(archive: Archive) -> None:
    turned = put(archive, "a.jpg", 1, 6)
    lay_beside(turned, 6)
    (archive.folder / "copies").mkdir()
    upside_down = Path(shutil.copy(turned, archive.folder / "copies" / "b.jpg"))
    lay_beside(upside_down, 6, "replace")
    plain = Path(shutil.copy(turned, archive.folder / "copies" / "c.jpg"))
    put(archive, "upright.jpg", 1, 1)
    archive.night()
    found = rows(archive)
    content = ids.content_id(turned.read_bytes())
    assert found["copies/c.jpg"]["content_id"] == content == ids.content_id(plain.read_bytes())
    assert found["a.jpg"]["content_id"] == ids.framed(content, 6) != content
    assert found["copies/b.jpg"]["content_id"] == found["a.jpg"]["content_id"]
    assert {found["a.jpg"]["status"], found["copies/b.jpg"]["status"]} == {"ok", "duplicate"}
    assert [found[name]["sidecar_orientation"] for name in ("a.jpg", "copies/c.jpg")] == [6, None]
    assert (found["a.jpg"]["width"], found["copies/c.jpg"]["width"]) == SIZE
    lying = boxes(archive)
    upright = lying[found["upright.jpg"]["content_id"]]
    np.testing.assert_allclose(lying[ids.framed(content, 6)], upright, atol=6)


@pytest.mark.parametrize("orientation", [2, 3, 5, 8])
def test_a_photo_lies_as_its_sidecar_says(archive: Archive, orientation: int) -> None:
    lay_beside(put(archive, "a.jpg", 1, orientation), orientation)
    put(archive, "upright.jpg", 1, 1)
    archive.night()
    found = rows(archive)
    assert found["a.jpg"]["orientation"] == orientation
    lying = [boxes(archive)[found[name]["content_id"]] for name in ("a.jpg", "upright.jpg")]
    np.testing.assert_allclose(*lying, atol=6)


def test_what_a_photo_says_itself_counts_before_its_sidecar(archive: Archive) -> None:
    photo = put(archive, "a.jpg", 1, 6, says=True)
    lay_beside(photo, 3)
    archive.night()
    found = rows(archive)["a.jpg"]
    assert found["content_id"] == ids.content_id(photo.read_bytes())
    assert (found["orientation"], found["sidecar_orientation"]) == (6, None)


def test_a_sidecar_that_appears_changes_and_goes_is_noticed(
    archive: Archive, detections: list[str]
) -> None:
    photo = put(archive, "a.jpg", 1, 6)
    put(archive, "b.jpg", 2, 1)
    archive.night()
    before = rows(archive)["a.jpg"]["content_id"]
    sidecar = lay_beside(photo, 6)
    assert states(archive.night()) == {"changed": 1, "unchanged": 1}
    assert rows(archive)["a.jpg"]["content_id"] == ids.framed(before, 6)
    assert states(archive.night()) == {"unchanged": 2}
    sidecar.write_bytes(orientation_packet(8) + b"\n")
    assert states(archive.night()) == {"changed": 1, "unchanged": 1}
    assert rows(archive)["a.jpg"]["orientation"] == 8
    sidecar.unlink()
    asked = len(detections)
    assert states(archive.night()) == {"changed": 1, "unchanged": 1}
    assert len(detections) == asked, "what it was before is known"
    assert rows(archive)["a.jpg"]["content_id"] == before
    assert states(archive.night()) == {"unchanged": 2}


def test_a_sidecar_that_changes_nothing_is_looked_at_once_and_the_photo_not_at_all(
    archive: Archive, detections: list[str]
) -> None:
    photo = put(archive, "a.jpg", 1, 1)
    archive.night()
    before = archive.faces(), archive.collection.snapshot().faces_hash
    sidecar = lay_beside(photo, 1)
    detections.clear()
    done = archive.night()
    assert (states(done), done.progress.items) == ({"unchanged": 1}, 0)
    assert (archive.faces(), archive.collection.snapshot().faces_hash) == before
    shards = archive.collection.snapshot().shards
    status = sidecar.stat()
    sidecar.write_bytes(orientation_packet(6))  # which nobody looks at, by its size and time
    os.utime(sidecar, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert states(archive.night()) == {"unchanged": 1}
    assert archive.collection.snapshot().shards == shards
    assert detections == []
    found = rows(archive)["a.jpg"]
    assert found["sidecar"].startswith(f"a.jpg.xmp:{sidecar.stat().st_size}:")
    assert (found["status"], found["faces"]) == ("ok", 1)


def test_what_only_its_sidecar_was_looked_at_of_may_vanish_and_come_back(archive: Archive) -> None:
    photo = put(archive, "a.jpg", 1, 1)
    put(archive, "b.jpg", 2, 1)
    archive.night()
    before = archive.faces()
    lay_beside(photo, 1)
    archive.night()
    compact(archive.collection)
    assert archive.faces() == before
    moved = photo.rename(photo.with_name("z.jpg"))
    done = archive.night()
    assert (done.progress.moved, done.progress.extracted) == (1, 0)
    moved.rename(photo)
    archive.night()
    assert archive.faces() == before
    assert states(archive.night()) == {"unchanged": 2}


def test_a_broken_sidecar_costs_nothing_but_a_note(archive: Archive) -> None:
    photo = put(archive, "a.jpg", 1, 1)
    photo.with_name("a.jpg.xmp").write_bytes(b"<x:xmpmeta")
    lay_beside(photo, 3, "replace")
    archive.night()
    found = rows(archive)["a.jpg"]
    assert found["orientation"] == 3, "the other one counts"
    assert "its sidecar a.jpg.xmp can't be read: no well-formed XMP" in found["message"]
    assert states(archive.night()) == {"unchanged": 1}


def test_a_sidecar_that_could_not_be_read_is_looked_at_the_next_night(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = put(archive, "a.jpg", 1, 6)
    sidecar = lay_beside(photo, 6)
    honest = MediaReader.read

    def denied(self: MediaReader, file: MediaFile, max_bytes: int | None = None) -> bytes:
        if file.path.endswith(".xmp"):
            raise MediaError("permission", "it may not be read")
        return honest(self, file, max_bytes)

    with monkeypatch.context() as broken:
        broken.setattr(MediaReader, "read", denied)
        archive.night()
        found = rows(archive)["a.jpg"]
        assert (found["orientation"], found["sidecar"]) == (1, None)
        assert "its sidecar a.jpg.xmp can't be read" in found["message"]
        assert states(archive.night()) == {"unchanged": 1}
    assert states(archive.night()) == {"changed": 1}
    found = rows(archive)["a.jpg"]
    assert (found["orientation"], found["sidecar_orientation"], found["message"]) == (6, 6, None)

    os.utime(sidecar, (0, 0))
    with monkeypatch.context() as broken:
        broken.setattr(MediaReader, "read", denied)
        assert states(archive.night()) == {"unchanged": 1}
    assert rows(archive)["a.jpg"] == found, "what can't be read changes nothing"
    assert states(archive.night()) == {"unchanged": 1}
    assert rows(archive)["a.jpg"]["sidecar_orientation"] == 6


def test_sidecars_that_facebatch_writes_have_nothing_read_again(
    archive: Archive, detections: list[str]
) -> None:
    for number in range(3):
        put(archive, f"{number}.jpg", 1, 1)
    lay_beside(put(archive, "turned.jpg", 1, 8), 8, "replace")
    archive.night()
    snapshot = archive.collection.snapshot()
    faces = named_faces(archive.collection, snapshot)
    target = Target(archive.folder, "archive")
    assert write_sidecars(faces, snapshot.media, snapshot.shots, target).written == 4
    written = sorted(each.name for each in archive.folder.glob("*.jpg.xmp"))
    assert written == ["0.jpg.xmp", "1.jpg.xmp", "2.jpg.xmp", "turned.jpg.xmp"]
    before = rows(archive)["turned.jpg"]["orientation"]
    detections.clear()
    hashed = archive.collection.snapshot().faces_hash
    for _ in range(2):
        done = archive.night()
        assert (states(done), done.progress.items) == ({"unchanged": 4}, 0)
    assert detections == []
    assert rows(archive)["turned.jpg"]["orientation"] == before == 8
    assert archive.collection.snapshot().faces_hash == hashed


def test_regions_are_written_and_read_in_the_frame_of_the_stored_picture(
    archive: Archive, tmp_path: Path
) -> None:
    photo = put(archive, "a.jpg", 1, 6)
    lay_beside(photo, 6, "replace")
    archive.night()
    snapshot = archive.collection.snapshot()
    written = tmp_path / "sidecars"
    target = Target(written)
    faces = named_faces(archive.collection, snapshot)
    assert write_sidecars(faces, snapshot.media, snapshot.shots, target).regions == 1
    ours = (written / "archive" / "a.jpg.xmp").read_bytes()
    node = next(one for one in parsed(ours).iter() if one.tag.endswith("}Area"))
    x, y = (float(node.attrib[f"{AREA}{side}"]) for side in "xy")
    # Upright the face's middle is at 120 of 240 and 100 of 200; stored, rows count from the right.
    box = boxes(archive)[ids.framed(ids.content_id(photo.read_bytes()), 6)]
    centre = (box[:2] + box[2:]) / 2 / SIZE
    assert (x, y) == pytest.approx((centre[1], 1 - centre[0]), abs=1e-3)
    named = ours.replace(b'x:xmptk="facebatch"', b'x:xmptk="another"')
    named = named.replace(b"<mwg-rs:Type>", b"<mwg-rs:Name>Ada</mwg-rs:Name><mwg-rs:Type>")
    photo.with_name("a.jpg.xmp").write_bytes(named)
    [face] = snapshot.face_ids.tolist()
    assert find_names(snapshot, parse_roots([str(archive.folder)], [])).names == {face: "Ada"}


@pytest.mark.parametrize("with_a_copy", [True, False])
@pytest.mark.parametrize("with_a_face", [True, False])
def test_an_erased_photo_comes_back_in_no_frame(
    archive: Archive, with_a_copy: bool, with_a_face: bool
) -> None:
    photo = put(archive, "a.jpg", 1, 6)
    if not with_a_face:
        photo.write_bytes(encode(gradient(200, 240)))
    sidecar = lay_beside(photo, 6)
    if with_a_copy:
        shutil.copy(photo, archive.folder / "plain.jpg")
    put(archive, "b.jpg", 2, 1)
    archive.night()
    assert len(archive.statuses()) == 2 + with_a_copy
    _erase(archive, Request(media=("archive/a.jpg",)))
    assert archive.statuses() == {"b.jpg": "ok"}, "a copy in another frame has the same bytes"
    for change in (lambda: sidecar.write_bytes(orientation_packet(3)), sidecar.unlink):
        change()
        os.utime(photo, (5, 5))
        shutil.copy(photo, archive.folder / "again.jpg")
        archive.night()
        assert archive.statuses() == {"b.jpg": "ok"}
        assert verify(archive.collection) == []


def test_an_erased_face_does_not_come_back_with_another_sidecar(archive: Archive) -> None:
    photo = archive.folder / "two.jpg"
    pair = Image.new("RGB", (420, 220), (90, 110, 130))
    for at, person in ((0, 26), (210, 12)):
        pair.paste(Image.fromarray(render_face(person, size=210)), (at, 5))
    photo.write_bytes(encode(pair, quality=95))
    lay_beside(photo, 1)
    archive.night()
    [first, second] = archive.faces()["two.jpg"]
    _erase(archive, Request(faces=(first.hex(),)))
    assert archive.faces() == {"two.jpg": [second]}
    lay_beside(photo, 2)
    rereading = replace(SETTINGS, reread=True)
    for settings in (SETTINGS, rereading):
        archive.night(settings=settings)
        assert archive.faces() == {"two.jpg": [second]}, "it stays in the frame that is known"


def _erase(archive: Archive, request: Request) -> None:
    chosen = select(archive.collection, archive.collection.snapshot(), request)
    assert erase(archive.collection, chosen).findings == ()


def test_people_are_enrolled_as_their_photos_sidecars_have_them(tmp_path: Path) -> None:
    people = Archive(tmp_path)
    lay_beside(put(people, "Ada/1.jpg", 26, 3), 3)
    roots = parse_roots([str(people.folder)], [])
    build_gallery(roots, str(tmp_path / "gallery"), {}, SETTINGS, lambda progress: None)
    put(people, "Ada/1.jpg", 26, 1)
    (people.folder / "Ada/1.jpg.xmp").unlink()
    build_gallery(roots, str(tmp_path / "other"), {}, SETTINGS, lambda progress: None)
    one, other = (
        tables.matrix(Gallery.open(str(tmp_path / name)).entries()["embedding"])
        for name in ("gallery", "other")
    )
    assert (len(one), len(other)) == (1, 1)
    assert ((one - other) ** 2).sum() < 0.03


def test_a_collection_of_an_earlier_version_learns_of_sidecars_without_reading_photos(
    archive: Archive, detections: list[str]
) -> None:
    photo = put(archive, "a.jpg", 1, 6)
    put(archive, "b.jpg", 2, 3, says=True)
    lay_beside(archive.folder / "b.jpg", 3)
    with pytest.MonkeyPatch.context() as patched:  # as it was before sidecars were listed
        patched.setattr(Sidecars, "of", lambda self, name: [])
        archive.night()
    lay_beside(photo, 6)
    detections.clear()
    done = archive.night()
    assert states(done) == {"changed": 1, "unchanged": 1}
    assert done.progress.items == 1
    assert rows(archive)["b.jpg"]["sidecar"].startswith("b.jpg.xmp:")
    assert states(archive.night()) == {"unchanged": 2}


def test_the_original_is_shown_as_it_lies(archive: Archive) -> None:
    lay_beside(put(archive, "a.jpg", 1, 6), 6)
    put(archive, "b.jpg", 2, 1)
    archive.night()
    originals = Originals(archive.collection)
    try:
        for item in archive.collection.snapshot().media.to_pylist():
            shown = originals.picture(item, 0)
            assert Image.open(io.BytesIO(shown)).size == SIZE
    finally:
        originals.close()
