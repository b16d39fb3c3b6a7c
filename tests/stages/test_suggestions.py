"""Whom a user is asked about, and that answers are never asked for again."""

from __future__ import annotations

import numpy as np
import pytest
from support.commits import commit_at, commit_photos, face_of, follow
from support.rows import content, memory_collection
from support.synthetic import at_angles, d2_of_angle

from facebatch import ids
from facebatch.collection import Collection
from facebatch.people.deciding import People
from facebatch.people.edit import (
    assign_faces,
    hide_person,
    keep_apart,
    merge_people,
    name_person,
    reject_faces,
    undo,
)
from facebatch.stages.judged import Suggestion
from facebatch.stages.suggestions import Suggester


@pytest.fixture
def collection() -> Collection:
    """Two halves of one person at 0 and 14 degrees, a loose face at -7, others far away."""
    collection = memory_collection()
    near = (0, 1, 2, 3, 14, 15, 16)
    commit_at(collection, "one", 0, *near, 70, 71, 72, 120, 121, 122, 170, 171, 172, -7)
    follow(collection, tau=d2_of_angle(6))
    return collection


def parts(people: People) -> tuple[bytes, bytes, bytes]:
    """Returns the ids of the two halves, and of somebody far away."""
    found = [people.owner_of(face_of(number)) for number in (0, 4, 7)]
    assert None not in found
    assert len(set(found)) == 3
    return tuple(found)  # type: ignore[return-value]


def pairs(found: list[Suggestion]) -> set[frozenset[bytes]]:
    return {frozenset((one.person_id, one.other)) for one in found}


def test_the_nearest_people_are_asked_about_first(collection: Collection) -> None:
    people = People.of(collection)
    first, second, _ = parts(people)
    suggester = Suggester.of(people)
    best = suggester.best(10, loose=True)
    assert {best[0].person_id, best[0].other} == {first, second}
    assert (best[0].kind, best[0].gain) == ("people", 12)
    assert suggester.same(first)[0].other == second
    assert suggester.same(second)[0] == suggester.same(second, 1)[0]
    assert suggester.person_of(face_of(16))[0].person_id == first
    assert suggester.loose(first)[0].other == face_of(16)
    assert suggester.loose(first)[0] in suggester.best(100, loose=True)
    likely = [one.probability for one in suggester.same(first)]
    assert likely == sorted(likely, reverse=True)


def test_nobody_is_asked_about_who_was_kept_apart_or_is_hidden(collection: Collection) -> None:
    first, second, far = parts(People.of(collection))
    keep_apart(People.of(collection), first.hex(), second.hex())
    hide_person(People.of(collection), far.hex())
    keep_apart(People.of(collection), face_of(16).hex(), first.hex())
    for people in (People.of(collection), follow(collection)):
        found = Suggester.of(people).best(100, loose=True)
        assert frozenset((first, second)) not in pairs(found)
        assert frozenset((first, face_of(16))) not in pairs(found)
        assert not any(far in pair for pair in pairs(found))
    undo(People.of(collection))
    assert Suggester.of(People.of(collection)).loose(first)[0].other == face_of(16)


def test_a_face_that_was_rejected_isnt_offered_again(collection: Collection) -> None:
    first, *_ = parts(People.of(collection))
    assign_faces(People.of(collection), first.hex(), [face_of(16).hex()])
    follow(collection)
    reject_faces(People.of(collection), first.hex(), [face_of(16).hex()], no_face=False)
    people = follow(collection)
    assert face_of(16) not in {one.other for one in Suggester.of(people).loose(first)}
    reject_faces(people, face_of(16).hex(), [], no_face=True)
    best = Suggester.of(People.of(collection)).best(100, loose=True)
    assert face_of(16) not in {one.other for one in best}


def test_people_of_one_photo_are_not_asked_about() -> None:
    collection = memory_collection()
    photos = []
    for angles in ((0, 14), (1,), (2,), (15,), (16,), (90,), (91,), (92,)):
        faces = np.zeros((len(angles), 128), np.float32)
        faces[:, :2] = at_angles(*angles)
        photos.append(faces)
    commit_photos(collection, "one", photos)
    people = follow(collection, tau=d2_of_angle(6))
    first, second = (people.owner_of(ids.face_id(content(0), 0, 0, place)) for place in (0, 1))
    assert first
    assert second
    assert first != second
    assert frozenset((first, second)) not in pairs(Suggester.of(people).best(100))
    assert second not in {one.other for one in Suggester.of(people).same(first)}


def test_suggestions_follow_answers_as_if_they_were_made_anew(collection: Collection) -> None:
    people = People.of(collection)
    first, second, far = parts(people)
    suggester = Suggester.of(people)
    for decide in (
        lambda people: keep_apart(people, second.hex(), far.hex()),
        lambda people: merge_people(people, first.hex(), [second.hex()]),
        lambda people: assign_faces(people, first.hex(), [face_of(16).hex()]),
        lambda people: name_person(people, first.hex(), "Ada"),
    ):
        people = people.following(decide(people).decision)
        suggester = suggester.following(people)
        anew = Suggester.of(People.of(collection))
        # Of who was a face's nearest but two, and now is its nearest but one, only the new know.
        for made, others in ((suggester, anew), (anew, suggester)):
            likely = [one for one in made.best(100, loose=True) if one.probability > 0.01]
            assert pairs(likely) <= pairs(others.best(100, loose=True))
        # Of who has no faces left the number is free, and may be left out.
        used = np.flatnonzero(suggester.groups.sizes)
        np.testing.assert_array_equal(used, np.flatnonzero(anew.groups.sizes))
        for found, wanted in (
            (suggester.groups.sizes, anew.groups.sizes),
            (suggester.groups.centroids, anew.groups.centroids),
        ):
            np.testing.assert_allclose(found[used], wanted[used], atol=1e-6)
    assert suggester.loose(first) == []


def test_who_is_gone_leaves_no_gap(collection: Collection) -> None:
    first, second, far = parts(People.of(collection))
    merge_people(People.of(collection), second.hex(), [first.hex()])
    people = People.of(collection)
    assert people.pending
    suggester = Suggester.of(people)
    assert pairs(suggester.same(far)) == pairs(suggester.same(far, 1)) | {
        frozenset((far, one.other)) for one in suggester.same(far)
    }
    asked = [one for one in suggester.best(100) if one.kind == "people"]
    assert frozenset((second, far)) in pairs(asked)
    assert not any(first in pair for pair in pairs(asked))
    for one in asked:
        assert one.gain == len(people.faces_of(people.known[one.person_id])) * len(
            people.faces_of(people.known[one.other])
        )


def test_two_faces_of_nobodys_are_asked_about(collection: Collection) -> None:
    commit_at(collection, "two", 30, 220, 227, 300)
    people = follow(collection)
    both = face_of(30), face_of(31)
    assert not set(both) & set(people.owner)

    def couples(people: People) -> set[frozenset[bytes]]:
        found = Suggester.of(people).best(10_000, loose=True)
        assert all(one.gain == 1 for one in found if one.kind == "faces")
        return pairs([one for one in found if one.kind == "faces"])

    assert frozenset(both) in couples(people)
    [asked] = [
        one
        for one in Suggester.of(people).best(10_000, loose=True)
        if {one.person_id, one.other} == set(both)
    ]
    assert asked.d2 == pytest.approx(d2_of_angle(7), abs=1e-5)
    assert frozenset(both) not in couples(_after(people, keep_apart, *both))
    undo(People.of(collection))
    people = _after(People.of(collection), merge_people, both[0], [both[1]])
    assert people.owner_of(both[0]) == people.owner_of(both[1]) is not None
    assert not set(both) & {face for pair in couples(people) for face in pair}


def _after(people: People, verb, face: bytes, other) -> People:
    shown = [one.hex() for one in other] if isinstance(other, list) else other.hex()
    return people.following(verb(people, face.hex(), shown).decision)


def test_faces_of_one_photo_are_not_asked_about_with_each_other() -> None:
    collection = memory_collection()
    photos = []
    for angles in ((0, 7), (90,), (91,), (92,)):
        faces = np.zeros((len(angles), 128), np.float32)
        faces[:, :2] = at_angles(*angles)
        photos.append(faces)
    commit_photos(collection, "one", photos)
    people = follow(collection, tau=d2_of_angle(6))
    both = [ids.face_id(content(0), 0, 0, place) for place in (0, 1)]
    assert not set(both) & set(people.owner)
    assert frozenset(both) not in pairs(Suggester.of(people).best(100, loose=True))


def test_answers_change_later_probabilities(collection: Collection) -> None:
    people = People.of(collection)
    first, second, far = parts(people)
    suggester = Suggester.of(people)
    before = suggester.same(far)[0].probability
    merged = people.following(merge_people(people, first.hex(), [second.hex()]).decision)
    after = suggester.following(merged)
    assert after.likelihood.coefficients[0] >= suggester.likelihood.coefficients[0]
    undone = merged.following(undo(merged).decision)
    assert after.following(undone).likelihood == suggester.likelihood
    assert after.following(undone).same(far)[0].probability == pytest.approx(before)
