"""Identification as a stage: who of a gallery each face is, and people called by their names."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from support.commits import commit
from support.generations import read_people
from support.rows import memory_collection
from support.synthetic import people

from facebatch import tables
from facebatch.collection import Collection, read_clusters, read_matches
from facebatch.config import ExtractSettings
from facebatch.errors import GalleryError, SpaceMismatch, UsageError
from facebatch.identify import Gallery
from facebatch.identify.false_discovery import impostor_probabilities, rates_of
from facebatch.identify.fit_calibration import calibrate_pairs, pair_distances
from facebatch.identify.gallery import ENTRY_COLUMNS
from facebatch.ids import from_arrow
from facebatch.people.records import read_events
from facebatch.stages import IdentificationQuery, cluster_people, identify_faces

SIZES = [12, 9, 7, 5]
NAMES = ["Ada", "Bo <b>", "Çelik", "Dee"]
_urls = itertools.count()


def gallery_of(embeddings: np.ndarray, names: list[str], **settings: str) -> Gallery:
    gallery = Gallery.create(f"memory://gallery-{next(_urls)}", ExtractSettings(**settings))
    schema = tables.schema("gallery", embeddings.shape[1])
    n = len(names)
    given = {
        "name": names,
        "face_id": [bytes([number]) * 16 for number in range(n)],
        "source": ["known"] * n,
        "embedding": embeddings.tolist(),
        "score": [1.0] * n,
        "size": [100.0] * n,
        "sharpness": [1.0] * n,
        "chip": [None] * n,
    }
    columns = [pa.array(given[name], schema.field(name).type) for name in ENTRY_COLUMNS]
    gallery.add(pa.table(dict(zip(ENTRY_COLUMNS, columns, strict=True))))
    return gallery


@pytest.fixture
def collection() -> Collection:
    return memory_collection()


@pytest.fixture
def faces(collection: Collection) -> tuple[np.ndarray, np.ndarray]:
    """Committed faces: embeddings and persons in the order of the snapshot."""
    embeddings, truth = people(SIZES, seed=4)
    commit(collection, "one", embeddings)
    committed = tables.matrix(collection.snapshot().faces(["embedding"])["embedding"])
    rows = [int(np.argmax(embeddings @ row)) for row in committed]
    return committed, truth[rows]


def known(faces: tuple[np.ndarray, np.ndarray], count: int) -> Gallery:
    """The first persons of the collection, three embeddings each."""
    embeddings, truth = faces
    chosen = [row for person in range(count) for row in np.flatnonzero(truth == person)[:3]]
    return gallery_of(embeddings[chosen], [NAMES[truth[row]] for row in chosen])


def test_every_face_has_a_match_or_nobody(collection: Collection, faces) -> None:
    query = IdentificationQuery(known(faces, 2))
    made = identify_faces(collection, collection.snapshot(), query).generation
    rows = read_matches(collection, made)
    _, truth = faces
    found = rows["person"].to_pylist()
    right = [NAMES[person] if person < 2 else None for person in truth]
    wrong = sum(one is not None and one != other for one, other in zip(found, right, strict=True))
    assert wrong == 0
    assert found.count(None) < len(truth) - sum(SIZES[:2]) + 4
    assert made.manifest.matched == len(found) - found.count(None)
    assert (rows["score"].to_numpy() <= rows["runner_up"].to_numpy()).all()
    likely = rows["probability"].to_numpy()
    order = np.argsort(rows["score"].to_numpy())
    assert (np.diff(likely[order]) <= 0).all()
    threshold = made.manifest.config["threshold"]
    accepted = [person is not None for person in found]
    np.testing.assert_array_equal(accepted, rows["score"].to_numpy() <= np.float32(threshold))


def test_faces_of_one_name_become_one_person_of_that_name(collection: Collection, faces) -> None:
    snapshot = collection.snapshot()
    identify_faces(collection, snapshot, IdentificationQuery(known(faces, 3), threshold=0.2))
    clusters, found = cluster_people(collection, snapshot)
    assert clusters.generation.manifest.matches == collection.current("matches").name
    _, labels = read_clusters(collection, clusters.generation)
    matched = read_matches(collection, collection.current("matches"))["person"].to_pylist()
    name_of = {p.cluster: p.name for p in read_people(collection, found.generation)}
    for label, name in zip(labels.tolist(), matched, strict=True):
        if name is not None:
            assert name_of[label] == name
    named = [name for name in name_of.values() if name]
    assert sorted(named) == sorted(set(matched) - {None})


def test_faces_that_cannot_be_told_apart_are_nobody(collection: Collection) -> None:
    embeddings, _ = people([6], seed=4)
    commit(collection, "one", embeddings, size=[20.0, *[100.0] * 5], shift=[0.0, 60.0, *[0.0] * 4])
    gallery = gallery_of(embeddings, ["Ada"] * 6)
    made = identify_faces(
        collection, collection.snapshot(), IdentificationQuery(gallery)
    ).generation
    rows = read_matches(collection, made)
    assert rows["person"].null_count == rows["probability"].null_count == 2
    assert rows["nearest"].null_count == 0
    assert (made.manifest.matched, made.manifest.below_gate) == (4, 2)


def test_without_a_gallery_nothing_is_named_and_names_stay_once_given(
    collection: Collection, faces
) -> None:
    snapshot = collection.snapshot()
    _, before = cluster_people(collection, snapshot)
    assert {person.name for person in read_people(collection, before.generation)} == {None}
    identify_faces(collection, snapshot, IdentificationQuery(known(faces, 2)))
    _, named = cluster_people(collection, snapshot)
    embeddings, _ = people([6], seed=9)
    commit(collection, "two", embeddings, first=100)
    _, after = cluster_people(collection, collection.snapshot())
    people_of = {
        made.generation.name: {
            person.person_id: person.name
            for person in read_people(collection, made.generation)
            if person.name
        }
        for made in (named, after)
    }
    assert people_of[named.generation.name] == people_of[after.generation.name]
    assert len(people_of[named.generation.name]) == 2


def test_the_same_question_about_the_same_faces_is_answered_once(
    collection: Collection, faces
) -> None:
    snapshot = collection.snapshot()
    gallery = known(faces, 2)
    first = identify_faces(collection, snapshot, IdentificationQuery(gallery))
    again = identify_faces(collection, snapshot, IdentificationQuery(gallery))
    assert again.unchanged
    assert again.generation.name == first.generation.name
    assert not identify_faces(
        collection, snapshot, IdentificationQuery(gallery, fpir=0.1)
    ).unchanged
    gallery.remove("Ada")
    assert not identify_faces(
        collection, snapshot, IdentificationQuery(gallery, fpir=0.1)
    ).unchanged


def test_a_gallerys_own_calibration_decides(collection: Collection, faces) -> None:
    embeddings, truth = faces
    gallery = known(faces, 4)
    calibration = calibrate_pairs(
        *pair_distances(embeddings, [str(person) for person in truth]),
        embedder="dlib-resnet",
        tta="mirror",
        space=gallery.space,
        source="these faces",
    )
    gallery.keep_calibration(calibration)
    query = IdentificationQuery(gallery)
    assert query.calibration() == calibration
    made = identify_faces(collection, collection.snapshot(), query).generation
    rows = read_matches(collection, made, ["score", "probability"])
    people = len(gallery.names())
    rates = rates_of(rows["score"].to_numpy(), calibration, query.method, people)
    expected = 1 - impostor_probabilities(rates)
    np.testing.assert_allclose(rows["probability"].to_numpy(), expected, rtol=1e-6)


def test_a_gallery_of_another_space_is_refused_and_both_are_named(
    collection: Collection, faces
) -> None:
    embeddings, _ = faces
    other = gallery_of(embeddings[:1], ["Ada"], tta="full")
    with pytest.raises(SpaceMismatch, match=collection.space) as refused:
        identify_faces(collection, collection.snapshot(), IdentificationQuery(other))
    assert other.space in str(refused.value)
    assert collection.current("matches") is None


def test_an_empty_gallery_is_refused(collection: Collection, faces) -> None:
    empty = Gallery.create(f"memory://gallery-{next(_urls)}", ExtractSettings())
    with pytest.raises(GalleryError, match="empty"):
        identify_faces(collection, collection.snapshot(), IdentificationQuery(empty))


def test_a_collection_without_faces_has_no_matches() -> None:
    collection = memory_collection()
    embeddings, _ = people([2], seed=1)
    gallery = gallery_of(embeddings, ["Ada", "Ada"])
    made = identify_faces(
        collection, collection.snapshot(), IdentificationQuery(gallery)
    ).generation
    rows = read_matches(collection, made)
    assert len(from_arrow(rows["face_id"])) == 0
    assert made.manifest.matched == 0


def test_a_name_that_a_gallery_gives_is_its_event(collection: Collection, faces) -> None:
    cluster_people(collection, collection.snapshot())
    embeddings, _ = people([6], seed=9)
    commit(collection, "two", embeddings, first=100)
    snapshot = collection.snapshot()
    identify_faces(collection, snapshot, IdentificationQuery(known(faces, 2)))
    _, made = cluster_people(collection, snapshot)
    assert made.generation.manifest.reason == "new photos"
    named = [row for row in read_events(collection).to_pylist() if row["kind"] == "named"]
    assert [row["reason"] for row in named] == ["gallery"] * 2
    assert {row["name"] for row in named} == set(NAMES[:2])


@pytest.mark.parametrize(
    ("method", "threshold"),
    [("centroid", -1), ("centroid", 4.1), ("vote", 5), ("knn", 1.5), ("svm", float("inf"))],
)
def test_a_threshold_that_no_score_can_reach_is_refused(method: str, threshold: float) -> None:
    gallery = Gallery.create("memory://refused", ExtractSettings())
    with pytest.raises(UsageError, match=f"as {method} gives"):
        IdentificationQuery(gallery, method, threshold=threshold)


def test_a_plane_may_be_anywhere() -> None:
    IdentificationQuery(Gallery.create("memory://plane", ExtractSettings()), "svm", threshold=-0.3)


def test_among_many_impostors_few_names_are_wrong(collection: Collection) -> None:
    """The gallery has one person of the archive, and forty whom nobody there is."""
    embeddings, truth = people([20, *[1] * 270], seed=7)
    ada, others = np.flatnonzero(truth == 0), np.flatnonzero(truth > 0)
    enrolled, shown = [*ada[:3], *others[:40]], [*ada[3:], *others[40:]]
    gallery = gallery_of(embeddings[enrolled], [f"{truth[row]}" for row in enrolled])
    elsewhere, who = people([2] * 300, seed=8)
    measured = calibrate_pairs(
        *pair_distances(elsewhere, [str(person) for person in who]),
        embedder="dlib-resnet",
        tta="mirror",
        space=gallery.space,
        source="other people",
    )
    gallery.keep_calibration(measured)
    commit(collection, "one", embeddings[shown])
    snapshot = collection.snapshot()
    committed = tables.matrix(snapshot.faces(["embedding"])["embedding"])
    right = truth[[int(np.argmax(embeddings @ row)) for row in committed]] == 0

    def named(fdr: float) -> tuple[int, int, float]:
        query = IdentificationQuery(gallery, fpir=0.2, fdr=fdr)
        made = identify_faces(collection, snapshot, query).generation
        names = read_matches(collection, made)["person"].is_valid().to_numpy(zero_copy_only=False)
        assert made.manifest.expected_wrong is not None
        return int((names & right).sum()), int((names & ~right).sum()), made.manifest.expected_wrong

    found, wrong, expected = named(fdr=1)
    assert wrong > found / 2
    assert expected > wrong / 2
    found, wrong, expected = named(fdr=0.01)
    assert found >= 5
    assert (wrong, round(expected)) == (0, 0)


@pytest.mark.parametrize("fdr", [0, -0.1, 1.5, float("nan")])
def test_a_rate_that_is_none_is_refused(collection: Collection, faces, fdr: float) -> None:
    with pytest.raises(UsageError, match="--fdr"):
        identify_faces(
            collection, collection.snapshot(), IdentificationQuery(known(faces, 2), fdr=fdr)
        )


def unmeasured(photos: int) -> tuple[Collection, Gallery]:
    """A collection and a gallery of an embedder for which nothing was measured."""
    settings = ExtractSettings(embedder="sface")
    collection = Collection.create(f"memory://unmeasured-{next(_urls)}", settings)
    embeddings, truth = people([photos] * 12, seed=4)
    commit(collection, "one", embeddings)
    rows = [int(np.flatnonzero(truth == person)[0]) for person in range(6)]
    names = [f"person {person}" for person in range(6)]
    return collection, gallery_of(embeddings[rows], names, embedder="sface")


def test_without_a_table_the_archive_itself_says_what_is_near_enough() -> None:
    collection, gallery = unmeasured(21)
    query = IdentificationQuery(gallery, fdr=1)
    query.check()
    made = identify_faces(collection, collection.snapshot(), query)
    manifest = made.generation.manifest
    assert "this archive's own impostors" in manifest.config["threshold_source"]
    assert manifest.archive is not None
    assert 100 <= manifest.archive["faces"] <= 252
    assert manifest.matched is not None
    assert 20 < manifest.matched < 140
    assert identify_faces(collection, collection.snapshot(), query).unchanged
    measured = IdentificationQuery(gallery, threshold_from="measured")
    with pytest.raises(UsageError, match="no thresholds are known for sface"):
        measured.check()


def test_an_archive_too_small_to_tell_says_so() -> None:
    collection, gallery = unmeasured(5)
    with pytest.raises(UsageError, match="has 60 good faces, too few"):
        identify_faces(collection, collection.snapshot(), IdentificationQuery(gallery))


def test_where_a_threshold_comes_from_is_asked_for_in_ways_that_agree(faces) -> None:
    gallery = known(faces, 2)
    for wrong in ({"threshold": 0.1}, {"method": "knn"}):
        with pytest.raises(UsageError):
            IdentificationQuery(gallery, threshold_from="archive", **wrong)
    with pytest.raises(UsageError, match="measured or archive"):
        IdentificationQuery(gallery, threshold_from="shipped")
    with pytest.raises(UsageError, match="are needed"):
        IdentificationQuery(gallery, threshold_from="archive").check()
