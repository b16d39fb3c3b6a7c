"""The whole run as a user starts it, on photos and a collection in buckets, and on an archive."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from support.albums import Album
from support.buckets import s3_server, upload
from support.equality import assert_equal_clusters, assert_equal_extractions
from support.program import facebatch

from facebatch.collection import Collection


@pytest.fixture(scope="module")
def server() -> Iterator[s3fs.S3FileSystem]:
    with s3_server() as store:
        store.mkdir("archive")
        yield store


@pytest.mark.timeout(300)
def test_a_run_from_a_bucket_into_a_bucket_gives_what_a_local_run_gives(
    undisturbed: Collection, album: Album, server: s3fs.S3FileSystem
) -> None:
    upload(server, album.folder, f"archive/{album.folder.name}")
    photos, url = f"s3://archive/{album.folder.name}", "s3://archive/collection"
    done = facebatch("run", photos, "--output", url, "--workers", "1", "--json")
    assert done.returncode == 0, done.stderr
    collection = Collection.open(url)
    assert_equal_extractions(collection, undisturbed, same_store=False)
    assert_equal_clusters(collection, undisturbed)
    assert "<html" in collection.storage.read("report.html").decode()
    assert collection.storage.files("attempts") == []
    again = facebatch("extract", photos, "--output", url, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["plan"]["to_extract"] == 0


def test_an_archive_of_an_album_gives_the_faces_of_the_album(
    undisturbed: Collection, album: Album, tmp_path: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "album"), "zip", album.folder)
    url = str(tmp_path / "collection")
    named = ("--root", f"{album.folder.name}={archive}")
    done = facebatch("extract", *named, "--output", url)
    assert done.returncode == 0, done.stderr
    assert_equal_extractions(Collection.open(url), undisturbed, same_store=False)
