"""Faces that are nobody's: they are named, given to somebody, kept apart, hidden or put out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.commits import LATER_RUNS, commit_at, face_of, follow, listed, partition
from support.rows import memory_collection
from support.synthetic import at_angles, d2_of_angle

from facebatch.cluster.photos import part_pairs
from facebatch.collection import Collection
from facebatch.erasure import Request, erase, select, verify
from facebatch.errors import UsageError
from facebatch.people import recording
from facebatch.people.edit import (
    People,
    assign_faces,
    hide_person,
    keep_apart,
    list_people,
    merge_people,
    name_person,
    reject_faces,
    undo,
)
from facebatch.people.ledger import list_decisions

ANGLES = (0, 2, 4, 5, 25, 27, 29, 90, 110)
"""Degrees of nine faces: four of one person, three of another, and two of nobody's; those who
aren't one are farther apart than the 17 degrees that a clustering from scratch takes for one."""


def said(number: int) -> str:
    return face_of(number).hex()


ADA = {face_of(number) for number in range(4)}
BO = {face_of(number) for number in range(4, 7)}
LOOSE, OTHER = 7, 8


@pytest.fixture
def collection() -> Collection:
    """Ada, who has a name, another person, and two faces of nobody's."""
    collection = memory_collection()
    commit_at(collection, "one", 0, *ANGLES)
    people = follow(collection, tau=d2_of_angle(6))
    name_person(people, people.owner[face_of(0)].hex(), "Ada")
    people = follow(collection)
    assert sorted(map(len, partition(people).values())) == [3, 4]
    return collection


def bo(people: People) -> str:
    return people.owner[face_of(4)].hex()


def test_a_named_face_is_a_person_whom_others_join(collection: Collection) -> None:
    named = name_person(People.of(collection), said(LOOSE)[:8], "Cem")
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert people.faces_of(people.find("Cem")) == [face_of(LOOSE)]
        assert people.find("Cem").person_id == named.decision.person_id
    commit_at(collection, "two", 20, 91, 89)
    people = follow(collection)
    assert set(people.faces_of(people.find("Cem"))) == {face_of(LOOSE), face_of(20), face_of(21)}


def test_given_faces_are_the_persons_and_leave_the_others_what_they_have(
    collection: Collection,
) -> None:
    other = bo(People.of(collection))
    outcome = assign_faces(People.of(collection), "Ada", [said(LOOSE), said(4)])
    assert outcome.message == "2 faces given to Ada, who has 6"
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert set(people.faces_of(people.find("Ada"))) == ADA | {face_of(LOOSE), face_of(4)}
        assert partition(people)[other] == BO - {face_of(4)}


def test_who_gives_the_last_face_away_leads_to_who_got_it(collection: Collection) -> None:
    other = bo(People.of(collection))
    outcome = assign_faces(People.of(collection), "Ada", [one.hex() for one in BO])
    assert "leads to Ada" in outcome.notes[0]
    assert follow(collection).find(other).name == "Ada"


def test_a_face_is_merged_as_a_person_is(collection: Collection) -> None:
    merge_people(People.of(collection), "Ada", [said(LOOSE), bo(People.of(collection))])
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert set(people.faces_of(people.find("Ada"))) == ADA | BO | {face_of(LOOSE)}


def test_a_face_of_nobodys_is_no_face_or_hidden(collection: Collection) -> None:
    reject_faces(People.of(collection), said(LOOSE), [said(1)], no_face=True)
    hide_person(follow(collection), said(OTHER))
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert set(people.faces_of(people.find("Ada"))) == ADA - {face_of(1)}
        assert people.known[people.owner[face_of(OTHER)]].hidden
        assert face_of(LOOSE) not in people.owner
        assert len(listed(people)) == 2
    commit_at(collection, "two", 20, 89, 91)
    people = follow(collection)
    assert people.owner[face_of(20)] == people.owner[face_of(21)]
    assert face_of(LOOSE) not in people.owner


DECISIONS: dict[str, Callable[[People], object]] = {
    "name": lambda people: name_person(people, said(LOOSE), "Cem"),
    "assign": lambda people: assign_faces(people, "Ada", [said(LOOSE), said(4)]),
    "merge": lambda people: merge_people(people, "Ada", [said(LOOSE)]),
    "hide": lambda people: hide_person(people, said(LOOSE)),
    "not_a_face": lambda people: reject_faces(people, said(LOOSE), [said(1)], no_face=True),
    "apart": lambda people: keep_apart(people, said(LOOSE), "Ada"),
}


@pytest.mark.parametrize("kind", DECISIONS)
def test_each_is_undone_and_the_undoing_too(collection: Collection, kind: str) -> None:
    before = partition(People.of(collection))
    DECISIONS[kind](People.of(collection))
    decided = partition(follow(collection))
    taken = undo(People.of(collection))
    for how in LATER_RUNS:
        assert partition(follow(collection, **how)) == before
    undo(People.of(collection), taken.decision.decision)
    assert partition(follow(collection)) == decided


def test_a_face_that_an_undo_freed_may_join_somebody_later(collection: Collection) -> None:
    assign_faces(People.of(collection), "Ada", [said(LOOSE)])
    undo(follow(collection))
    commit_at(collection, "two", 20, 90.5, 91)
    people = follow(collection)
    assert people.owner[face_of(LOOSE)] == people.owner[face_of(20)] != people.find("Ada").person_id
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert people.owner[face_of(LOOSE)] == people.owner[face_of(20)]


def test_people_who_are_two_are_never_one_again(collection: Collection) -> None:
    other = bo(People.of(collection))
    keep_apart(People.of(collection), "Ada", other)
    # Faces between the two, in steps that one person's take, and a name that offers a merger.
    commit_at(collection, "two", 20, *range(8, 24, 2))
    for how in LATER_RUNS:
        people = follow(collection, **how)
        found = partition(people)
        assert found[people.find("Ada").person_id.hex()] >= ADA
        assert found[other] >= BO
    assert name_person(People.of(collection), other, "Ada").notes == ()


def test_without_that_decision_faces_between_two_people_join_them(collection: Collection) -> None:
    undo(People.of(collection))
    commit_at(collection, "two", 20, *range(8, 24, 2))
    people = follow(collection, from_scratch=True)
    assert people.owner[face_of(0)] == people.owner[face_of(4)]


@pytest.mark.parametrize("apart", [True, False])
def test_two_faces_that_are_two_are_never_in_one_person(
    collection: Collection, apart: bool
) -> None:
    # Of one person but for the decision, once there are faces between them.
    commit_at(collection, "two", 20, 60, 66.5)
    people = follow(collection)
    assert not {face_of(20), face_of(21)} & set(people.owner)
    if apart:
        keep_apart(people, said(20), said(21))
    commit_at(collection, "three", 30, 62, 63, 64)
    for how in LATER_RUNS:
        people = follow(collection, **how)
        assert people.owner[face_of(30)] == people.owner[face_of(31)]
        if apart:
            assert people.owner.get(face_of(20)) != people.owner.get(face_of(21))
    if not apart:
        assert people.owner[face_of(20)] == people.owner[face_of(21)]


@pytest.mark.parametrize("apart", [True, False])
def test_a_face_that_is_not_a_persons_does_not_join_with_its_neighbours(
    collection: Collection, apart: bool
) -> None:
    assign_faces(People.of(collection), "Ada", [said(OTHER)])
    if apart:
        keep_apart(follow(collection), said(LOOSE), "Ada")
    commit_at(collection, "two", 20, 95, 100, 105)
    people = follow(collection, from_scratch=True)
    ada = people.find("Ada").person_id
    assert people.owner[face_of(20)] == people.owner[face_of(22)] == ada
    assert (people.owner.get(face_of(LOOSE)) == ada) is not apart


def test_of_a_pair_the_face_that_is_less_like_the_others_leaves() -> None:
    embeddings = at_angles(0, 1, 2, 10, 50)
    labels = np.array([0, 0, 0, 0, 1], np.int32)
    pairs = np.array([[3, 0], [4, 1]])
    free = np.zeros(5, bool)
    assert part_pairs(labels, pairs, embeddings, free).tolist() == [0, 0, 0, -1, 1]
    held = np.array([False, False, False, True, False])
    assert part_pairs(labels, pairs, embeddings, held).tolist() == [-1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("decide", "says"),
    [
        (lambda people: name_person(people, said(0), "Cem"), "is a face of Ada"),
        (lambda people: people.find(said(LOOSE)), "people assign PERSON"),
        (lambda people: assign_faces(people, said(LOOSE), [said(OTHER)]), "people name"),
        (lambda people: assign_faces(people, "Ada", [said(0)]), "doesn't have"),
        (lambda people: keep_apart(people, "Ada", said(0)), "are one person"),
        (lambda people: keep_apart(people, "Ada", "Ada"), "are one person"),
        (lambda people: keep_apart(people, said(LOOSE), said(LOOSE)), "are one person"),
        (lambda people: merge_people(people, said(LOOSE), [said(LOOSE)]), "other people than"),
        (lambda people: reject_faces(people, said(LOOSE), [], no_face=False), "face of nobody's"),
    ],
)
def test_what_cannot_be_decided_is_said_and_not_recorded(
    collection: Collection, decide: Callable[[People], object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        decide(People.of(collection))
    assert [one.kind for one in recording.read(collection)] == ["name"]


def test_erasing_a_person_takes_all_these_decisions_along(collection: Collection) -> None:
    keep_apart(People.of(collection), "Ada", said(LOOSE))
    assign_faces(follow(collection), "Ada", [said(OTHER)])
    keep_apart(follow(collection), "Ada", bo(People.of(collection)))
    follow(collection)
    erase(collection, select(collection, collection.snapshot(), Request(people=("ada",))))
    people = follow(collection)
    assert verify(collection) == []
    assert "Ada" not in [row["name"] for row in list_people(people, hidden=True)]
    left = {one.face_id for each in recording.read(collection) for one in each.concerns}
    assert left <= BO | {face_of(LOOSE)}


def test_decisions_are_listed_with_whom_they_are_about(collection: Collection) -> None:
    keep_apart(People.of(collection), "Ada", bo(People.of(collection)))
    people = follow(collection)
    told = list_decisions(people, people.find(bo(people)))
    assert [(one["kind"], one["person"], one["faces"], one["found"]) for one in told] == [
        ("apart", "Ada", 7, 7)
    ]


def test_names_are_found_whatever_their_case_and_near_ones_suggested(
    collection: Collection,
) -> None:
    people = People.of(collection)
    assert people.find("ADA").name == "Ada"
    name_person(people, bo(people), "Grace Hopper")
    people = follow(collection)
    for wrong in ("Grace Hoper", "hopper"):
        with pytest.raises(UsageError, match="did you mean 'Grace Hopper'"):
            people.find(wrong)
