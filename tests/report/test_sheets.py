from __future__ import annotations

import io
from base64 import b64decode
from datetime import datetime

import pytest
from PIL import Image

from facebatch.report import collect
from facebatch.report import sheets as room
from facebatch.report.faces import CHIP_SIDE, COVER_SIDE
from facebatch.report.sheets import CHIPS_PER_PERSON, PEOPLE_SHOWN, UNCLUSTERED_SHOWN


def sheets_of(archive):
    snapshot = archive.collection.snapshot()
    return collect(archive.collection, snapshot).sheets


def test_sheet_runs_from_the_most_typical_face_to_the_least(archive):
    degrees = {"far.jpg": 30, "middle.jpg": 12, "near.jpg": 3, "mean.jpg": 0, "left.jpg": -8}
    faces = {path: archive.photo(path, angle)[0] for path, angle in degrees.items()}
    archive.commit().group([list(faces.values())], {0: {"cover_face_id": faces["near.jpg"]}})
    (sheet,) = sheets_of(archive).people
    # Their mean points at 7.4 degrees.
    assert sheet.cover.path == "near.jpg"
    paths = [face.path for face in sheet.others]
    assert paths == ["middle.jpg", "mean.jpg", "left.jpg", "far.jpg"]


def test_long_sheet_is_sampled_from_its_first_face_to_its_last(archive):
    faces = [archive.photo(f"{angle:02}.jpg", angle)[0] for angle in range(60)]
    archive.commit().group([faces], {0: {"cover_face_id": faces[30]}})
    (sheet,) = sheets_of(archive).people
    assert sheet.faces == 60
    assert len(sheet.others) == CHIPS_PER_PERSON
    paths = [face.path for face in sheet.others]
    assert paths[0] == "29.jpg"  # the mean is at 29.5, the cover at 30
    assert paths[-1] in ("00.jpg", "59.jpg")
    assert len(set(paths)) == CHIPS_PER_PERSON
    assert f"{CHIPS_PER_PERSON + 1} shown" in archive.page().text


def test_people_too_large_to_be_read_are_sampled(archive, monkeypatch):
    monkeypatch.setattr(room, "CANDIDATES_PER_PERSON", 10)
    faces = [archive.photo(f"{angle}.jpg", angle)[0] for angle in range(40)]
    archive.commit().group([faces])
    (sheet,) = sheets_of(archive).people
    assert sheet.faces == 40
    assert len(sheet.others) <= 10


def test_people_are_ordered_by_size_and_capped(archive):
    people = [[archive.photo(f"{n}.jpg", n % 360)[0]] for n in range(PEOPLE_SHOWN + 3)]
    people[150] += archive.photo("second.jpg", 150)
    archive.commit().group(people, {150: {"name": "Ida"}})
    sheets, page = sheets_of(archive), archive.page()
    assert sheets.active == PEOPLE_SHOWN + 3
    assert len(sheets.people) == PEOPLE_SHOWN
    assert (sheets.people[0].name, sheets.people[0].faces) == ("Ida", 2)
    assert len(page.all("article", "person")) == PEOPLE_SHOWN
    assert page.figure("people") == str(PEOPLE_SHOWN + 3)
    assert "and 3 more people with fewer faces." in page.text


def test_faces_on_their_own_are_capped(archive):
    for n in range(UNCLUSTERED_SHOWN + 10):
        archive.photo(f"{n}.jpg", n)
    archive.commit().group([])
    page = archive.page()
    assert len(page.all("img")) == UNCLUSTERED_SHOWN
    assert f"{UNCLUSTERED_SHOWN} of them, picked evenly" in page.text


def test_faces_of_people_are_not_shown_as_alone(archive):
    together = [*archive.photo("a.jpg", 0), *archive.photo("b.jpg", 1)]
    archive.photo("alone.jpg", 90)
    archive.commit().group([together])
    assert [face.path for face in sheets_of(archive).loose] == ["alone.jpg"]


def test_person_says_how_many_faces_photos_and_days(archive):
    first = archive.photo("a.jpg", 0, 1, captured_at=datetime(2003, 5, 1, 14, 3))
    second = archive.photo("b.jpg", 2, captured_at=datetime(2004, 1, 2, 3, 4))
    archive.commit().group([[*first, *second]])
    page = archive.page()
    assert "3 faces in 2 photos 2003-05-01 to 2004-01-02 spread 0.050" in page.text
    titles = {image["title"] for image in page.all("img")}
    assert titles == {"photos/a.jpg, 2003-05-01 14:03", "photos/b.jpg, 2004-01-02 03:04"}


def test_unnamed_person_is_called_by_a_short_id_and_can_be_linked_to(archive):
    faces = [*archive.photo("a.jpg", 0), *archive.photo("b.jpg", 1)]
    archive.commit().group([faces], {0: {"person_id": bytes(range(16))}})
    page = archive.page()
    assert "Person 00010203" in page.words
    assert page.all("article")[0]["id"] == f"person-{bytes(range(16)).hex()}"


@pytest.mark.parametrize(("spread", "marked"), [(0.13, False), (0.14, True)])
def test_spread_beyond_the_guard_is_marked(archive, spread, marked):
    faces = [*archive.photo("a.jpg", 0), *archive.photo("b.jpg", 1)]
    archive.commit().group([faces], {0: {"spread": spread}})
    # The guard of the grouping is 1.44 times tau 0.0925: 0.1332.
    assert bool(archive.page().all("span", "wide")) is marked


def test_merged_and_dissolved_people_are_only_counted(archive):
    faces = [*archive.photo("a.jpg", 0), *archive.photo("b.jpg", 1)]
    heir = {"person_id": b"h" * 16}
    merged = {"status": "merged", "merged_into": b"h" * 16, "cluster": None, "name": "Old"}
    archive.commit().group(
        [faces, [], [], []],
        {0: heir, 1: merged, 2: merged, 3: {"status": "dissolved", "cluster": None}},
    )
    page = archive.page()
    assert page.figure("people") == "1"
    assert "2 earlier people merged into others, 1 earlier person dissolved." in page.text
    assert len(page.all("article")) == 1
    assert "Old" not in page.words


def test_thumbnails_are_small_pictures_of_the_chips(archive):
    faces = [*archive.photo("a.jpg", 0), *archive.photo("b.jpg", 1)]
    archive.commit().group([faces], {0: {"cover_face_id": faces[0]}})
    sides, colours = [], []
    for image in archive.page().all("img"):
        data = b64decode(image["src"].removeprefix("data:image/jpeg;base64,"))
        assert len(data) < 4000
        with Image.open(io.BytesIO(data)) as thumbnail:
            sides.append(thumbnail.size)
            colours.append(thumbnail.convert("RGB").getpixel((5, 5)))
    assert sides == [(COVER_SIDE, COVER_SIDE), (CHIP_SIDE, CHIP_SIDE)]
    for face, colour in zip(faces, colours, strict=True):
        # JPEG keeps a plain colour to within a few levels.
        assert colour == pytest.approx(tuple(face[:3]), abs=6)


def test_collection_without_chips_names_a_photo_in_place_of_pictures(archive_without_chips):
    archive = archive_without_chips
    faces = [*archive.photo("a.jpg", 0), *archive.photo("b.jpg", 1)]
    archive.photo("c.jpg", 90)
    page = archive.commit().group([faces], {0: {"cover_face_id": faces[1]}}).page()
    assert not page.all("img")
    assert sheets_of(archive).people[0].others == ()
    assert "made without chips (--no-chips)" in page.text
    assert "2 faces in 2 photos spread 0.050 for example photos/b.jpg" in page.text
    assert " shown" not in page.text.partition("How to read this")[0].replace("those shown", "")


def test_faces_are_shown_before_they_are_grouped(archive):
    archive.photo("a.jpg", 0, 90)
    page = archive.commit().page()
    assert "2 faces, not grouped yet." in page.text
    assert len(page.all("img")) == 2


def test_faces_that_came_since_the_grouping_are_counted_and_not_shown_as_alone(archive):
    faces = [*archive.photo("a.jpg", 0), *archive.photo("b.jpg", 1)]
    archive.commit().group([faces])
    archive.photo("c.jpg", 90)
    page = archive.commit().page()
    assert "1 face came since, 0 faces went." in page.text
    assert page.figure("faces") == "3"
    assert page.figure("faces on their own") == "0"
    assert len(page.all("img")) == 2


def test_faces_that_went_since_the_grouping_leave_their_person(archive):
    faces = [face for name in "abc" for face in archive.photo(f"{name}.jpg", 0)]
    gone = min(faces)
    path = f"{'abc'[faces.index(gone)]}.jpg"
    archive.commit().group([faces], {0: {"cover_face_id": gone}})
    archive.photo(path, content="another picture", marker="2")
    archive.commit()
    sheets = sheets_of(archive)
    assert (sheets.vanished, sheets.people[0].faces, sheets.people[0].media) == (1, 2, 2)
    assert path not in {face.path for face in (sheets.people[0].cover, *sheets.people[0].others)}
    assert "0 faces came since, 1 face went." in archive.page().text


def test_person_whose_faces_all_went_is_no_longer_shown(archive):
    face = archive.photo("a.jpg", 0)
    archive.commit().group([face])
    archive.photo("a.jpg", content="another picture", marker="2")
    archive.commit()
    assert (sheets_of(archive).active, sheets_of(archive).people) == (0, ())
    assert "No two faces were alike enough to be one person." in archive.page().text


def test_people_whose_grouping_is_gone_count_as_not_grouped(archive):
    faces = archive.photo("a.jpg", 0)
    archive.commit().group([faces])
    clusters = archive.collection.current("clusters")
    archive.collection.storage.remove(clusters.folder)
    assert not sheets_of(archive).grouped


def test_hidden_people_have_no_sheet(archive):
    faces = archive.photo("a.jpg", 0, 1, 50, 51)
    archive.commit().group([faces[:2], faces[2:]], {0: {"hidden": True, "name": "Ada"}})
    page = archive.page()
    assert len(page.all("article")) == 1
    assert "Ada" not in page.text


def test_where_everybody_is_hidden_nobody_is_said_to_be_alike(archive):
    faces = archive.photo("a.jpg", 0, 1)
    archive.commit().group([faces], {0: {"hidden": True}})
    text = archive.page().text
    assert "1 hidden person not shown" in text
    assert "No two faces were alike" not in text
