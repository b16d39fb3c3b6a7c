"""What users decide about people: to name, merge, split, reject and hide them, and to undo it.

Each verb finds whom it is about, says what it does, and records that (`facebatch.people.deciding`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from facebatch.errors import DecisionRefused
from facebatch.people.deciding import Meant, Outcome, People, recorded
from facebatch.people.decisions import Decision
from facebatch.people.names import folded, written
from facebatch.people.undo import going_back
from facebatch.storage.printable import count


def name_person(people: People, said: str, name: str) -> Outcome:
    """Gives a person a name; a face of nobody's becomes a person of one face.

    Raises:
        UsageError: Nobody or several are meant, or the name is empty.
    """
    meant = people.meant(said)
    name = written(name)
    if not name:
        raise DecisionRefused(
            "name_empty", "a name is empty: `facebatch people undo` takes a name away"
        )
    concerns = people.concerns([(face, meant.person_id) for face in meant.faces])
    decision = Decision("name", meant.person_id, name, concerns=concerns)
    message = f"{meant.shown} is called {name}, with {count(len(concerns), 'face')}"
    return recorded(people, decision, message, namesakes(people, meant, name))


def namesakes(people: People, meant: Meant, name: str) -> list[str]:
    """Returns what to say of others of a name that is given, but for whom users keep apart."""
    apart = people.effective_decisions.apart
    other = meant.person_id.hex()[:12] if meant.person else name
    return [
        f"{one.person_id.hex()[:12]} is called {name!r} too: if the two are one, "
        f"`facebatch people merge {other} {one.person_id.hex()[:12]}`"
        for one in people.known.values()
        if one.name == name
        and one.status == "active"
        and one.person_id != meant.person_id
        and frozenset((one.person_id, meant.person_id)) not in apart
    ]


def merge_people(people: People, said: str, others: Sequence[str]) -> Outcome:
    """Says that people are one, the first; the others' ids lead to it from then on.

    Raises:
        UsageError: Nobody or several are meant, or a person is to be merged into itself.
    """
    meant = people.meant(said)
    gone = list({one.faces: one for one in map(people.meant, others)}.values())
    if not gone or any(one.faces == meant.faces for one in gone):
        raise DecisionRefused(
            "one_person", f"{said!r} can only be merged with other people than themselves"
        )
    notes = [
        f"{meant.shown} keeps the name; {one.name!r} stays with the old id"
        for one in gone
        if one.name and meant.name and one.name != meant.name
    ]
    faces = [face for one in (meant, *gone) for face in one.faces]
    kept = people.concerns([(face, meant.person_id) for face in faces])
    decision = Decision("merge", meant.person_id, concerns=kept)
    merged = ", ".join(one.shown for one in gone)
    message = f"{merged} and {meant.shown} are one person, with {count(len(faces), 'face')}"
    return recorded(people, decision, message, notes)


def assign_faces(people: People, said: str, faces: Sequence[str]) -> Outcome:
    """Gives a person faces that are nobody's or somebody else's; what others keep stays theirs.

    Raises:
        UsageError: Nobody or several are meant, or there is no face that isn't the person's.
    """
    person = people.find(said)
    mine = people.faces_of(person)
    chosen = [face for face in people.find_faces(faces) if face not in set(mine)]
    if not chosen:
        raise DecisionRefused(
            "theirs_already",
            f"say which faces {people.shown(person)} doesn't have and is to get",
            people.shown(person),
        )
    losing, kept = _kept_by_losers(people, chosen)
    changes = [(face, person.person_id) for face in [*mine, *chosen]] + kept
    decision = Decision("assign", person.person_id, concerns=people.concerns(changes))
    given, all_of_them = count(len(chosen), "face"), len(mine) + len(chosen)
    message = f"{given} given to {people.shown(person)}, who has {all_of_them:,}"
    notes = [
        f"{people.shown(people.known[who])} has no face left, and leads to {people.shown(person)}"
        for who in sorted(losing - {who for _, who in kept})
    ]
    return recorded(people, decision, message, notes)


def _kept_by_losers(
    people: People, chosen: Iterable[bytes]
) -> tuple[set[bytes], list[tuple[bytes, bytes]]]:
    """Returns who loses some faces, and the faces that those people keep."""
    going = set(chosen)
    losing = {who for who in map(people.owner_of, going) if who is not None}
    kept = [(face, who) for who in losing for face in people.faces_of(people.known[who])]
    return losing, sorted((face, who) for face, who in kept if face not in going)


def split_person(people: People, said: str, faces: Sequence[str]) -> Outcome:
    """Says that some faces of a person are another, who is new.

    Raises:
        UsageError: Nobody or several are meant, or the faces are all of the person's or none.
    """
    person = people.find(said)
    chosen = people.find_faces(faces, person)
    mine = people.faces_of(person)
    if not chosen or len(chosen) == len(mine):
        raise DecisionRefused(
            "all_or_none",
            f"some of the faces of {people.shown(person)} must stay, and some leave",
            people.shown(person),
        )
    new = people.new_person_id(chosen)
    changes = [(face, new if face in set(chosen) else person.person_id) for face in mine]
    decision = Decision("split", person.person_id, concerns=people.concerns(changes))
    message = (
        f"{len(chosen)} of {len(mine)} faces of {people.shown(person)} are another person, "
        f"{new.hex()[:12]}"
    )
    return recorded(people, decision, message, [])


def keep_apart(people: People, said: str, other: str) -> Outcome:
    """Says that two people aren't one, or that a face isn't a person's or another face's.

    Raises:
        UsageError: Nobody or several are meant, or the two are one today.
    """
    first, second = people.meant_anyone(said), people.meant_anyone(other)
    owners = [
        {one.person_id} if one.person else {people.owner_of(one.faces[0])} - {None}
        for one in (first, second)
    ]
    if first.faces == second.faces or owners[0] & owners[1]:
        raise DecisionRefused(
            "one_person",
            f"{said!r} and {other!r} are one person: `facebatch people split` or `reject` parts "
            "them",
        )
    persons = [one for one in (first, second) if one.person]
    changes = [(face, one.person_id) for one in persons for face in one.faces]
    # Of a face it says only whose it isn't, so that it may join anybody else.
    faces = [one.faces[0] for one in (first, second) if not one.person]
    concerns = (*people.concerns(changes), *people.unsaid(faces))
    about = persons[0].person_id if persons else None
    decision = Decision("apart", about, concerns=concerns)
    return recorded(people, decision, f"{first.shown} and {second.shown} stay apart", [])


def reject_faces(people: People, said: str, faces: Sequence[str], *, no_face: bool) -> Outcome:
    """Says that faces aren't a person's, or no faces at all.

    Raises:
        UsageError: Nobody or several are meant, a face isn't the person's, or all of the person's
            faces are rejected, so that nothing says any more who the person is.
    """
    if no_face and people.found(said) is None:
        return _reject_anyones(people, [said, *faces])
    person = people.find(said)
    chosen = people.find_faces(faces, person)
    if not chosen:
        raise DecisionRefused(
            "no_face_chosen", "say which faces: `facebatch people show PERSON` lists them"
        )
    changes = [
        (face, None if face in set(chosen) else person.person_id)
        for face in people.faces_of(person)
    ]
    if not no_face and len(set(chosen)) == len(changes):
        raise DecisionRefused(
            "all_of_them",
            f"these are all faces of {people.shown(person)}: leave one, or say --not-a-face, or "
            "hide the person",
            people.shown(person),
        )
    kind = "not_a_face" if no_face else "reject"
    decision = Decision(kind, person.person_id, concerns=people.concerns(changes))
    what = "no faces" if no_face else f"not {people.shown(person)}"
    verb = "is" if len(chosen) == 1 else "are"
    message = f"{len(chosen):,} of {count(len(changes), 'face')} {verb} {what}"
    return recorded(people, decision, message, [])


def _reject_anyones(people: People, faces: Iterable[str]) -> Outcome:
    """Says that faces, whosever they are, are no faces at all."""
    chosen = set(people.find_faces(faces))
    losing, kept = _kept_by_losers(people, chosen)
    concerns = people.concerns([*((face, None) for face in sorted(chosen)), *kept])
    about = losing.pop() if len(losing) == 1 else None
    message = "1 face is none" if len(chosen) == 1 else f"{len(chosen)} faces are none"
    return recorded(people, Decision("not_a_face", about, concerns=concerns), message, [])


def hide_person(people: People, said: str) -> Outcome:
    """Leaves a person out of lists and reports; a face of nobody's becomes one who is hidden.

    Raises:
        UsageError: Nobody or several are meant.
    """
    meant = people.meant(said)
    kept = people.concerns([(face, meant.person_id) for face in meant.faces])
    decision = Decision("hide", meant.person_id, concerns=kept)
    return recorded(people, decision, f"{meant.shown} is hidden", [])


def undo(people: People, name: str | None = None) -> Outcome:
    """Cancels a decision: the newest one that stands, or one by its name.

    Faces that it moved go back to whose they were. An undo can be undone by its name.

    Raises:
        UsageError: There is no such decision, or it was cancelled already.
    """
    gone = people.effective_decisions.cancelled
    effective = [one for one in people.decisions if one.decision not in gone]
    if name is None:
        candidates = [one for one in effective if one.kind != "undo"]
    else:
        candidates = [one for one in effective if one.decision.startswith(name)]
    if not candidates or (name is not None and len(candidates) > 1):
        what = "no decision that stands" if not candidates else "several decisions"
        raise DecisionRefused(
            "nothing_to_undo", f"there is {what}{f' called {name!r}' if name else ''}"
        )
    target = candidates[-1]
    back, held = going_back(people.relocated, target, people.known)
    decision = Decision("undo", target.person_id, cancels=target.decision, concerns=back)
    moved = sum(one.before != one.after for one in back)
    verb = "goes" if moved == 1 else "go"
    message = f"{target.kind} {target.decision} is undone; {count(moved, 'face')} {verb} back"
    stay = "stays where a later decision" if held == 1 else "stay where later decisions"
    notes = [f"{count(held, 'face')} {stay} put {'it' if held == 1 else 'them'}"] if held else []
    return recorded(people, decision, message, notes)


def list_people(
    people: People, *, hidden: bool = False, unnamed: bool = False, search: str = ""
) -> list[dict[str, Any]]:
    """Returns the active people as plain data, those of most faces first.

    Args:
        people: The people. Of those who changed since the last regrouping, ``media`` and
            ``mean_d2`` are None.
        hidden: Whether those that are hidden are listed too.
        unnamed: Only those without a name.
        search: Only those whose name holds this text, whatever the case of its letters.
    """
    key = folded(search)
    active = [
        row
        for row in people.table.to_pylist()
        if row["status"] == "active"
        and (hidden or not row["hidden"])
        and not (unnamed and row["name"])
        and (not key or key in folded(row["name"] or ""))
    ]
    active.sort(key=lambda row: (-row["faces"], row["person_id"]))
    return [
        {
            "person_id": row["person_id"].hex(),
            "name": row["name"],
            "named_by": row["named_by"],
            "faces": row["faces"],
            "media": row["media"],
            "mean_d2": row["spread"],
            "hidden": bool(row["hidden"]),
            "founded": row["founded"],
        }
        for row in active
    ]
