"""Many decisions as one batch: each sees what those before it say, and all are recorded at once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping

from facebatch.errors import UsageError
from facebatch.people import edit, recording
from facebatch.people.deciding import Outcome, People

NOT_A_FACE = "--not-a-face"
_FACES = "--faces"

_Verb = Callable[[People, list[str]], Outcome]


def apply_commands(people: People, lines: Iterable[str]) -> list[Outcome]:
    """Takes decisions, one a line, as ``facebatch people`` takes each without the collection.

    A line is split as a shell does it: ``name 3f9a21c0 "Ada Lovelace"``. Empty lines and those
    that begin with # say nothing.

    Args:
        people: The people.
        lines: The lines.

    Raises:
        UsageError: A line says nothing that can be decided; nothing is recorded then.
    """
    people = people.collecting()
    outcomes: list[Outcome] = []
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
            if words:
                outcomes.append(_taken(people, words))
                people = people.following(outcomes[-1].decision)
        except (UsageError, ValueError) as error:
            raise UsageError(f"line {number}: {error}") from error
    recording.record(people.collection, [one.decision for one in outcomes])
    return outcomes


def _taken(people: People, words: list[str]) -> Outcome:
    verb, *said = words
    if verb not in _VERBS:
        raise UsageError(f"{verb!r} is no decision; there are: {', '.join(_VERBS)}")
    least, most, decide = _VERBS[verb]
    given = [word for word in said if word not in (_FACES, NOT_A_FACE)]
    if not least <= len(given) <= (most or len(given)):
        raise UsageError(f"{verb} takes {_NEEDS[verb]}")
    return decide(people, said)


def _reject(people: People, said: list[str]) -> Outcome:
    person, *faces = [word for word in said if word != NOT_A_FACE]
    return edit.reject_faces(people, person, faces, no_face=NOT_A_FACE in said)


def _split(people: People, said: list[str]) -> Outcome:
    person, *faces = [word for word in said if word != _FACES]
    return edit.split_person(people, person, faces)


_NEEDS: Mapping[str, str] = {
    "name": "PERSON NAME",
    "assign": "PERSON FACE...",
    "merge": "PERSON PERSON...",
    "split": "PERSON FACE...",
    "apart": "PERSON PERSON",
    "reject": f"PERSON FACE..., or FACE... {NOT_A_FACE}",
    "hide": "PERSON",
    "undo": "DECISION, or nothing for the newest",
}

_VERBS: Mapping[str, tuple[int, int | None, _Verb]] = {
    "name": (2, 2, lambda people, said: edit.name_person(people, *said)),
    "assign": (2, None, lambda people, said: edit.assign_faces(people, said[0], said[1:])),
    "merge": (2, None, lambda people, said: edit.merge_people(people, said[0], said[1:])),
    "split": (2, None, _split),
    "apart": (2, 2, lambda people, said: edit.keep_apart(people, *said)),
    "reject": (1, None, _reject),
    "hide": (1, 1, lambda people, said: edit.hide_person(people, said[0])),
    "undo": (0, 1, lambda people, said: edit.undo(people, *said)),
}
"""By kind: how many words it takes at least and at most, and what decides it."""
