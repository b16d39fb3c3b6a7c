"""Whose a sidecar is, and what a listing says of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest
from support.places import files_of, ignored, write_zip

from facebatch.media.sources.folders import Entry
from facebatch.media.sources.listing import list_root
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import parse_root
from facebatch.media.sources.sidecars import Sidecars


def of(name: str, *beside: str) -> list[str]:
    entries = [Entry(each, False, True) for each in (name, *beside)]
    return [entry.name for entry in Sidecars(entries).of(name)]


@pytest.mark.parametrize(
    ("name", "beside", "theirs"),
    [
        ("a.jpg", ["a.xmp", "a.jpg.xmp"], ["a.jpg.xmp", "a.xmp"]),
        ("a.jpg", ["a.XMP"], ["a.XMP"]),
        ("a.jpg", ["a.xmp", "a.CR2"], []),
        ("a.jpg", ["a.jpg.xmp", "a.xmp", "a.cr2"], ["a.jpg.xmp"]),
        ("a.CR2", ["a.xmp", "a.jpg"], ["a.xmp"]),
        ("a.jpg", ["a.jpg.xmp", "b.cr2", "a.png.xmp"], ["a.jpg.xmp"]),
        ("a.jpg", ["b.xmp", ".a.xmp", "A.xmp", "a.jpg"], []),
        ("a.b.jpg", ["a.b.xmp", "a.xmp"], ["a.b.xmp"]),
    ],
)
def test_a_sidecar_is_that_of_the_photo_it_is_called_after(
    name: str, beside: list[str], theirs: list[str]
) -> None:
    assert of(name, *beside) == theirs


def put(folder: Path) -> None:
    (folder / "2024").mkdir()
    for name in ("a.jpg", "2024/b.cr2", "2024/b.mov", "2024/c.jpg"):
        (folder / name).write_bytes(b"x")
    for name in ("a.jpg.xmp", "2024/b.xmp"):
        (folder / name).write_bytes(b"<x/>")
        os.utime(folder / name, (77, 77))


def test_a_listing_knows_the_version_of_each_photos_sidecar(tmp_path: Path) -> None:
    put(tmp_path)
    root = parse_root(str(tmp_path))
    files = {file.path: file for file in files_of(root)}
    versions = {path: file.sidecar_version for path, file in files.items()}
    expected = {"a.jpg": "a.jpg.xmp:4:77", "2024/b.cr2": "b.xmp:4:77"}
    assert versions == {**expected, "2024/b.mov": None, "2024/c.jpg": None}
    [sidecar] = files["2024/b.cr2"].sidecars
    assert MediaReader().read(sidecar) == b"<x/>"
    assert ignored(root) == 2
    chosen = {file.path: file for file in files_of(parse_root(f"{tmp_path}/2024/*.cr2"))}
    assert [one.sidecar_version for one in chosen.values()] == ["b.xmp:4:77"]


def test_a_sidecar_that_is_excluded_has_no_say(tmp_path: Path) -> None:
    put(tmp_path)
    root = replace(parse_root(str(tmp_path)), excluded=("2024/*.xmp",))
    versions = {file.path: file.sidecar_version for file in files_of(root)}
    assert (versions["2024/b.cr2"], versions["a.jpg"]) == (None, "a.jpg.xmp:4:77")
    named = replace(parse_root(str(tmp_path / "2024/b.cr2")), excluded=("*.xmp",))
    assert [file.sidecars for file in files_of(named)] == [()]


def test_a_file_that_is_named_alone_has_its_sidecar(tmp_path: Path) -> None:
    put(tmp_path)
    [file] = files_of(parse_root(str(tmp_path / "a.jpg")))
    assert file.sidecar_version == "a.jpg.xmp:4:77"


def test_a_folder_in_place_of_a_sidecar_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg.xmp").mkdir()
    (tmp_path / "a.xmp").symlink_to("nowhere")
    assert [file.sidecars for file in files_of(parse_root(str(tmp_path)))] == [()]
    assert list(list_root(parse_root(str(tmp_path))))


def test_sidecars_lie_in_archives_and_buckets_too(tmp_path: Path) -> None:
    packed = write_zip(tmp_path / "p.zip", {"d/a.jpg": b"x", "d/a.xmp": b"<x/>"})
    store = fsspec.filesystem("memory")
    store.pipe({"/sidecars/d/a.jpg": b"x", "/sidecars/d/a.xmp": b"<x/>"})
    for url in (str(packed), "memory://sidecars"):
        [file] = files_of(parse_root(url))
        assert (file.sidecar_version or "").startswith("a.xmp:4:")
        assert MediaReader().read(file.sidecars[0]) == b"<x/>"
