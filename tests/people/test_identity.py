import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.generations import clustering, found, ids, step

from facebatch.cluster.labels import canonical
from facebatch.people import Clustering, Person
from facebatch.people.identity import carry_over, person_id


def of_cluster(people, cluster):
    (person,) = (p for p in people if p.cluster == cluster)
    return person


def by_id(people, identity):
    (person,) = (p for p in people if p.person_id == identity)
    return person


def test_first_generation_founds_a_person_for_each_cluster():
    people = step([0, -1, 1, 0, 1], None, generation="2024-05-01-ab")
    assert [p.person_id for p in people] == sorted(p.person_id for p in people)
    first = of_cluster(people, 0)
    text = b"2024-05-01-ab" + b"\0" + bytes(16)
    assert first.person_id == hashlib.blake2b(text, digest_size=16).digest()
    assert first == Person(first.person_id, "2024-05-01-ab", cluster=0)
    smallest = ids(2)[0].tobytes()
    assert of_cluster(people, 1).person_id == person_id("2024-05-01-ab", smallest)
    assert len(people) == 2


def test_no_faces_have_no_people():
    assert step([], None) == ()


def test_unchanged_clusters_keep_their_people():
    before = found([0, 0, 1, 1, -1], names=["Ada", "Bo"])
    assert step([0, 0, 1, 1, -1], before) == before.people


def test_people_keep_their_id_and_name_when_clusters_are_renumbered():
    before = found([0, 0, 1, 1], names=["Ada", "Bo"])
    swapped = step([1, 1, 0, 0], before)
    assert of_cluster(swapped, 1) == replace(of_cluster(before.people, 0), cluster=1)
    assert of_cluster(swapped, 0) == replace(of_cluster(before.people, 1), cluster=0)


def test_new_faces_before_the_old_ones_do_not_change_who_is_who():
    before = found([0, 0, 1, 1], faces=[10, 20, 30, 40], names=["Ada", "Bo"])
    after = step([0, 0, 0, 1, 1, 1], before, faces=[1, 10, 20, 25, 30, 40])
    assert [of_cluster(after, c).name for c in (0, 1)] == ["Ada", "Bo"]
    assert len(after) == 2


def test_new_faces_belonged_to_nobody():
    before = found([0, 0], names=["Ada"])
    after = step([0, 0, 1, 1, 1], before)
    assert of_cluster(after, 0).name == "Ada"
    assert of_cluster(after, 1).founded == "g2"


def test_larger_part_of_a_split_keeps_the_person():
    before = found([0, 0, 0, 0, 0], names=["Ada"])
    after = step([0, 0, 1, 1, 1], before)
    assert of_cluster(after, 1).person_id == before.people[0].person_id
    new = of_cluster(after, 0)
    assert (new.founded, new.name, new.status) == ("g2", None, "active")


def test_equal_parts_go_to_the_smaller_cluster():
    before = found([0, 0, 0, 0])
    assert of_cluster(step([0, 0, 1, 1], before), 0).person_id == before.people[0].person_id


def test_smaller_of_two_merged_people_becomes_a_redirect():
    before = found([0, 0, 1, 1, 1])
    small, large = (of_cluster(before.people, c).person_id for c in (0, 1))
    after = step([0, 0, 0, 0, 0], before)
    assert by_id(after, large) == replace(by_id(before.people, large), cluster=0)
    assert by_id(after, small) == replace(
        by_id(before.people, small), status="merged", merged_into=large, cluster=None
    )


def test_equally_large_people_leave_the_cluster_to_the_smaller_id():
    before = found([0, 0, 1, 1])
    after = step([0, 0, 0, 0], before)
    assert of_cluster(after, 0).person_id == min(p.person_id for p in before.people)


def test_name_of_a_merged_person_passes_to_one_without():
    before = found([0, 0, 1, 1, 1], names=["Ada"])
    after = step([0, 0, 0, 0, 0], before)
    assert of_cluster(after, 0).person_id == of_cluster(before.people, 1).person_id
    assert [p.name for p in after] == ["Ada", "Ada"]


def test_a_person_with_a_name_keeps_it():
    before = found([0, 0, 1, 1, 1], names=["Ada", "Bo"])
    after = step([0, 0, 0, 0, 0], before)
    assert of_cluster(after, 0).name == "Bo"
    (merged,) = (p for p in after if p.status == "merged")
    assert merged.name == "Ada"


def test_name_of_the_largest_merged_person_passes_on():
    before = found([0, 0, 1, 1, 1, 2, 2, 2, 2], names=["Ada", "Bo"])
    assert of_cluster(step([0] * 9, before), 0).name == "Bo"


def test_person_whose_faces_are_alone_or_gone_is_dissolved():
    before = found([0, 0, 1, 1, 2, 2], names=["Ada", "Bo", "Cy"])
    after = step([-1, -1, 0, 0], before, faces=[0, 1, 4, 5])
    states = {p.name: (p.status, p.cluster, p.merged_into) for p in after}
    assert states == {
        "Ada": ("dissolved", None, None),
        "Bo": ("dissolved", None, None),
        "Cy": ("active", 0, None),
    }


def test_a_stray_face_does_not_make_a_person_somebody_else():
    before = found([0, 0, 0, 0, 1, 1, 1, 1], names=["Ada"])
    after = step([-1, -1, 0, 0, 0, 0, 0, 0], before)
    bo = of_cluster(before.people, 1).person_id
    # Half of Ada's faces isn't most of them.
    assert by_id(after, of_cluster(before.people, 0).person_id).status == "dissolved"
    assert by_id(after, bo).name is None
    after = step([-1, 0, 0, 0, 0, 0, 0, 0], before)
    assert by_id(after, of_cluster(before.people, 0).person_id).merged_into == bo


def test_faces_that_vanished_do_not_count_against_a_merge():
    before = found([0, 0, 0, 0, 1, 1], names=["Ada", "Bo"])
    after = step([0, 0, 0], before, faces=[0, 4, 5])
    assert {p.name: p.status for p in after} == {"Ada": "merged", "Bo": "active"}


def test_all_faces_of_the_last_cluster_vanished():
    before = found([0, 0, -1, 1, 1], names=["Ada", "Bo"])
    kept = Clustering(before.face_ids[:3], before.labels[:3], before.people)
    after = step([0, 0, 1, 1], kept, faces=[0, 1, 2, 5])
    assert {p.name: p.status for p in after} == {"Ada": "active", "Bo": "dissolved", None: "active"}


def test_redirects_are_followed_to_their_end():
    first = found([0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2], names=["Ada", "Bo", "Cy"])
    labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    second = clustering(labels, step(labels, first, "g2"))
    third = step([0] * 11, second, "g3")
    cy = of_cluster(third, 0)
    assert cy.name == "Cy"
    assert {p.name: p.merged_into for p in third if p.status == "merged"} == {
        "Ada": cy.person_id,
        "Bo": cy.person_id,
    }
    fourth = step([-1] * 11, clustering([0] * 11, third), "g4")
    assert {p.name: (p.status, p.merged_into) for p in fourth} == {
        "Ada": ("merged", cy.person_id),
        "Bo": ("merged", cy.person_id),
        "Cy": ("dissolved", None),
    }


def test_faces_of_a_person_merged_by_decision_count_for_the_one_it_was_merged_into():
    before = found([0, 0, 1, 1, 2, 2, 2], names=["Ada", "Bo", "Cy"])
    ada, bo = (of_cluster(before.people, c) for c in (0, 1))
    decided = [
        replace(p, status="merged", merged_into=bo.person_id) if p == ada else p
        for p in before.people
    ]
    # Ada's two faces and Bo's two outweigh Cy's three.
    after = step([0] * 7, clustering(before.labels, decided))
    assert of_cluster(after, 0).name == "Bo"
    assert by_id(after, ada.person_id).cluster is None


def test_circle_of_redirects_is_refused():
    one, other = bytes(16), bytes([1] * 16)
    circle = (
        Person(one, "g1", "merged", 0, merged_into=other),
        Person(other, "g1", "merged", None, merged_into=one),
    )
    with pytest.raises(ValueError, match="merged into itself"):
        step([0, 0], clustering([0, 0], circle))


@pytest.mark.parametrize("faces", [[1, 0], [0, 0]])
def test_face_ids_out_of_order_are_refused(faces):
    with pytest.raises(ValueError, match="ascending"):
        step([0, 0], None, faces=faces)


def test_face_ids_and_labels_must_agree_in_length():
    with pytest.raises(ValueError, match="2 face ids for 1 labels"):
        carry_over(ids(0, 1), np.array([0], np.int32), None, "g1")


faces_and_labels = st.lists(st.integers(0, 25), unique=True, max_size=25).flatmap(
    lambda faces: st.tuples(
        st.just(sorted(faces)),
        hnp.arrays(np.int32, len(faces), elements=st.integers(-1, 4)).map(canonical),
    )
)


@given(st.lists(faces_and_labels, min_size=2, max_size=5))
def test_identity_holds_over_any_history(history):
    previous = None
    for number, (faces, labels) in enumerate(history):
        people = step(labels, previous, f"g{number}", faces)
        known = {p.person_id: p for p in people}
        assert len(known) == len(people)
        clusters = [p.cluster for p in people if p.status == "active"]
        assert sorted(clusters) == list(range(labels.max(initial=-1) + 1))
        assert all(p.cluster is None for p in people if p.status != "active")
        for person in people:
            assert (person.merged_into is not None) == (person.status == "merged")
            if person.merged_into is not None:
                assert known[person.merged_into].status in ("active", "dissolved")
        if previous is not None:
            assert {p.person_id for p in previous.people} <= set(known)
        previous = clustering(labels, people, faces)


def test_a_claimed_cluster_is_whose_it_is_claimed_for():
    before = found([0, 0, 0, 1, 1], names=["Ada", "Bo"])
    ada, bo = (of_cluster(before.people, c).person_id for c in (0, 1))
    now = clustering([0, 0, 0, 0, 0])
    after = carry_over(now.face_ids, now.labels, before, "g2", {0: bo})
    assert of_cluster(after, 0).name == "Bo"
    assert by_id(after, ada).merged_into == bo


def test_a_claim_for_somebody_unknown_founds_them():
    before = found([0, 0, 0, 0], names=["Ada"])
    now = clustering([0, 0, 1, 1])
    new = b"n" * 16
    after = carry_over(now.face_ids, now.labels, before, "g2", {0: new})
    assert of_cluster(after, 0) == Person(new, "g2", cluster=0)
    assert of_cluster(after, 1).name == "Ada"
