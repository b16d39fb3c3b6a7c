"""Many decisions that are read at once say what the same say that are followed one at a time."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.rows import memory_collection

from facebatch.people import Person, recording
from facebatch.people.decisions import KINDS, Concern, Decision, cancelled
from facebatch.people.effective import EffectiveDecisions, fold, followed
from facebatch.people.identity import Clustering, carry_over
from facebatch.people.locating import Located
from facebatch.people.overlay import Overlay

_FACES = [bytes([1, number]) * 8 for number in range(8)]
_WHO = [bytes([2, number]) * 8 for number in range(5)]
_ROWS = Located({face: row for row, face in enumerate(_FACES[:7])})
"""One face isn't there any more."""

_persons = st.sampled_from(_WHO)
_anyone = st.none() | _persons


@st.composite
def _decisions(draw: st.DrawFn) -> list[Decision]:
    """Decisions of every kind, each about some of the faces; undos are of any before them."""
    made: list[Decision] = []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(KINDS if made else KINDS[:-1]))
        faces = draw(st.lists(st.sampled_from(_FACES), unique=True, max_size=6))
        concerns = tuple(Concern(face, draw(_anyone), draw(_anyone)) for face in faces)
        names = {one.after: "Cy" for one in concerns if kind == "import" and one.after}
        decision = Decision(
            kind,
            None if kind == "import" else draw(_persons),
            draw(st.sampled_from(["Ada", "Bo"])) if kind == "name" else None,
            draw(st.sampled_from(made)).decision if kind == "undo" else None,
            concerns,
            f"20260101T00000{number}.000000Z-000000",
            names,
        )
        made.append(decision)
    return made


@settings(deadline=None)
@given(_decisions())
def test_what_stands_is_the_same_when_followed_one_at_a_time(decisions: list[Decision]) -> None:
    stands = EffectiveDecisions(located=_ROWS)
    for decision in decisions:
        stands = followed(stands, decision, _ROWS)
    whole = fold(decisions, _ROWS)
    for field in fields(whole):
        assert getattr(stands, field.name) == getattr(whole, field.name), field.name


def _pinned(decisions: list[Decision]) -> dict[int, tuple[bytes, str]]:
    """Returns whose faces are by decisions, by row, told face by face."""
    pins: dict[int, tuple[bytes, str]] = {}
    for decision in decisions:
        there = [one for one in decision.concerns if one.face_id in _ROWS.rows]
        if decision.decision in cancelled(decisions):
            continue
        for one in there:
            row = _ROWS.rows[one.face_id]
            if one.after is not None:
                pins[row] = (one.after, decision.decision)
            elif decision.kind == "not_a_face" or (
                decision.kind == "reject" and one.before and pins.get(row, ("",))[0] == one.before
            ):
                pins.pop(row, None)
    return pins


@settings(deadline=None)
@given(_decisions())
def test_faces_are_whose_the_last_decision_says(decisions: list[Decision]) -> None:
    assert fold(decisions, _ROWS).pins == _pinned(decisions)


@settings(deadline=None)
@given(_decisions())
def test_decisions_are_read_as_they_were_recorded(decisions: list[Decision]) -> None:
    collection = memory_collection()
    recording.record(collection, decisions[:3])
    recording.record(collection, decisions[3:])
    read = recording.read(collection)
    assert [one.decision for one in read] == [one.decision for one in decisions]
    for one, other in zip(read, decisions, strict=True):
        assert one.about == other.about or other.kind == "import"
        assert (one.kind, one.cancels, one.names) == (other.kind, other.cancels, other.names)
        assert one.concerns == other.concerns
        assert one.columns == other.columns


def _before() -> Overlay:
    """Three people of two faces each, and two faces of nobody's."""
    known = {who: Person(who, "g", cluster=number) for number, who in enumerate(_WHO[:3])}
    return Overlay.of(np.array([0, 0, 1, 1, 2, 2, -1, -1], np.int32), known)


@settings(deadline=None)
@given(_decisions())
def test_who_is_who_is_the_same_when_followed_one_at_a_time(decisions: list[Decision]) -> None:
    effective = fold(decisions, _ROWS)
    whole = _before().with_decisions(decisions, _ROWS.rows, effective, "g")
    step = _before()
    for decision in decisions:
        step = step.with_decisions([decision], _ROWS.rows, effective, "g")
    np.testing.assert_array_equal(whole.labels, step.labels)
    assert (whole.known, whole.by_cluster) == (step.known, step.by_cluster)
    assert (whole.sizes, dict(whole.emptied)) == (step.sizes, dict(step.emptied))
    found = {one.cluster: who for who, one in whole.known.items() if one.cluster is not None}
    assert found == whole.by_cluster
    assert list(whole.sizes) == [int((whole.labels == n).sum()) for n in range(len(whole.sizes))]
    for one in whole.known.values():
        assert one.merged_into is None or whole.known[one.merged_into].status != "merged"


def test_who_lost_faces_to_several_leads_to_whom_the_last_ones_went() -> None:
    first, second, third = _WHO[:3]
    faces = np.frombuffer(b"".join(sorted(_FACES)), "V16")
    known = [Person(who, "g", cluster=number) for number, who in enumerate(_WHO[:3])]
    before = Clustering(faces, np.array([0, 0, 0, 0, 1, 1, 2, 2], np.int32), known)
    # Three of the first one's faces went to the second, and the last one to the third.
    labels = np.array([0, 0, 0, 1, 0, 0, 1, 1], np.int32)
    claims = {0: second, 1: third}
    by_faces = carry_over(faces, labels, before, "h", claims)
    decided = carry_over(faces, labels, before, "h", claims, {first: third})
    unseen = carry_over(faces, labels, before, "h", claims, {first: _WHO[4], _WHO[4]: third})
    nobody = carry_over(faces, labels, before, "h", claims, {first: None})
    assert [people[0].merged_into for people in (by_faces, decided, unseen, nobody)] == [
        *(second, third, third),
        None,
    ]


def test_who_was_brought_back_and_emptied_leads_no_longer_where_they_led() -> None:
    first, second, third = _WHO[:3]
    faces = np.frombuffer(b"".join(sorted(_FACES[:2])), "V16")
    known = [
        Person(first, "g", cluster=0),
        Person(second, "g", "merged", merged_into=first),
        Person(third, "g", cluster=1),
    ]
    before = Clustering(faces, np.array([0, 1], np.int32), known)

    def led(emptied: dict[bytes, bytes | None]) -> list[tuple[str, bytes | None]]:
        # The first one's face was given to the second, and its photo is gone since.
        people = carry_over(faces[1:], np.zeros(1, np.int32), before, "h", {0: third}, emptied)
        return [(one.status, one.merged_into) for one in people]

    gone, active = ("dissolved", None), ("active", None)
    assert led({first: second}) == [("merged", second), gone, active]
    assert led({second: None, first: None}) == [gone, gone, active]
    assert led({first: second, second: third}) == [("merged", third), ("merged", third), active]
