"""Who is likely whom, reckoned in the background: what the pages that ask are made of.

To compare everybody with everybody takes seconds in a large collection. So it is done once for a
generation of people, and brought up to date after decisions, beside the pages; these read what
there is, and leave out what was answered since.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from facebatch.errors import UsageError
from facebatch.people.deciding import People
from facebatch.review.faces import FaceStore
from facebatch.stages.judged import Suggestion
from facebatch.stages.suggestions import Suggester

_QUESTIONS = 300
"""Questions that are kept; they are found anew once few of them are left."""

_FEW = 30

_LOG = logging.getLogger(__name__)


class Asker:
    """Suggestions for one collection, as of the newest people that were looked at."""

    def __init__(self) -> None:
        self._suggester: Suggester | None = None
        self._questions: tuple[Suggestion, ...] = ()
        self._made_of: tuple[str, FaceStore] | None = None
        self.answered: set[tuple[bytes, bytes]] = set()
        self.put_off: set[tuple[bytes, bytes]] = set()

    def catch_up(self, people: People, store: FaceStore) -> None:
        """Brings the suggestions up to date, as far as they aren't.

        Args:
            people: Who there is now.
            store: Their faces.
        """
        made_of = people.generation.name if people.generation else "", store
        suggester = self._suggester
        if made_of != self._made_of:
            suggester = self._made(people, store)
            questions = tuple(suggester.best(_QUESTIONS, loose=True)) if suggester else ()
            # Pages take the new ones once all that they need was reckoned.
            self._made_of, self._suggester, self._questions = made_of, suggester, questions
        if suggester is None:
            return
        if suggester.people is not people:
            self._suggester = suggester = suggester.following(people)
        if len(list(self.questions(people))) < _FEW:
            self._questions = tuple(suggester.best(limit=_QUESTIONS, loose=True))

    def _made(self, people: People, store: FaceStore) -> Suggester | None:
        """Returns suggestions for people; None where there can be none.

        Raises:
            CollectionError: The embeddings can't be read.
        """
        embeddings = store.embeddings
        try:
            return Suggester.of(people, embeddings, store.pictures)
        except UsageError as error:
            _LOG.warning("nobody is suggested: %s", error)
            return None

    def questions(self, people: People) -> Iterator[Suggestion]:
        """Yields what to ask next, that by which a yes gains most first.

        What was answered is left out, and what was put off comes last.

        Args:
            people: Who there is now.
        """
        left = [one for one in self._questions if self._is_open(one, people)]
        late = [one for one in left if (one.person_id, one.other) in self.put_off]
        yield from (one for one in left if (one.person_id, one.other) not in self.put_off)
        yield from late

    def _is_open(self, one: Suggestion, people: People) -> bool:
        if (one.person_id, one.other) in self.answered:
            return False
        sides = {"people": (), "face": (one.other,), "faces": (one.person_id, one.other)}
        faces = sides[one.kind]
        persons = {one.person_id, one.other} - set(faces)
        return all(_is_there(people, who) for who in persons) and all(
            people.places.row(face) is not None and people.owner_of(face) is None for face in faces
        )

    def same(self, people: People, person_id: bytes, limit: int) -> list[Suggestion]:
        """Returns who is likely the same as a person, the likeliest first."""
        found = self._asked(person_id)
        if found is None:
            return []
        likely = found.same(person_id, limit=limit)
        return [one for one in likely if _is_there(people, one.other)]

    def loose(self, people: People, person_id: bytes, limit: int) -> list[Suggestion]:
        """Returns the faces that are nobody's and likely a person's, the likeliest first."""
        found = self._asked(person_id)
        if found is None:
            return []
        likely = found.loose(person_id, limit=limit)
        return [one for one in likely if people.owner_of(one.other) is None]

    def person_of(self, people: People, face: bytes, limit: int) -> list[Suggestion]:
        """Returns whose a face that is nobody's likely is, the likeliest first."""
        if self._suggester is None:
            return []
        likely = self._suggester.person_of(face, limit=limit)
        return [one for one in likely if _is_there(people, one.person_id)]

    def _asked(self, person_id: bytes) -> Suggester | None:
        """Returns the suggestions where they know a person already."""
        found = self._suggester
        return found if found is not None and person_id in found.people.known else None


def _is_there(people: People, person_id: bytes) -> bool:
    person = people.known.get(person_id)
    return person is not None and person.status == "active" and not person.hidden
