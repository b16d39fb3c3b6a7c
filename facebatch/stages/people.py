"""The stage ``people``: whose identity each cluster carries, and what happened to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

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
    Snapshot,
    generation_name,
    write_table,
)
from facebatch.collection.generations import moment_of
from facebatch.errors import CollectionError
from facebatch.people import Clustering, PeopleView, Person, recording
from facebatch.people.deciding import People
from facebatch.people.events import Changes, Event, compare
from facebatch.people.health import examine
from facebatch.people.identity import carry_over
from facebatch.people.records import EVENTS, generation_of
from facebatch.stages.clusters import (
    Base,
    Clustered,
    ClusteringRequest,
    Task,
    cluster,
    clustered,
)
from facebatch.stages.common import StageResult
from facebatch.stages.faces import Faces
from facebatch.stages.matches import named_by
from facebatch.stages.trees import Finder, find_here

_ATTEMPTS = 3
"""How often people are made anew because another run made some meanwhile."""


def cluster_people(
    collection: Collection,
    snapshot: Snapshot,
    *,
    tau: float | None = None,
    from_scratch: bool = False,
    asked: Mapping[str, Any] | None = None,
    find: Finder = find_here,
    begin_people: Callable[[], None] = lambda: None,
) -> tuple[StageResult[ClustersManifest], StageResult[PeopleManifest]]:
    """Clusters a snapshot's faces and carries the people's identities over.

    With the settings of the current people, they stay as they are and new faces join them or found
    people; with others, or from scratch, all faces are clustered anew and people are known again
    by their faces. Where the snapshot's faces were identified against a gallery, the faces of one
    name become one person of that name, whatever their neighbours say. What users decided outranks
    everything.

    Args:
        collection: The collection.
        snapshot: The faces.
        tau: Longest link, as d2. By default that of the current generation, so that new photos
            don't move the cut; for the first one that of the number of faces.
        from_scratch: Choose tau anew, whatever the current generation's, and cluster all faces.
        asked: Settings that were asked for, by the names of
            `facebatch.config.GroupingSettings`; the others are the current generation's.
        find: Finds neighbours, where all faces are clustered.
        begin_people: Called when there are clusters, and people are about to be made of them.

    Returns:
        The results of the stages ``clusters`` and ``people``. Where another run made people
        meanwhile, these are made again from those, with the newest faces.

    Raises:
        CollectionError: Others made people in every attempt.
    """
    request = ClusteringRequest(tau, from_scratch, asked or {})
    for _ in range(_ATTEMPTS):
        recording.complete(collection, snapshot)
        made = _cluster_people(collection, snapshot, request, find, begin_people)
        if made is not None:
            recording.merge(collection, at_least=recording.MANY_FILES)
            return made
        snapshot = collection.snapshot()
    raise CollectionError(
        f"others clustered {collection.storage.public} {_ATTEMPTS} times while this run did: "
        "run `facebatch cluster` again when they are done"
    )


def _cluster_people(
    collection: Collection,
    snapshot: Snapshot,
    request: ClusteringRequest,
    find: Finder,
    begin_people: Callable[[], None],
) -> tuple[StageResult[ClustersManifest], StageResult[PeopleManifest]] | None:
    """Does what `cluster_people` does; None where there are other people meanwhile."""
    view = PeopleView.of(collection)
    current = view.generation
    task = Task.of(collection, snapshot, request, _base(view))
    done = task.done()
    if done is None:
        made = cluster(task, find)
    elif current and current.manifest.clusters == done.name:
        return StageResult(done, unchanged=True), StageResult(current, unchanged=True)
    else:
        made = clustered(task, done)
    begin_people()
    people = _people(made, view)
    return (StageResult(made.generation, made.unchanged), people) if people else None


def _base(people: PeopleView) -> Base | None:
    """Returns the clusters that the current people were made from, with the people."""
    if people.clusters is None:
        return None
    known = tuple(people.known.values())
    return Base(people.clusters, Clustering(people.face_ids, people.labels, known))


def _people(made: Clustered, earlier: PeopleView) -> StageResult[PeopleManifest] | None:
    """Makes the people of a clustering; None where they aren't those that it was made from."""
    collection, base = made.task.collection, made.task.base
    current = earlier.generation
    name = generation_name(current)
    face_ids, labels = ids.from_arrow(made.faces.table["face_id"]), made.labels
    nobody = Clustering(face_ids[:0], labels[:0])
    before = base.clustering if base else nobody
    people = carry_over(face_ids, labels, before, name, _claims(made), _emptied(made, earlier))
    people = _called(people, made, _names_of_clusters(made))
    after = Clustering(face_ids, labels, people)
    reasons = _by_gallery(before, after) | _reasons(made)
    changes = compare(before, after, made.task.reason, reasons)
    rows = _describe(made.faces, labels, people, _drawn(before, after, earlier))
    clusters = made.generation
    generation = Generation(
        name,
        PeopleManifest(
            faces_hash=clusters.manifest.faces_hash,
            parents=(clusters.name, *([current.name] if current else [])),
            space=collection.space,
            reason=made.task.reason,
            hidden=sum(person.hidden and person.status == "active" for person in people),
            named=sum(
                person.name is not None and not person.hidden and person.status == "active"
                for person in people
            ),
            resting=len(made.task.effective.resting),
            changes=changes.faces(),
            events=_counts(changes),
            health=examine(rows, clusters.manifest, set(made.faces.decided)),
        ).counting([person.status for person in people]),
    )
    newest = collection.current("people")
    if (newest and newest.name) != (current and current.name):
        return None
    write_table(collection, generation, "people", tables.from_rows("people", rows))
    _forget_orphans(collection, current)
    path = _write_events(collection, generation, changes.events)
    finished = collection.finish(generation)
    if path and not collection.storage.exists(path):
        # Until it was finished, another run had to take it for one that was cut off.
        _write_events(collection, generation, changes.events)
    return StageResult(finished, unchanged=False)


def _claims(made: Clustered) -> dict[int, bytes]:
    """Returns the people whom decisions say clusters to be."""
    rows = np.flatnonzero(made.faces.pinned)
    clusters, who = made.labels[rows].tolist(), made.faces.named[rows].tolist()
    return {
        cluster: made.faces.decided[number] for cluster, number in zip(clusters, who, strict=True)
    }


def _emptied(made: Clustered, earlier: PeopleView) -> Mapping[bytes, bytes | None]:
    """Returns whom decisions left without a face, and who took over, as `People.emptied` does."""
    if made.task.base is None:
        return {}
    decisions = made.task.effective.decisions
    return People(earlier.collection, earlier.generation, earlier.clusters, decisions).emptied


def _names_of_clusters(made: Clustered) -> dict[int, str]:
    """Returns the names that the matches, which a clustering was made with, give its clusters."""
    collection = made.task.collection
    matches = collection.generation("matches", made.generation.manifest.matches)
    if matches is None:
        return {}
    named, names = named_by(collection, matches)
    rows = np.flatnonzero((named >= 0) & (made.labels >= 0))
    return {int(made.labels[row]): names[named[row]] for row in rows}


def _called(
    people: Sequence[Person], made: Clustered, by_gallery: Mapping[int, str]
) -> tuple[Person, ...]:
    """Gives people the names that decisions and the gallery say, and hides who is to be hidden."""
    effective, given = made.task.effective, set(by_gallery.values())
    found = []
    for person in people:
        name, source = person.name, person.named_by
        if person.person_id in effective.names:
            name, source = effective.names[person.person_id], "decision"
        elif person.cluster is not None and person.cluster in by_gallery:
            name, source = by_gallery[person.cluster], "gallery"
        elif source == "decision":  # which was cancelled since
            name, source = None, None
        elif source == "gallery" and person.cluster is not None and name in given:
            name, source = None, None  # which is somebody else's, as when a merger was undone
        hidden = person.person_id in effective.hidden
        found.append(replace(person, name=name, named_by=source, hidden=hidden))
    return tuple(found)


def _by_gallery(before: Clustering, after: Clustering) -> dict[bytes, str]:
    """Returns the reason of everyone to whom a gallery gave a name that they didn't have."""
    known = {person.person_id: person.name for person in before.people}
    return {
        person.person_id: "gallery"
        for person in after.people
        if person.named_by == "gallery" and known.get(person.person_id) != person.name
    }


def _reasons(made: Clustered) -> dict[bytes, str]:
    """Returns the newest decision about each person, of those that weren't applied before."""
    base = made.task.base
    applied = base.clusters.manifest.decisions if base else None
    return {
        person: f"decision {decision}"
        for person, decision in made.task.effective.reasons.items()
        if applied is None or decision > applied
    }


def _counts(changes: Changes) -> dict[str, int]:
    """Returns the number of events of each kind."""
    kinds = sorted({event.kind for event in changes.events})
    return {kind: sum(event.kind == kind for event in changes.events) for kind in kinds}


def _forget_orphans(collection: Collection, current: Generation[PeopleManifest] | None) -> None:
    """Removes the events of generations that were cut off before their manifests."""
    for file in collection.storage.files(EVENTS):
        if current is None or generation_of(file.path) > current.name:
            collection.storage.remove(file.path)


def _write_events(
    collection: Collection, generation: Generation[PeopleManifest], events: Sequence[Event]
) -> str | None:
    """Writes a generation's events, before the manifest that makes it the current one.

    Returns:
        Where; None where nothing happened.
    """
    if not events:
        return None
    moment = moment_of(generation.name)
    rows = [{"generation": generation.name, "time": moment, **vars(event)} for event in events]
    path = f"{EVENTS}/{generation.name}.parquet"
    table = tables.from_rows("events", rows)
    tables.write(collection.storage, path, "events", table, collection.fingerprint)
    return path


def _drawn(
    before: Clustering, after: Clustering, earlier: PeopleView
) -> dict[bytes, Mapping[str, Any]]:
    """Returns the earlier rows of people whose faces are the same as before.

    A cover that is none of them, whatever wrote it, isn't taken over.
    """
    places = pc.index_in(ids.to_arrow(after.face_ids), ids.to_arrow(before.face_ids))
    known = places.is_valid().to_numpy(zero_copy_only=False)
    was = np.full(len(after.labels), -1, np.int64)
    was[known] = before.labels[places.drop_null().to_numpy()]
    owned = (after.labels >= 0) & (was >= 0)
    pairs, shared = np.unique(
        np.stack([was[owned], after.labels[owned]], axis=1), axis=0, return_counts=True
    )
    sizes = [np.bincount(one.labels[one.labels >= 0]) for one in (before, after)]
    same = (sizes[0][pairs[:, 0]] == shared) & (sizes[1][pairs[:, 1]] == shared)
    clusters = set(pairs[same, 1].tolist())
    people = pa.array(
        [one.person_id for one in after.people if one.cluster in clusters], pa.binary(ids.ID_BYTES)
    )
    rows = earlier.table.select(["person_id", "cover_face_id", "spread", "faces"])
    rows = rows.filter(pc.is_in(rows["person_id"], people))
    covers = pc.index_in(rows["cover_face_id"], ids.to_arrow(after.face_ids))
    rows = rows.append_column("label", pc.take(pa.array(after.labels), covers))
    cluster_of = {one.person_id: one.cluster for one in after.people}
    return {
        row["person_id"]: row
        for row in rows.to_pylist()
        if row["label"] == cluster_of[row["person_id"]]
        and (row["faces"] < 2 or row["spread"] is not None)
    }


def _describe(
    faces: Faces,
    labels: npt.NDArray[np.int32],
    people: Sequence[Person],
    drawn: Mapping[bytes, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Returns the people's rows, with what their faces tell of them.

    Of those who are drawn already, the cover and the spread stay.
    """
    members = np.flatnonzero(labels >= 0)
    members = members[np.argsort(labels[members], kind="stable")]
    ordered = labels[members]
    starts = np.searchsorted(ordered, np.arange(labels.max(initial=-1) + 2))
    media = _distinct(ordered, faces.table["media_id"].take(pa.array(members)))
    fresh = [one.cluster for one in people if one.person_id not in drawn]
    looked_at = np.isin(ordered, [cluster for cluster in fresh if cluster is not None])
    embeddings = faces.embeddings[members[looked_at]]
    places = np.cumsum(looked_at) - 1
    rows: list[dict[str, Any]] = []
    for person in people:
        row: dict[str, Any] = {**vars(person), "faces": 0, "media": 0}
        if person.cluster is not None:
            start, stop = starts[person.cluster : person.cluster + 2].tolist()
            row["faces"] = stop - start
            row["media"] = int(media[person.cluster])
            known = drawn.get(person.person_id)
            if known is not None:
                row["cover_face_id"], row["spread"] = known["cover_face_id"], known["spread"]
            else:
                mine = embeddings[places[start] : places[start] + stop - start]
                mean = mine.mean(axis=0, dtype=np.float64)
                cover = int(members[start + np.argmax(mine @ mean)])
                row["cover_face_id"] = faces.table["face_id"][cover].as_py()
                row["spread"] = _mean_pairwise_d2(mean, stop - start)
        rows.append(row)
    return rows


def _distinct(labels: npt.NDArray[np.int32], media: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Returns how many media items each cluster has faces in; labels ascending from 0."""
    codes = media.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    pairs = np.unique(labels.astype(np.int64) * (int(codes.max(initial=0)) + 1) + codes)
    return np.bincount(
        pairs // (int(codes.max(initial=0)) + 1), minlength=labels.max(initial=-1) + 1
    )


def _mean_pairwise_d2(mean: npt.NDArray[np.float64], n: int) -> float | None:
    """Returns the mean d2 over pairs of n unit vectors: n/(n-1) times twice their variance."""
    return None if n < 2 else float(2 * (1 - mean @ mean) * n / (n - 1))
