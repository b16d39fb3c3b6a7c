"""A root that isn't the one a collection knows by its name is refused before anything is done."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.places import put, write_zip
from support.rows import media, media_row

from facebatch.collection.snapshot import Snapshot
from facebatch.errors import InputError, UsageError
from facebatch.extract.known_roots import check_known_roots
from facebatch.media.sources.listing import list_root
from facebatch.media.sources.roots import Root, parse_root


class Known(Snapshot):
    """What is known of the files that lie in a folder now."""

    def __init__(self, *roots: Root) -> None:
        rows = [
            media_row(
                file.path,
                root=file.root,
                media_id=file.media_id,
                size=file.size,
                marker=file.marker,
            )
            for root in roots
            for file in list_root(root)
        ]
        self.__dict__["items"] = media(*rows)


def photos(folder: Path, first: int = 0, count: int = 10, longer: int = 0) -> Root:
    for number in range(first, first + count):
        put(folder, f"IMG_{number:04}.JPG", content=bytes(number + longer + 1))
        os.utime(folder / f"IMG_{number:04}.JPG", (0, number + 1000 * longer))
    return parse_root(str(folder))


@pytest.fixture
def card(tmp_path: Path) -> Root:
    return photos(tmp_path / "a/DCIM")


def test_another_folder_under_a_known_name_is_refused(card: Root, tmp_path: Path) -> None:
    for number, other in enumerate([{"first": 50}, {"longer": 9}, {"count": 1, "longer": 9}]):
        root = photos(tmp_path / f"{number}/DCIM", **other)
        with pytest.raises(InputError, match=r"DCIM was .*/a/DCIM, and .*--moved-root DCIM"):
            check_known_roots([root], Known(card), {"DCIM": card.url}, allow_empty=True)
        check_known_roots([root], Known(card), {"DCIM": card.url}, moved=["DCIM"])
        check_known_roots([Root("b", root.url)], Known(card), {"DCIM": card.url})


def test_a_selection_of_another_folder_is_refused_too(card: Root, tmp_path: Path) -> None:
    photos(tmp_path / "b/DCIM", first=50)
    with pytest.raises(InputError, match="0 of 10"):
        check_known_roots(
            [parse_root(f"{tmp_path}/b/DCIM/IMG_0050.JPG")], Known(card), {"DCIM": card.url}
        )


@pytest.mark.parametrize("place", ["b/DCIM", "a/DCIM"])
def test_a_root_of_which_most_is_there_is_the_same(card: Root, tmp_path: Path, place: str) -> None:
    known = Known(card)
    moved = tmp_path / place
    if not moved.exists():
        shutil.copytree(card.url, moved)
    for number in range(4):
        (moved / f"IMG_{number:04}.JPG").unlink()
    photos(moved, first=100, count=30)
    check_known_roots([parse_root(str(moved))], known, {"DCIM": card.url})


def test_another_disk_at_the_same_place_is_refused(card: Root) -> None:
    known = Known(card)
    photos(Path(card.url), longer=9)
    for places in ({"DCIM": card.url}, {}):
        with pytest.raises(InputError, match=r"0 of 10 known items.*--allow-empty"):
            check_known_roots([card], known, places)
    check_known_roots([card], known, {}, allow_empty=True)
    check_known_roots([parse_root(f"{card.url}/*.JPG")], known, {"DCIM": card.url})


def test_what_a_rule_leaves_out_isnt_gone(card: Root) -> None:
    known = Known(card)
    excluding = replace(card, excluded=("IMG_*.JPG",))
    check_known_roots([excluding], known, {"DCIM": card.url})
    put(Path(card.url), ".nomedia")
    check_known_roots([card], known, {"DCIM": card.url})
    shutil.rmtree(card.url)
    put(Path(card.url), "other.jpg")
    check_known_roots([excluding], known, {"DCIM": card.url})
    with pytest.raises(InputError, match="0 of 10"):
        check_known_roots([card], known, {"DCIM": card.url})


def test_files_that_were_moved_inside_a_root_are_still_there(card: Root) -> None:
    known = Known(card)
    folder = Path(card.url)
    (folder / "2020").mkdir()
    for number, file in enumerate(sorted(folder.glob("*.JPG"))):
        file.rename(folder / "2020" / (file.name if number % 2 else f"{number}.jpg"))
    check_known_roots([card], known, {"DCIM": card.url})


def test_a_few_photos_may_all_be_exchanged(tmp_path: Path) -> None:
    root = photos(tmp_path / "few", count=3)
    known = Known(root)
    shutil.rmtree(root.url)
    photos(Path(root.url), first=50, count=3)
    check_known_roots([root], known, {"few": root.url})
    shutil.rmtree(root.url)
    Path(root.url).mkdir()
    with pytest.raises(InputError, match=r"knows 3 items.*mounted.*--allow-empty"):
        check_known_roots([root], known, {"few": root.url})


def test_what_lies_where_nothing_can_be_read_isnt_gone(
    tmp_path: Path, faults: dict[tuple[str, str], OSError]
) -> None:
    photos(tmp_path / "all/2019")
    root = Root("all", f"faulty://{tmp_path}/all")
    known = Known(root)
    shutil.rmtree(tmp_path / "all/2019")
    put(tmp_path / "all", "2019/x.jpg", "new.jpg")
    faults["ls", "2019"] = PermissionError(errno.EACCES, "denied")
    check_known_roots([root], known, {"all": root.url})
    faults.clear()
    with pytest.raises(InputError, match="0 of 10"):
        check_known_roots([root], known, {"all": root.url})


def test_archives_are_told_apart_by_their_members(tmp_path: Path) -> None:
    members = {f"{number}.jpg": bytes(number + 1) for number in range(5)}
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
    first = parse_root(str(write_zip(tmp_path / "a/x.zip", members)))
    same = parse_root(str(write_zip(tmp_path / "b/x.zip", members)))
    other = parse_root(str(write_zip(tmp_path / "c/x.zip", {"other.jpg": b"1"})))
    check_known_roots([same], Known(first), {"x.zip": first.url})
    with pytest.raises(InputError, match="0 of 5"):
        check_known_roots([other], Known(first), {"x.zip": first.url})


def test_a_root_of_which_nothing_is_known_may_lie_anywhere(card: Root, tmp_path: Path) -> None:
    check_known_roots([card], Known(), {"DCIM": "/elsewhere/DCIM"})


def test_a_root_that_is_said_to_have_moved_has_to_be_listed(card: Root) -> None:
    with pytest.raises(UsageError, match="--moved-root typo"):
        check_known_roots([card], Known(card), {}, moved=["typo"])
