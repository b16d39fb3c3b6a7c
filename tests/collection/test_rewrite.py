from __future__ import annotations

import errno
import itertools
import math
import shutil
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st
from support import rows
from support.examples import examples
from support.histories import FACES, SEGMENTS, Archive, is_vanished, media_id, says

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.collection.rewrite import drop, groups, rewrite
from facebatch.config import ExtractSettings
from facebatch.errors import CollectionError

ITEM = st.sampled_from(sorted(SEGMENTS))
CHANGES = st.dictionaries(ITEM, st.none() | st.sampled_from(sorted(FACES)), min_size=1, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("extract"), CHANGES, st.booleans()),
    st.tuples(st.just("move"), ITEM, ITEM),
    st.tuples(st.just("copy"), ITEM, ITEM),
    st.tuples(st.just("vanish"), ITEM),
    st.tuples(st.just("compact"), st.sets(st.integers(0, 9), min_size=1), st.booleans()),
    st.tuples(st.just("prune"), st.booleans()),
)


def step(archive: Archive, kind: str, *arguments: Any) -> None:
    if kind == "extract":
        changes, anew = arguments
        archive.commit(changes, anew=anew)
    elif kind in ("move", "copy"):
        source, target = arguments
        of, vanished = archive.items.get(source, (None, True))
        if vanished or of is None or SEGMENTS[source] != SEGMENTS[target] or source == target:
            return
        archive.commit({target: of}, gone=[source] if kind == "move" else [])
    elif kind == "vanish":
        [path] = arguments
        if path in archive.items and not archive.items[path][1]:
            archive.commit({}, gone=[path])
    elif kind == "compact":
        compact(archive, *arguments)
    else:
        [purge] = arguments
        drop(archive.collection, archive.collection.snapshot(), media=is_vanished, purge=purge)
        archive.forget_vanished()


def compact(archive: Archive, chosen: set[int], purge: bool) -> None:
    before = archive.collection.snapshot()
    shards = sorted(
        {before.shards[number % len(before.shards)] for number in chosen if before.shards}
    )
    if not shards:
        return
    said = says(before)
    done = rewrite(archive.collection, before, shards, purge=purge)
    after = archive.collection.snapshot()
    assert set(after.shards) == {*before.shards, *done.shards} - set(shards)
    for new, old in zip(says(after), said, strict=True):
        assert new.equals(old)


@examples(25, 150)
@given(st.lists(STEPS, max_size=12))
def test_whatever_happens_a_collection_says_what_its_archive_is(steps: list[Any]) -> None:
    archive = Archive(rows.memory_collection())
    for each in steps:
        step(archive, *each)
        archive.check()


@pytest.fixture
def archive() -> Archive:
    return Archive(rows.memory_collection())


def everything(archive: Archive, **options: Any) -> Any:
    snapshot = archive.collection.snapshot()
    return rewrite(archive.collection, snapshot, snapshot.shards, **options)


def prune(archive: Archive) -> Any:
    archive.forget_vanished()
    return drop(archive.collection, archive.collection.snapshot(), media=is_vanished)


def test_a_file_that_moved_keeps_its_faces_when_its_old_place_is_pruned(archive: Archive) -> None:
    archive.commit({"a": 2})
    archive.commit({"b": 2}, gone=["a"])
    prune(archive)
    snapshot = archive.check()
    assert archive.items == {"b": (2, False)}
    assert snapshot.rows["media_id"].unique().to_pylist() == [media_id("b")]


def test_faces_follow_a_file_through_a_chain_of_moves_prunings_and_compactions(
    archive: Archive,
) -> None:
    archive.commit({"a": 2, "v": 1})
    for source, target in (("a", "b"), ("b", "c"), ("c", "a")):
        archive.commit({target: 2}, gone=[source])
        prune(archive)
        archive.check()
        everything(archive)
        archive.check()
    assert len(archive.collection.snapshot().face_ids) == 3


def test_the_faces_of_an_item_that_vanished_count_until_it_is_pruned(archive: Archive) -> None:
    archive.commit({"a": 2, "b": 1})
    archive.commit({}, gone=["a"])
    everything(archive)
    snapshot = archive.check()
    assert len(snapshot.face_ids) == 3
    prune(archive)
    assert len(archive.check().face_ids) == 1


def test_an_item_that_comes_back_before_it_is_pruned_has_its_faces(archive: Archive) -> None:
    archive.commit({"a": 2})
    archive.commit({}, gone=["a"])
    everything(archive)
    archive.commit({"a": 2})
    archive.check()
    everything(archive)
    assert len(archive.check().face_ids) == 2


def test_pruning_leaves_nothing_of_an_item_in_any_shard_that_counts(archive: Archive) -> None:
    archive.commit({"a": 2, "b": 1})
    archive.commit({"a": 1}, anew=True)
    archive.commit({"c": 2})
    archive.commit({}, gone=["a", "c"])
    prune(archive)
    snapshot = archive.check()
    assert media_id("a") not in snapshot.rows["media_id"].to_pylist()
    for shard in snapshot.shards:
        faces = tables.read(snapshot.storage, f"faces/{shard}.parquet", "faces")
        assert set(faces["media_id"].to_pylist()) <= {media_id("b")}


def test_pruning_takes_faces_that_another_item_was_extracted_with(archive: Archive) -> None:
    archive.commit({"a": 2, "c": 1})
    archive.commit({"b": 2})
    archive.commit({"a": 1})
    archive.commit({}, gone=["b"])
    prune(archive)
    snapshot = archive.check()
    for shard in snapshot.shards:
        faces = tables.read(snapshot.storage, f"faces/{shard}.parquet", "faces")
        assert rows.content(2) not in faces["content_id"].to_pylist()


def test_an_item_that_vanished_stays_so_when_only_its_faces_are_compacted(
    archive: Archive,
) -> None:
    # Which of two rows of one moment wins is up to the names of their shards, which are chance.
    for _ in range(8):
        archive.commit({"a": 2}, anew=True)
        extracted = archive.collection.snapshot().shards
        archive.commit({}, gone=["a"])
        rewrite(archive.collection, archive.collection.snapshot(), extracted)
        archive.check()


def test_commit_times_are_kept_so_that_a_row_committed_meanwhile_wins(archive: Archive) -> None:
    archive.commit({"a": 2, "b": 1})
    before = archive.collection.snapshot()
    archive.commit({"a": 1})
    rewrite(archive.collection, before, before.shards)
    archive.check()


def test_the_rows_that_are_left_are_the_same_to_the_bit(archive: Archive) -> None:
    archive.commit({"a": 2, "b": 1})
    archive.commit({"c": 1}, anew=True)
    said = says(archive.collection.snapshot())
    done = everything(archive)
    assert all(new.equals(old) for new, old in zip(says(archive.check()), said, strict=True))
    assert (len(done.shards), len(done.replaced)) == (1, 2)
    assert (done.media_dropped, done.faces_dropped) == (0, 1), "b's face was extracted with c too"


def test_dropped_faces_are_gone_and_no_longer_counted(archive: Archive) -> None:
    archive.commit({"a": 2, "b": 1})
    archive.commit({"c": 2})
    first = ids.face_id(rows.content(2), 0, 0, 0)

    def is_first(faces: pa.Table) -> np.ndarray:
        return np.array([face == first for face in faces["face_id"].to_pylist()], bool)

    done = everything(archive, drop_faces=is_first)
    snapshot = archive.collection.snapshot()
    assert done.faces_dropped == 1
    assert first not in snapshot.face_ids.tolist()
    counts = dict(
        zip(snapshot.media["path"].to_pylist(), snapshot.media["faces"].to_pylist(), strict=True)
    )
    assert counts == {"a": 1, "b": 1, "c": 1}
    assert all(row["faces"] == 1 for row in snapshot.rows.to_pylist())


def test_what_is_purged_is_off_the_disk_at_once(archive: Archive) -> None:
    archive.commit({"a": 2})
    everything(archive)
    archive.commit({"b": 1})
    storage = archive.collection.storage
    assert len(storage.files("media")) == 3
    everything(archive, purge=True)
    names = [f"{archive.check().shards[0]}.parquet"]
    for folder in ("media", "faces"):
        assert [file.path.partition("/")[2] for file in storage.files(folder)] == names


def test_a_shard_that_was_replaced_meanwhile_is_refused(archive: Archive) -> None:
    archive.commit({"a": 2})
    before = archive.collection.snapshot()
    everything(archive)
    with pytest.raises(CollectionError, match="run this one again"):
        rewrite(archive.collection, before, before.shards)
    archive.check()


def test_faces_that_a_run_may_still_hand_over_are_kept_for_a_while(archive: Archive) -> None:
    archive.commit({"a": 2})
    archive.commit({"a": 1})
    compacted = everything(archive, since=rows.NOON)
    assert compacted.faces_dropped == 0
    archive.items["b"] = (2, False)
    late = Archive(archive.collection, dict(archive.items), itertools.count(9))
    late.commit({"b": 2})
    late.check()


def test_an_empty_shard_replaces_shards_of_nothing_but_dead_rows(archive: Archive) -> None:
    archive.commit({"a": 2})
    archive.commit({"a": 1})
    shards = archive.collection.snapshot().shards
    dead = next(s for s in shards if s not in archive.check().media["shard"].to_pylist())
    done = rewrite(archive.collection, archive.collection.snapshot(), [dead])
    assert (done.media_dropped, done.faces_dropped) == (1, 2)
    archive.check()


def test_groups_hold_no_more_than_they_may_unless_one_shard_does(archive: Archive) -> None:
    for of in (1, 2, 3):
        archive.commit({"a": of})
    shards = archive.collection.snapshot().shards
    assert list(groups(archive.collection, shards)) == [list(shards)]
    assert list(groups(archive.collection, shards, most=1)) == [[shard] for shard in shards]


def test_an_older_schema_becomes_the_newest(tmp_path: Path) -> None:
    released = Path(__file__).parents[1] / "released" / "v1"
    collection = Collection.open(str(shutil.copytree(released, tmp_path / "v1")))
    before = collection.snapshot()
    said = says(before)
    rewrite(collection, before, before.shards)
    after = collection.snapshot()
    assert all(new.equals(old) for new, old in zip(says(after), said, strict=True))
    for table in ("media", "faces"):
        path = f"{table}/{after.shards[0]}.parquet"
        metadata = tables.read_metadata(collection.storage, path, table)
        assert int(metadata["schema_version"]) == tables.contract(table).version


def in_pieces(archive: Archive) -> None:
    archive.commit({"a": 2, "v": 1})
    archive.commit({"b": 2, "w": 3}, gone=["a"])
    archive.commit({"c": 1})
    archive.commit({"c": 2}, gone=["w"])


class DyingFileSystem(MemoryFileSystem):
    """A store in memory that refuses every change after some of them."""

    protocol = "dying"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    changes_left: ClassVar[float] = math.inf

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("dying://")))

    @classmethod
    def _change(cls) -> None:
        if cls.changes_left <= 0:
            raise OSError(errno.ENOSPC, "the process was killed")
        cls.changes_left -= 1

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        self._change()
        super().pipe_file(path, value, **options)

    def rm(self, path: str, recursive: bool = False, maxdepth: int | None = None) -> None:
        self._change()
        super().rm(path, recursive, maxdepth)


fsspec.register_implementation("dying", DyingFileSystem, clobber=True)


@pytest.mark.parametrize("purge", [False, True])
@pytest.mark.parametrize("pruning", [False, True])
@pytest.mark.parametrize("most", [1, 10**9])
def test_a_process_killed_between_any_two_changes_loses_and_brings_back_nothing(
    purge: bool, pruning: bool, most: int
) -> None:
    for changes in itertools.count():
        DyingFileSystem.changes_left = math.inf
        url = f"dying://{purge}{pruning}{most}/{changes}"
        archive = Archive(Collection.create(url, ExtractSettings()))
        in_pieces(archive)
        DyingFileSystem.changes_left = changes
        finished = True
        try:
            if pruning:
                snapshot = archive.collection.snapshot()
                drop(archive.collection, snapshot, media=is_vanished, purge=purge, most=most)
            else:
                everything(archive, purge=purge)
        except CollectionError:
            finished = False
        DyingFileSystem.changes_left = math.inf
        check_leftovers(archive, pruning)
        if finished:
            assert changes > 1
            return


def check_leftovers(archive: Archive, pruning: bool) -> None:
    """Compares what a killed process left with its archive, and finishes its work."""
    if not pruning:
        archive.check()
        return
    statuses = archive.collection.snapshot().media.select(["path", "status"]).to_pylist()
    allowed = [(path, status) for path, status, _ in archive.expected()[0]]
    assert {tuple(row.values()) for row in statuses} <= set(allowed)
    prune(archive)
    archive.check()
