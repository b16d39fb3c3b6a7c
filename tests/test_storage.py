from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import pytest

from facebatch.errors import CollectionError, InputError
from facebatch.storage import TEMPORARY_MARK, Storage, filesystem

Faults = dict[tuple[str, str], OSError]


@pytest.fixture(params=["local", "file", "memory", "faulty"])
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
