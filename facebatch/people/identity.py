"""Identity over generations: which person of the previous clustering each new cluster is.

Clusters are numbered anew every time; people are what a user named and linked to. Each previous
person goes to at most one cluster and each cluster carries at most one; what can't go on leaves a
row behind that says where it went, so that an old link never breaks. Rows that were ever written
are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from facebatch.ids import ID_BYTES, order, to_arrow

Ids = npt.NDArray[np.void]
Labels = npt.NDArray[np.int32]
Status = Literal["active", "merged", "dissolved"]


@dataclass(frozen=True)
class Person:
    """One person of one generation.

    Args:
        person_id: 16 bytes, the same in every generation.
        founded: Name of the generation that founded the person.
        status: ``active`` has a cluster; ``merged`` is a redirect to ``merged_into``;
            ``dissolved`` has neither, its faces being gone, alone or dispersed.
        cluster: Number of the cluster in this generation; None unless active.
        merged_into: The active or dissolved person that took over; None unless merged.
        name: The person's name, where one is known.
        named_by: ``decision`` or ``gallery``; None without a name, or where it isn't known.
        hidden: Whether a user hid the person.
    """

    person_id: bytes
    founded: str
    status: Status = "active"
    cluster: int | None = None
    merged_into: bytes | None = None
    name: str | None = None
    named_by: str | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Clustering:
    """The faces of one generation, their clusters and the people that those are.

    Args:
        face_ids: (n,) V16, ascending bytewise and without repeats.
        labels: (n,) int32, the cluster of each face, -1 for a face on its own.
        people: Every person known, in any order.
    """

    face_ids: Ids
    labels: Labels
    people: Sequence[Person] = ()


@dataclass(frozen=True)
class _Overlaps:
    """Faces shared by previous people and new clusters, over pairs that share at least one."""

    person: npt.NDArray[np.int64]
    cluster: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]


def person_id(generation: str, smallest_face_id: bytes) -> bytes:
    """Returns the id of a person founded by a generation on a cluster with this smallest face id.

    It is the blake2b-128 of the generation's name in UTF-8, a zero byte and the face id.
    """
    text = generation.encode() + b"\0" + smallest_face_id
    return hashlib.blake2b(text, digest_size=ID_BYTES).digest()


def carry_over(
    face_ids: Ids,
    labels: Labels,
    previous: Clustering | None,
    generation: str,
    claims: Mapping[int, bytes] | None = None,
    emptied: Mapping[bytes, bytes | None] | None = None,
) -> tuple[Person, ...]:
    """Finds the people of a new clustering.

    Clusters that are claimed for somebody are theirs, whatever their faces were before. Of the
    others, a cluster and a previous person that share the most faces belong together; then the
    next pair of those still free; equal shares go to the smaller person id, then to the smaller
    cluster. Clusters without a previous person found one. A previous person without a cluster is
    merged into the person whose cluster holds more than half of its faces that still exist, and
    else dissolved: a stray face or two don't make it somebody else. Where decisions left it
    without a face, it is merged into whom they gave its last ones to, however many of its earlier
    ones went elsewhere, so that it doesn't matter whether anybody regrouped between them. Earlier
    redirects are followed to their ends.

    Names stay with their people. Where a merged person had a name and the one that takes over has
    none, the name goes along, that of the largest share first; a person with a name keeps it.
    Merged and dissolved people keep theirs as well, so no name a user gave is ever lost.

    Args:
        face_ids: (n,) V16, ascending bytewise and without repeats.
        labels: (n,) int32, clusters numbered from 0 without gaps; -1 for a face on its own.
        previous: The previous generation; None for the first. A merged person that has a cluster
            (as after a user's decision) gives its faces to the one it was merged into.
        generation: Name of the new generation.
        claims: The person ids of clusters, by number: what a user decided. One that isn't known
            yet is a person that this generation founds; a merged one is active again.
        emptied: By person whom decisions left without a face, in the order of time, who took
            over; None where nobody did.

    Returns:
        Every person ever known, ordered by person id; the active ones carry their new cluster.

    Raises:
        ValueError: The face ids aren't ascending, or differ in number from the labels; or two
            clusters are claimed for one person.
    """
    _check_rows(face_ids, labels)
    claims, emptied = claims or {}, emptied or {}
    if len(set(claims.values())) < len(claims):
        raise ValueError("two clusters are claimed for one person")
    previous = previous or Clustering(face_ids[:0], labels[:0])
    known = {person.person_id: person for person in previous.people}
    for identity in claims.values():
        known[identity] = _revived(known.get(identity), identity, generation)
    # Whom decisions emptied, or gave faces to that are gone since, had been brought back by them.
    for identity in known.keys() & {*emptied, *emptied.values()}:
        known[identity] = _revived(known[identity], identity, generation)
    identities = sorted(known)
    numbers = {identity: number for number, identity in enumerate(identities)}
    person = _previous_owners(face_ids, previous, known, numbers)
    overlaps = _overlaps(person, labels)
    claimed = {numbers[identity]: cluster for cluster, identity in claims.items()}
    cluster_of = _assign(overlaps, claimed)
    faces_left = np.bincount(person[person >= 0], minlength=len(known))
    decided = {
        numbers[who]: numbers.get(_known_heir(who, emptied, numbers))
        for who in emptied
        if who in numbers and numbers[who] not in cluster_of
    }
    heirs = decided | {
        number: heir
        for number, heir in _heirs(overlaps, cluster_of, faces_left).items()
        if number not in decided
    }

    people = {
        identity: _settled(known[identity], cluster_of.get(number))
        for number, identity in enumerate(identities)
    }
    for number, heir in heirs.items():
        if heir is not None and heir != number:
            _merge(people, identities[number], identities[heir])
    people |= _founded(face_ids, labels, set(cluster_of.values()), generation)
    return tuple(_resolved(people[identity], people) for identity in sorted(people))


def _check_rows(face_ids: Ids, labels: Labels) -> None:
    if len(face_ids) != len(labels):
        raise ValueError(f"{len(face_ids)} face ids for {len(labels)} labels")
    ascending = np.array_equal(order(face_ids), np.arange(len(face_ids)))
    if not ascending or (face_ids[1:] == face_ids[:-1]).any():
        raise ValueError("face ids must be ascending and without repeats")


def _end_of_redirects(identity: bytes, people: Mapping[bytes, Person]) -> bytes:
    for _ in range(len(people)):
        target = people[identity].merged_into
        if target is None:
            return identity
        identity = target
    raise ValueError(f"person {identity.hex()} is merged into itself through others")


def _previous_owners(
    face_ids: Ids,
    previous: Clustering,
    known: Mapping[bytes, Person],
    numbers: Mapping[bytes, int],
) -> npt.NDArray[np.int64]:
    """Returns the number of the person (n,) whom each face belonged to, -1 for nobody."""
    # One place more than there are clusters: label -1 finds nobody in the last one. A person's
    # cluster may lie beyond the labels, its faces having vanished since.
    clusters = [person.cluster for person in known.values() if person.cluster is not None]
    owners = np.full(max([*clusters, previous.labels.max(initial=-1)]) + 2, -1, np.int64)
    for identity, person in known.items():
        if person.cluster is not None:
            owners[person.cluster] = numbers[_end_of_redirects(identity, known)]
    rows = pc.index_in(to_arrow(face_ids), value_set=to_arrow(previous.face_ids))
    rows = rows.fill_null(-1).to_numpy(zero_copy_only=False)
    result = np.full(len(face_ids), -1, np.int64)
    result[rows >= 0] = owners[previous.labels[rows[rows >= 0]]]
    return result


def _overlaps(person: npt.NDArray[np.int64], cluster: Labels) -> _Overlaps:
    """Counts shared faces and orders them: most first, then smaller person, smaller cluster."""
    both = (person >= 0) & (cluster >= 0)
    pairs, faces = np.unique(
        np.stack([person[both], cluster[both]], axis=1), axis=0, return_counts=True
    )
    largest_first = np.argsort(-faces, kind="stable")
    pairs = pairs[largest_first]
    return _Overlaps(pairs[:, 0], pairs[:, 1], faces[largest_first])


def _assign(overlaps: _Overlaps, claimed: Mapping[int, int]) -> dict[int, int]:
    """Gives each person at most one cluster and each cluster at most one person."""
    cluster_of: dict[int, int] = dict(claimed)
    taken: set[int] = set(claimed.values())
    for person, cluster in zip(overlaps.person.tolist(), overlaps.cluster.tolist(), strict=True):
        if person not in cluster_of and cluster not in taken:
            cluster_of[person] = cluster
            taken.add(cluster)
    return cluster_of


def _heirs(
    overlaps: _Overlaps, cluster_of: Mapping[int, int], faces_left: npt.NDArray[np.int64]
) -> dict[int, int]:
    """Finds who takes over each person without a cluster, those with the largest share first."""
    carrier = {cluster: person for person, cluster in cluster_of.items()}
    most = 2 * overlaps.faces > faces_left[overlaps.person]
    pairs = zip(overlaps.person[most].tolist(), overlaps.cluster[most].tolist(), strict=True)
    # Every cluster here has a carrier: had it none, the person would have got it.
    return {person: carrier[cluster] for person, cluster in pairs if person not in cluster_of}


def _known_heir(
    identity: bytes, emptied: Mapping[bytes, bytes | None], known: Mapping[bytes, int]
) -> bytes:
    """Returns who took over from whom decisions left without a face; itself where nobody did.

    Who was founded and lost all faces since nobody has seen: those lead on.
    """
    heir = identity
    while (into := emptied.get(heir)) is not None:
        heir = into
        if heir in known:
            break
    return heir


def _revived(person: Person | None, identity: bytes, generation: str) -> Person:
    """Returns a person that a cluster is claimed for, as one with whom nobody was merged."""
    if person is None:
        return Person(identity, generation)
    return replace(person, status="active", merged_into=None) if person.merged_into else person


def _settled(person: Person, cluster: int | None) -> Person:
    if cluster is not None:
        return replace(person, status="active", cluster=cluster)
    status: Status = "merged" if person.status == "merged" else "dissolved"
    return replace(person, status=status, cluster=None)


def _merge(people: dict[bytes, Person], identity: bytes, heir: bytes) -> None:
    people[identity] = replace(people[identity], status="merged", merged_into=heir)
    if people[heir].name is None:
        gone = people[identity]
        people[heir] = replace(people[heir], name=gone.name, named_by=gone.named_by)


def _founded(
    face_ids: Ids, labels: Labels, carried: set[int], generation: str
) -> dict[bytes, Person]:
    clusters, first_rows = np.unique(labels, return_index=True)
    people = {}
    for cluster, row in zip(clusters.tolist(), first_rows.tolist(), strict=True):
        if cluster >= 0 and cluster not in carried:
            identity = person_id(generation, face_ids[row].tobytes())
            people[identity] = Person(identity, generation, cluster=cluster)
    return people


def _resolved(person: Person, people: Mapping[bytes, Person]) -> Person:
    if person.status != "merged":
        return person
    return replace(person, merged_into=_end_of_redirects(person.person_id, people))
