"""People over time: new photos change nobody, changes are events, pictures part look-alikes."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from support.commits import commit, commit_photos, ids_of_people
from support.generations import read_people
from support.rows import content, memory_collection
from support.synthetic import people

from facebatch import ids, tables
from facebatch.collection import Collection, Generation, generation_name, read_clusters
from facebatch.collection.generations import GENERATIONS_KEPT
from facebatch.errors import CollectionError
from facebatch.neighbors import Neighbors
from facebatch.neighbors.index import Plan
from facebatch.people.records import read_events
from facebatch.stages import cluster_people
from facebatch.stages.trees import Finder, find_here

SIZES = [14, 12, 9, 7, 5, 1, 1, 1]


@pytest.fixture
def collection() -> Collection:
    return memory_collection()


def owners(collection: Collection) -> dict[bytes, bytes]:
    """Whose every face is that is somebody's."""
    made = collection.current("people")
    assert made is not None
    clusters = collection.generation("clusters", made.manifest.clusters)
    assert clusters is not None
    face_ids, labels = read_clusters(collection, clusters)
    who = {person.cluster: person.person_id for person in read_people(collection, made)}
    return {
        face.tobytes(): who[label]
        for face, label in zip(face_ids, labels.tolist(), strict=True)
        if label >= 0
    }


def test_new_photos_change_nobody_who_is_there(collection: Collection) -> None:
    embeddings, truth = people(SIZES, seed=6)
    commit(collection, "0", embeddings[:20])
    cluster_people(collection, collection.snapshot())
    before = owners(collection)
    for night, first in enumerate(range(20, len(embeddings), 10), 1):
        commit(collection, str(night), embeddings[first : first + 10], first=first)
        clusters, made = cluster_people(collection, collection.snapshot())
        assert made.generation.manifest.reason == "new photos"
        after = owners(collection)
        assert {face: after[face] for face in before} == before
        assert made.generation.manifest.changes["moved"] == 0
        before = after
    # And the new faces came to the right people.
    face_ids, labels = read_clusters(collection, clusters.generation)
    by_id = {ids.face_id(content(n), 0, 0, 0): person for n, person in enumerate(truth.tolist())}
    right = np.array([by_id[face.tobytes()] for face in face_ids])
    for label in range(labels.max() + 1):
        assert len(set(right[labels == label].tolist())) == 1
    assert (labels >= 0).sum() >= 35


def test_adding_photos_night_by_night_finds_nearly_what_one_clustering_finds(
    collection: Collection,
) -> None:
    embeddings, _ = people(SIZES, seed=6)
    for night, first in enumerate(range(0, len(embeddings), 10)):
        commit(collection, str(night), embeddings[first : first + 10], first=first)
        cluster_people(collection, collection.snapshot())
    nightly = owners(collection)
    _, made = cluster_people(collection, collection.snapshot(), from_scratch=True)
    anew = owners(collection)
    assert made.generation.manifest.reason == "from scratch"
    same = sum(anew.get(face) == who for face, who in nightly.items())
    assert same >= 0.9 * len(anew)


def test_from_scratch_says_what_moved_and_is_done_once(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=6)
    commit(collection, "0", embeddings)
    cluster_people(collection, collection.snapshot(), tau=0.03)
    few = len(owners(collection))
    _, made = cluster_people(collection, collection.snapshot(), from_scratch=True)
    changes = made.generation.manifest.changes
    assert changes["joined"] > 0
    assert changes["kept"] + changes["moved"] + changes["left"] == few
    again = cluster_people(collection, collection.snapshot(), from_scratch=True)
    assert all(result.unchanged for result in again)


def test_another_threshold_cuts_the_tree_that_is_there(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=6)
    commit(collection, "0", embeddings)
    first, _ = cluster_people(collection, collection.snapshot())
    tau = first.generation.manifest.tau
    for wanted in (0.9 * tau, 1.2 * tau):
        cut, _ = cluster_people(collection, collection.snapshot(), tau=wanted)
        assert cut.generation.manifest.tree == first.generation.name
        _, labels = read_clusters(collection, cut.generation)
        grown, _ = cluster_people(collection, collection.snapshot(), tau=wanted, from_scratch=True)
        assert grown.generation.manifest.tree == grown.generation.name
        assert read_clusters(collection, grown.generation)[1].tolist() == labels.tolist()
        cluster_people(collection, collection.snapshot(), tau=tau, from_scratch=True)
        first = cluster_people(collection, collection.snapshot())[0]


def test_a_tree_outlives_the_generation_that_grew_it(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=6)
    commit(collection, "0", embeddings[:30])
    first, _ = cluster_people(collection, collection.snapshot())
    for night in range(GENERATIONS_KEPT + 1):
        begin = 30 + 2 * night
        commit(collection, f"{night + 1}", embeddings[begin : begin + 2], first=begin)
        cluster_people(collection, collection.snapshot())
    cut, _ = cluster_people(collection, collection.snapshot(), tau=0.08)
    assert cut.generation.manifest.tree == first.generation.name
    assert len(owners(collection)) > 20


def test_a_threshold_beyond_the_tree_grows_another(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=6)
    commit(collection, "0", embeddings)
    cluster_people(collection, collection.snapshot())
    cut, _ = cluster_people(collection, collection.snapshot(), tau=0.2)
    assert cut.generation.manifest.tree == cut.generation.name


def test_two_faces_in_one_photo_are_two_people(collection: Collection) -> None:
    ada = people([10], seed=1)[0]
    # Every photo shows the same person twice, as a mirror does.
    photos = [np.stack([one, other]) for one, other in zip(ada[:5], ada[5:], strict=True)]
    commit_photos(collection, "0", photos)
    strict, _ = cluster_people(collection, collection.snapshot())
    face_ids, labels = read_clusters(collection, strict.generation)
    photo_of = dict(
        zip(
            *(
                collection.snapshot().faces(["face_id", "media_id"])[name].to_pylist()
                for name in ("face_id", "media_id")
            ),
            strict=True,
        )
    )
    pairs = [
        (label, photo_of[face.tobytes()])
        for face, label in zip(face_ids, labels.tolist(), strict=True)
        if label >= 0
    ]
    assert len(pairs) == len(set(pairs)) >= 4
    loose, made = cluster_people(
        collection, collection.snapshot(), asked={"photo_constraint": False}
    )
    assert loose.generation.manifest.largest > 5
    assert made.generation.manifest.reason == "other settings"
    # And the switch stays as it was put.
    assert cluster_people(collection, collection.snapshot())[0].unchanged


def test_a_new_face_joins_nobody_who_is_in_its_photo_already(collection: Collection) -> None:
    ada = people([8], seed=1)[0]
    commit_photos(collection, "0", [one[None] for one in ada[:6]])
    cluster_people(collection, collection.snapshot())
    commit_photos(collection, "1", [ada[6:]], first=6)
    clusters, _ = cluster_people(collection, collection.snapshot())
    new = {ids.face_id(content(6), 0, 0, place) for place in range(2)}
    face_ids, labels = read_clusters(collection, clusters.generation)
    found = [
        label
        for face, label in zip(face_ids, labels.tolist(), strict=True)
        if face.tobytes() in new and label >= 0
    ]
    assert len(found) == len(set(found)) >= 1


def test_the_faces_of_a_videos_track_are_one_person(collection: Collection) -> None:
    embeddings, truth = people([4, 4], seed=2)
    far_apart = np.concatenate([embeddings[truth == 0][:2], embeddings[truth == 1][:2]])
    moments = [[one] for one in range(4)]
    commit_photos(
        collection,
        "0",
        [far_apart],
        timestamp_us=[40_000 * one for (one,) in moments],
        track=[3, 3, 3, 3],
        x0=[0.0] * 4,
        x1=[90.0] * 4,
    )
    clusters, _ = cluster_people(collection, collection.snapshot())
    _, labels = read_clusters(collection, clusters.generation)
    assert set(labels.tolist()) == {0}


def test_events_outlive_the_generations_and_orphans_are_forgotten(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=6)
    for night in range(GENERATIONS_KEPT + 2):
        commit(collection, str(night), embeddings[9 * night : 9 * night + 9], first=9 * night)
        cluster_people(collection, collection.snapshot())
    rows = read_events(collection).to_pylist()
    assert len({row["generation"] for row in rows}) > GENERATIONS_KEPT
    assert {row["kind"] for row in rows} >= {"founded", "joined"}
    # What a run leaves that is killed before its people's manifest is written.
    orphan = generation_name(collection.current("people"))
    tables.write(
        collection.storage,
        f"events/{orphan}.parquet",
        "events",
        event_row(rows[0], orphan),
        collection.fingerprint,
    )
    assert read_events(collection).to_pylist() == rows
    cluster_people(collection, collection.snapshot(), from_scratch=True)
    assert orphan not in {row["generation"] for row in read_events(collection).to_pylist()}


def event_row(row: dict[str, object], generation: str) -> pa.Table:
    return tables.from_rows("events", [{**row, "generation": generation}])


def finding_while(what: Callable[[], object], times: int = 1) -> Finder:
    """A finder of neighbours beside which something else happens, the first times it is used."""
    left = [what] * times

    def find(
        embeddings: npt.NDArray[np.float32], k: int, reach: float, plan: Plan, seed: int
    ) -> Neighbors:
        if left:
            left.pop()()
        return find_here(embeddings, k, reach, plan, seed)

    return find


def test_of_two_clusterings_at_a_time_the_later_goes_on_from_the_other(
    collection: Collection,
) -> None:
    embeddings, _ = people(SIZES, seed=6)
    commit(collection, "0", embeddings[:30])
    other: dict[bytes, bytes] = {}

    def beside() -> None:
        commit(collection, "1", embeddings[30:], first=30)
        cluster_people(collection, collection.snapshot())
        other.update(owners(collection))

    find = finding_while(beside)
    _, made = cluster_people(collection, collection.snapshot(), find=find)
    assert owners(collection) == other
    assert collection.current("people") == made.generation
    founded = [row for row in read_events(collection).to_pylist() if row["kind"] == "founded"]
    assert len(founded) == len(set(other.values()))


def test_a_clustering_that_is_overtaken_again_and_again_says_so(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=6)
    commit(collection, "0", embeddings)

    def beside() -> None:
        cluster_people(collection, collection.snapshot(), from_scratch=True, tau=taus.pop())

    taus = [0.05, 0.06, 0.07]
    find = finding_while(beside, times=3)
    with pytest.raises(CollectionError, match="3 times"):
        cluster_people(collection, collection.snapshot(), from_scratch=True, find=find)
    assert not taus


def test_events_that_another_run_took_for_orphans_are_put_back(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Collection.finish

    def finish_beside(self: Collection, generation: Generation) -> Generation:
        if generation.stage == "people":
            self.storage.remove(f"events/{generation.name}.parquet")
        return finish(self, generation)

    monkeypatch.setattr(Collection, "finish", finish_beside)
    commit(collection, "0", people(SIZES, seed=6)[0])
    cluster_people(collection, collection.snapshot())
    assert len(read_events(collection)) == len(set(owners(collection).values())) > 0


def test_people_of_an_earlier_version_go_on(collection: Collection) -> None:
    embeddings, _ = people(SIZES, seed=6)
    commit(collection, "0", embeddings)
    clusters, _ = cluster_people(collection, collection.snapshot())
    before = ids_of_people(collection)
    # A manifest as it was before trees, gates for joining and decisions.
    old = {
        name: value
        for name, value in clusters.generation.manifest.as_json().items()
        if name in ("faces_hash", "config", "tau_chosen_at_faces", "faces", "parents")
    }
    path = f"{clusters.generation.folder}/manifest.json"
    gate = {"min_size": 28.0, "min_score": 0.95, "min_inside": 0.75}
    collection.storage.write(path, json.dumps({**old, "gate": gate, "matches": None}).encode())
    again, _ = cluster_people(collection, collection.snapshot())
    assert not again.unchanged
    assert ids_of_people(collection) == before


def test_people_clustered_under_earlier_names_of_settings_are_unchanged(
    collection: Collection,
) -> None:
    commit(collection, "0", people(SIZES, seed=6)[0])
    snapshot = collection.snapshot()
    asked = {"seed_size": 30.0, "attach_score": 0.85}
    clusters, made = cluster_people(collection, snapshot, asked=asked)
    path = f"{clusters.generation.folder}/manifest.json"
    text = collection.storage.read(path).decode()
    earlier = text.replace('"seed_', '"found_').replace('"attach_', '"join_')
    assert '"found_size": 30.0' in earlier
    assert '"join_score": 0.85' in earlier
    collection.storage.write(path, earlier.encode())
    again, still = cluster_people(collection, snapshot)
    assert (again.unchanged, still.unchanged) == (True, True)
    assert (again.generation.name, still.generation.name) == (
        clusters.generation.name,
        made.generation.name,
    )
    commit(collection, "1", people(SIZES, seed=7)[0], first=sum(SIZES))
    grown, _ = cluster_people(collection, collection.snapshot())
    assert grown.generation.manifest.gate["seed_size"] == 30.0
    assert grown.generation.manifest.gate["attach_score"] == 0.85
    assert grown.generation.manifest.tree == clusters.generation.manifest.tree
