"""Names that photos carry already: found, matched, and never hidden by an export of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.exportable import HEIGHT, WIDTH, Archive
from support.packets import microsoft, mwg
from support.photos_with_xmp import BOMB, LEFT, ON_THE_LEFT, ON_THE_RIGHT, RIGHT, export, save

from facebatch.errors import UsageError
from facebatch.export.named_in_photos import FoundNames, find_names
from facebatch.media.sources.roots import parse_roots


def found_in(archive: Archive, photos: Path) -> FoundNames:
    return find_names(archive.collection.snapshot(), parse_roots([str(photos)]))


def test_regions_of_the_photo_and_of_both_kinds_of_sidecars_name_its_faces(
    archive: Archive, photos: Path
) -> None:
    (ada,) = archive.put("a.jpg", [LEFT])
    bob, cyd = archive.put("2024/b.jpg", [LEFT, RIGHT])
    save(photos / "a.jpg", mwg([("Ada", ON_THE_LEFT)]))
    save(photos / "2024" / "b.jpg")
    (photos / "2024" / "b.jpg.xmp").write_bytes(microsoft([("Bob", (0.1, 0.2, 0.2, 0.4))]))
    (photos / "2024" / "b.xmp").write_bytes(mwg([("Cyd", ON_THE_RIGHT)]))
    found = found_in(archive, photos)
    assert found.names == {ada: "Ada", bob: "Bob", cyd: "Cyd"}
    assert (found.photos, found.with_regions, found.regions, found.matched) == (2, 2, 3, 3)


def test_one_region_told_by_two_schemas_counts_once(archive: Archive, photos: Path) -> None:
    (ada,) = archive.put("a.jpg", [LEFT])
    save(photos / "a.jpg", mwg([("Ada", ON_THE_LEFT)]))
    (photos / "a.jpg.xmp").write_bytes(microsoft([("ada", (0.1, 0.2, 0.2, 0.4))]))
    found = found_in(archive, photos)
    assert (found.names, found.regions, found.conflicts) == ({ada: "Ada"}, 1, [])


def test_a_face_of_which_two_names_are_said_gets_none(archive: Archive, photos: Path) -> None:
    (face,) = archive.put("a.jpg", [LEFT])
    save(photos / "a.jpg", mwg([("Ada", ON_THE_LEFT)]))
    (photos / "a.xmp").write_bytes(mwg([("Eve", ON_THE_LEFT)]))
    found = found_in(archive, photos)
    assert found.names == {}
    assert found.conflicts == [{"path": "a.jpg", "face_id": face.hex(), "names": ["Ada", "Eve"]}]


def test_copies_of_one_photo_speak_of_the_same_faces(archive: Archive, photos: Path) -> None:
    (face,) = archive.put("a.jpg", [LEFT], of=7)
    archive.put("copy.jpg", of=7, status="duplicate")
    save(photos / "a.jpg")
    save(photos / "copy.jpg")
    (photos / "copy.jpg.xmp").write_bytes(mwg([("Ada", ON_THE_LEFT)]))
    assert found_in(archive, photos).names == {face: "Ada"}


def test_what_has_no_face_and_what_cannot_be_read_is_reported(
    archive: Archive, photos: Path
) -> None:
    archive.put("a.jpg", [LEFT])
    archive.put("b.jpg", [LEFT])
    save(photos / "a.jpg", mwg([("Ada", ON_THE_RIGHT)]))
    save(photos / "b.jpg", BOMB)
    found = found_in(archive, photos)
    assert found.without_face == [{"path": "a.jpg", "name": "Ada"}]
    ((path, message),) = [(one["path"], one["message"]) for one in found.unreadable]
    assert (path, "document type" in message) == ("b.jpg", True)


def test_a_turned_photo_is_matched_as_it_is_stored(archive: Archive, photos: Path) -> None:
    left, _ = archive.put("a.jpg", [LEFT, RIGHT], orientation=6)
    save(photos / "a.jpg", mwg([("Ada", (0.4, 0.8, 0.4, 0.2))], (HEIGHT, WIDTH)))
    assert found_in(archive, photos).names == {left: "Ada"}


def test_photos_of_an_unknown_root_are_refused(archive: Archive, photos: Path) -> None:
    archive.put("a.jpg", [LEFT], root="more")
    with pytest.raises(UsageError, match="no root called 'photos'"):
        found_in(archive, photos)


def test_our_own_sidecars_are_not_taken_back(archive: Archive, photos: Path) -> None:
    (face,) = archive.put("a.jpg", [LEFT])
    save(photos / "a.jpg")
    archive.name({"Ada": [face]})
    assert export(archive, photos).written == 1
    assert found_in(archive, photos).regions == 0
