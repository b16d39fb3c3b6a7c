"""Undoing an older decision: what later ones moved stays, all else goes back."""

from __future__ import annotations

import pytest
from support.commits import LATER_RUNS, clustered, follow, listed, partition

from facebatch.collection import Collection
from facebatch.people.edit import (
    People,
    assign_faces,
    merge_people,
    name_person,
    reject_faces,
    split_person,
    undo,
)


@pytest.fixture
def collection() -> Collection:
    """Three people, clustered."""
    return clustered(12, 9, 7)


def test_a_later_merger_outlives_an_earlier_one(collection: Collection) -> None:
    ada, bo, cem = listed(People.of(collection))
    faces = partition(People.of(collection))
    first = merge_people(People.of(collection), ada, [bo])
    merge_people(follow(collection), cem, [ada])
    before = partition(follow(collection))
    outcome = undo(People.of(collection), first.decision.decision)
    assert outcome.decision.concerns == ()
    assert f"{len(faces[bo])} faces stay" in outcome.notes[0]
    assert partition(follow(collection)) == before


def test_what_was_split_off_since_stays_so_and_the_rest_goes_back(collection: Collection) -> None:
    ada, bo, _ = listed(People.of(collection))
    faces = partition(People.of(collection))
    first = merge_people(People.of(collection), ada, [bo])
    people = follow(collection)
    off = {sorted(faces[ada])[0], sorted(faces[bo])[0]}
    split_person(people, ada, [face.hex() for face in off])
    undo(follow(collection), first.decision.decision)
    for how in LATER_RUNS:
        people = follow(collection, **how)
        found = partition(people)
        assert found[ada] == faces[ada] - off
        assert found[bo] == faces[bo] - off
        assert len({people.owner[face] for face in off}) == 1


def test_what_was_rejected_or_is_no_face_since_stays_so(collection: Collection) -> None:
    ada, bo, _ = listed(People.of(collection))
    faces = partition(People.of(collection))
    first = merge_people(People.of(collection), ada, [bo])
    one, other = sorted(faces[ada])[:2]
    reject_faces(follow(collection), ada, [one.hex()], no_face=False)
    reject_faces(follow(collection), ada, [other.hex()], no_face=True)
    undo(follow(collection), first.decision.decision)
    people = follow(collection)
    assert {one, other}.isdisjoint(partition(people)[ada])
    assert other not in people.owner
    assert partition(people)[bo] == faces[bo]


def test_a_name_given_since_moves_nobody(collection: Collection) -> None:
    ada, bo, _ = listed(People.of(collection))
    before = partition(People.of(collection))
    first = merge_people(People.of(collection), ada, [bo])
    name_person(follow(collection), ada, "Ada")
    undo(follow(collection), first.decision.decision)
    people = follow(collection)
    assert partition(people) == before
    assert people.find("Ada").person_id.hex() == ada


def test_undoing_again_and_again_goes_back_to_the_beginning(collection: Collection) -> None:
    ada, bo, cem = listed(People.of(collection))
    before = partition(People.of(collection))
    merge_people(People.of(collection), ada, [bo])
    wrong = sorted(before[bo])[0]
    reject_faces(follow(collection), ada, [wrong.hex()], no_face=False)
    merge_people(follow(collection), cem, [ada])
    for _ in range(3):
        undo(follow(collection))
    assert partition(follow(collection)) == before


@pytest.mark.parametrize("together", [True, False])
def test_who_was_merged_since_is_not_brought_back(collection: Collection, together: bool) -> None:
    ada, bo, cem = listed(People.of(collection))
    before = partition(People.of(collection))
    face = sorted(before[ada])[0]
    first = assign_faces(People.of(collection), cem, [face.hex()])
    merge_people(People.of(collection), bo, [ada])
    if not together:
        follow(collection)
    undo(People.of(collection), first.decision.decision)
    now = {bo: before[ada] | before[bo], cem: before[cem]}
    assert partition(People.of(collection)) == now
    for how in LATER_RUNS:
        assert partition(follow(collection, **how)) == now
