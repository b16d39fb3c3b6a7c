"""Roots and collections on object stores: a real S3 server, and one that fails every tenth call."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import s3fs
from support import rows
from support.buckets import s3_server, upload
from support.faulty import FlakyFileSystem
from support.places import files_of, listed, put, unreadable, web_server, write_tar, write_zip

from facebatch.collection import Collection, Generation, IndexManifest, generation_name
from facebatch.config import ExtractSettings
from facebatch.errors import InputError, MediaError, UsageError
from facebatch.identify import Gallery
from facebatch.media.sources.listing import MediaFile, check_roots
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import Root, parse_root, parse_roots
from facebatch.storage import retry
from facebatch.storage.store import Storage, filesystem


@pytest.fixture(scope="module")
def server() -> Iterator[s3fs.S3FileSystem]:
    with s3_server() as store:
        store.mkdir("bucket")
        yield store


@pytest.fixture
def bucket(server: s3fs.S3FileSystem) -> str:
    """A place in a bucket for one test alone, without its scheme."""
    return f"bucket/{secrets.token_hex(4)}"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)


def test_a_bucket_is_listed_by_its_etags_and_read(
    server: s3fs.S3FileSystem, bucket: str, tmp_path: Path
) -> None:
    put(tmp_path, "a.jpg", "x/b [1]*.jpg", "x/notes.txt", "x/.hidden/c.jpg", content=b"pixels")
    upload(server, tmp_path, bucket)
    server.touch(f"{bucket}/x/", truncate=True)  # as consoles mark a folder
    root = parse_root(f"s3://{bucket}")
    check_roots([root])
    files = files_of(root)
    assert [file.path for file in files] == ["a.jpg", "x/b [1]*.jpg"]
    # The etag of an object that was put at once is the MD5 of its bytes.
    assert {file.marker for file in files} == {hashlib.md5(b"pixels").hexdigest()}
    reader = MediaReader()
    for file in files:
        assert reader.read(file, max_bytes=6) == b"pixels"
        with pytest.raises(MediaError, match="5 are allowed"):
            reader.read(MediaFile(file.root, file.url, file.path, 1, ""), max_bytes=5)
        with reader.open(file) as opened:
            opened.seek(-3, os.SEEK_END)
            assert opened.read() == b"els"


def test_globs_files_lists_and_archives_work_in_a_bucket(
    server: s3fs.S3FileSystem, bucket: str, tmp_path: Path
) -> None:
    put(tmp_path, "2019/a.jpg", "2019-05/b.jpg", "2020/c.jpg")
    write_zip(tmp_path / "old.zip", {"d.jpg": b"zipped"})
    write_tar(tmp_path / "old.tgz", {"e.jpg": b"tarred"})
    (tmp_path / "list.txt").write_text("2019/a.jpg\n2020\n")
    upload(server, tmp_path, bucket)
    url = f"s3://{bucket}"
    assert listed(parse_root(f"{url}/2019*/*.jpg")) == ["2019-05/b.jpg", "2019/a.jpg"]
    assert listed(parse_root(f"{url}/2020/c.jpg")) == ["c.jpg"]
    [root] = parse_roots([f"@{url}/list.txt"])
    assert listed(root) == ["2019/a.jpg", "2020/c.jpg"]
    for name, data in (("old.zip", b"zipped"), ("old.tgz", b"tarred")):
        [file] = files_of(parse_root(f"{url}/{name}"))
        assert MediaReader().read(file) == data


def test_what_isnt_in_a_bucket_is_named(server: s3fs.S3FileSystem, bucket: str) -> None:
    for url in (f"s3://{bucket}/gone", "s3://no-such-bucket", f"s3://{bucket}/gone.jpg"):
        with pytest.raises(InputError, match="doesn't exist"):
            check_roots([parse_root(url)])
    with pytest.raises(MediaError) as caught:
        MediaReader().read(MediaFile("x", f"s3://{bucket}", "gone.jpg", 1, ""))
    assert caught.value.reason == "vanished"


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL"])
def test_the_server_and_the_credentials_are_the_environments(
    server: s3fs.S3FileSystem, bucket: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    from fsspec.config import conf, set_conf_env

    server.pipe_file(f"{bucket}/a.jpg", b"1")
    address = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(variable, address)
    s3fs.S3FileSystem.clear_instance_cache()
    kept = dict(conf)
    try:
        set_conf_env(conf)  # fsspec does so when a process imports it
        assert listed(parse_root(f"s3://{bucket}")) == ["a.jpg"]
        assert "key-of-tests" not in repr(Storage(f"s3://{bucket}"))
    finally:
        conf.clear()
        conf.update(kept)
        s3fs.S3FileSystem.clear_instance_cache()


def shard(number: int) -> tuple[str, object, object]:
    path = f"{number}.jpg"
    return (
        f"{number:032x}",
        rows.media(rows.media_row(path, of=number, faces=1)),
        rows.faces([(path, number, 0)]),
    )


@pytest.fixture(params=["s3", "flaky"])
def collection(request: pytest.FixtureRequest, bucket: str, tmp_path: Path) -> Collection:
    url = f"s3://{bucket}/collection" if request.param == "s3" else f"flaky://{tmp_path}/collection"
    return Collection.create(url, ExtractSettings())


def test_what_is_committed_to_a_store_is_read_again(collection: Collection) -> None:
    for number in range(12):
        name, media, faces = shard(number)
        collection.commit_shard(name, media, faces)  # type: ignore[arg-type]
        assert collection.is_committed(name)
    snapshot = Collection.open(collection.storage.url).snapshot()
    assert len(snapshot.shards) == len(snapshot.media) == len(snapshot.face_ids) == 12


def test_generations_on_a_store_are_finished_and_dropped(collection: Collection) -> None:
    made = None
    for number in range(5):
        made = Generation(generation_name(made), IndexManifest(faces=number))
        collection.storage.write(f"{made.folder}/data", b"1")
        collection.finish(made)
    kept = collection.generations("index")
    assert [generation.manifest.faces for generation in kept] == [2, 3, 4]
    assert len(collection.storage.folders("index")) == 3


def test_a_sweep_of_a_store_removes_what_no_reader_sees(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, media, faces = shard(1)
    collection.commit_shard(name, media, faces)  # type: ignore[arg-type]
    collection.storage.write("faces/orphan.parquet", b"1")
    assert collection.sweep() == []
    monkeypatch.setattr("facebatch.collection.collection.ORPHANS_KEPT", timedelta(days=-1))
    assert collection.sweep() == ["faces/orphan.parquet"]
    assert collection.is_committed(name)


def test_a_root_that_fails_every_tenth_call_is_listed_and_read_whole(tmp_path: Path) -> None:
    names = [f"{folder}/{number}.jpg" for folder in range(10) for number in range(10)]
    put(tmp_path, *names, content=b"pixels")
    root = Root("photos", f"flaky://{tmp_path}")
    before = FlakyFileSystem.calls
    check_roots([root])
    assert unreadable(root) == []
    files = files_of(root)
    assert sorted(file.path for file in files) == sorted(names)
    reader = MediaReader()
    for file in files:
        assert reader.read(file, max_bytes=100) == b"pixels"
        with reader.open(file) as opened:
            assert opened.read() == b"pixels"
    assert FlakyFileSystem.calls - before > 400


def test_patterns_in_a_buckets_names_remove_nothing_else(
    server: s3fs.S3FileSystem, bucket: str
) -> None:
    storage = Storage(f"s3://{bucket}")
    for path in ("[ab]/x", "a/x", "b/x"):
        storage.write(path, b"1")
    storage.remove("[ab]")
    assert storage.folders("") == ["a", "b"]
    assert filesystem(storage.url)[1] == bucket


@pytest.mark.parametrize("opening", [Collection.open, Gallery.open])
def test_what_cant_be_opened_is_named_without_its_password(
    opening: Callable[[str], object], tmp_path: Path
) -> None:
    with web_server(tmp_path) as address:
        url = f"{address.replace('http://', 'http://user:word@')}/collection?token=word"
        with pytest.raises(UsageError) as caught:
            opening(url)
    assert f"{address}/collection" in str(caught.value)
    assert "word" not in str(caught.value)
