"""Sidecars on the disk: where they go, and what they leave alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.exportable import HEIGHT, WIDTH, Archive
from support.rows import NOON

from facebatch.errors import InputError, UsageError
from facebatch.export import Target, named_faces, write_sidecars
from facebatch.export.sidecars import Written
from facebatch.media.photo.xmp_tree import is_ours

BOX = (10.0, 10.0, 30.0, 40.0)


def export(archive: Archive, target: Target, **wanted: bool) -> Written:
    snapshot = archive.collection.snapshot()
    faces = named_faces(archive.collection, snapshot, **wanted)  # type: ignore[arg-type]
    return write_sidecars(faces, snapshot.media, snapshot.shots, target)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def reasons(done: Written) -> list[tuple[str, str]]:
    return [(skipped["reason"], skipped["path"]) for skipped in done.skipped]


def test_the_folder_mirrors_the_roots(archive: Archive, tmp_path: Path) -> None:
    archive.put("2024/a.jpg", [BOX, BOX])
    archive.put("b.JPG", [BOX], root="more")
    archive.put("landscape.jpg")
    done = export(archive, Target(tmp_path / "out"))
    assert files(tmp_path / "out") == ["more/b.JPG.xmp", "photos/2024/a.jpg.xmp"]
    assert (done.written, done.regions, done.skipped) == (2, 3, [])


def test_an_unchanged_sidecar_is_not_touched_and_a_changed_one_is_replaced(
    archive: Archive, tmp_path: Path
) -> None:
    (face,) = archive.put("a.jpg", [BOX])
    archive.put("b.jpg", [BOX])
    target = Target(tmp_path / "out")
    export(archive, target)
    place = tmp_path / "out" / "photos" / "a.jpg.xmp"
    before = place.stat()
    assert export(archive, target).unchanged == 2
    assert place.stat().st_ino == before.st_ino
    archive.name({"Ada": [face]})
    done = export(archive, target)
    assert (done.written, done.unchanged) == (1, 1)
    assert "Ada" in place.read_text()


def test_a_sidecar_that_has_nothing_to_say_any_more_is_removed(
    archive: Archive, tmp_path: Path
) -> None:
    archive.put("a.jpg", [BOX])
    target = Target(tmp_path / "out")
    export(archive, target)
    done = export(archive, target, only_named=True)
    assert (done.removed, files(tmp_path / "out")) == (1, [])


def test_another_programs_sidecar_is_left_alone(archive: Archive, tmp_path: Path) -> None:
    archive.put("a.jpg", [BOX])
    archive.put("nobody.jpg")
    theirs = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core"/>'
    photos = tmp_path / "out" / "photos"
    photos.mkdir(parents=True)
    for name in ("a.jpg.xmp", "nobody.jpg.xmp"):
        (photos / name).write_bytes(theirs)
    done = export(archive, Target(tmp_path / "out"))
    assert reasons(done) == [("not_ours", "a.jpg")]
    assert {(photos / name).read_bytes() for name in ("a.jpg.xmp", "nobody.jpg.xmp")} == {theirs}


def test_copies_of_a_photo_have_sidecars_too(archive: Archive, tmp_path: Path) -> None:
    archive.put("a.jpg", [BOX], of=7)
    archive.put("copy.jpg", [], of=7, status="duplicate")
    done = export(archive, Target(tmp_path / "out"))
    assert (done.written, done.regions) == (2, 2)
    one, other = (
        (tmp_path / "out" / "photos" / f"{name}.jpg.xmp").read_bytes() for name in ("a", "copy")
    )
    assert one == other


def test_every_file_of_a_shot_has_the_names_of_the_best_one(
    archive: Archive, tmp_path: Path
) -> None:
    taken = {"captured_at": NOON}
    (face,) = archive.put("a.jpg", [BOX], **taken)
    archive.put("a.dng", [BOX, BOX], width=WIDTH // 2, height=HEIGHT // 2, **taken)
    archive.put("a.tif", [BOX], width=WIDTH // 2, height=WIDTH // 2, **taken)
    archive.put("a.mov", [BOX], segments=1, begin_us=0, end_us=9, **taken)
    archive.name({"Ada": [face]})
    done = export(archive, Target(tmp_path / "out"))
    assert (done.written, done.regions) == (4, 2)
    written = {
        name: (tmp_path / "out" / "photos" / f"a.{name}.xmp").read_text()
        for name in ("jpg", "dng", "tif", "mov")
    }
    assert all("Ada" in text for text in written.values())
    areas = {name: re.findall(r"stArea:[xywh]=\"[^\"]*\"", text) for name, text in written.items()}
    assert areas["jpg"] == areas["dng"] != []
    assert areas["tif"] == areas["mov"] == []


def test_a_video_has_names_and_no_regions(archive: Archive, tmp_path: Path) -> None:
    (face,) = archive.put("film.mp4", [BOX], segments=1, begin_us=0, end_us=9)
    archive.name({"Ada": [face]})
    done = export(archive, Target(tmp_path / "out"))
    written = (tmp_path / "out" / "photos" / "film.mp4.xmp").read_text()
    assert (done.written, done.regions) == (1, 0)
    assert "Ada" in written
    assert "mwg-rs:Area" not in written


def test_named_faces_come_first(archive: Archive, tmp_path: Path) -> None:
    (_, face, _) = archive.put("a.jpg", [BOX] * 3)
    archive.name({"Ada": [face]})
    export(archive, Target(tmp_path / "out"))
    written = (tmp_path / "out" / "photos" / "a.jpg.xmp").read_text()
    assert written.index("<mwg-rs:Name>") < written.index("<mwg-rs:Area")


def test_names_are_taken_once_where_extensions_are_replaced(
    archive: Archive, tmp_path: Path
) -> None:
    archive.put("a.jpg", [BOX])
    archive.put("a.tif", [BOX])
    archive.put(".hidden", [BOX])
    done = export(archive, Target(tmp_path / "out", naming="replace"))
    assert files(tmp_path / "out") == ["photos/.hidden.xmp", "photos/a.xmp"]
    assert reasons(done) == [("name_taken", "a.tif")]


@pytest.mark.parametrize("path", ["../../a.jpg", "/etc/a.jpg", "b/../../../a.jpg", "b//a", "a\0b"])
def test_no_path_leads_out_of_the_folder(path: str, archive: Archive, tmp_path: Path) -> None:
    archive.put(path, [BOX])
    done = export(archive, Target(tmp_path / "deep" / "out"))
    assert reasons(done) == [("unsafe_path", path)]
    assert [name for name in files(tmp_path) if name.endswith(".xmp")] == []


def test_no_root_and_no_link_leads_out_of_the_folder(archive: Archive, tmp_path: Path) -> None:
    archive.put("a.jpg", [BOX], root="..")
    archive.put("b.jpg", [BOX], root="linked")
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "linked").symlink_to(tmp_path / "elsewhere")
    done = export(archive, Target(tmp_path / "out"))
    assert reasons(done) == [("unsafe_path", "a.jpg"), ("unsafe_path", "b.jpg")]
    assert files(tmp_path / "elsewhere") == []


def test_a_name_that_is_no_utf8_keeps_its_bytes(archive: Archive, tmp_path: Path) -> None:
    archive.put("gr\ufffdn.jpg", [BOX], path_bytes=b"gr\xfcn.jpg")
    assert export(archive, Target(tmp_path / "out")).written == 1
    (place,) = (tmp_path / "out" / "photos").iterdir()
    assert os.fsencode(place.name) == b"gr\xfcn.jpg.xmp"


def test_a_name_that_the_disk_refuses_costs_its_own_sidecar(
    archive: Archive, tmp_path: Path
) -> None:
    long = f"{'x' * 251}.jpg"
    archive.put(long, [BOX])
    archive.put("a.jpg", [BOX])
    done = export(archive, Target(tmp_path / "out"))
    assert (done.written, reasons(done)) == (1, [("unusable_name", long)])


@pytest.mark.parametrize("folder", ["a file", "/proc/facebatch"])
def test_a_folder_that_cannot_be_written_ends_the_export(
    folder: str, archive: Archive, tmp_path: Path
) -> None:
    archive.put("a.jpg", [BOX])
    (tmp_path / "a file").write_bytes(b"no folder")
    with pytest.raises(InputError, match="can't be written"):
        export(archive, Target(tmp_path / folder))


def test_a_link_in_a_sidecars_place_is_left_alone(archive: Archive, tmp_path: Path) -> None:
    archive.put("a.jpg", [BOX])
    photos = tmp_path / "out" / "photos"
    photos.mkdir(parents=True)
    (photos / "a.jpg.xmp").symlink_to(tmp_path / "nowhere")
    assert reasons(export(archive, Target(tmp_path / "out"))) == [("not_ours", "a.jpg")]


def test_beside_writes_only_beside_photos_that_are_there(archive: Archive, tmp_path: Path) -> None:
    archive.put("a.jpg", [BOX])
    archive.put("moved.jpg", [BOX])
    archive.put("a.jpg", [BOX], root="other")
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.jpg").write_bytes(b"a photo")
    done = export(archive, Target(album, root="photos"))
    assert files(album) == ["a.jpg", "a.jpg.xmp"]
    assert reasons(done) == [("no_photo", "moved.jpg")]
    assert is_ours((album / "a.jpg.xmp").read_bytes())
    assert (album / "a.jpg").read_bytes() == b"a photo"


def test_beside_needs_the_folder(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        export(archive, Target(tmp_path / "unmounted", root="photos"))
