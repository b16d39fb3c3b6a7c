"""What was decided and not followed yet: the people are shown as a regrouping makes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commits import clustered, commit, commit_at, face_of, follow, listed
from support.rows import memory_collection
from support.synthetic import d2_of_angle

from facebatch.collection import Collection
from facebatch.errors import UsageError
from facebatch.people import PeopleView, recording
from facebatch.people.batch import apply_commands
from facebatch.people.edit import (
    People,
    assign_faces,
    hide_person,
    keep_apart,
    list_people,
    merge_people,
    name_person,
    reject_faces,
    split_person,
    undo,
)


@pytest.fixture
def collection() -> Collection:
    """Four people and two faces that are nobody's."""
    collection = clustered(8, 6, 5, 4)
    far = np.zeros((2, 128), np.float32)
    far[0, 100] = far[1, 120] = 1
    commit(collection, "loose", far, first=200)
    follow(collection)
    return collection


def state(people: PeopleView) -> dict[bytes, tuple[object, ...]]:
    """Of everyone who has faces: these, the name and whether hidden; and whom other ids lead to."""
    return {
        who: (one.name, one.hidden, tuple(people.faces_of(one)))
        if one.cluster is not None
        else (one.merged_into,)
        for who, one in people.known.items()
        if one.status != "dissolved"
    }


def some_decision(people: People, draw: Callable[[int], int]) -> None:
    """Takes one of the decisions that move no face to where only neighbours say."""
    active = listed(people)
    if not active:  # the only one who is left was hidden
        undo(people)
        return
    who, other = active[draw(len(active))], active[draw(len(active))]
    faces = [face.hex() for face in people.faces_of(people.find(who))]
    kind = draw(7)
    if kind == 0:
        name_person(people, who, f"name {draw(3)}")
    elif kind == 1:
        name_person(people, face_of(200 + draw(2)).hex(), "Loose")
    elif kind == 2:
        merge_people(people, who, [other])
    elif kind == 3:
        split_person(people, who, faces[: 1 + draw(len(faces))])
    elif kind == 4:
        assign_faces(people, other, faces[: 1 + draw(len(faces))])
    elif kind == 5:
        hide_person(people, who)
    else:
        undo(people)


@pytest.mark.parametrize("together", [True, False])
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_it_is_what_a_regrouping_makes(together: bool, data: st.DataObject) -> None:
    collection = clustered(5, 4, 3)
    far = np.zeros((2, 128), np.float32)
    far[0, 100] = far[1, 120] = 1
    commit(collection, "loose", far, first=200)
    people = follow(collection)
    for _ in range(4):
        taken: list[recording.Decision] = []
        before = replace(people, unwritten=taken)
        try:
            some_decision(before, lambda n: data.draw(st.integers(0, n - 1)))
        except UsageError:
            continue
        recording.record(collection, taken)
        people = people.following(taken[0])
        if not together:
            assert state(People.of(collection)) == state(people)
            people = follow(collection)
    shown, read = state(people), state(People.of(collection))
    assert shown == read
    regrouped = follow(collection)
    # Who was founded and lost all faces before anybody saw it was never there.
    assert {who: one for who, one in shown.items() if who in regrouped.known} == state(regrouped)
    assert People.of(collection).pending == ()


@pytest.mark.parametrize("together", [True, False])
def test_who_loses_all_faces_leads_to_whom_the_last_ones_went(
    collection: Collection, together: bool
) -> None:
    people = People.of(collection)
    first, second, third, _ = listed(people)
    faces = [face.hex() for face in people.faces_of(people.find(first))]
    assign_faces(people, second, faces[:6])
    if not together:
        follow(collection)
    assign_faces(People.of(collection), third, faces[6:])
    gone = bytes.fromhex(first)
    assert People.of(collection).known[gone].merged_into == bytes.fromhex(third)
    assert follow(collection).known[gone].merged_into == bytes.fromhex(third)


def test_undoing_a_merger_gives_back_whom_others_lead_to(collection: Collection) -> None:
    first, second, third, _ = listed(People.of(collection))
    people = People.of(collection)
    for kept, gone in ((second, first), (third, second)):
        people = people.following(merge_people(people, kept, [gone]).decision)
    assert people.known[bytes.fromhex(first)].merged_into == bytes.fromhex(third)
    people = people.following(undo(people).decision)
    assert people.known[bytes.fromhex(first)].merged_into == bytes.fromhex(second)
    assert state(people) == state(People.of(collection)) == state(follow(collection))


def test_what_is_pending_is_listed_and_readers_see_the_last_regrouping(
    collection: Collection,
) -> None:
    who = listed(People.of(collection))[0]
    name_person(People.of(collection), who, "Ada")
    people = People.of(collection)
    assert [one.kind for one in people.pending] == ["name"]
    assert list_people(people)[0]["name"] == "Ada"
    assert PeopleView.of(collection).known[bytes.fromhex(who)].name is None
    assert follow(collection).pending == ()


def test_a_rejected_face_is_nobodys_until_a_regrouping_says_whose(collection: Collection) -> None:
    people = People.of(collection)
    who = people.find(listed(people)[0])
    face = people.faces_of(who)[0]
    reject_faces(people, who.person_id.hex(), [face.hex()], no_face=False)
    assert People.of(collection).owner_of(face) is None


def test_many_decisions_are_one_file_and_one_regrouping(collection: Collection) -> None:
    people = People.of(collection)
    first, second, third, fourth = listed(people)
    faces = {who: people.faces_of(people.find(who)) for who in (first, second)}
    loose = face_of(200).hex()
    lines = [
        "# who is who",
        f"name {first} 'Ada Lovelace'",
        "",
        f"merge 'ada lovelace' {second}",
        f"assign {third} {loose}",
        f"apart {third} {fourth}",
        f"hide {fourth}  # a stranger",
    ]
    outcomes = apply_commands(people, lines)
    assert [one.decision.kind for one in outcomes] == ["name", "merge", "assign", "apart", "hide"]
    assert len(collection.storage.files("decisions")) == 1
    before = len(collection.generations("people"))
    people = follow(collection)
    assert len(collection.generations("people")) == min(3, before + 1)
    assert people.faces_of(people.find("Ada Lovelace")) == sorted(faces[first] + faces[second])
    assert people.owner_of(face_of(200)) == bytes.fromhex(third)
    assert len(list_people(people)) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("baptise 12ab Ada", "'baptise' is no decision; there are: name, assign"),
        ("name 12ab", "name takes PERSON NAME"),
        ("name nobody Ada", "nobody called 'nobody'"),
        ("name 'Ada", "No closing quotation"),
    ],
)
def test_a_line_that_cant_be_decided_is_named_and_nothing_is_recorded(
    collection: Collection, line: str, message: str
) -> None:
    people = People.of(collection)
    who = listed(people)[0]
    with pytest.raises(UsageError, match="line 2: ") as refused:
        apply_commands(people, [f"name {who} Ada", line])
    assert message in str(refused.value)
    assert recording.read(collection) == []


def test_people_who_are_kept_apart_by_pending_decisions_are_not_offered() -> None:
    collection = memory_collection()
    commit_at(collection, "one", 0, 0, 2, 4, 40, 42, 44)
    follow(collection, tau=d2_of_angle(9))
    first, second = listed(People.of(collection))
    keep_apart(People.of(collection), first, second)
    people = People.of(collection)
    name_person(people, first, "Ada")
    assert name_person(People.of(collection), second, "Ada").notes == ()
