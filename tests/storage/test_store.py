from __future__ import annotations

import os
import pickle
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from fsspec.registry import _registry
from support.places import write_zip

from facebatch.errors import CollectionError, InputError
from facebatch.storage import retry
from facebatch.storage.local import TEMPORARY_MARK
from facebatch.storage.store import Storage, filesystem

Faults = dict[tuple[str, str], OSError]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture(params=["local", "file", "memory", "faulty", "flaky"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A store on each kind of filesystem that writes in a way of its own."""
    place = {"local": f"{tmp_path}", "memory": f"memory:/{tmp_path}"}
    return Storage(place.get(request.param, f"{request.param}://{tmp_path}"))


def test_a_file_reads_as_it_was_written(storage: Storage) -> None:
    storage.write("media/a.parquet", b"one")
    assert storage.read("media/a.parquet") == b"one"
    with storage.open("media/a.parquet") as file:
        assert file.read() == b"one"


def test_writing_again_replaces_the_whole_file(storage: Storage) -> None:
    storage.write("a", b"long content")
    storage.write("a", b"short")
    assert storage.read("a") == b"short"


def _fill(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def test_a_large_file_reads_as_it_was_filled(storage: Storage) -> None:
    for content in (b"longer", b"one"):
        storage.write_large("index/a", partial(_fill, content))
        assert storage.read("index/a") == content
    assert [file.path for file in storage.files("index")] == ["index/a"]


def test_a_large_file_that_is_not_filled_is_not_there(storage: Storage) -> None:
    def fill(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(CollectionError, match=r"index/a can't be written.*No space left"):
        storage.write_large("index/a", fill)
    assert storage.files("index") == []
    storage.write_large("index/a", lambda file: file.write(b"whole"))
    with pytest.raises(CollectionError):
        storage.write_large("index/a", fill)
    assert storage.read("index/a") == b"whole"


def test_a_full_folder_of_temporary_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fill(file: BinaryIO) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(CollectionError) as caught:
        Storage("memory://bucket").write_large("faces.index", fill)
    assert str(caught.value).startswith("memory://bucket/faces.index can't be written by way of")
    assert f"{tmp_path}, the folder of temporary files" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_that_the_store_refuses_is_named(tmp_path: Path, faults: Faults) -> None:
    faults["put", "index/a"] = OSError(28, "No space left on device")
    with pytest.raises(CollectionError, match=r"index/a can't be written.*No space left"):
        Storage(f"faulty://{tmp_path}").write_large("index/a", lambda file: file.write(b"1"))
    with pytest.raises(CollectionError, match="only read"):
        Storage("http://127.0.0.1:9/collection").write_large("a", lambda file: file.write(b"1"))


def test_files_lists_one_folder_by_path_and_no_deeper(storage: Storage) -> None:
    for path in ("index/b.txt", "index/a.txt", "index/deep/c.txt", "d.txt"):
        storage.write(path, b"12345")
    found = storage.files("index")
    assert [(file.path, file.size) for file in found] == [("index/a.txt", 5), ("index/b.txt", 5)]
    assert storage.folders("index") == ["deep"]
    assert storage.folders("") == ["index"]


def test_a_folder_that_is_not_there_has_no_files(storage: Storage) -> None:
    assert storage.files("nowhere") == []
    assert storage.folders("nowhere") == []
    assert not storage.exists("nowhere")


def test_files_written_after_a_listing_are_listed_next_time(storage: Storage) -> None:
    storage.write("media/a", b"")
    assert len(storage.files("media")) == 1
    storage.write("media/b", b"")
    assert len(storage.files("media")) == 2


def test_what_others_write_is_seen_on_a_store_that_remembers_folders(tmp_path: Path) -> None:
    storage = Storage(f"remembering://{tmp_path}")
    (tmp_path / "media").mkdir()
    assert storage.files("media") == []
    assert storage.folders("") == ["media"]
    (tmp_path / "media" / "a").write_bytes(b"1")
    (tmp_path / "index").mkdir()
    assert storage.exists("media/a")
    assert [file.path for file in storage.files("media")] == ["media/a"]
    assert storage.folders("") == ["index", "media"]


def test_a_read_of_what_is_not_there_names_it(storage: Storage) -> None:
    with pytest.raises(CollectionError, match=r"media/nothing\.parquet"):
        storage.read("media/nothing.parquet")


def test_remove_takes_files_and_whole_folders_and_forgives_their_absence(storage: Storage) -> None:
    storage.write("index/one/a", b"")
    storage.write("index/one/b", b"")
    storage.write("index/two/a", b"")
    storage.remove("index/one")
    assert storage.folders("index") == ["two"]
    storage.remove("index/two/a")
    assert storage.files("index/two") == []
    storage.remove("index/one")
    storage.remove("never/was")


def test_a_store_crosses_a_process_by_its_url(storage: Storage) -> None:
    storage.write("a", b"1")
    copy = pickle.loads(pickle.dumps(storage))
    assert copy == storage
    assert copy.read("a") == b"1"


def test_only_the_local_disk_counts_as_local(tmp_path: Path) -> None:
    assert Storage(str(tmp_path)).is_local
    assert Storage(f"file://{tmp_path}").is_local
    assert not Storage("memory://x").is_local


def test_a_local_file_is_written_beside_its_place_and_leaves_nothing(tmp_path: Path) -> None:
    Storage(str(tmp_path)).write("media/a", b"1")
    assert [entry.name for entry in (tmp_path / "media").iterdir()] == ["a"]


def test_a_local_write_that_fails_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "inside").write_text("kept")
    with pytest.raises(CollectionError, match=r"taken can't be written"):
        storage.write("taken", b"a file can't take a folder's place")
    assert (tmp_path / "taken" / "inside").read_text() == "kept"
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_file_that_is_still_being_written_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / f"{TEMPORARY_MARK}12-a.parquet").write_bytes(b"half")
    storage = Storage(str(tmp_path))
    assert storage.files("media") == []
    assert storage.stale_temporaries("media", time.time() - 60) == []


def test_temporaries_are_stale_from_their_age_on(tmp_path: Path) -> None:
    old, young = (tmp_path / f"{TEMPORARY_MARK}{name}" for name in ("old", "young"))
    for file in (old, young, tmp_path / "file-of-the-collection"):
        file.write_bytes(b"")
        os.utime(file, (1_000, 1_000))
    os.utime(young)
    stale = Storage(str(tmp_path)).stale_temporaries("", 2_000)
    assert [path.rpartition("/")[2] for path in stale] == [old.name]


def test_a_store_that_refuses_a_put_is_named(tmp_path: Path, faults: Faults) -> None:
    faults["put", "media/a"] = OSError(28, "No space left on device")
    with pytest.raises(CollectionError, match=r"media/a can't be written.*No space left"):
        Storage(f"faulty://{tmp_path}").write("media/a", b"1")


@pytest.mark.parametrize("operation", ["open", "read"])
def test_a_store_that_fails_to_read_is_named(
    tmp_path: Path,
    faults: Faults,
    operation: str,
) -> None:
    storage = Storage(f"faulty://{tmp_path}")
    storage.write("media/a", b"1")
    faults[operation, "media/a"] = OSError(5, "Input/output error")
    with pytest.raises(CollectionError, match=r"media/a can't be .*Input/output error"):
        storage.read("media/a")


def test_a_folder_that_may_not_be_listed_is_named_and_not_taken_for_empty(
    tmp_path: Path,
    faults: Faults,
) -> None:
    storage = Storage(f"faulty://{tmp_path}")
    storage.write("media/a", b"1")
    faults["ls", "media"] = PermissionError(13, "Permission denied")
    for listing in (storage.files, storage.folders):
        with pytest.raises(CollectionError, match=r"media can't be listed.*Permission denied"):
            listing("media")


def test_an_unknown_filesystem_is_an_input_error() -> None:
    with pytest.raises(InputError, match="nonsense"):
        filesystem("nonsense://bucket/folder")


def test_a_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert filesystem("~/collection")[1] == str(tmp_path / "collection")


def test_a_name_that_looks_like_a_pattern_removes_nothing_else(storage: Storage) -> None:
    for path in ("[ab]/x", "a/x", "b/x", "c*", "cd"):
        storage.write(path, b"")
    storage.remove("[ab]")
    assert storage.folders("") == ["a", "b"]
    storage.remove("c*")
    assert [file.path.strip("/") for file in storage.files("")] == ["cd"]
    storage.remove("c*")


def test_what_is_only_read_refuses_a_write_and_says_so(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"media/a": b"1"})
    for url in (f"zip://::{path}", "http://127.0.0.1:9/collection"):
        with pytest.raises(CollectionError, match=r"only read.*Choose a folder or a bucket"):
            Storage(url).write("a", b"1")
    assert Storage(f"zip://::{path}").read("media/a") == b"1"


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("s3://b/x", "s3fs", "s3"),
        ("gs://b/x", "gcsfs", "gcs"),
        ("abfs://c@a.dfs.core.windows.net/x", "adlfs", "azure"),
        ("zip://::gcs://b/a.zip", "gcsfs", "gcs"),
    ],
)
def test_a_missing_package_says_what_to_install(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("s3", "gs", "gcs", "abfs"):
        monkeypatch.delitem(_registry, name, raising=False)
    with pytest.raises(InputError) as caught:
        filesystem(url)
    assert f"pip install 'facebatch[{extra}]'" in str(caught.value)


def test_credentials_in_a_buckets_url_are_refused_and_not_repeated() -> None:
    for url in (
        "s3://KEY:sec/ret@bucket/x",
        "gs://token@bucket",
        "zip://::s3://KEY:secret@b/a.zip",
    ):
        with pytest.raises(InputError, match="environment") as caught:
            filesystem(url)
        for secret in ("KEY", "ret", "token"):
            assert secret not in str(caught.value).partition(" the URL holds")[0]


def test_a_message_and_a_log_name_no_password(tmp_path: Path) -> None:
    storage = Storage("http://user:word@127.0.0.1:9/collection")
    assert "word" not in repr(storage)
    for use in (storage.read, storage.files):
        with pytest.raises(CollectionError) as caught:
            use("media")
        assert "http://127.0.0.1:9/collection/media" in str(caught.value)
        assert "word" not in str(caught.value)


def test_a_local_path_may_hold_what_means_something_in_urls(tmp_path: Path) -> None:
    for name in ("a::b", "s3:", "zip:/x::y"):
        storage = Storage(f"{tmp_path}/{name}")
        storage.write("a", b"1")
        assert (tmp_path / name / "a").read_bytes() == b"1"
    inside = Storage(f"file://{tmp_path}/a::b")
    assert inside.read("a") == b"1"


def test_a_folder_that_is_called_like_a_url_is_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    Storage("s3://bucket").write("a", b"1")
    assert (tmp_path / "s3:" / "bucket" / "a").read_bytes() == b"1"
