"""Who the faces of a collection are, and whom a user means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from support.commits import clustered, follow, listed
from support.rows import memory_collection

from facebatch import ids
from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.erasure import Request, select
from facebatch.errors import CollectionError, FacebatchError, UsageError
from facebatch.identify.enrol import from_people
from facebatch.people import PeopleView, Person
from facebatch.people.contact_sheet import write_sheet
from facebatch.people.edit import People, merge_people, name_person
from facebatch.people.view import SHORTEST_PREFIX
from facebatch.storage.store import Storage


@pytest.fixture
def collection() -> Collection:
    """Four people, clustered."""
    return clustered(12, 9, 7, 5)


def a_view(collection: Collection, *people: Person) -> PeopleView:
    view = PeopleView.of(collection)
    view.__dict__["known"] = {one.person_id: one for one in people}
    return view


def a_person(start: str, **values: object) -> Person:
    whole = bytes.fromhex(start.ljust(2 * ids.ID_BYTES, "0"))
    return replace(Person(whole, "g", cluster=0), **values)  # type: ignore[arg-type]


def test_every_face_has_its_person_and_name(collection: Collection) -> None:
    who = listed(People.of(collection))[0]
    name_person(People.of(collection), who, "Ada")
    view = follow(collection)
    faces = collection.snapshot().faces(["face_id"])["face_id"]
    rows = dict(zip(faces.to_pylist(), view.people_of(faces).to_pylist(), strict=True))
    assert {face: row["person_id"] for face, row in rows.items() if row["person_id"]} == view.owner
    named = {face for face, row in rows.items() if row["name"] == "Ada"}
    assert named == view.faces[bytes.fromhex(who)] == set(view.faces_of(view.find("Ada")))
    few = pa.array([b"\0" * 16, min(named)], pa.binary(16))
    assert view.people_of(few)["name"].to_pylist() == [None, "Ada"]


def test_a_collection_without_people_has_nobody() -> None:
    view = PeopleView.of(memory_collection())
    assert (view.known, view.faces, len(view.face_ids)) == ({}, {}, 0)
    faces = pa.array([b"\0" * 16], pa.binary(16))
    assert view.people_of(faces).to_pylist() == [{"person_id": None, "name": None}]
    with pytest.raises(CollectionError, match="no people yet: run `facebatch cluster`"):
        view.require()


def test_the_beginning_of_an_id_is_enough_where_no_other_begins_so(collection: Collection) -> None:
    ada, bo = a_person("abcd1"), a_person("abcd2")
    view = a_view(collection, ada, bo)
    assert view.find("ABCD1") is ada
    assert view.by_id("abcd1"[: SHORTEST_PREFIX - 1]) is None
    with pytest.raises(UsageError, match=r"several people: abcd10000000, abcd20000000"):
        view.find("abcd")
    with pytest.raises(UsageError, match="is too short: 4 digits at least"):
        view.find("abc")


def test_an_id_that_was_merged_leads_to_who_has_the_faces(collection: Collection) -> None:
    ada = a_person("abcd1")
    bo = a_person("abcd2", status="merged", cluster=None, merged_into=ada.person_id)
    view = a_view(collection, ada, bo)
    assert view.find("abcd2") is view.find("abcd") is ada


def test_a_name_comes_before_an_id(collection: Collection) -> None:
    ebba, other = a_person("1234", name="ebba"), a_person("ebba")
    assert a_view(collection, ebba, other).find("ebba") is ebba
    assert a_view(collection, other).find("ebba") is other


def test_who_has_no_faces_any_more_is_nobody_to_decide_about(collection: Collection) -> None:
    gone = a_person("abcd", status="dissolved", cluster=None, name="Ada")
    view = a_view(collection, gone)
    assert view.by_name("Ada") == [gone]
    with pytest.raises(UsageError, match="has no faces any more"):
        view.find("abcd")


def test_all_commands_find_a_person_alike(collection: Collection) -> None:
    first, second, *_ = listed(People.of(collection))
    merge_people(People.of(collection), first, [second])
    people = follow(collection)
    faces = frozenset(people.faces_of(people.find(second)))
    chosen = select(collection, collection.snapshot(), Request(people=(first,)))
    assert chosen.faces == faces
    assert chosen.people == {bytes.fromhex(first), bytes.fromhex(second)}
    # Erasing is final, and asks for more.
    for said, message in ((second, "became a part of"), (second[:6], "8 digits")):
        with pytest.raises(UsageError, match=message):
            select(collection, collection.snapshot(), Request(people=(said,)))


@pytest.mark.parametrize(
    "fails",
    [
        lambda collection, _: People.of(collection),
        lambda collection, _: from_people(collection, collection.snapshot()),
        lambda collection, _: select(collection, None, Request(people=("Nobody",))),  # type: ignore[arg-type]
        lambda collection, folder: write_sheet(
            People(collection, None, None), a_person("00"), folder / "sheet.png"
        ),
    ],
)
def test_no_message_shows_a_password(
    fails: Callable[[Collection, Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = memory_collection()
    collection = replace(
        empty,
        storage=Storage("sftp://keeper:secret@host/photos"),
        settings=ExtractSettings(chips=False),
    )
    # What the URL leads to is no matter here: an empty folder.
    elsewhere = empty.storage._filesystem
    monkeypatch.setattr(Storage, "_filesystem", elsewhere)
    with pytest.raises(FacebatchError) as error:
        fails(collection, tmp_path)
    assert "sftp://host/photos" in str(error.value)
    assert "secret" not in str(error.value)
