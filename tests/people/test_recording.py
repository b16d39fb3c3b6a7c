"""Decisions on disk: appended, completed with what finds their faces again, and merged."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.commits import clustered, follow, listed

from facebatch import tables
from facebatch.collection import Collection
from facebatch.erasure import Request, erase, select, verify
from facebatch.people import recording
from facebatch.people.batch import apply_commands
from facebatch.people.edit import People, name_person, undo


@pytest.fixture
def collection() -> Collection:
    """Three people, clustered."""
    return clustered(9, 7, 5)


def rows_of(collection: Collection) -> list[dict[str, object]]:
    files = sorted(file.path for file in collection.storage.files("decisions"))
    parts = [tables.read(collection.storage, path, "decisions") for path in files]
    return [row for part in parts for row in part.to_pylist()]


def test_a_decision_is_completed_when_it_is_followed(collection: Collection) -> None:
    who = listed(People.of(collection))[0]
    name_person(People.of(collection), who, "Ada")
    assert {row["embedding"] for row in rows_of(collection)} == {None}
    follow(collection)
    faces = collection.snapshot().faces(["face_id", "content_id", "embedding"]).to_pylist()
    known = {row["face_id"]: (row["content_id"], row["embedding"]) for row in faces}
    for row in rows_of(collection):
        assert (row["content_id"], row["embedding"]) == known[row["face_id"]]


def test_merging_changes_no_decision_and_later_ones_come_after(collection: Collection) -> None:
    first, second, _ = listed(People.of(collection))
    people = People.of(collection)
    apply_commands(people, [f"name {first} Ada", f"name {second} Bo"])
    name_person(People.of(collection), first, "Ada Lovelace")
    follow(collection)
    before, rows = recording.read(collection), rows_of(collection)
    assert recording.merge(collection) == 2
    assert len(collection.storage.files("decisions")) == 1
    assert (recording.read(collection), rows_of(collection)) == (before, rows)
    assert People.of(collection).pending == ()
    undo(People.of(collection))
    assert recording.read(collection)[-1].kind == "undo"
    assert follow(collection).find("Ada").person_id == bytes.fromhex(first)


def test_a_merger_that_was_cut_off_counts_no_decision_twice(collection: Collection) -> None:
    first, second, _ = listed(People.of(collection))
    name_person(People.of(collection), first, "Ada")
    name_person(People.of(collection), second, "Bo")
    storage = collection.storage
    oldest = min(file.path for file in storage.files("decisions"))
    kept = storage.read(oldest)
    before = recording.read(collection)
    recording.merge(collection)
    storage.write(oldest, kept)
    assert recording.read(collection) == before
    assert recording.merge(collection) == 2
    assert recording.read(collection) == before
    assert len(rows_of(collection)) == sum(len(one.concerns) for one in before)


def test_small_files_are_merged_as_they_become_many(collection: Collection) -> None:
    who = listed(People.of(collection))[0]
    people = People.of(collection)
    for number in range(recording.MANY_FILES + 1):
        people = people.following(name_person(people, who, f"name {number}").decision)
        assert len(collection.storage.files("decisions")) < recording.MANY_FILES
    assert len(collection.storage.files("decisions")) == 2
    assert recording.read(collection) == list(people.decisions)
    assert recording.merge(collection) == 2
    assert recording.read(collection) == list(people.decisions)
    assert follow(collection).find(f"name {recording.MANY_FILES}").person_id.hex() == who


def test_an_erasure_keeps_what_a_file_says_of_others(collection: Collection) -> None:
    first, second, third = listed(People.of(collection))
    people = People.of(collection)
    apply_commands(people, [f"name {first} Ada", f"name {second} Bo", f"name {third} Cem"])
    follow(collection)
    snapshot = collection.snapshot()
    erase(collection, select(collection, snapshot, Request(people=("Bo",))))
    assert verify(collection) == []
    assert [one.name for one in recording.read(collection)] == ["Ada", "Cem"]


class BusyFileSystem(MemoryFileSystem):
    """The files in memory, where others do something between two of our accesses to decisions."""

    protocol = "busy"
    at: ClassVar[tuple[str, int]] = ("", 0)
    do: ClassVar[Callable[[], object]] = dict

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("busy://")))

    @classmethod
    def _others(cls, operation: str, path: str) -> None:
        awaited, left = cls.at
        if operation == awaited and "/decisions" in path:
            BusyFileSystem.at = awaited, left - 1
            if left == 1:
                BusyFileSystem.do()

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        entries = super().ls(path, detail=detail, **options)
        self._others("ls", path)
        # What was removed since isn't seen, nor what came: as on a local disk.
        return [entry for entry in entries if self.exists(entry["name"])]

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        self._others("open", path)
        return super().open(path, *arguments, **options)

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        self._others("put", path)
        super().pipe_file(path, value, **options)


fsspec.register_implementation("busy", BusyFileSystem, clobber=True)


def busy(collection: Collection, at: tuple[str, int], do: Callable[[], object]) -> Collection:
    """Returns the same collection, where others do something at an access of a kind."""
    BusyFileSystem.at, BusyFileSystem.do = at, do
    return Collection.open(collection.storage.url.replace("memory://", "busy://"))


def name_everyone(collection: Collection) -> None:
    for number, who in enumerate(listed(People.of(collection))):
        name_person(People.of(collection), who, f"name {number}")


def test_no_decision_is_lost_where_files_are_merged_while_they_are_completed(
    collection: Collection,
) -> None:
    name_everyone(collection)
    before = recording.read(collection)
    shared = busy(collection, ("put", 3), lambda: recording.merge(collection))
    recording.complete(shared, shared.snapshot())
    assert len(collection.storage.files("decisions")) == 2
    assert recording.read(collection) == before
    follow(collection)
    assert recording.merge(collection) == 2
    assert recording.read(collection) == before
    assert len(rows_of(collection)) == sum(len(one.concerns) for one in before)
    assert None not in {row["content_id"] for row in rows_of(collection)}


@pytest.mark.parametrize("at", [("ls", 1), ("open", 2)])
@pytest.mark.parametrize(
    "step",
    [
        recording.read,
        lambda shared: recording.complete(shared, shared.snapshot()),
        recording.merge,
    ],
)
def test_files_may_be_merged_while_they_are_used(
    collection: Collection, step: Callable[[Collection], object], at: tuple[str, int]
) -> None:
    name_everyone(collection)
    before = recording.read(collection)
    found = step(busy(collection, at, lambda: recording.merge(collection)))
    if step is recording.read:
        assert found == before
    assert recording.read(collection) == before
    completed = {row["content_id"] is not None for row in rows_of(collection)}
    assert completed == {step not in (recording.read, recording.merge)}


def test_decisions_are_recorded_though_their_files_cant_be_merged(
    collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    who = listed(People.of(collection))[0]
    people = People.of(collection)
    for number in range(recording.MANY_FILES - 1):
        people = people.following(name_person(people, who, f"name {number}").decision)
    name_person(People.of(busy(collection, ("put", 2), full)), who, "Ada")
    assert "files of decisions could not be merged" in caplog.text
    assert len(collection.storage.files("decisions")) == recording.MANY_FILES
    assert recording.read(collection)[-1].name == "Ada"
    name_person(People.of(collection), who, "Ada Lovelace")
    assert len(collection.storage.files("decisions")) == 1
