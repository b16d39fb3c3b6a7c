from __future__ import annotations

import itertools
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import rows
from support.histories import Archive, face_rows, media_id, says

from facebatch import tables
from facebatch.collection import STAGES, Collection, maintenance
from facebatch.collection.maintenance import compact, prune
from facebatch.config import ExtractSettings
from facebatch.errors import UsageError


@pytest.fixture
def archive() -> Archive:
    return Archive(rows.memory_collection())


@pytest.fixture
def copied(undisturbed: Collection, tmp_path: Path) -> Collection:
    """A copy of a real collection, extracted by two workers."""
    return Collection.open(str(shutil.copytree(undisturbed.storage.url, tmp_path / "copy")))


def test_small_shards_become_one_that_says_the_same(copied: Collection) -> None:
    before = copied.snapshot()
    assert len(before.shards) > 1
    said, made = says(before), [copied.generations(stage) for stage in STAGES]
    done = compact(copied)
    after = copied.snapshot()
    assert (done.shards_before, done.shards_after, done.written) == (len(before.shards), 1, 1)
    stored = sum(
        len(tables.read(copied.storage, f"faces/{shard}.parquet", "faces", ["face_id"]))
        for shard in before.shards
    )
    assert done.media_dropped == 0
    assert done.faces_dropped == stored - len(before.face_ids), "those that were extracted twice"
    assert done.bytes_after is not None
    assert done.bytes_after < done.bytes_before
    assert after.faces_hash == before.faces_hash
    assert all(new.equals(old) for new, old in zip(says(after), said, strict=True))
    assert [copied.generations(stage) for stage in STAGES] == made


def test_a_second_compaction_finds_nothing_to_do(archive: Archive) -> None:
    archive.commit({"a": 2, "b": 1})
    archive.commit({"c": 1})
    archive.commit({"v": 2}, gone=["a"])
    assert compact(archive.collection).written == 1
    shards = archive.check().shards
    again = compact(archive.collection)
    assert (again.written, again.shards_after) == (0, 1)
    assert archive.check().shards == shards


def test_a_dry_run_says_what_would_come_of_it_and_writes_nothing(archive: Archive) -> None:
    archive.commit({"a": 2})
    archive.commit({"a": 1})
    shards = archive.check().shards
    said = compact(archive.collection, dry_run=True)
    assert archive.check().shards == shards
    done = compact(archive.collection)
    assert (said.shards_before, said.shards_after) == (done.shards_before, done.shards_after)
    assert (said.media_dropped, said.faces_dropped) == (done.media_dropped, done.faces_dropped)
    assert (said.written, said.bytes_after, said.dry_run) == (0, None, True)


def test_a_large_shard_is_left_alone_until_much_of_it_is_dead(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "TARGET_ITEMS", 4)
    archive.commit({"a": 1, "b": 1, "v": 2})
    assert compact(archive.collection).written == 0
    archive.commit({"c": 3, "w": 3})
    assert compact(archive.collection).written == 0
    archive.commit({"a": 3, "v": 3})
    done = compact(archive.collection)
    assert (done.written, done.media_dropped) == (1, 2)
    archive.check()


def test_merged_shards_hold_no_more_than_they_may(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "TARGET_FACES", 3)
    monkeypatch.setattr(maintenance, "TARGET_ITEMS", 100)
    for path, of in (("a", 1), ("b", 2), ("v", 1), ("w", 2)):
        archive.commit({path: of})
    done = compact(archive.collection)
    snapshot = archive.check()
    assert (done.shards_before, len(snapshot.shards)) == (4, done.shards_after)
    for shard in snapshot.shards:
        assert len(tables.read(snapshot.storage, f"faces/{shard}.parquet", "faces")) <= 3


def test_faces_that_lost_their_item_today_are_left_to_the_runs_of_today(archive: Archive) -> None:
    archive.commit({"a": 2})
    media = rows.media_row("a", "ok", 1, faces=1)
    row = tables.from_rows("media", [{**media, "media_id": media_id("a")}])
    archive.collection.commit_shard("now", row, face_rows([("a", 1, 0)]))
    archive.items["a"] = (1, False)
    assert compact(archive.collection).faces_dropped == 0
    archive.items["b"] = (2, False)
    copy = {**rows.media_row("b", "duplicate", 2, faces=2), "media_id": media_id("b")}
    archive.collection.commit_shard("copy", tables.from_rows("media", [copy]), face_rows([]))
    archive.check()


def test_an_empty_collection_has_nothing_to_compact(archive: Archive) -> None:
    done = compact(archive.collection)
    assert (done.shards_before, done.shards_after, done.written) == (0, 0, 0)
    assert done.as_json()["bytes_before"] == 0


def test_replaced_shards_are_swept_a_day_after_they_were_replaced(tmp_path: Path) -> None:
    archive = Archive(Collection.create(str(tmp_path / "c"), ExtractSettings()))
    archive.commit({"a": 2})
    archive.commit({"b": 1})
    old = archive.check().shards
    make_old(
        archive.collection, [f"{folder}/{name}" for folder in ("media", "faces") for name in old]
    )
    compact(archive.collection)
    assert archive.collection.sweep() == [], "what replaced them is young"
    [new] = archive.check().shards
    make_old(archive.collection, [f"media/{new}"])
    gone = {f"{folder}/{name}.parquet" for folder in ("media", "faces") for name in old}
    assert set(archive.collection.sweep()) == gone
    assert archive.check().shards == (new,)
    assert archive.collection.sweep() == []


def make_old(collection: Collection, names: list[str]) -> None:
    moment = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    for name in names:
        os.utime(collection.storage.full_path(f"{name}.parquet"), (moment, moment))


def test_pruning_drops_items_that_vanished_and_the_faces_that_nobody_else_has(
    archive: Archive,
) -> None:
    archive.commit({"a": 2, "b": 1, "c": 2})
    archive.commit({}, gone=["a", "b"])
    done = prune(archive.collection, archive.check(), max_prune=0.7)
    archive.forget_vanished()
    archive.check()
    assert (done.items, done.of) == (2, 3)
    assert done.as_json()["faces_dropped"] == 1


def test_pruning_nothing_writes_nothing(archive: Archive) -> None:
    archive.commit({"a": 2})
    before = archive.check()
    done = prune(archive.collection, before, max_prune=0.1)
    assert (done.items, done.of, done.rewritten.shards) == (0, 1, ())
    assert archive.check().shards == before.shards
    empty = rows.memory_collection()
    assert prune(empty, empty.snapshot(), max_prune=0.0).items == 0


def test_pruning_refuses_more_than_it_may_and_names_the_flag(archive: Archive) -> None:
    archive.commit({"a": 2, "b": 1, "c": 2, "v": 1})
    archive.commit({}, gone=["a"])
    before = archive.check()
    with pytest.raises(UsageError, match=r"1 of 4 items .* 25\.0%.*--max-prune 10%"):
        prune(archive.collection, before, max_prune=0.1)
    assert archive.check().shards == before.shards
    assert prune(archive.collection, before, max_prune=0.25).items == 1


def test_an_item_that_was_pruned_and_comes_back_as_it_was_counts_again(archive: Archive) -> None:
    collection = archive.collection
    photo = tables.from_rows(
        "media", [{**rows.media_row("a", of=2, faces=2), "media_id": media_id("a")}]
    )
    found = face_rows([("a", 2, 0), ("a", 2, 1)])
    collection.commit_shard("same", photo, found)
    archive.items["a"] = (2, False)
    archive.minutes = itertools.count(10**7)  # later than today
    archive.commit({}, gone=["a"])
    prune(collection, archive.check(), max_prune=1.0)
    assert not collection.is_committed("same")
    collection.commit_shard("same", photo, found)
    archive.items = {"a": (2, False)}
    archive.check()
    assert collection.is_committed("same")


def test_chips_in_long_row_groups_are_written_anew_once(
    copied: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    compact(copied)
    [shard] = copied.snapshot().shards
    path = f"faces/{shard}.parquet"
    with copied.storage.open(path) as file:
        whole = pq.read_table(file)
    # The album is small: the shard counts as large, and few faces make a long row group.
    monkeypatch.setattr(maintenance, "TARGET_FACES", 2)
    monkeypatch.setattr(tables.parquet, "CHIP_ROW_GROUP_ROWS", len(whole) - 1)
    said = says(copied.snapshot())
    assert tables.has_coarse_chips(copied.storage, path)
    assert compact(copied).written == 1
    [shard] = copied.snapshot().shards
    assert not tables.has_coarse_chips(copied.storage, f"faces/{shard}.parquet")
    assert all(new.equals(old) for new, old in zip(says(copied.snapshot()), said, strict=True))
    assert compact(copied).written == 0
