from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import fsspec
import pytest
from faulty import FaultyFileSystem  # registers the stores of this name and others

from facebatch import ids
from facebatch.errors import InputError, MediaError, UsageError
from facebatch.media.sources import (
    PHOTO_EXTENSIONS,
    Ignored,
    MediaFile,
    MediaReader,
    Root,
    Unreadable,
    check_roots,
    list_root,
    parse_named_root,
    parse_root,
)

Faults = dict[tuple[str, str], OSError]

NOT_ROOT = pytest.mark.skipif(
    os.geteuid() == 0, reason="root may read everything; the faulty store stands in elsewhere"
)


def put(folder: Path, *paths: str | bytes, content: bytes = b"1") -> None:
    for path in paths:
        file = folder / os.fsdecode(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def listed(root: Root) -> list[str]:
    return sorted(entry.path for entry in list_root(root) if isinstance(entry, MediaFile))


def ignored(root: Root) -> int:
    return sum(entry.files for entry in list_root(root) if isinstance(entry, Ignored))


def unreadable(root: Root) -> list[Unreadable]:
    return [entry for entry in list_root(root) if isinstance(entry, Unreadable)]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    folder = tmp_path / "photos"
    folder.mkdir()
    return Root("photos", str(folder))


def test_photos_are_found_at_any_depth(root: Root) -> None:
    put(Path(root.url), "a.jpg", "x/b.png", "x/y/z/c.TIF")
    assert listed(root) == ["a.jpg", "x/b.png", "x/y/z/c.TIF"]
    assert ignored(root) == 0


def test_every_photo_extension_in_any_case_makes_a_candidate(root: Root) -> None:
    names = [f"a{extension}" for extension in PHOTO_EXTENSIONS]
    names += [f"B{extension.upper()}" for extension in PHOTO_EXTENSIONS]
    put(Path(root.url), *names)
    assert listed(root) == sorted(names)


def test_other_and_hidden_files_are_counted_as_ignored(root: Root) -> None:
    put(Path(root.url), "notes.txt", "jpg", "film.mov", ".hidden.jpg", "x/.jpg")
    put(Path(root.url), ".thumbnails/a.jpg", "kept.jpg")
    assert listed(root) == ["kept.jpg"]
    assert ignored(root) == 6


def test_an_empty_root_has_nothing(root: Root) -> None:
    assert list(list_root(root)) == []


def test_a_second_listing_in_one_process_sees_what_was_added(root: Root) -> None:
    behind = Root("photos", f"remembering://{root.url}")
    put(Path(root.url), "x/a.jpg")
    assert listed(behind) == ["x/a.jpg"]
    put(Path(root.url), "x/b.jpg", "c.jpg")
    assert listed(behind) == ["c.jpg", "x/a.jpg", "x/b.jpg"]


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_a_slash_at_the_end_of_a_root_changes_no_path(root: Root, ending: str) -> None:
    put(Path(root.url), "x/a.jpg")
    assert listed(Root("photos", root.url + ending)) == ["x/a.jpg"]


def test_the_version_is_the_size_and_the_time_in_whole_seconds(root: Root) -> None:
    put(Path(root.url), "a.jpg", content=b"12345")
    os.utime(Path(root.url) / "a.jpg", ns=(0, 1_600_000_000_900_000_000))
    [file] = list_root(root)
    assert isinstance(file, MediaFile)
    assert (file.size, file.marker) == (5, "1600000000")


def test_an_item_keeps_its_id_when_the_root_moves(root: Root, tmp_path: Path) -> None:
    put(Path(root.url), "x/a.jpg")
    [before] = list_root(root)
    moved = Path(root.url).rename(tmp_path / "elsewhere")
    [after] = list_root(Root("photos", str(moved)))
    assert isinstance(before, MediaFile)
    assert isinstance(after, MediaFile)
    assert after.media_id == before.media_id == ids.media_id("photos", "x/a.jpg")
    assert (after.size, after.marker) == (before.size, before.marker)
    assert after.container == before.container


def test_two_roots_give_the_same_path_two_ids(root: Root) -> None:
    put(Path(root.url), "a.jpg")
    found = [next(iter(list_root(Root(name, root.url)))) for name in ("one", "two")]
    assert len({file.media_id for file in found if isinstance(file, MediaFile)}) == 2


def test_names_that_are_not_utf8_are_listed_and_read_by_their_bytes(root: Root) -> None:
    name = b"caf\xe9/\xff\xfe.jpg"
    put(Path(root.url), name, content=b"pixels")
    [file] = list_root(root)
    assert isinstance(file, MediaFile)
    assert os.fsencode(file.path) == name
    assert file.media_id == ids.media_id("photos", os.fsdecode(name))
    assert file.container == b"photos\0caf\xe9"
    assert MediaReader().read(file) == b"pixels"


def test_names_with_signs_that_mean_something_elsewhere_are_listed_and_read(root: Root) -> None:
    names = [
        "a*.jpg",
        "b[1].jpg",
        "c?.jpg",
        "d#e.jpg",
        "f%20.jpg",
        "g::h.jpg",
        "i\nj.jpg",
        "~k.jpg",
    ]
    put(Path(root.url), *(f"[20*]/{name}" for name in names))
    files = [entry for entry in list_root(root) if isinstance(entry, MediaFile)]
    assert sorted(file.path for file in files) == sorted(f"[20*]/{name}" for name in names)
    for file in files:
        assert MediaReader().read(file) == b"1"


def test_links_to_files_are_followed_and_links_to_folders_are_not(
    root: Root, tmp_path: Path
) -> None:
    folder = Path(root.url)
    put(tmp_path, "outside/a.jpg", content=b"12345")
    os.utime(tmp_path / "outside" / "a.jpg", (1_000, 1_000))
    (folder / "link.jpg").symlink_to(tmp_path / "outside" / "a.jpg")
    (folder / "folder.jpg").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    (folder / "broken.jpg").symlink_to(tmp_path / "gone.jpg")
    [file] = [entry for entry in list_root(root) if isinstance(entry, MediaFile)]
    assert (file.path, file.size, file.marker) == ("link.jpg", 5, "1000")
    assert ignored(root) == 3


def test_a_pipe_is_never_opened(root: Root) -> None:
    os.mkfifo(Path(root.url) / "pipe.jpg")
    assert listed(root) == []
    assert ignored(root) == 1


def test_the_collection_inside_a_root_is_left_out(root: Root) -> None:
    put(Path(root.url), "a.jpg", "out/chips/b.jpg", "outing/c.jpg")
    excluding = Root("photos", root.url, exclude=f"{root.url}/out")
    assert listed(excluding) == ["a.jpg", "outing/c.jpg"]


def test_an_unreadable_folder_costs_that_folder_only(root: Root, faults: Faults) -> None:
    put(Path(root.url), "a.jpg", "locked/b.jpg", "x/c.jpg")
    faults["ls", "/locked"] = PermissionError(13, "Permission denied")
    behind = Root("photos", f"faulty://{root.url}")
    assert listed(behind) == ["a.jpg", "x/c.jpg"]
    [locked] = unreadable(behind)
    assert (locked.root, locked.path) == ("photos", "locked")
    assert "Permission denied" in locked.message


@NOT_ROOT
def test_a_folder_without_permission_costs_that_folder_only(root: Root) -> None:
    put(Path(root.url), "a.jpg", "locked/b.jpg")
    locked = Path(root.url) / "locked"
    locked.chmod(0)
    try:
        assert listed(root) == ["a.jpg"]
        assert [entry.path for entry in unreadable(root)] == ["locked"]
    finally:
        locked.chmod(0o700)


def test_a_folder_that_vanishes_during_the_walk_costs_that_folder_only(root: Root) -> None:
    put(Path(root.url), "a.jpg", "going/b.jpg", "staying/c.jpg")
    walk = list_root(root)
    entries = [next(walk)]
    shutil.rmtree(Path(root.url) / "going")
    entries += walk
    assert sorted(e.path for e in entries if isinstance(e, MediaFile)) == ["a.jpg", "staying/c.jpg"]
    assert [e.path for e in entries if isinstance(e, Unreadable)] == ["going"]


def test_files_in_a_bucket_are_listed_and_read() -> None:
    store = fsspec.filesystem("memory")
    for path in ("/bucket-1/photos/a.jpg", "/bucket-1/photos/x/b.jpg", "/bucket-1/photos/c.txt"):
        store.pipe_file(path, b"123")
    root = Root("photos", "memory://bucket-1/photos")
    check_roots([root])
    assert listed(root) == ["a.jpg", "x/b.jpg"]
    for file in list_root(root):
        if isinstance(file, MediaFile):
            assert file.size == 3
            assert MediaReader().read(file) == b"123"


class _BucketFileSystem(FaultyFileSystem):
    """Lists as object stores do: with etags, and with a folder's marker object as the folder."""

    protocol = "bucket"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("bucket://"))

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        entries = super().ls(path, detail=True, **options)
        entries = [{**entry, "ETag": f'"{Path(entry["name"]).name}-v1"'} for entry in entries]
        entries.append({"name": f"{path}/", "type": "directory", "size": 0})
        return entries if detail else [entry["name"] for entry in entries]


def test_an_etag_is_the_marker_where_a_store_has_one(root: Root) -> None:
    fsspec.register_implementation("bucket", _BucketFileSystem, clobber=True)
    put(Path(root.url), "x/a.jpg")
    files = [
        e for e in list_root(Root("photos", f"bucket://{root.url}")) if isinstance(e, MediaFile)
    ]
    assert [(file.path, file.marker) for file in files] == [("x/a.jpg", "a.jpg-v1")]


@pytest.mark.timeout(20)
def test_a_store_that_lists_a_folder_inside_itself_is_walked_once(root: Root) -> None:
    fsspec.register_implementation("bucket", _BucketFileSystem, clobber=True)
    put(Path(root.url), "x/y/a.jpg")
    assert listed(Root("photos", f"bucket://{root.url}")) == ["x/y/a.jpg"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/mnt/photos", "photos"),
        ("/mnt/photos/", "photos"),
        ("/mnt/a=b", "a=b"),
        ("s3://bucket/photos/", "photos"),
        ("s3://bucket", "bucket"),
    ],
)
def test_a_root_is_called_after_its_last_folder(url: str, name: str) -> None:
    assert parse_root(url) == Root(name, url)


def test_a_relative_root_is_called_after_the_folder_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_root(".").name == tmp_path.name


@pytest.mark.parametrize("url", ["/", "s3://", "memory://"])
def test_a_root_without_a_name_of_its_own_asks_for_one(url: str) -> None:
    with pytest.raises(UsageError, match="NAME="):
        parse_root(url)


def test_a_root_may_be_named() -> None:
    assert parse_named_root("family=/mnt/photos") == Root("family", "/mnt/photos")
    assert parse_named_root("family=s3://b/x?y=z") == Root("family", "s3://b/x?y=z")


@pytest.mark.parametrize("text", ["family", "family=", "=/mnt", ""])
def test_half_a_named_root_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=URL"):
        parse_named_root(text)


def test_roots_that_can_be_listed_pass(root: Root, tmp_path: Path) -> None:
    check_roots([root, Root("other", str(tmp_path))])


def test_roots_that_cant_be_used_are_refused(root: Root, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong: list[tuple[list[Root], type[UsageError], str]] = [
        ([], UsageError, "no photos given"),
        ([root, root], UsageError, "two roots are called 'photos'"),
        ([Root("x", str(tmp_path / "gone"))], InputError, "gone doesn't exist"),
        ([Root("x", str(tmp_path / "file"))], InputError, "file is not a folder"),
        ([Root("x", "nonsense://x")], InputError, "nonsense"),
    ]
    for roots, error, complaint in wrong:
        with pytest.raises(error, match=complaint):
            check_roots(roots)


def test_a_root_that_may_not_be_listed_is_refused(root: Root, faults: Faults) -> None:
    faults["ls", "/photos"] = PermissionError(13, "Permission denied")
    with pytest.raises(InputError, match=r"can't be read.*Permission denied"):
        check_roots([Root("photos", f"faulty://{root.url}")])


def test_a_root_whose_own_name_is_not_utf8_asks_for_another(tmp_path: Path) -> None:
    folder = str(tmp_path / os.fsdecode(b"caf\xe9"))
    Path(folder).mkdir()
    with pytest.raises(UsageError, match=r"isn't UTF-8.*NAME=URL"):
        check_roots([parse_root(folder)])
    check_roots([Root("café", folder)])


def file_at(root: Root, path: str, scheme: str = "") -> MediaFile:
    return MediaFile(root.name, f"{scheme}{root.url}", path, 1, "1")


def outcome(file: MediaFile) -> tuple[str, str]:
    with pytest.raises(MediaError) as caught:
        MediaReader().read(file)
    return caught.value.reason, caught.value.message


def test_a_file_that_vanished_since_the_listing_says_so(root: Root) -> None:
    assert outcome(file_at(root, "gone.jpg"))[0] == "vanished"
    assert outcome(file_at(root, "gone/folder/a.jpg"))[0] == "vanished"


def test_a_file_that_became_a_folder_is_an_io_error(root: Root) -> None:
    (Path(root.url) / "a.jpg").mkdir()
    assert outcome(file_at(root, "a.jpg"))[0] == "io_error"


@pytest.mark.parametrize("operation", ["open", "read"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(5, "Input/output error"), "io_error"),
        (TimeoutError(110, "Connection timed out"), "io_error"),
        (PermissionError(13, "Permission denied"), "permission"),
        (FileNotFoundError(2, "No such file"), "vanished"),
    ],
)
def test_a_store_that_fails_gives_the_reason_of_its_failure(
    root: Root, faults: Faults, operation: str, error: OSError, reason: str
) -> None:
    put(Path(root.url), "a.jpg")
    faults[operation, "/a.jpg"] = error
    assert outcome(file_at(root, "a.jpg", "faulty://"))[0] == reason


@NOT_ROOT
def test_a_file_without_permission_says_so(root: Root) -> None:
    put(Path(root.url), "a.jpg")
    (Path(root.url) / "a.jpg").chmod(0)
    assert outcome(file_at(root, "a.jpg"))[0] == "permission"


def test_one_reader_serves_several_roots(root: Root, tmp_path: Path) -> None:
    put(Path(root.url), "a.jpg", content=b"one")
    put(tmp_path / "other", "a.jpg", content=b"two")
    reader, other = MediaReader(), Root("other", str(tmp_path / "other"))
    read = [reader.read(file_at(each, "a.jpg")) for each in (root, other, root)]
    assert read == [b"one", b"two", b"one"]
