"""What is decided in a browser holds at once, is recorded, and is what the commands would do."""

from __future__ import annotations

import re

import pytest
from support.reviewable import forms

from facebatch.erasure import Request, erase, select
from facebatch.extract import attempts
from facebatch.people import edit, recording
from facebatch.people.deciding import People
from facebatch.people.exchange import NamedRow, import_names
from facebatch.review.desk import Desk, State, regroup
from facebatch.stages import cluster_people


def test_a_name_holds_at_once_and_is_recorded(review) -> None:
    first, second, *_ = review.unnamed()
    answer = review.name(first, "Ada Lovelace")
    assert answer.url.path == "/who"
    assert "Ada Lovelace: named" in answer.text
    assert review.unnamed()[0] == second, "the next question"
    assert "Ada Lovelace" in review.page("/people")
    assert People.of(review.collection).find("Ada Lovelace").person_id.hex() == first
    assert "1 of 10 people named" in review.page("/who")


def test_a_name_is_taken_as_it_was_written(review) -> None:
    first, second, *_ = review.unnamed()
    review.name(first, "Annabel")
    review.name(second, " Anna ")
    assert [review.people.known[bytes.fromhex(who)].name for who in (first, second)] == [
        "Annabel",
        "Anna",
    ]


def test_a_name_that_is_there_is_asked_about(review) -> None:
    first, second, third, *_ = review.unnamed()
    review.name(first, "Ada")
    for person, action, merged in ((second, "same", True), (third, "name", False)):
        asked = review.name(person, "ADA")
        assert "Is this the same ADA?" in asked.text
        assert review.people.known[bytes.fromhex(person)].name is None, "nothing is decided yet"
        [sent] = [
            form for form in forms(asked.text) if form["action"] == [action] and "person" in form
        ]
        review.send(sent)
        now = review.people.known[bytes.fromhex(person)]
        assert (now.status == "merged") == merged
    assert review.people.known[bytes.fromhex(third)].name == "ADA"
    assert review.people.known[bytes.fromhex(second)].merged_into == bytes.fromhex(first)


def test_two_are_one_and_the_named_one_stays(review) -> None:
    first, second, *_ = review.unnamed()
    review.name(second, "Ada")
    compared = f"/compare?a={first}&b={second}"
    answer = review.send(review.form(compared, "same", other=second))
    assert "Ada: one person now" in answer.text
    assert review.people.known[bytes.fromhex(first)].merged_into == bytes.fromhex(second)
    moved = review.browser.get(f"/person/{first}", follow_redirects=False)
    assert moved.headers["location"] == f"/person/{second}"


def test_two_who_are_two_stay_two(review) -> None:
    first, second, *_ = review.unnamed()
    compared = f"/compare?a={first}&b={second}"
    review.send(review.form(compared, "apart", other=second))
    assert "You said that they are two people." in review.page(compared)


def test_who_is_hidden_or_put_off_is_not_asked_about(review) -> None:
    first, second, third, *_ = review.unnamed()
    review.send(review.form(f"/who?person={first}", "hide"))
    review.send(review.form(f"/who?person={second}", "later"))
    assert f'href="/person/{third}"' in review.page("/who")
    assert first not in review.page("/people")
    assert second in review.page("/people")
    for _ in review.unnamed()[1:]:
        review.send(review.form("/who", "later"))
    assert f'href="/person/{second}"' in review.page("/who"), "once nobody else is left"


def test_ticked_faces_go_where_they_are_said_to(review) -> None:
    first = review.unnamed()[0]
    faces = [face.hex() for face in review.people.faces_of(review.people.find(first))]
    form = review.form(f"/odd/{first}", "reject")
    review.send(form.changed(faces=faces[:2]))
    assert review.people.owner_of(bytes.fromhex(faces[0])) is None
    form = review.form(f"/odd/{first}", "another")
    review.send(form.changed(faces=faces[2:4]))
    other = review.people.owner_of(bytes.fromhex(faces[2]))
    assert other == review.people.owner_of(bytes.fromhex(faces[3]))
    assert other.hex() != first
    form = review.form(f"/odd/{first}", "no_face")
    review.send(form.changed(faces=faces[4:5]))
    assert review.people.owner_of(bytes.fromhex(faces[4])) is None
    assert len(review.people.faces_of(review.people.find(first))) == len(faces) - 5


def test_loose_faces_are_given_to_a_person(review) -> None:
    first = review.unnamed()[0]
    owner = review.people.find(first)
    face = review.people.faces_of(owner)[0]
    review.send(review.form(f"/odd/{first}", "reject").changed(faces=[face.hex()]))
    store = review.site.desk.state.store
    item = store.media_of(store.directory.row(face))["media_id"].hex()
    form = review.form(f"/media/{item}", "name").changed(name="Seen Once")
    review.send(form)
    founded = review.people.owner_of(face)
    assert review.people.known[founded].name == "Seen Once"
    assert "Seen Once" in review.page("/people")


def test_the_newest_or_a_named_decision_is_undone(review) -> None:
    first, second, *_ = review.unnamed()
    review.name(first, "Ada")
    review.name(second, "Bob")
    review.send(review.form("/who", "undo"))
    assert review.unnamed()[0] == second
    answer = review.send(review.form("/decisions", "undo", decision=_named(review, "Ada")))
    assert "Undone." in answer.text
    assert review.unnamed()[:2] == [first, second]


def _named(review, name: str) -> str:
    known = review.people.effective_decisions.decisions
    return next(one.decision for one in known if one.name == name)


def test_what_changed_meanwhile_is_not_decided_about(review) -> None:
    first, second, third, *_ = review.unnamed()
    form = review.form(f"/who?person={first}", "name")
    other = review.form(f"/who?person={third}", "name")
    review.send(review.form(f"/compare?a={first}&b={second}", "same", other=second))
    answer = review.send(form.changed(name="Mistaken"))
    assert answer.status_code == 409
    assert "Meanwhile: made one person." in answer.text
    assert "Who is this?" in answer.text, "the page again"
    assert "Mistaken" not in review.page("/people")
    assert review.send(other.changed(name="Carl")).status_code == 200, "others may change"


def test_what_cannot_be_is_said_on_the_page(review) -> None:
    first = review.unnamed()[0]
    faces = [face.hex() for face in review.people.faces_of(review.people.find(first))]
    form = review.form(f"/odd/{first}", "reject")
    assert review.send(form).status_code == 422, "no face was chosen"
    answer = review.send(form.changed(faces=faces))
    assert answer.status_code == 422
    assert "Leave one" in answer.text


def test_the_overlay_is_what_the_regrouping_gives(review) -> None:
    first, second, third, fourth, *_ = review.unnamed()
    review.name(first, "Ada")
    review.send(review.form(f"/compare?a={second}&b={third}", "same", other=third))
    faces = [face.hex() for face in review.people.faces_of(review.people.find(fourth))]
    review.send(review.form(f"/odd/{fourth}", "another").changed(faces=faces[:2]))
    review.send(review.form(f"/who?person={review.unnamed()[-1]}", "hide"))
    overlay = _shape(review.people)
    pages = {path: review.page(path) for path in ("/people", f"/person/{first}")}
    assert review.people.pending
    regroup(review.collection)
    review.site.desk.look()
    assert not review.people.pending
    assert _shape(review.people) == overlay
    for path, page in pages.items():
        assert _people_of(review.page(path)) == _people_of(page)


def _shape(people: People):
    """Everyone's name, standing and faces."""
    return {
        who: (person.name, person.status, person.hidden, frozenset(people.faces_of(person)))
        for who, person in people.known.items()
    }


def _people_of(page: str) -> list[str]:
    """The people of a page; who stands for them may be chosen anew."""
    lines = [line for line in page.splitlines() if 'class="who"' in line or "<h1>" in line]
    return [re.sub(r"/chip/\w+", "", line) for line in lines]


def test_what_others_decide_is_seen(review) -> None:
    first = review.unnamed()[0]
    edit.name_person(People.of(review.collection), first, "From The Terminal")
    cluster_people(review.collection, review.collection.snapshot())
    review.site.desk.look()
    assert "From The Terminal" in review.page("/people")


def test_who_was_named_by_an_import_is_asked_about_again_once_it_is_undone(review) -> None:
    desk, before = review.site.desk, review.unnamed()

    def decided(verb) -> str:
        return desk.decide(verb, lambda state: False).decision.decision

    decided(lambda people: import_names(people, [NamedRow(1, "Ada", person=before[0])]))
    assert review.unnamed() == before[1:]
    undone = decided(edit.undo)
    assert review.unnamed() == before
    decided(lambda people: edit.undo(people, undone))
    assert review.unnamed() == before[1:]


def test_nothing_is_read_anew_when_the_files_of_its_own_decisions_become_one(collection) -> None:
    desk = Desk(collection, idle=1e9)
    who = next(iter(desk.state.people.known)).hex()
    for number in range(recording.MANY_FILES):
        desk.decide(
            lambda people, number=number: edit.name_person(people, who, f"name {number}"),
            lambda state: False,
        )
    assert len(collection.storage.files("decisions")) == 1
    state = desk.state
    desk.look()
    assert desk.state is state


def test_decisions_taken_while_people_are_read_anew_hold(review, monkeypatch) -> None:
    first, second, *_ = review.unnamed()
    load = State.load

    def slow(collection, known=None):
        fresh = load(collection, known)
        review.name(second, "Meanwhile")
        return fresh

    monkeypatch.setattr(State, "load", slow)
    edit.name_person(People.of(review.collection), first, "Elsewhere")
    review.site.desk.look()
    names = {review.people.known[bytes.fromhex(who)].name for who in (first, second)}
    assert names == {"Elsewhere", "Meanwhile"}


def test_a_run_at_work_is_a_banner_and_nothing_else(review) -> None:
    words = "A run is working on this collection."
    assert words not in review.page("/who")
    with attempts.running(review.collection.storage):
        review.site.desk.look()
        assert words in review.page("/who")
        first = review.unnamed()[0]
        review.name(first, "Ada")
        review.site.desk.look()
        assert review.people.pending, "people are regrouped when the run is done"
    review.site.desk.look()
    assert words not in review.page("/who")


@pytest.mark.parametrize("page", ["who", "same"])
def test_an_undo_comes_back_to_its_page(review, page: str) -> None:
    first = review.unnamed()[0]
    review.name(first, "Ada")
    answer = review.send(review.form(f"/{page}", "undo"))
    assert answer.url.path == f"/{page}"
    assert review.unnamed()[0] == first


def test_likely_pairs_are_asked_about_until_they_are_answered(review) -> None:
    asked = [_asked(review)]
    assert "likely" in review.page("/same")
    review.send(review.form("/same", "later"))
    asked.append(_asked(review))
    review.send(review.form("/same", "apart"))
    asked.append(_asked(review))
    assert len(set(asked)) == 3
    review.send(review.form("/same", "same"))
    kinds = [one.kind for one in review.people.pending]
    assert kinds[0] == "apart"
    assert kinds[1] in ("merge", "assign")
    desk = review.site.desk
    desk.asker.catch_up(desk.state.people, desk.state.store)
    left = list(desk.asker.questions(desk.state.people))
    pairs = [(one.person_id.hex(), one.other.hex()) for one in left]
    assert not set(pairs) & set(asked[1:]), "they were answered"
    assert pairs[-1] == asked[0], "it was put off"


def _asked(review) -> tuple[str, str]:
    form = review.form("/same", "same")
    return form["person"][0], form["other"][0]


def test_likely_faces_are_given_to_a_person(review) -> None:
    offered = {who: forms(review.page(f"/fit/{who}")) for who in review.unnamed()}
    person, form = next((who, found[0]) for who, found in offered.items() if found)
    form = form.changed(faces=_faces_on(review.page(f"/fit/{person}")))
    review.send(form)
    assert {review.people.owner_of(bytes.fromhex(face)) for face in form["faces"]} == {
        bytes.fromhex(person)
    }


def _faces_on(page: str) -> list[str]:
    return re.findall(r'name="faces" value="(\w+)"', page)


def test_a_collection_of_a_space_that_nobody_measured_has_no_suggestions(review) -> None:
    asker = review.site.desk.asker
    asker._suggester, asker._questions = None, ()
    first = review.unnamed()[0]
    assert "Nobody else is like them." in review.page(f"/who?person={first}")
    assert "There is nothing to ask" in review.page("/same")
    assert "No loose face is likely theirs." in review.page(f"/fit/{first}")


def test_what_is_erased_is_gone_from_a_running_review(review) -> None:
    first, second, *_ = review.unnamed()
    faces = review.people.faces_of(review.people.find(first))
    assert review.browser.get(f"/chip/{faces[0].hex()}").status_code == 200
    request = Request(people=(first,))
    erase(review.collection, select(review.collection, review.collection.snapshot(), request))
    review.site.desk.look()
    assert review.browser.get(f"/chip/{faces[0].hex()}").status_code == 404
    assert review.browser.get(f"/person/{first}").status_code == 404
    desk = review.site.desk
    desk.asker.catch_up(desk.state.people, desk.state.store)
    assert first not in review.page("/people")
    assert review.page(f"/who?person={second}")
    assert review.page("/same")


@pytest.mark.parametrize("action", ["same", "apart"])
def test_two_faces_of_nobodys_are_asked_about(review, action: str) -> None:
    asker = review.site.desk.asker
    asked = list(asker.questions(review.people))
    couple = next(one for one in asked if one.kind == "faces")
    asker.put_off.update((one.person_id, one.other) for one in asked if one != couple)
    form = review.form("/same", action)
    assert form["person"] + form["other"] == [couple.person_id.hex(), couple.other.hex()]
    review.send(form)
    owners = {review.people.owner_of(face) for face in (couple.person_id, couple.other)}
    if action == "same":
        assert len(owners) == 1
        assert owners != {None}
    else:
        assert owners == {None}
        assert len(review.people.effective_decisions.strangers) == 1
    assert couple not in list(asker.questions(review.people))
