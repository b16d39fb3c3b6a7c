from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.generations import clustering, found, ids, step

from facebatch.cluster.labels import canonical
from facebatch.people import Clustering
from facebatch.people.events import compare
from facebatch.people.identity import carry_over

NOBODY = Clustering(ids(), np.zeros(0, np.int32))


def changes(before, labels, faces=None, claims=None, **after):
    now = clustering(labels, faces=faces)
    people = carry_over(now.face_ids, now.labels, before, "g2", claims)
    people = tuple(replace(person, **after.get(person.name or "", {})) for person in people)
    now = Clustering(now.face_ids, now.labels, people)
    return compare(before or NOBODY, now, "new photos", {})


def counted(**faces):
    return dict.fromkeys(("kept", "moved", "left", "joined", "new", "vanished"), 0) | faces


def told(changed):
    return sorted((event.kind, event.faces, event.name) for event in changed.events)


def test_the_first_people_are_founded():
    made = changes(None, [0, 0, 1, 1, 1, -1])
    assert told(made) == [("founded", 2, None), ("founded", 3, None)]
    assert made.faces() == counted(new=5)


def test_nothing_changes_when_nothing_changes():
    before = found([0, 0, 1, 1, -1], names=["Ada", "Bo"])
    assert changes(before, [1, 1, 0, 0, -1]).events == ()


def test_new_faces_and_loose_ones_join():
    before = found([0, 0, -1], names=["Ada"])
    made = changes(before, [0, 0, 0, 0])
    assert told(made) == [("joined", 2, "Ada")]
    assert (made.kept, made.joined, made.new) == (2, 1, 1)


def test_a_split_names_who_is_new():
    before = found([0, 0, 0, 0, 0], names=["Ada"])
    made = changes(before, [0, 0, 0, 1, 1])
    assert told(made) == [("founded", 2, None), ("split", 2, "Ada")]
    (split,) = (event for event in made.events if event.kind == "split")
    (new,) = (event for event in made.events if event.kind == "founded")
    assert split.other_id == new.person_id
    assert made.moved == 2


def test_a_merger_is_told_once():
    before = found([0, 0, 1, 1, 1], names=["Ada", "Bo"])
    assert told(changes(before, [0] * 5)) == [("merged", 0, "Ada")]


def test_faces_that_go_to_somebody_else_moved():
    before = found([0, 0, 0, 1, 1], names=["Ada", "Bo"])
    made = changes(before, [0, 0, 1, 1, 1])
    assert told(made) == [("moved", 1, "Ada")]
    assert (made.kept, made.moved) == (4, 1)


def test_faces_that_are_nobodys_now_left_and_who_has_none_is_dissolved():
    before = found([0, 0, 0, 1, 1], names=["Ada", "Bo"])
    made = changes(before, [0, 0, -1, -1, -1])
    assert told(made) == [("dissolved", 0, "Bo"), ("left", 1, "Ada"), ("left", 2, "Bo")]


def test_vanished_faces_are_counted():
    before = found([0, 0, 0, 1, 1], names=["Ada", "Bo"])
    assert changes(before, [0, 0], faces=[0, 1]).faces() == counted(kept=2, vanished=3)


def test_names_and_hiding_are_events():
    before = found([0, 0, 1, 1], names=["Ada", "Bo"])
    made = changes(before, [0, 0, 1, 1], Ada={"name": "Eve"}, Bo={"hidden": True, "name": None})
    assert told(made) == [("hidden", 2, None), ("renamed", 2, "Eve"), ("unnamed", 2, "Bo")]


def test_a_person_that_is_claimed_again_returns():
    before = found([0, 0, 1, 1, 1], names=["Ada", "Bo"])
    merged = clustering([0] * 5, step([0] * 5, before))
    ada = next(person for person in merged.people if person.name == "Ada")
    bo = next(person for person in merged.people if person.name == "Bo")
    made = changes(merged, [0, 0, 1, 1, 1], claims={0: ada.person_id, 1: bo.person_id})
    assert ("returned", 2, "Ada") in told(made)
    assert ("moved", 2, "Bo") in told(made)


def test_a_reason_of_ones_own_goes_before_the_general_one():
    before = found([0, 0, 1, 1], names=["Ada", "Bo"])
    ada = next(person for person in before.people if person.name == "Ada")
    now = clustering([-1] * 4, step([-1] * 4, before))
    made = compare(before, now, "from scratch", {ada.person_id: "decision 1"})
    assert {event.name: event.reason for event in made.events} == {
        "Ada": "decision 1",
        "Bo": "from scratch",
    }


def test_two_clusters_cannot_be_one_persons():
    with pytest.raises(ValueError, match="claimed"):
        changes(None, [0, 0, 1, 1], claims={0: b"a" * 16, 1: b"a" * 16})


labelled = st.integers(2, 20).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.int32, n, elements=st.integers(-1, 3)).map(canonical)] * 2)
)


@given(labelled)
def test_every_face_is_accounted_for(labels):
    before, after = labels
    made = changes(found(before), after)
    was = (before >= 0).sum()
    assert made.kept + made.moved + made.left == was
    assert made.kept + made.moved + made.joined == (after >= 0).sum()
    moved = sum(event.faces for event in made.events if event.kind in ("moved", "split"))
    assert moved <= made.moved
