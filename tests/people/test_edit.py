"""What users decide about people: it holds in every later run, is undone, and finds its faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.commits import (
    LATER_RUNS,
    clustered,
    commit,
    follow,
    listed,
    partition,
    two_and_one_between,
)
from support.rows import memory_collection
from support.synthetic import people as simulated

from facebatch import tables
from facebatch.collection import Collection
from facebatch.erasure import Request, erase, select, verify
from facebatch.errors import CollectionError, UsageError
from facebatch.people import recording
from facebatch.people.decisions import Concern, Decision
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
from facebatch.people.effective import fold
from facebatch.people.locating import Located
from facebatch.people.records import read_events

SIZES = [12, 9, 7, 5]


@pytest.fixture
def collection() -> Collection:
    """Four people, clustered."""
    return clustered(*SIZES)


def test_a_name_stays_through_new_photos_and_from_scratch(collection: Collection) -> None:
    who = listed(People.of(collection))[1]
    outcome = name_person(People.of(collection), who[:8], " Ada ")
    assert outcome.decision.person_id == bytes.fromhex(who)
    people = follow(collection)
    before = set(people.faces_of(people.find("Ada")))
    embeddings, _ = simulated([9, 6], seed=9)
    commit(collection, "two", embeddings, first=100)
    for how in ({}, {"from_scratch": True}, {"tau": 0.05}):
        people = follow(collection, **how)
        assert people.find("Ada").person_id.hex() == who
        assert before <= set(people.faces_of(people.find("Ada")))
    assert people.find("Ada").named_by == "decision"


def test_merged_people_stay_one_and_the_old_id_leads_to_the_first(collection: Collection) -> None:
    first, second, *_ = listed(People.of(collection))
    faces = partition(People.of(collection))
    merge_people(People.of(collection), second, [first])
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert partition(people)[second] >= faces[first] | faces[second]
        assert first not in partition(people)
        assert people.find(first).person_id.hex() == second


def test_split_faces_are_another_person_even_from_scratch(collection: Collection) -> None:
    people = People.of(collection)
    who = listed(people)[0]
    mine = people.faces_of(people.find(who))
    for chosen in (mine[:3], mine[3:4]):
        outcome = split_person(People.of(collection), who, [face.hex() for face in chosen])
        new = {one.after for one in outcome.decision.concerns} - {bytes.fromhex(who)}
        for how in LATER_RUNS:
            found = partition(follow(collection, **how))
            assert found[new.copy().pop().hex()] >= set(chosen)
            assert found[who].isdisjoint(chosen)


def test_rejected_faces_never_come_back_to_the_person(collection: Collection) -> None:
    people = People.of(collection)
    who = listed(people)[0]
    wrong = people.faces_of(people.find(who))[2]
    reject_faces(people, who, [wrong.hex()[:10]], no_face=False)
    for how in LATER_RUNS:
        assert wrong not in partition(follow(collection, **how))[who]
    merge_people(People.of(collection), who, listed(People.of(collection))[1:2])
    undo(follow(collection))
    assert wrong not in partition(follow(collection))[who]


def test_who_others_are_merged_into_is_nobody_whom_they_were_said_not_to_be(
    collection: Collection,
) -> None:
    first, second, third, _ = listed(People.of(collection))
    people = People.of(collection)
    wrong = people.faces_of(people.find(first))[2]
    reject_faces(people, first, [wrong.hex()], no_face=False)
    keep_apart(People.of(collection), first, third)
    merge_people(People.of(collection), second, [first])
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert wrong not in partition(people)[second]
        assert frozenset(map(bytes.fromhex, (second, third))) in people.effective_decisions.apart
    undo(people)
    apart = People.of(collection).effective_decisions.apart
    assert apart == {frozenset(map(bytes.fromhex, (first, third)))}


def test_who_was_given_a_face_keeps_it_though_others_without_it_are_merged_in(
    collection: Collection,
) -> None:
    first, second, *_ = listed(People.of(collection))
    people = People.of(collection)
    moved = people.faces_of(people.find(first))[2]
    reject_faces(people, first, [moved.hex()], no_face=False)
    assign_faces(People.of(collection), second, [moved.hex()])
    merge_people(People.of(collection), second, [first])
    assert moved in partition(follow(collection))[second]


def test_a_rejected_face_may_join_its_next_choice() -> None:
    collection, between = two_and_one_between()
    people = People.of(collection)
    first = people.owner[between]
    reject_faces(people, first.hex(), [between.hex()], no_face=False)
    second = follow(collection).owner[between]
    assert second != first
    reject_faces(People.of(collection), second.hex(), [between.hex()], no_face=False)
    assert between not in follow(collection).owner


def test_what_is_no_face_is_nobodys(collection: Collection) -> None:
    people = People.of(collection)
    who = listed(people)[0]
    wrong = people.faces_of(people.find(who))[2]
    reject_faces(people, who, [wrong.hex()], no_face=True)
    for how in LATER_RUNS:
        assert all(wrong not in faces for faces in partition(follow(collection, **how)).values())


def test_hidden_people_are_listed_only_when_asked_for(collection: Collection) -> None:
    who = listed(People.of(collection))[0]
    hide_person(People.of(collection), who)
    people = follow(collection)
    assert who not in listed(people)
    assert [row["hidden"] for row in list_people(people, hidden=True)].count(True) == 1


@pytest.mark.parametrize("kind", ["name", "merge", "split", "reject", "not_a_face", "hide"])
def test_undoing_brings_back_what_was_and_can_be_undone(collection: Collection, kind: str) -> None:
    people = People.of(collection)
    who, other, *_ = listed(people)
    faces = [face.hex() for face in people.faces_of(people.find(who))[:3]]
    before = partition(people)
    {
        "name": lambda: name_person(people, who, "Ada"),
        "merge": lambda: merge_people(people, who, [other]),
        "split": lambda: split_person(people, who, faces),
        "reject": lambda: reject_faces(people, who, faces, no_face=False),
        "not_a_face": lambda: reject_faces(people, who, faces, no_face=True),
        "hide": lambda: hide_person(people, who),
    }[kind]()
    decided = follow(collection)
    taken = undo(decided)
    undone = follow(collection)
    assert partition(undone) == before
    assert [(p.name, p.hidden) for p in undone.known.values() if p.status == "active"] == [
        (None, False)
    ] * len(before)
    undo(undone, taken.decision.decision)
    again = follow(collection)
    assert partition(again) == partition(decided)
    assert {w: (p.name, p.hidden) for w, p in again.known.items()} == {
        w: (p.name, p.hidden) for w, p in decided.known.items()
    }


def test_the_later_of_two_decisions_holds_and_says_what_it_overrules(
    collection: Collection,
) -> None:
    people = People.of(collection)
    who = listed(people)[0]
    some = [face.hex() for face in people.faces_of(people.find(who))[:3]]
    first = split_person(people, who, some)
    new = next(one.after for one in first.decision.concerns if one.after.hex() != who)
    outcome = merge_people(follow(collection), who, [new.hex()])
    assert any(first.decision.decision in note and "3 faces" in note for note in outcome.notes)
    assert new.hex() not in partition(follow(collection))


def test_a_name_that_somebody_has_is_given_and_a_merger_offered(collection: Collection) -> None:
    first, second, *_ = listed(People.of(collection))
    name_person(People.of(collection), first, "Ada")
    outcome = name_person(follow(collection), second, "Ada")
    assert f"merge {second[:12]} {first[:12]}" in outcome.notes[0]
    with pytest.raises(UsageError, match="several people are called 'Ada'"):
        follow(collection).find("Ada")


def test_a_merged_persons_name_goes_to_one_without(collection: Collection) -> None:
    first, second, *_ = listed(People.of(collection))
    name_person(People.of(collection), first, "Ada")
    merge_people(follow(collection), second, ["Ada"])
    assert follow(collection).find("Ada").person_id.hex() == second
    undo(People.of(collection))
    assert follow(collection).find("Ada").person_id.hex() == first


def test_every_change_is_an_event_with_its_decision(collection: Collection) -> None:
    first, second, *_ = listed(People.of(collection))
    merged = merge_people(People.of(collection), first, [second])
    follow(collection)
    rows = read_events(collection).to_pylist()
    founded = [row for row in rows if row["kind"] == "founded"]
    assert len(founded) == len(SIZES)
    assert {row["reason"] for row in founded} == {"first clustering"}
    told = next(row for row in rows if row["kind"] == "merged")
    assert (told["person_id"].hex(), told["other_id"].hex()) == (second, first)
    assert told["reason"] == f"decision {merged.decision.decision}"


def test_who_is_meant_must_be_clear(collection: Collection) -> None:
    people = People.of(collection)
    for said, says in (("nobody", "nobody called"), ("ab", "too short: 4 digits"), ("", "nobody")):
        with pytest.raises(UsageError, match=says):
            people.find(said)
    who = listed(people)[0]
    for wrong in (
        lambda: name_person(people, who, " "),
        lambda: merge_people(people, who, [who]),
        lambda: merge_people(people, who, []),
        lambda: split_person(people, who, []),
        lambda: split_person(
            people, who, [face.hex() for face in people.faces_of(people.find(who))]
        ),
        lambda: reject_faces(people, who, ["00"], no_face=False),
        lambda: undo(people),
        lambda: undo(people, "2024"),
    ):
        with pytest.raises(UsageError):
            wrong()
    assert recording.read(collection) == []


def test_without_people_there_is_nothing_to_decide() -> None:
    with pytest.raises(CollectionError, match="facebatch cluster"):
        People.of(memory_collection())


def test_decisions_are_kept_as_they_were_taken(collection: Collection) -> None:
    people = People.of(collection)
    who = listed(people)[0]
    taken = [
        name_person(people, who, "Ada").decision,
        reject_faces(people, who, [people.faces_of(people.find(who))[0].hex()], no_face=False),
    ]
    assert recording.read(collection) == [taken[0], taken[1].decision]
    assert [one.decision for one in recording.read(collection)] == sorted(
        one.decision for one in recording.read(collection)
    )


def test_what_stands_is_what_was_not_cancelled() -> None:
    ada, bo = b"a" * 16, b"b" * 16
    face = Concern(b"f" * 16, ada, bo)
    moved = Decision("split", ada, concerns=(face,), decision="1")
    back = Decision("undo", ada, cancels="1", concerns=(Concern(b"f" * 16, bo, ada),))
    back = replace(back, decision="2")
    rows = Located({b"f" * 16: 5})
    assert fold([moved], rows).pins == {5: (bo, "1")}
    assert fold([moved, back], rows).pins == {5: (ada, "2")}
    again = Decision("undo", ada, cancels="2", concerns=(face,), decision="3")
    effective = fold([moved, back, again], rows)
    assert effective.pins == {5: (bo, "3")}
    assert effective.cancelled == {"2"}
    assert fold([moved], Located()).pins == {}


def test_not_all_of_a_persons_faces_can_be_rejected(collection: Collection) -> None:
    people = People.of(collection)
    who = listed(people)[0]
    every = [face.hex() for face in people.faces_of(people.find(who))]
    with pytest.raises(UsageError, match="all faces of"):
        reject_faces(people, who, every, no_face=False)
    assert recording.read(collection) == []


def test_what_is_erased_takes_the_decisions_about_it_along(collection: Collection) -> None:
    first, second, *_ = listed(People.of(collection))
    name_person(People.of(collection), first, "Ada")
    name_person(follow(collection), second, "Bo")
    follow(collection)
    snapshot = collection.snapshot()
    erase(collection, select(collection, snapshot, Request(people=("Ada",))))
    people = follow(collection)
    assert [row["name"] for row in list_people(people, hidden=True)].count("Bo") == 1
    assert "Ada" not in [row["name"] for row in list_people(people, hidden=True)]
    undo(people)
    assert verify(collection) == []


def test_a_name_outlives_the_faces_that_it_was_given_to(collection: Collection) -> None:
    who = listed(People.of(collection))[3]
    name_person(People.of(collection), who, "Ada")
    people = follow(collection)
    before = people.faces_of(people.find("Ada"))
    faces = collection.snapshot().faces(["face_id", "embedding"])
    mine = pc.is_in(faces["face_id"], pa.array(before, pa.binary(16)))
    near = tables.matrix(faces.filter(mine)["embedding"])
    near = near + np.random.default_rng(3).normal(0, 0.012, near.shape).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    commit(collection, "more", near, first=200)
    assert len(follow(collection).faces_of(people.find("Ada"))) > len(before)
    chosen = tuple(face.hex() for face in before)
    erase(collection, select(collection, collection.snapshot(), Request(faces=chosen)))
    assert [decision.name for decision in recording.read(collection)] == ["Ada"]
    assert recording.read(collection)[0].concerns == ()
    follow(collection)
    assert verify(collection) == []
