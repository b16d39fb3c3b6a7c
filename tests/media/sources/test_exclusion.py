"""What is left out of a root by rule, wherever the root lies, and what it is counted as."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.places import listed, put, write_tar, write_zip

from facebatch.errors import UsageError
from facebatch.media.sources.exclusion import SYSTEM_FOLDERS, Exclusion
from facebatch.media.sources.ignored import EXAMPLES, KINDS, Ignored, described, summed
from facebatch.media.sources.listing import Marked, check_roots, folders_of, list_root
from facebatch.media.sources.roots import Root, parse_root

THUMBNAILS = ["2020/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/b.jpg", "$RECYCLE.BIN/c.jpg"]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "photos").mkdir()
    return Root("photos", str(tmp_path / "photos"))


def ignored(root: Root) -> dict[tuple[str, str], int]:
    left_out = [entry for entry in list_root(root) if isinstance(entry, Ignored)]
    return {(part.reason, part.kind): part.files for part in left_out}


def excluding(root: Root, *patterns: str) -> Root:
    return replace(root, excluded=patterns)


def test_folders_of_systems_are_left_out_everywhere(root: Root, tmp_path: Path) -> None:
    put(Path(root.url), "2020/a.jpg", *THUMBNAILS)
    members = dict.fromkeys(["2020/a.jpg", "__MACOSX/2020/._a.jpg", *THUMBNAILS], b"1")
    store = fsspec.filesystem("memory")
    for name in members:
        store.pipe_file(f"/bucket-excluded/{name}", b"1")
    places = [
        str(write_zip(tmp_path / "a.zip", members)),
        str(write_tar(tmp_path / "a.tar", members)),
        "memory://bucket-excluded",
    ]
    for place in (root, *map(parse_root, places)):
        assert listed(place) == ["2020/a.jpg"]
        assert ignored(place)["system_folder", "@eaDir"] == 1


@pytest.mark.parametrize("name", sorted(SYSTEM_FOLDERS))
def test_a_systems_folder_can_be_taken_in(root: Root, name: str) -> None:
    put(Path(root.url), f"x/{name.upper()}/a.jpg", "b.jpg")
    assert listed(root) == ["b.jpg"]
    pattern = f"!{name.upper()}/".replace("#", "\\#")
    for patterns in ([pattern], ["*.png", "!*"]):
        assert listed(excluding(root, *patterns)) == ["b.jpg", f"x/{name.upper()}/a.jpg"]


@pytest.mark.parametrize("mark", [".nomedia", ".noimage"])
def test_a_marked_folder_is_left_out_with_all_below_it(root: Root, mark: str) -> None:
    put(Path(root.url), f"x/{mark}", "x/a.jpg", "x/y/b.jpg", "c.jpg")
    assert listed(root) == ["c.jpg"]
    assert ignored(root) == {("marked_folder", mark): 1}
    assert Marked("photos", "x") in list(list_root(root))
    assert listed(excluding(root, f"!{mark}")) == ["c.jpg", "x/a.jpg", "x/y/b.jpg"]
    put(Path(root.url), mark)
    assert listed(root) == []


def test_patterns_are_those_of_a_gitignore(root: Root) -> None:
    put(Path(root.url), "a.jpg", "a.png", "x/b.jpg", "x/b.png", "x/thumbs/c.jpg", "thumbs/d.jpg")
    assert listed(excluding(root, "*.png")) == [
        "a.jpg",
        "thumbs/d.jpg",
        "x/b.jpg",
        "x/thumbs/c.jpg",
    ]
    assert listed(excluding(root, "thumbs/", "*.png")) == ["a.jpg", "x/b.jpg"]
    assert listed(excluding(root, "/thumbs/", "!x/b.png", "*.png", "!/a.png")) == [
        *("a.jpg", "a.png", "x/b.jpg", "x/thumbs/c.jpg")
    ]
    assert ignored(excluding(root, "*.png", "thumbs")) == {
        ("excluded", "*.png"): 2,
        ("excluded", "thumbs"): 2,
    }


def test_a_selection_is_subject_to_the_rules_too(root: Root) -> None:
    put(Path(root.url), "a.jpg", "x/b.jpg", "x/@eaDir/c.jpg")
    chosen = replace(root, files=("a.jpg", "x/b.jpg", "x/@eaDir", "x/@eaDir/c.jpg"))
    assert listed(excluding(chosen, "a.*")) == ["x/b.jpg"]
    assert listed(excluding(replace(root, patterns=("**/*.jpg",)), "a.*")) == ["x/b.jpg"]


@pytest.mark.parametrize("pattern", ["", " ", "!", "# a comment", "/"])
def test_what_is_no_pattern_is_refused(root: Root, pattern: str) -> None:
    with pytest.raises(UsageError, match="--exclude"):
        check_roots([excluding(root, "*.png", pattern)])


_PART = st.sampled_from(["a", "b.jpg", "@eaDir", "x y", "é"])


@given(st.lists(_PART, min_size=1, max_size=4), st.lists(st.sampled_from(["a", "!a", "*.jpg"])))
def test_a_path_is_covered_just_when_the_walk_would_not_reach_it(
    parts: list[str], patterns: list[str]
) -> None:
    exclusion = Exclusion(patterns)
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    path = "/".join(parts)
    reached = not any(map(exclusion.of_folder, above)) and not exclusion.of_file(path)
    assert (exclusion.covers(path) is None) == reached


def test_what_is_ignored_is_told_by_reason_with_examples(root: Root) -> None:
    put(Path(root.url), *(f"{n}.xmp" for n in range(9)), "README", ".hidden.jpg", "a.jpg")
    left_out = summed(entry for entry in list_root(root) if isinstance(entry, Ignored))
    assert left_out[0].examples == ("photos/0.xmp", "photos/1.xmp", "photos/2.xmp")
    assert [described(part) for part in left_out] == ["9 .xmp", "1 without extension", "1 hidden"]
    assert all(Ignored.from_json(part.as_json()) == part for part in left_out)


def test_sums_of_what_is_ignored_are_bounded() -> None:
    parts = [Ignored("extension", f".{n}", 1, (f"r/a.{n}",)) for n in range(3 * KINDS)]
    found = summed([*parts, *parts, Ignored("hidden", "", 5)])
    assert sum(part.files for part in found) == 6 * KINDS + 5
    assert len(found) == KINDS + 2
    assert all(len(part.examples) <= EXAMPLES for part in found)


def test_links_to_folders_are_named_and_followed_on_demand(root: Root, tmp_path: Path) -> None:
    put(tmp_path, "out/a.jpg", "out/deep/b.jpg", "photos/own/c.jpg")
    folder = Path(root.url)
    (folder / "2022").symlink_to(tmp_path / "out")
    assert listed(root) == ["own/c.jpg"]
    assert ignored(root) == {("linked_folder", ""): 1}
    following = replace(root, follow_links=True)
    assert listed(following) == ["2022/a.jpg", "2022/deep/b.jpg", "own/c.jpg"]


def test_following_links_lists_each_folder_once_and_ends(root: Root, tmp_path: Path) -> None:
    put(tmp_path, "out/a.jpg", "photos/own/c.jpg")
    folder = Path(root.url)
    (folder / "0").symlink_to(folder / "own")
    (folder / "1").symlink_to(folder)
    (folder / "2").symlink_to(tmp_path / "out")
    (folder / "3").symlink_to(tmp_path / "out")
    (folder / "4").symlink_to(tmp_path)
    (tmp_path / "out" / "back").symlink_to(folder)
    (tmp_path / "out" / "self").symlink_to(tmp_path / "out")
    following = replace(root, follow_links=True)
    assert listed(following) == ["2/a.jpg", "own/c.jpg"]
    assert ignored(following) == {("repeated_folder", ""): 7}


def test_a_zip_whose_names_hold_backslashes_is_read(tmp_path: Path) -> None:
    place = write_zip(tmp_path / "win.zip", {"Photos\\2020\\a.jpg": b"12", "Photos\\": b""})
    root = parse_root(str(place))
    assert listed(root) == ["Photos/2020/a.jpg"]
    assert ignored(root) == {}


def test_folders_of_a_root_are_those_that_would_be_listed(root: Root, tmp_path: Path) -> None:
    put(Path(root.url), "Ada/a.jpg", "@eaDir/b.jpg", ".x/c.jpg", "d.jpg")
    (Path(root.url) / "Bob").symlink_to(tmp_path)
    (Path(root.url) / "Cy").mkdir()
    assert folders_of(root) == {"Ada": False, "Bob": True, "Cy": False}
