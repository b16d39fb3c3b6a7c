from __future__ import annotations

import io
import pickle
import sys
import unicodedata
from pathlib import Path

import pytest
from support.places import listed, put, write_zip

from facebatch.errors import InputError, UsageError
from facebatch.media.sources.roots import (
    Root,
    check_reachable,
    parse_root,
    parse_roots,
)


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
    assert parse_root(url) == Root(name, url.rstrip("/") if url.startswith("/") else url)


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
    assert parse_roots([], ["family=/mnt/photos"]) == [Root("family", "/mnt/photos")]
    assert parse_roots([], ["family=s3://b/x?y=z"]) == [Root("family", "s3://b/x?y=z")]


@pytest.mark.parametrize("text", ["family", "family=", "=/mnt", ""])
def test_half_a_named_root_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=URL"):
        parse_roots([], [text])


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photos, in the folder that the program is started in."""
    put(tmp_path / "photos", "a.jpg", "b.jpg", "2019/c.jpg", "2020/x/d.mp4", "2020/[1].jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def test_a_single_file_belongs_to_its_folder(photos: Path) -> None:
    assert parse_root("photos/a.jpg") == Root("photos", str(photos), files=("a.jpg",))
    assert parse_root("s3://bucket/x/a.jpg") == Root("x", "s3://bucket/x", files=("a.jpg",))
    assert parse_root("photos/2020/[1].jpg").files == ("[1].jpg",)


def test_a_glob_belongs_to_its_fixed_part(photos: Path) -> None:
    for text in ("photos/20*/**/*.jpg", f"{photos}/20*/**/*.jpg"):
        assert parse_root(text) == Root("photos", str(photos), patterns=("20*/**/*.jpg",))
    bucket = Root("photos", "s3://b/photos", patterns=("20[12]*/*.jpg",))
    assert parse_root("s3://b/photos/20[12]*/*.jpg") == bucket


def test_only_a_whole_root_is_whole(photos: Path) -> None:
    assert parse_root("photos").is_whole
    for text in ("photos/a.jpg", "photos/*", "photos/./2019"):
        assert not parse_root(text).is_whole


def test_files_that_a_shell_expanded_are_one_root(photos: Path) -> None:
    [root] = parse_roots(["photos/a.jpg", "photos/b.jpg", "photos/a.jpg"])
    assert root == Root("photos", str(photos), files=("a.jpg", "b.jpg"))
    assert listed(root) == ["a.jpg", "b.jpg"]
    assert parse_roots(["photos/a.jpg", "photos", "photos/*.jpg"]) == [Root("photos", str(photos))]


def test_a_mark_ends_the_root(photos: Path) -> None:
    assert parse_root("photos/./2019/c.jpg") == Root("photos", str(photos), files=("2019/c.jpg",))
    assert parse_root("photos/./20*/*.jpg") == Root("photos", str(photos), patterns=("20*/*.jpg",))
    assert parse_root("photos/./") == Root("photos", str(photos))
    with pytest.raises(UsageError, match="leads out of the root"):
        parse_root("photos/./../other")


def test_a_named_root_may_be_a_selection(photos: Path) -> None:
    (named,) = parse_roots([], ["family=photos/20*/*.jpg"])
    assert named == Root("family", str(photos), patterns=("20*/*.jpg",))


def test_relative_entries_of_a_list_belong_to_the_lists_folder(photos: Path) -> None:
    text = "# chosen\n\n2019/c.jpg\r\n./2020\n2020/[1].jpg\n"
    (photos / "list.txt").write_text(text)
    [root] = parse_roots(["@photos/list.txt"])
    assert root == Root("photos", str(photos), files=("2019/c.jpg", "2020", "2020/[1].jpg"))
    assert listed(root) == ["2019/c.jpg", "2020/[1].jpg", "2020/x/d.mp4"]


def test_absolute_entries_of_a_list_belong_to_their_common_folder(photos: Path) -> None:
    lines = [f"{photos}/2019/c.jpg", f"{photos}/2020", "s3://b/x/1.jpg", "s3://b/x/y/2.jpg"]
    Path("list.txt").write_text("\n".join(lines))
    assert parse_roots(["@list.txt"]) == [
        Root("photos", str(photos), files=("2019/c.jpg", "2020")),
        Root("x", "s3://b/x", files=("1.jpg", "y/2.jpg")),
    ]


def test_a_mark_in_a_list_ends_the_root(photos: Path) -> None:
    Path("list.txt").write_text(f"{photos}/./2019/c.jpg\n{photos}/./a.jpg\n")
    [root] = parse_roots(["@list.txt"])
    assert root == Root("photos", str(photos), files=("2019/c.jpg", "a.jpg"))


def test_entries_above_a_lists_folder_are_taken_as_absolute(photos: Path) -> None:
    put(photos.parent, "lists/list.txt", content=b"../photos/a.jpg\n../photos/2019/c.jpg\n")
    [root] = parse_roots(["@lists/list.txt"])
    assert root == Root("photos", str(photos), files=("a.jpg", "2019/c.jpg"))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_list_may_write_accents_in_another_form_than_the_disk(form: str, tmp_path: Path) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    put(tmp_path, unicodedata.normalize(form, "Zoë/a.jpg"), content=b"")
    (tmp_path / "list.txt").write_text(unicodedata.normalize(other, "Zoë/a.jpg"))
    [root] = parse_roots([f"@{tmp_path}/list.txt"])
    assert listed(root) == [unicodedata.normalize(form, "Zoë/a.jpg")]


def test_a_list_may_come_from_standard_input(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.TextIOWrapper(io.BytesIO(b"photos/caf\xe9.jpg\nphotos/a.jpg\n"))
    monkeypatch.setattr(sys, "stdin", given)
    [root] = parse_roots(["@-"])
    assert root.url == str(photos.parent)
    assert root.files == ("photos/caf\udce9.jpg", "photos/a.jpg")


def test_a_list_that_isnt_there_or_is_no_list_is_refused(photos: Path) -> None:
    Path("binary").write_bytes(b"a\0b")
    for text in ("@gone.txt", "@binary", "@photos"):
        with pytest.raises(InputError, match="list"):
            parse_roots([text])


def test_a_file_whose_name_begins_with_an_at_is_itself(photos: Path) -> None:
    put(photos, "@a.jpg")
    assert parse_root("photos/@a.jpg").files == ("@a.jpg",)


def test_a_list_of_several_roots_cant_have_one_name(photos: Path) -> None:
    Path("list.txt").write_text("/x/a.jpg\ns3://b/a.jpg\n")
    with pytest.raises(UsageError, match="several roots"):
        parse_roots([], ["family=@list.txt"])


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("album.zip", "zip://::{}/album.zip"),
        ("zip://::file://{}/album.zip", "zip://::{}/album.zip"),
        ("s3://b/album.tar.gz", "tar://::s3://b/album.tar.gz"),
        ("https://host/ALBUM.ZIP?sig=x", "zip://::https://host/ALBUM.ZIP?sig=x"),
    ],
)
def test_an_archive_is_a_root_of_its_own(photos: Path, text: str, url: str) -> None:
    write_zip(Path("album.zip"), {"a.jpg": b"1"})
    root = parse_root(text.format(photos.parent))
    assert root.url == url.format(photos.parent)
    assert root.is_whole
    assert root.name in ("album.zip", "album.tar.gz", "ALBUM.ZIP")
    assert "sig" not in repr(root)


def test_a_folder_that_is_called_like_an_archive_is_a_folder(photos: Path) -> None:
    put(photos, "old.zip/a.jpg")
    assert parse_root("photos/old.zip") == Root("old.zip", f"{photos}/old.zip")


def test_a_path_may_hold_colons_that_mean_something_in_urls(photos: Path) -> None:
    put(photos, "a::b/c.jpg")
    root = parse_root("photos/a::b")
    assert root == Root("a::b", f"{photos}/a::b")
    assert listed(root) == ["c.jpg"]


def test_a_query_goes_with_its_file_and_not_with_its_root() -> None:
    root = parse_root("https://user:word@host/x/a.jpg?X-Amz-Signature=1")
    assert (root.name, root.files) == ("x", ("a.jpg?X-Amz-Signature=1",))
    assert root.url == "https://user:word@host/x"
    assert "word" not in repr(root)
    with pytest.raises(UsageError, match="only a file's address"):
        parse_root("https://host/x?X-Amz-Signature=1")


def test_a_web_server_is_called_by_its_host_and_never_by_a_password() -> None:
    assert parse_root("https://user:word@host").name == "host"


def test_what_lies_in_one_processs_memory_is_refused() -> None:
    folder, memory = Root("a", "/photos"), Root("b", "memory://photos")
    inside = Root("c", "zip://::memory://a.zip")
    check_reachable([folder], "/collection")
    for roots, url in (([memory], "/c"), ([folder], "memory://c"), ([inside], "/c")):
        with pytest.raises(UsageError, match="direct_running_mode"):
            check_reachable(roots, url)


def test_a_root_crosses_a_process(photos: Path) -> None:
    root = parse_root("photos/20*/*.jpg")
    assert pickle.loads(pickle.dumps(root)) == root


def test_a_glob_of_archives_means_each_of_them(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    found = parse_roots([f"{tmp_path}/*.zip"])
    assert [root.name for root in found] == ["a.zip", "b.zip"]
    assert all(root.is_whole for root in found)
    with pytest.raises(InputError, match="matches no archive"):
        parse_roots([f"{tmp_path}/*.tar"])
    with pytest.raises(UsageError, match="name each archive"):
        parse_roots(["s3://bucket/*.zip"])
