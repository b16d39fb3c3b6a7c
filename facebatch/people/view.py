"""Who the faces of a collection are today: from face to cluster, person and name.

Everything that says whose a face is, or whom a user means, asks here; so all of it follows the
same generation, the same redirects of merged people and the same rule for ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.collection import (
    ClustersManifest,
    Collection,
    Generation,
    PeopleManifest,
    read_clusters,
)
from facebatch.errors import CollectionError, DecisionRefused, UsageError
from facebatch.people.identity import Person
from facebatch.people.names import folded, hint
from facebatch.people.records import persons

SHORTEST_PREFIX = 4
"""Hex digits of an id that are enough, where no other id begins so."""

_SHOWN_DIGITS = 12


@dataclass(frozen=True, eq=False)
class PeopleView:
    """The people of a collection, as its current generation knows them; read when asked for.

    Args:
        collection: The collection.
        generation: The people; None before the first clustering.
        clusters: The clusters that they are the people of; None where there are none any more.
    """

    collection: Collection
    generation: Generation[PeopleManifest] | None
    clusters: Generation[ClustersManifest] | None

    @classmethod
    def of(cls, collection: Collection) -> Self:
        """Returns a collection's people, of whom there may be none."""
        current = collection.current("people")
        named = current.manifest.clusters if current else None
        return cls(collection, current, collection.generation("clusters", named))

    def require(self) -> Self:
        """Returns the same, where there are people and their faces.

        Raises:
            CollectionError: There are none.
        """
        public = self.collection.storage.public
        if self.generation is None:
            raise CollectionError(f"{public} has no people yet: run `facebatch cluster` first")
        if self.clusters is None:
            raise CollectionError(
                f"{public} has people without the clusters that they were found in: run "
                "`facebatch cluster` again"
            )
        return self

    @cached_property
    def table(self) -> pa.Table:
        """The rows of the table ``people``: everyone ever known."""
        if self.generation is None:
            return tables.from_rows("people", [])
        path = f"{self.generation.folder}/people.parquet"
        return tables.read(self.collection.storage, path, "people")

    @cached_property
    def known(self) -> Mapping[bytes, Person]:
        """Everyone ever known, by person id."""
        return {one.person_id: one for one in persons(self.table)}

    @property
    def face_ids(self) -> npt.NDArray[np.void]:
        """The faces that were clustered, (n,) V16, sorted."""
        return self._clustered[0]

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """Their clusters, (n,) int32; -1 for a face on its own."""
        return self._clustered[1]

    @cached_property
    def places(self) -> ids.SortedIds:
        """The faces, to look some of them up."""
        return ids.SortedIds(self.face_ids)

    @cached_property
    def _clustered(self) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int32]]:
        if self.clusters is None:
            return ids.from_arrow(pa.array([], pa.binary(ids.ID_BYTES))), np.zeros(0, np.int32)
        return read_clusters(self.collection, self.clusters)

    @cached_property
    def by_cluster(self) -> Mapping[int, bytes]:
        """The person of every cluster."""
        return {one.cluster: who for who, one in self.known.items() if one.cluster is not None}

    def owner_of(self, face: bytes) -> bytes | None:
        """Returns the person of a face; None for a face that is nobody's, or isn't there."""
        row = self.places.row(face)
        return None if row is None else self.by_cluster.get(int(self.labels[row]))

    def owners_of(self, faces: Sequence[bytes]) -> dict[bytes, bytes]:
        """Returns the person of each face that is somebody's."""
        labels, by_cluster = self.labels, self.by_cluster
        found = self.places.rows(faces)
        numbers = labels[list(found.values())].tolist() if found else []
        return {
            face: by_cluster[number]
            for face, number in zip(found, numbers, strict=True)
            if number in by_cluster
        }

    @cached_property
    def owner(self) -> Mapping[bytes, bytes]:
        """The person of every face that is somebody's."""
        return {
            face.tobytes(): self.by_cluster[label]
            for face, label in zip(self.face_ids, self.labels.tolist(), strict=True)
            if label in self.by_cluster
        }

    @cached_property
    def faces(self) -> Mapping[bytes, set[bytes]]:
        """The faces of everyone who has any, by person id."""
        found: dict[bytes, set[bytes]] = {}
        for face, person in self.owner.items():
            found.setdefault(person, set()).add(face)
        return found

    def faces_of(self, person: Person) -> list[bytes]:
        """Returns the ids of a person's faces, sorted."""
        if person.cluster is None:
            return []
        return [face.tobytes() for face in self.face_ids[self.labels == person.cluster]]

    def people_of(self, face_ids: pa.Array | pa.ChunkedArray) -> pa.Table:
        """Returns the ``person_id`` and ``name`` of each face's person, null where it has none."""
        # A few are looked for among the many; the other way round a table of the many is made.
        rows = np.flatnonzero(pc.is_in(ids.to_arrow(self.face_ids), _array(face_ids)))
        place = pc.index_in(_array(face_ids), ids.to_arrow(self.face_ids[rows]))
        cluster = pa.array(self.labels[rows]).take(place)
        people = self.table.select(["person_id", "name", "cluster", "status"])
        active = pc.and_(pc.equal(people["status"], "active"), pc.is_valid(people["cluster"]))
        people = people.filter(active)
        person = pc.index_in(cluster, people["cluster"].combine_chunks())
        return people.select(["person_id", "name"]).take(person)

    def find(self, said: str) -> Person:
        """Returns the person whom a user means.

        Args:
            said: A name, whatever the case of its letters, an id, or the beginning of an id that
                no other begins with. Who was merged into somebody is that person.

        Raises:
            UsageError: Nobody is meant, or several are.
        """
        person = self.found(said)
        if person is None:
            active = (one for one in self.known.values() if one.status == "active")
            like = hint(said, (one.name for one in active if one.name))
            if said and is_hex(said) and len(said) < SHORTEST_PREFIX and not like:
                raise UsageError(f"{said!r} is too short: {SHORTEST_PREFIX} digits at least")
            like = like or ": `facebatch people list` shows who there is"
            raise DecisionRefused(
                "nobody",
                f"there is nobody called {said!r}, and no id that begins with it (at least "
                f"{SHORTEST_PREFIX} digits){like}",
            )
        return person

    def found(self, said: str) -> Person | None:
        """Returns the person whom a user means, as `find` does; None where nobody is.

        Raises:
            UsageError: Several are meant, or somebody who has no faces any more.
        """
        whole = self._of_whole_id(said)
        named = [] if whole else [one for one in self.by_name(said) if one.status == "active"]
        if len(named) > 1:
            shown = ", ".join(_short(one) for one in named)
            raise UsageError(f"several people are called {said!r}: say which by id, {shown}")
        person = named[0] if named else whole or self.by_id(said)
        if person is not None and person.status != "active":
            raise DecisionRefused(
                "gone",
                f"{said!r} has no faces any more: there is nobody to decide about",
                self.shown(person),
            )
        return person

    def _of_whole_id(self, said: str) -> Person | None:
        """Returns the person of an id that is whole, without looking at everybody's name."""
        if len(said) != 2 * ids.ID_BYTES or not set(said) <= set("0123456789abcdef"):
            return None
        person = self.known.get(bytes.fromhex(said))
        return self.known[person.merged_into] if person and person.merged_into else person

    def by_name(self, name: str) -> list[Person]:
        """Returns everyone of this name, those who have no faces any more among them.

        Where nobody has exactly this name, the case of its letters doesn't matter.
        """
        key = folded(name)
        alike = [one for one in self.known.values() if one.name and folded(one.name) == key]
        exact = [one for one in alike if one.name == name]
        return exact or alike

    def by_id(self, said: str) -> Person | None:
        """Returns the person whose id begins so; for one who was merged, whom it leads to.

        Raises:
            UsageError: It begins the ids of several people.
        """
        prefix = said.lower()
        if len(prefix) < SHORTEST_PREFIX or not is_hex(prefix):
            return None
        found = {
            one.merged_into or one.person_id
            for one in self.known.values()
            if one.person_id.hex().startswith(prefix)
        }
        if len(found) > 1:
            shown = ", ".join(sorted(who.hex()[:_SHOWN_DIGITS] for who in found))
            raise UsageError(f"{said!r} begins the ids of several people: {shown}")
        return self.known[found.pop()] if found else None

    def shown(self, person: Person) -> str:
        """Returns how a message calls a person."""
        return person.name or _short(person)


def is_hex(text: str) -> bool:
    """Tells whether a text may be an id or the beginning of one."""
    return set(text.lower()) <= set("0123456789abcdef")


def _short(person: Person) -> str:
    return person.person_id.hex()[:_SHOWN_DIGITS]


def _array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
