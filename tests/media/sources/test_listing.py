from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import fsspec
import pytest
from support.faulty import FaultyFileSystem  # registers the stores of this name and others
from support.places import (
    files_of,
    ignored,
    listed,
    put,
    unreadable,
    web_server,
    write_tar,
    write_zip,
)

from facebatch import ids
from facebatch.errors import InputError, UsageError
from facebatch.media.kinds import PHOTO_EXTENSIONS, VIDEO_EXTENSIONS
from facebatch.media.sources import archives
from facebatch.media.sources.listing import (
    MediaFile,
    Unreadable,
    check_roots,
    list_root,
)
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import Root, parse_root

Faults = dict[tuple[str, str], OSError]

NOT_ROOT = pytest.mark.skipif(
    os.geteuid() == 0, reason="root may read everything; the faulty store stands in elsewhere"
)


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
    put(Path(root.url), "notes.txt", "jpg", "film.srt", ".hidden.jpg", "x/.jpg")
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


def test_videos_are_candidates_and_say_so(root: Root) -> None:
    put(Path(root.url), *(f"a{extension}" for extension in VIDEO_EXTENSIONS), "b.jpg")
    assert sum(file.is_video for file in files_of(root)) == len(VIDEO_EXTENSIONS)
    assert not files_of(root)[-1].is_video


def test_files_of_one_folder_come_together_and_by_name(root: Root) -> None:
    put(Path(root.url), "b.jpg", "a/2.jpg", "a/1.jpg", "a/x/3.jpg", "c/1.jpg", "a.jpg")
    paths = [file.path for file in files_of(root)]
    assert paths == ["a.jpg", "b.jpg", "a/1.jpg", "a/2.jpg", "a/x/3.jpg", "c/1.jpg"]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("*.jpg", ["a.jpg"]),
        ("2019*/*.jpg", ["2019/b.jpg", "2019-05/c.jpg"]),
        ("2019*/**/*.jpg", ["2019/b.jpg", "2019-05/c.jpg", "2019/x/y/d.jpg"]),
        ("**/*.jpg", ["a.jpg", "2019/b.jpg", "2019-05/c.jpg", "2019/x/y/d.jpg", "2020/e.jpg"]),
        ("**/y/*", ["2019/x/y/d.jpg"]),
        ("20[12]9", ["2019/b.jpg", "2019/g.png", "2019/x/y/d.jpg"]),
        ("**/?.png", ["2019/g.png"]),
        ("**/**/d.*", ["2019/x/y/d.jpg"]),
        ("nothing*", []),
    ],
)
def test_a_glob_selects_files_and_whole_folders(root: Root, pattern: str, paths: list[str]) -> None:
    put(Path(root.url), "a.jpg", "2019/b.jpg", "2019-05/c.jpg", "2019/x/y/d.jpg", "2020/e.jpg")
    put(Path(root.url), "2019/g.png", "2019/notes.txt")
    assert listed(Root("photos", root.url, patterns=(pattern,))) == sorted(paths)
    store = Root("photos", f"remembering://{root.url}", patterns=(pattern,))
    assert listed(store) == sorted(paths)


def test_a_glob_never_opens_folders_that_it_cant_mean(root: Root, faults: Faults) -> None:
    put(Path(root.url), "2019/a.jpg", "2020/b.jpg")
    faults["ls", "/2020"] = PermissionError(13, "Permission denied")
    narrow = Root("photos", f"faulty://{root.url}", patterns=("2019/*.jpg",))
    assert listed(narrow) == ["2019/a.jpg"]
    assert unreadable(narrow) == []


def test_named_files_and_folders_are_listed_once_and_missing_ones_are_reported(root: Root) -> None:
    put(Path(root.url), "a.jpg", "x/b.jpg", "x/c.jpg", "y/d.jpg", "notes.txt")
    chosen = Root(
        "photos",
        root.url,
        files=("x/b.jpg", "x", "a.jpg", "gone.jpg", "notes.txt"),
        patterns=("*.jpg",),
    )
    assert listed(chosen) == ["a.jpg", "x/b.jpg", "x/c.jpg"]
    assert [entry.path for entry in unreadable(chosen)] == ["gone.jpg"]
    assert ignored(chosen) == 1


def test_an_item_has_one_id_however_it_was_selected(root: Root) -> None:
    put(Path(root.url), "x/a.jpg", "x/b.jpg")
    whole = next(file for file in files_of(root) if file.path == "x/a.jpg")
    for chosen in (
        Root("photos", root.url, files=("x/a.jpg",)),
        Root("photos", root.url, patterns=("**/a.*",)),
    ):
        assert files_of(chosen) == [whole]


def test_a_zip_is_a_root_whose_markers_are_its_checksums(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "album.zip", {"a.jpg": b"one", "x/b.jpg": b"22", "x/notes": b""})
    root = parse_root(str(path))
    check_roots([root])
    assert root.name == "album.zip"
    assert [(file.path, file.size, file.marker) for file in files_of(root)] == [
        ("a.jpg", 3, f"{zlib.crc32(b'one'):08x}"),
        ("x/b.jpg", 2, f"{zlib.crc32(b'22'):08x}"),
    ]
    os.utime(path, (1, 1))
    assert files_of(root)[0].marker == f"{zlib.crc32(b'one'):08x}"
    assert ignored(root) == 1


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_a_tar_is_a_root_whose_markers_are_its_members_times(tmp_path: Path, name: str) -> None:
    root = parse_root(str(write_tar(tmp_path / name, {"./x/a.jpg": b"12345", "b.jpg": b"1"})))
    check_roots([root])
    found = [(file.path, file.size, file.marker) for file in files_of(root)]
    assert found == [("b.jpg", 1, "1000"), ("x/a.jpg", 5, "1000")]


def test_a_folder_inside_an_archive_is_a_root_of_its_own(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "album.zip", {"a.jpg": b"1", "x/b.jpg": b"1", "x/y/c.jpg": b"1"})
    root = parse_root(f"zip://x::{path}")
    assert (root.name, listed(root)) == ("x", ["b.jpg", "y/c.jpg"])
    glob = parse_root(f"zip://**/c.*::file://{path}")
    assert listed(glob) == ["x/y/c.jpg"]


UNSAFE = ["../a.jpg", "x/../../a.jpg", "/etc/a.jpg", "C:/a.jpg", "c:a.jpg", "x\\..\\a.jpg", "x/.."]


@pytest.mark.parametrize("name", UNSAFE)
def test_a_member_whose_name_leads_elsewhere_is_ignored_and_counted(
    tmp_path: Path, name: str
) -> None:
    members = {name: b"1", "kept.jpg": b"1"}
    for path in (write_zip(tmp_path / "a.zip", members), write_tar(tmp_path / "a.tar", members)):
        root = parse_root(str(path))
        assert listed(root) == ["kept.jpg"]
        assert ignored(root) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tar", "a.zip"]


def test_links_and_devices_in_archives_are_ignored(tmp_path: Path) -> None:
    put(tmp_path, "secret.jpg")
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
        for name, kind in zip(("a.jpg", "b.jpg", "c.jpg", "d.jpg"), kinds, strict=True):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, str(tmp_path / "secret.jpg")
            packed.addfile(link)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed_zip:
        info = zipfile.ZipInfo("sym.jpg")
        info.external_attr = 0o120777 << 16
        packed_zip.writestr(info, str(tmp_path / "secret.jpg"))
    for name, links in (("a.tar", 4), ("a.zip", 1)):
        root = parse_root(str(tmp_path / name))
        assert (listed(root), ignored(root)) == ([], links)


def test_an_archive_inside_an_archive_is_ignored(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"a.jpg": b"1"}).read_bytes()
    root = parse_root(str(write_zip(tmp_path / "outer.zip", {"inner.zip": inner, "b.jpg": b"1"})))
    assert (listed(root), ignored(root)) == (["b.jpg"], 1)


def test_what_is_no_archive_is_refused_and_one_that_broke_since_is_reported(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"no archive at all" * 100)
        root = parse_root(str(tmp_path / name))
        with pytest.raises(InputError, match=r"can't be read"):
            check_roots([root])
        assert [entry.path for entry in unreadable(root)] == [""]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_a_tar_that_was_cut_off_gives_what_is_there_and_says_so(tmp_path: Path, name: str) -> None:
    members = {f"{number}.jpg": os.urandom(50_000) for number in range(10)}
    path = write_tar(tmp_path / name, members)
    path.write_bytes(path.read_bytes()[:260_000])
    root = parse_root(str(path))
    found = listed(root)
    assert "0.jpg" in found
    assert "9.jpg" not in found
    assert [entry.path for entry in unreadable(root)] == [""]


def test_a_compressed_tar_that_grows_like_a_bomb_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "EXPANSION_FREE", 1_000_000)
    root = parse_root(str(write_tar(tmp_path / "a.tar.gz", {"a.jpg": bytes(20_000_000)})))
    assert any("grows to more than" in entry.message for entry in unreadable(root))


def test_an_index_page_of_a_web_server_is_listed_with_sizes_and_times(tmp_path: Path) -> None:
    put(tmp_path, "photos/a.jpg", "photos/x y/b.jpg", "photos/notes.txt", content=b"123")
    os.utime(tmp_path / "photos" / "a.jpg", (1_000_000_000, 1_000_000_000))
    with web_server(tmp_path) as address:
        root = parse_root(f"{address}/photos")
        check_roots([root])
        files = files_of(root)
        assert [file.path for file in files] == ["a.jpg", "x%20y/b.jpg"]
        assert (files[0].size, files[0].marker) == (3, "1000000000")
        assert ignored(root) == 1
        [single] = files_of(parse_root(f"{address}/photos/a.jpg"))
        assert single == files[0]


def test_a_web_server_that_refuses_or_isnt_there_is_an_input_error(tmp_path: Path) -> None:
    with web_server(tmp_path) as address:
        with pytest.raises(InputError, match="doesn't exist"):
            check_roots([parse_root(f"{address}/gone")])
        with pytest.raises(InputError, match="can't be read"):
            check_roots([parse_root(f"{address}/forbidden.jpg")])
    with pytest.raises(InputError, match="can't be read"):
        check_roots([parse_root(f"{address}/photos")])


def test_a_file_that_was_named_and_isnt_there_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(InputError, match=r"gone\.jpg doesn't exist"):
        check_roots([parse_root(str(tmp_path / "gone.jpg"))])
    check_roots([Root("x", str(tmp_path), files=("gone.jpg", "a.jpg"))])
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"notes\.txt is no photo or video"):
        check_roots([parse_root(str(tmp_path / "notes.txt"))])
    with pytest.raises(InputError, match="nor is there any among 1 more"):
        check_roots([Root("x", str(tmp_path), files=("gone.jpg", "gone.png"))])
