from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import rows
from support.examples import examples

from facebatch import ids, tables
from facebatch.collection.snapshot import content_keys, take
from facebatch.errors import CollectionError
from facebatch.storage.store import Storage

ITEMS = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
CONTENTS = (1, 2, 3)
BY_ID = sorted(ITEMS, key=lambda path: ids.media_id("photos", path))


@dataclass(frozen=True)
class Commit:
    """One shard as a writer leaves it.

    Args:
        shard: Its name.
        minute: When it was committed.
        items: For each path the number of its content; None where it was quarantined.
        faces: How many faces each content had for this writer.
        replaces: The shards it replaces.
        died: Whether the writer died before the media file.
    """

    shard: str
    minute: int
    items: Mapping[str, int | None]
    faces: Mapping[int, int]
    replaces: tuple[str, ...] = ()
    died: bool = False

    @property
    def extracted(self) -> dict[int, str]:
        """The contents and the item each was extracted from: the first that has it."""
        return {of: path for path, of in reversed(self.items.items()) if of is not None}

    def put(self, storage: Storage) -> None:
        """Writes the shard; its place in time is the score of its faces."""
        media = []
        for path, of in self.items.items():
            first = of is not None and self.extracted[of] == path
            status = "quarantined" if of is None else "ok" if first else "duplicate"
            count = 0 if of is None else self.faces[of]
            media.append(rows.media_row(path, status, of, faces=count))
        found = [
            (path, of, place)
            for of, path in self.extracted.items()
            for place in range(self.faces[of])
        ]
        rows.put_shard(
            storage,
            self.shard,
            None if self.died else rows.media(*media, minute=self.minute),
            rows.faces(found, score=self.minute + int(self.shard) / 100),
            self.replaces,
        )


def commits() -> st.SearchStrategy[list[Commit]]:
    """Histories: shards, among them ones that are written twice, replace others, or are orphans."""
    return st.lists(
        st.builds(
            Commit,
            shard=st.sampled_from("1234567"),
            minute=st.integers(0, 4),
            items=st.dictionaries(
                st.sampled_from(ITEMS), st.none() | st.sampled_from(CONTENTS), max_size=4
            ),
            faces=st.fixed_dictionaries({of: st.integers(0, 2) for of in CONTENTS}),
            replaces=st.just(()) | st.lists(st.sampled_from("1234567"), max_size=2).map(tuple),
            died=st.sampled_from([False, False, False, True]),
        ),
        max_size=7,
    )


def standing(history: Iterable[Commit]) -> list[Commit]:
    """Returns the shards that readers see: the last writing of each name, the replaced ones gone.

    A writer that dies leaves the media file of an earlier writing of its shard in place. Such a
    shard has the same members, so it is left out of these histories.
    """
    files: dict[str, Commit] = {}
    for commit in history:
        files[commit.shard] = commit
    seen = [commit for commit in files.values() if not commit.died]
    gone = {name for commit in seen for name in commit.replaces}
    return sorted(
        (commit for commit in seen if commit.shard not in gone),
        key=lambda commit: (commit.minute, commit.shard),
    )


def written(history: list[Commit]) -> list[Commit]:
    """Returns a history without deaths after a commit of the same shard."""
    committed: set[str] = set()
    kept = []
    for commit in history:
        alive = dataclasses.replace(commit, died=commit.died and commit.shard not in committed)
        committed |= set() if alive.died else {alive.shard}
        kept.append(alive)
    return kept


def expected_media(history: list[Commit]) -> list[tuple[str, str, str]]:
    """Says what DESIGN.md says of (path, status, shard), by media id."""
    winners: dict[str, Commit] = {}
    for commit in standing(history):
        winners.update(dict.fromkeys(commit.items, commit))
    held: set[int] = set()
    found = []
    for path in (path for path in BY_ID if path in winners):
        of = winners[path].items[path]
        status = "quarantined" if of is None else "duplicate" if of in held else "ok"
        held |= set() if of is None else {of}
        found.append((path, status, winners[path].shard))
    return found


def expected_faces(history: list[Commit]) -> list[tuple[bytes, bytes, float]]:
    """Says what DESIGN.md says of (face id, media id, score), by face id."""
    winners: dict[str, int | None] = {}
    sources: dict[int, Commit] = {}
    for commit in standing(history):
        winners.update(commit.items)
        sources.update(dict.fromkeys(commit.extracted, commit))
    holders: dict[int, str] = {}
    for path in BY_ID:
        of = winners.get(path)
        if of is not None:
            holders.setdefault(of, path)
    return sorted(
        (
            ids.face_id(rows.content(of), 0, 0, place),
            ids.media_id("photos", path),
            pytest.approx(sources[of].minute + int(sources[of].shard) / 100),
        )
        for of, path in holders.items()
        for place in range(sources[of].faces[of])
    )


def as_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


@examples(24, 120)
@given(commits().map(written))
def test_any_history_gives_the_rows_that_the_design_says(history: list[Commit]) -> None:
    storage = rows.memory_collection().storage
    for commit in history:
        commit.put(storage)
    snapshot = take(storage)
    assert as_rows(snapshot.media.select(["path", "status", "shard"])) == expected_media(history)
    faces = snapshot.faces(["face_id", "media_id", "score"])
    assert as_rows(faces) == expected_faces(history)
    wanted = tables.matrix(snapshot.faces(["landmarks"])["landmarks"])
    np.testing.assert_array_equal(snapshot.vectors("landmarks", 10), wanted)
    some = np.arange(len(faces))[::-2]
    np.testing.assert_array_equal(snapshot.vectors("landmarks", 10, some), wanted[some])


@examples(6, 30)
@given(
    st.dictionaries(st.sampled_from(ITEMS), st.sampled_from(CONTENTS), min_size=1),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
    st.randoms(use_true_random=False),
)
def test_how_an_archive_was_cut_and_in_which_order_it_was_committed_is_irrelevant(
    archive: dict[str, int], shard_of: list[int], shuffler: random.Random
) -> None:
    faces = {1: 2, 2: 1, 3: 0}
    parts: dict[int, dict[str, int | None]] = {}
    for shard, (path, of) in zip(shard_of, archive.items(), strict=False):
        parts.setdefault(shard, {})[path] = of
    minutes = shuffler.sample(range(9), len(parts))
    in_parts = [
        Commit(str(shard), minute, items, faces)
        for (shard, items), minute in zip(parts.items(), minutes, strict=True)
    ]
    snapshots = []
    for history in ([Commit("9", 0, archive, faces)], in_parts):
        storage = rows.memory_collection().storage
        for commit in history:
            commit.put(storage)
        snapshots.append(take(storage))
    whole, cut = snapshots
    assert cut.faces_hash == whole.faces_hash
    names = ["media_id", "status", "content_id", "faces"]
    assert cut.media.select(names).equals(whole.media.select(names))
    columns = ["face_id", "media_id", "content_id"]
    assert cut.faces(columns).equals(whole.faces(columns))


@pytest.fixture
def storage() -> Storage:
    return rows.memory_collection().storage


def put(storage: Storage, shard: str, minute: int, **items: int | None) -> None:
    named = {f"{name}.jpg": of for name, of in items.items()}
    Commit(shard, minute, named, {1: 1, 2: 2, 3: 3}).put(storage)


def shown(storage: Storage) -> list[tuple[str, int]]:
    """Returns (path, number of its faces) for every item that faces are shown with."""
    paths = {ids.media_id("photos", path): path for path in ITEMS}
    media_ids = take(storage).faces(["media_id"])["media_id"].to_pylist()
    return sorted(Counter(paths[media_id] for media_id in media_ids).items())


def test_an_empty_collection_has_empty_tables(storage: Storage) -> None:
    snapshot = take(storage)
    assert snapshot.shards == ()
    assert len(snapshot.media) == 0
    assert snapshot.faces(["face_id", "embedding"]).column_names == ["face_id", "embedding"]
    assert len(snapshot.face_ids) == 0


def test_a_collection_of_failures_has_no_faces(storage: Storage) -> None:
    put(storage, "1", 0, a=None, b=None)
    assert len(take(storage).media) == 2
    assert len(take(storage).faces(["face_id", "media_id"])) == 0


def test_a_copy_keeps_the_faces_when_the_extracted_original_changes(storage: Storage) -> None:
    put(storage, "1", 0, a=1, b=1)
    put(storage, "2", 1, a=2)
    assert shown(storage) == [("a.jpg", 2), ("b.jpg", 1)]


def test_a_copy_keeps_the_faces_when_the_extracted_original_breaks(storage: Storage) -> None:
    put(storage, "1", 0, a=1, b=1)
    put(storage, "2", 1, a=None)
    assert shown(storage) == [("b.jpg", 1)]


def test_a_file_that_changes_takes_its_old_faces_with_it(storage: Storage) -> None:
    put(storage, "1", 0, a=1)
    put(storage, "2", 1, a=2)
    assert shown(storage) == [("a.jpg", 2)]


def test_a_file_that_takes_its_old_content_back_has_its_old_faces_back(storage: Storage) -> None:
    put(storage, "1", 0, a=1)
    before = take(storage).faces_hash
    put(storage, "2", 1, a=2)
    put(storage, "3", 2, a=1)
    assert take(storage).faces_hash == before


def test_two_files_that_swap_their_contents_swap_their_faces(storage: Storage) -> None:
    put(storage, "1", 0, a=1, b=2)
    put(storage, "2", 1, a=2, b=1)
    assert shown(storage) == [("a.jpg", 2), ("b.jpg", 1)]


def test_an_item_two_writers_extracted_counts_once(storage: Storage) -> None:
    put(storage, "1", 0, a=2, b=1)
    put(storage, "2", 0, a=2, c=3)
    assert len(take(storage).media) == 3
    assert shown(storage) == [("a.jpg", 2), ("b.jpg", 1), ("c.jpg", 3)]


def test_a_snapshot_doesnt_see_later_commits(storage: Storage) -> None:
    put(storage, "1", 0, a=1)
    snapshot = take(storage)
    put(storage, "2", 1, a=2, b=3)
    assert snapshot.media["path"].to_pylist() == ["a.jpg"]
    assert len(snapshot.face_ids) == 1


def test_faces_come_in_the_columns_asked_for_in_order_of_face_id(storage: Storage) -> None:
    put(storage, "1", 0, a=1, b=2, c=3)
    faces = take(storage).faces(["embedding", "ordinal", "face_id"])
    assert faces.column_names == ["embedding", "ordinal", "face_id"]
    found = faces["face_id"].to_pylist()
    assert found == sorted(found)
    assert take(storage).face_ids.tolist() == found


def test_faces_among_others_are_those_and_no_more(storage: Storage) -> None:
    put(storage, "1", 0, a=1, b=2)
    put(storage, "2", 1, b=1, c=3)
    snapshot = take(storage)
    every = snapshot.faces(["face_id", "media_id", "score"])
    for chosen in ([], [0], [1, 2], list(range(len(every)))):
        some = every.take(pa.array(chosen, pa.int64()))
        found = snapshot.faces(["face_id", "media_id", "score"], among=some.drop_columns("score"))
        assert found.equals(some)


def test_faces_among_a_few_dont_open_other_shards(storage: Storage) -> None:
    put(storage, "1", 0, a=1)
    put(storage, "2", 0, b=2)
    snapshot = take(storage)
    every = snapshot.faces(["face_id", "media_id"])
    [mine] = [
        n
        for n, m in enumerate(every["media_id"].to_pylist())
        if m == ids.media_id("photos", "a.jpg")
    ]
    storage.remove("faces/2.parquet")
    assert len(snapshot.faces(["face_id"], among=every.take([mine]))) == 1
    with pytest.raises(CollectionError, match=r"faces/2\.parquet"):
        snapshot.faces(["face_id"])


def test_the_faces_hash_is_that_of_the_set_of_faces(storage: Storage) -> None:
    put(storage, "1", 0, a=1)
    before = take(storage).faces_hash
    put(storage, "2", 1, b=1)
    assert take(storage).faces_hash == before
    put(storage, "3", 2, c=2)
    assert take(storage).faces_hash != before


def test_a_damaged_shard_is_named(storage: Storage) -> None:
    put(storage, "1", 0, a=1)
    storage.write("media/2.parquet", b"")
    with pytest.raises(CollectionError, match=r"media/2\.parquet can't be read"):
        take(storage)


def test_vectors_of_another_length_are_refused_by_name() -> None:
    storage = rows.memory_collection().storage
    item = rows.media_row("a", of=1, faces=1)
    rows.put_shard(storage, "1", rows.media(item), rows.faces([("a", 1, 0)]))
    with pytest.raises(CollectionError, match=r"faces/1\.parquet holds vectors of 128 .* of 256"):
        take(storage).vectors("embedding", 256)


def vanished(storage: Storage, shard: str, minute: int, path: str, of: int | None) -> None:
    """Commits that an item is no longer below its root, by a copy of its row."""
    reason = "truncated" if of is None else None
    row = rows.media_row(path, "vanished", of, faces=of or 0, reason=reason)
    rows.put_shard(storage, shard, rows.media(row, minute=minute), rows.faces([]))


def statuses(storage: Storage) -> dict[str, str]:
    media = take(storage).media
    return dict(zip(media["path"].to_pylist(), media["status"].to_pylist(), strict=True))


def test_the_faces_of_a_moved_file_belong_to_its_new_place(storage: Storage) -> None:
    put(storage, "1", 0, a=2)
    put(storage, "2", 1, d=2)
    vanished(storage, "3", 2, "a.jpg", 2)
    assert statuses(storage) == {"a.jpg": "vanished", "d.jpg": "ok"}
    assert shown(storage) == [("d.jpg", 2)]


def test_the_faces_of_a_vanished_file_count_while_nobody_else_has_them(storage: Storage) -> None:
    put(storage, "1", 0, a=2, b=1)
    before = take(storage).faces_hash
    vanished(storage, "2", 1, "a.jpg", 2)
    assert statuses(storage) == {"a.jpg": "vanished", "b.jpg": "ok"}
    assert shown(storage) == [("a.jpg", 2), ("b.jpg", 1)]
    assert take(storage).faces_hash == before
    put(storage, "3", 2, a=2)
    assert statuses(storage) == {"a.jpg": "ok", "b.jpg": "ok"}


def test_a_file_that_failed_and_vanished_brings_no_faces_back(storage: Storage) -> None:
    put(storage, "1", 0, a=2)
    put(storage, "2", 1, a=None)
    row = rows.media_row("a.jpg", "vanished", 2, reason="crashed")
    rows.put_shard(storage, "3", rows.media(row, minute=2), rows.faces([]))
    vanished(storage, "4", 0, "b.jpg", None)
    assert statuses(storage) == {"a.jpg": "vanished", "b.jpg": "vanished"}
    assert shown(storage) == []


def test_time_segments_of_one_file_are_contents_of_their_own(storage: Storage) -> None:
    segments = [
        rows.media_row("a.jpg", of=1, faces=n, segment=n, media_id=ids.media_id("photos", "a", n))
        for n in range(3)
    ]
    found = rows.faces([("a.jpg", 1, 0), ("a.jpg", 1, 1), ("a.jpg", 1, 2)])
    numbers = {
        "segment": pa.array([1, 2, 2], pa.int32()),
        "media_id": pa.array([ids.media_id("photos", "a", n) for n in (1, 2, 2)], pa.binary(16)),
    }
    for name, column in numbers.items():
        found = found.set_column(found.schema.get_field_index(name), name, column)
    rows.put_shard(storage, "1", rows.media(*segments), found)
    snapshot = take(storage)
    assert snapshot.media["status"].to_pylist() == ["ok"] * 3
    held = snapshot.faces(["media_id", "segment"]).to_pylist()
    assert Counter(row["segment"] for row in held) == {1: 1, 2: 2}
    assert all(row["media_id"] == ids.media_id("photos", "a", row["segment"]) for row in held)


@given(st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 2**31 - 1))))
def test_content_keys_tell_contents_and_segments_apart(pairs: list[tuple[bytes, int]]) -> None:
    kinds = {"content_id": pa.binary(16), "segment": pa.int32()}
    columns = zip(*pairs, strict=True) if pairs else ([], [])
    table = pa.table(
        {name: pa.array(list(c), kinds[name]) for name, c in zip(kinds, columns, strict=True)}
    )
    keys = content_keys(table).to_pylist()
    assert len(set(keys)) == len(set(pairs))
    assert all(key == of for key, (of, segment) in zip(keys, pairs, strict=True) if segment == 0)


def test_faces_say_where_they_are_stored(storage: Storage) -> None:
    for shard, paths in (("one", ["b.jpg", "a.jpg"]), ("two", ["c.jpg"])):
        items = [rows.media_row(path, of=ord(path[0]), faces=1) for path in paths]
        found = rows.faces([(path, ord(path[0]), 0) for path in paths])
        rows.put_shard(storage, shard, rows.media(*items), found)
    faces = take(storage).faces(["face_id", "shard", "row"]).to_pylist()
    assert len(faces) == 3
    for face in faces:
        path = f"faces/{face['shard']}.parquet"
        [there] = tables.read_rows(
            storage, path, "faces", ["face_id"], np.array([face["row"]])
        ).to_pylist()
        assert there["face_id"] == face["face_id"]
    assert take(Storage("memory://none")).faces(["shard", "row"]).column_names == ["shard", "row"]
