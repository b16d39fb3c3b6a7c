"""What the application knows at present, and the one place where it takes decisions.

A decision is recorded by the functions of the command line, and holds at once: the state that
pages read is replaced by one that follows it. Once nobody has decided anything for a few seconds,
people are regrouped in a process of their own, and the state is read anew.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from facebatch.collection import Collection
from facebatch.errors import FacebatchError
from facebatch.extract import attempts
from facebatch.people.deciding import Outcome, People
from facebatch.people.decisions import Decision
from facebatch.people.recording import newest_in
from facebatch.review.asker import Asker
from facebatch.review.faces import FaceStore
from facebatch.review.roster import Roster
from facebatch.stages import cluster_people

IDLE_SECONDS = 5.0
"""How long nobody decides anything before people are regrouped."""

_LOOK_SECONDS = 2.0
"""How often it is looked whether others changed the collection."""

_LOST_SECONDS = 60.0
"""How often embeddings that can't be read are tried again, where nothing else changed."""

_OUTCOMES_KEPT = 500

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class State:
    """What is known at one moment; it is never changed.

    Args:
        people: Who there is, with all decisions that were taken.
        store: Their faces.
        roster: Everyone by number.
    """

    people: People
    store: FaceStore
    roster: Roster

    @classmethod
    def load(cls, collection: Collection, known: FaceStore | None = None) -> State:
        """Reads a collection.

        Args:
            collection: The collection.
            known: Faces that were read before, to be used where they are the same.

        Raises:
            CollectionError: It has no people yet, or can't be read.
        """
        people = People.of(collection)
        store = None if known is None or known.is_lost else known
        if store is None or not np.array_equal(store.directory.ids, people.face_ids):
            # A snapshot that is kept would hold every column of every photo.
            store = FaceStore.load(collection.snapshot(), people.face_ids)
            pa.default_memory_pool().release_unused()
        return cls(people, store, Roster.of(people, store))

    def following(self, decision: Decision) -> State:
        """Returns the state after a decision that was recorded."""
        people = self.people.following(decision)
        return State(people, self.store, self.roster.following(people, decision))

    @property
    def generation(self) -> str:
        """Name of the people's generation."""
        return self.people.generation.name if self.people.generation else ""

    def seen(self, about: Iterable[bytes]) -> str:
        """Returns a hash of all that a page about some people and faces shows of them.

        It changes when somebody's faces, name or standing do, or a face's person.
        """
        hasher = hashlib.blake2b(digest_size=16)
        for subject in about:
            person = self.people.known.get(subject)
            if person is None:
                row = self.store.directory.row(subject)
                owner = b"" if row is None else self.owner(row)
                hasher.update(b"face" + subject + owner)
                continue
            hasher.update(f"{person.status}{person.hidden}{person.name}".encode())
            hasher.update(self.store.directory.ids[self.roster.rows(person)].tobytes())
        return hasher.hexdigest()

    def owner(self, row: int) -> bytes:
        """Returns the id of the person whom the face in a row belongs to; empty for nobody."""
        return self.people.owner_of(self.store.id_of(row)) or b""


class Desk:
    """Takes decisions, and keeps the state up to date.

    Args:
        collection: The collection.
        idle: Seconds without a decision after which people are regrouped.
    """

    def __init__(self, collection: Collection, idle: float = IDLE_SECONDS) -> None:
        self.collection = collection
        self.state = State.load(collection)
        self.asker = Asker()
        self.later: OrderedDict[bytes, None] = OrderedDict()
        self.outcomes: OrderedDict[str, Outcome] = OrderedDict()
        self.is_running = False
        self._idle = idle
        self._decided = 0.0
        self._tried = -_LOST_SECONDS
        self._unsuggested: str | None = None
        self._own: set[str] = set()
        self._since: list[Decision] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._turn = threading.Event()
        self._stands = self._listing()
        self._keeper = threading.Thread(target=self._keep, name="regrouping", daemon=True)

    def start(self) -> None:
        """Begins to regroup when idle, and to look for others' changes."""
        self._keeper.start()

    def close(self) -> None:
        """Ends that; what was decided is recorded and needs no more."""
        self._stop.set()
        self._turn.set()
        if self._keeper.is_alive():
            self._keeper.join()

    def decide(
        self, verb: Callable[[People], Outcome], unless: Callable[[State], bool]
    ) -> Outcome | None:
        """Takes a decision, which holds at once.

        Args:
            verb: Takes it, as the functions of `facebatch.people.edit` do.
            unless: Says of the state as it is now that the decision was taken of another.

        Returns:
            What it came to; None where it was of another state, and wasn't taken.

        Raises:
            UsageError: It can't be taken.
        """
        with self._lock:
            if unless(self.state):
                return None
            outcome = verb(self.state.people)
            if outcome.decision.decision:
                self.state = self.state.following(outcome.decision)
                self._since.append(outcome.decision)
                self._own.add(outcome.decision.decision)
                self.outcomes[outcome.decision.decision] = outcome
                while len(self.outcomes) > _OUTCOMES_KEPT:
                    self.outcomes.popitem(last=False)
                self._decided = time.monotonic()
                self._turn.set()
            return outcome

    def put_off(self, person_id: bytes) -> None:
        """Asks about a person after all others."""
        self.later[person_id] = None
        self.later.move_to_end(person_id)

    @property
    def newest(self) -> str:
        """Name of the newest decision that is known; empty where there is none."""
        return next(reversed(self.outcomes), "")

    def _keep(self) -> None:
        while not self._stop.is_set():
            for step in (self._suggest, self.look):
                try:
                    step()
                except FacebatchError as error:
                    _LOG.warning("the collection can't be read at present: %s", error)
            self._turn.wait(min(_LOOK_SECONDS, self._idle))
            self._turn.clear()

    def _suggest(self) -> None:
        """Brings the suggestions up to date. What goes wrong there stops no regrouping."""
        state = self.state
        if self._unsuggested == state.generation:
            return
        try:
            self.asker.catch_up(state.people, state.store)
        except FacebatchError:
            raise
        except Exception:  # a bug, which would come again every two seconds
            self._unsuggested = state.generation
            _LOG.exception("nobody is suggested until people are made anew")

    def look(self) -> None:
        """Regroups if it is time to, and reads what others changed."""
        self.is_running = attempts.is_running(self.collection.storage)
        idle = time.monotonic() - self._decided >= self._idle
        if self.state.people.pending and idle and not self.is_running:
            self._regroup()
        stands = self._listing()
        now = time.monotonic()
        again = self.state.store.is_lost and now - self._tried >= _LOST_SECONDS
        if stands != self._stands or again:
            self._tried = now
            self._reload()
            self._stands = stands

    def _regroup(self) -> None:
        context = multiprocessing.get_context("spawn")
        child = context.Process(target=regroup, args=(self.collection,), daemon=True)
        child.start()
        while child.is_alive() and not self._stop.is_set():
            child.join(0.2)
        if child.is_alive():
            child.terminate()
            child.join()

    def _reload(self) -> None:
        """Reads the collection; decisions that are taken meanwhile hold in the new state too."""
        with self._lock:
            self._since = []
            known = self.state.store
        fresh = State.load(self.collection, known)
        with self._lock:
            there = {one.decision for one in fresh.people.effective_decisions.decisions}
            for decision in self._since:
                if decision.decision not in there:
                    fresh = fresh.following(decision)
            self.state = fresh

    def _listing(self) -> tuple[object, ...]:
        """Returns what changes whenever the people or what is decided about them does.

        What is erased is taken out of the files of the generation that there is.
        """
        storage = self.collection.storage
        people = self.collection.current("people")
        clusters = people.manifest.clusters if people else None
        folders = [people.folder] if people else []
        folders += [f"clusters/{clusters}"] if clusters else []
        made = [
            (file.path, file.size, file.modified)
            for each in folders
            for file in storage.files(each)
        ]
        # Our own decisions are known; a reload because of them would be for nothing.
        files = [file.path for file in storage.files("decisions")]
        return (*made, *(path for path in files if newest_in(path) not in self._own))


def regroup(collection: Collection) -> None:
    """Lets people follow what was decided, as `facebatch cluster` does."""
    try:
        cluster_people(collection, collection.snapshot())
    except FacebatchError as error:
        _LOG.warning("people could not be regrouped: %s", error)
