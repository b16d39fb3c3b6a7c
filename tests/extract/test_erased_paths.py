"""What lies under an erased photo's path: the same photo stays out, another is extracted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from support.pictures import encode, gradient
from support.rows import memory_collection

from facebatch import ids
from facebatch.collection import Suppression
from facebatch.collection.suppression import moment_id, suppress, version_id
from facebatch.config import ExtractSettings
from facebatch.extract.decide import Rules, decide_file
from facebatch.extract.items import Item, Known, Shard, Video
from facebatch.extract.shard import ShardTables, Tools, detect_shard
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.reader import MediaReader
from facebatch.storage.store import Storage

ERASED = MediaFile("card", "/card", "IMG_0001.JPG", 1000, "1")
OTHER = replace(ERASED, size=1001)
VERSION = version_id(ERASED.media_id, ERASED.size, ERASED.marker)
TAKEN = datetime(2003, 5, 1, 14, 3)


def known(file: MediaFile, shard: str = "s1") -> Known:
    moment = datetime(2024, 5, 1, 12, tzinfo=UTC)
    return Known(file.root, file.path, file.size, file.marker, "ok", None, 1, moment, shard)


@pytest.fixture
def storage() -> Storage:
    return memory_collection().storage


def rules(storage: Storage, reread: bool = False) -> Rules:
    return Rules(erased=Suppression.load(storage), reread=reread)


def test_an_erased_version_is_left_out_without_being_read(storage: Storage) -> None:
    suppress(storage, media=[ERASED.media_id], versions=[VERSION])
    assert list(decide_file(ERASED, [], rules(storage))) == [("erased", None)]
    assert list(decide_file(ERASED, [known(ERASED)], rules(storage))) == [("erased", None)]


def test_another_version_under_an_erased_path_is_read(storage: Storage) -> None:
    suppress(storage, media=[ERASED.media_id], versions=[VERSION])
    for file in (OTHER, replace(ERASED, marker="2")):
        assert list(decide_file(file, [], rules(storage))) == [("new", Item(file))]
    assert list(decide_file(ERASED, [], rules(storage, reread=True))) == [("new", Item(ERASED))]
    film = replace(ERASED, path="a.mp4")
    suppress(storage, media=[film.media_id], versions=[version_id(film.media_id, 1, "1")])
    assert list(decide_file(film, [], rules(storage))) == [("new", Video(film))]


def test_a_photo_that_the_erased_one_takes_the_place_of_has_vanished(storage: Storage) -> None:
    suppress(storage, media=[ERASED.media_id], versions=[VERSION])
    row = known(OTHER)
    assert list(decide_file(ERASED, [row], rules(storage))) == [
        ("erased", None),
        ("vanished", row),
    ]
    assert list(decide_file(ERASED, [replace(row, status="vanished")], rules(storage))) == [
        ("erased", None)
    ]


def test_nothing_is_read_where_nobody_knows_what_was_erased(storage: Storage) -> None:
    suppress(storage, media=[ERASED.media_id], blocked=[ERASED.media_id])
    for file in (ERASED, OTHER):
        for again in (False, True):
            assert list(decide_file(file, [], rules(storage, again))) == [("blocked", None)]


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    return folder


def photo(width: int = 80, taken: datetime | None = None) -> bytes:
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken.strftime(
            "%Y:%m:%d %H:%M:%S"
        )
    return encode(gradient(width), exif=exif)


def read(storage: Storage, path: Path, failure: tuple[str, str] | None = None) -> ShardTables:
    """Returns what a run makes of a file, whose faces are known so that none is looked for."""
    size = path.stat().st_size if path.exists() else 1
    file = MediaFile("card", str(path.parent), path.name, size, "2")
    contents = ((ids.content_id(path.read_bytes()), 0),) if path.is_file() else ()
    item = Item(file, contents=contents, failure=failure)
    tools = Tools(MediaReader(), no_detector, ExtractSettings(), erased=Suppression.load(storage))
    return detect_shard(Shard("s", (item,)), tools)


def no_detector() -> None:
    raise AssertionError("nothing here needs a detector")


def test_other_bytes_are_another_photo(storage: Storage, card: Path) -> None:
    (card / ERASED.path).write_bytes(photo(81, taken=TAKEN))
    content = ids.content_id(photo(80))
    suppress(storage, media=[ERASED.media_id], versions=[VERSION], contents=[content])
    found = read(storage, card / ERASED.path)
    assert found.media["path"].to_pylist() == [ERASED.path]
    assert not any(found.erased.values())


def test_the_same_bytes_stay_out_and_are_not_read_a_second_time(
    storage: Storage, card: Path
) -> None:
    for name in (ERASED.path, "copy.jpg"):
        (card / name).write_bytes(photo())
    content = ids.content_id(photo())
    suppress(storage, media=[ERASED.media_id], versions=[VERSION], contents=[content])
    for name in (ERASED.path, "copy.jpg"):
        found = read(storage, card / name)
        assert len(found.media) == len(found.faces) == 0
        suppress(storage, **found.erased)
        [item] = found.shard.items
        assert list(decide_file(item.file, [], rules(storage))) == [("erased", None)]


def test_an_edited_version_under_the_path_stays_out(storage: Storage, card: Path) -> None:
    """A tool that writes a rating into the file changes its bytes, and not when it was taken."""
    erased = photo(80, taken=TAKEN)
    moments = [moment_id(ERASED.media_id, TAKEN)]
    content = ids.content_id(erased)
    suppress(storage, media=[ERASED.media_id], versions=[VERSION, *moments], contents=[content])
    (card / ERASED.path).write_bytes(photo(90, taken=TAKEN))
    found = read(storage, card / ERASED.path)
    assert len(found.media) == 0
    suppress(storage, **found.erased)
    [item] = found.shard.items
    assert list(decide_file(item.file, [], rules(storage))) == [("erased", None)]
    (card / "IMG_0002.JPG").write_bytes(photo(91, taken=TAKEN))
    assert len(read(storage, card / "IMG_0002.JPG").media) == 1, "of another path, it is another"


def test_what_cannot_be_read_has_no_row_and_is_tried_again(storage: Storage, card: Path) -> None:
    suppress(storage, media=[ERASED.media_id], versions=[VERSION])
    found = read(storage, card / ERASED.path)
    assert len(found.media) == 0
    assert not any(found.erased.values())
    assert read(storage, card / "other.jpg").media["reason"].to_pylist() == ["vanished"]


def test_a_video_that_cannot_be_opened_is_told_by_its_bytes(storage: Storage, card: Path) -> None:
    film = card / "MVI_0001.MOV"
    item = ids.media_id("card", film.name)
    broken = ("truncated", "it is cut off")
    suppress(storage, media=[item], contents=[ids.content_id(b"erased")])
    film.write_bytes(b"another")
    assert read(storage, film, broken).media["reason"].to_pylist() == ["truncated"]
    film.write_bytes(b"erased")
    found = read(storage, film, broken)
    assert len(found.media) == 0
    assert found.erased["versions"] == {version_id(item, len(b"erased"), "2")}
