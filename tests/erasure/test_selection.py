"""Erasure: what it takes, what it leaves, and that it can be cut off and completed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.archives import CHIP, Archive, archive_of_four, copied, face_of, face_rows, photo
from support.rows import NOON, content, media, media_row

from facebatch import ids, tables
from facebatch.collection import Collection, Suppression, integrity, read_clusters, read_matches
from facebatch.collection.rewrite import rewrite
from facebatch.collection.snapshot import with_column
from facebatch.collection.suppression import version_id
from facebatch.erasure import Request, erase, select, verify
from facebatch.erasure.selection import targets_of
from facebatch.erasure.verification import check
from facebatch.errors import CollectionError, UsageError
from facebatch.extract import attempts
from facebatch.extract.items import Item, Shard
from facebatch.media.sources.listing import MediaFile
from facebatch.people import PeopleView
from facebatch.stages import build_index, cluster_people


@pytest.fixture
def archive() -> Archive:
    return copied(archive_of_four())


def paths_of(collection: Collection) -> set[str]:
    return set(collection.snapshot().media["path"].to_pylist())


def test_an_item_goes_with_its_copies_and_the_other_people_stay_who_they_are(
    archive: Archive,
) -> None:
    before = archive.people()
    chosen, left = archive.erase(media=("photos/0.jpg",))
    assert left == []
    assert (len(chosen.media), chosen.copies, len(chosen.faces)) == (2, 1, 1)
    assert paths_of(archive.collection) == {f"{one}.jpg" for one in range(1, len(archive.truth))}
    assert archive.people() == {one: faces - {face_of(0)} for one, faces in before.items()}
    assert any(face_of(0) in faces for faces in before.values())
    names = {one.name for one in PeopleView.of(archive.collection).known.values()}
    assert names == {"Ada Lovelace", "Bo Li", None}
    assert verify(archive.collection) == []


def test_a_face_goes_alone_and_its_photo_stays_without_it(archive: Archive) -> None:
    chosen, left = archive.erase(faces=(face_of(3).hex(),))
    assert left == []
    assert (chosen.media, len(chosen.faces)) == (frozenset(), 1)
    rows = archive.collection.snapshot().media.to_pylist()
    counts = {row["path"]: row["faces"] for row in rows}
    assert counts["3.jpg"] == 0
    assert counts["4.jpg"] == 1
    assert not Suppression.load(archive.collection.storage).hides_content(content(3))


def test_a_person_goes_with_all_faces_and_the_name(archive: Archive) -> None:
    before = archive.people()
    chosen, left = archive.erase(people=("Ada Lovelace",))
    assert left == []
    assert chosen.faces == {face_of(one) for one in archive.photos_of(0)}
    assert chosen.names == {"Ada Lovelace"}
    known = PeopleView.of(archive.collection).known.values()
    assert not {one.person_id for one in known} & chosen.people
    assert {one.name for one in known} == {"Bo Li", None}
    assert archive.people() == {
        one: faces for one, faces in before.items() if one not in chosen.people
    }
    matches = archive.collection.current("matches")
    assert matches is not None
    assert "Ada Lovelace" not in read_matches(archive.collection, matches)["nearest"].to_pylist()
    assert len(archive.collection.snapshot().media) == len(archive.truth) + 1, "photos stay"


def test_a_person_is_asked_for_by_id_or_its_first_digits(archive: Archive) -> None:
    for person_id, faces in list(archive.people().items())[:2]:
        text = person_id.hex()[:8] if len(faces) % 2 else person_id.hex()
        chosen = select(archive.collection, archive.collection.snapshot(), Request(people=(text,)))
        assert chosen.faces == faces
        assert chosen.people == {person_id}


def test_a_short_beginning_of_an_id_is_too_little_for_what_is_final(archive: Archive) -> None:
    text = next(iter(archive.people())).hex()[:5]
    with pytest.raises(UsageError, match="8 digits at least"):
        select(archive.collection, archive.collection.snapshot(), Request(people=(text,)))


def test_a_prefix_takes_everything_below_it(archive: Archive) -> None:
    chosen, left = archive.erase(prefixes=("photos/1",))
    numbers = {one for one in range(len(archive.truth)) if str(one).startswith("1")}
    assert left == []
    assert chosen.faces == {face_of(one) for one in numbers}
    assert not {f"{one}.jpg" for one in numbers} & paths_of(archive.collection)
    _, left = archive.erase(prefixes=("photos/",))
    assert (left, len(archive.collection.snapshot().media)) == ([], 0)
    assert PeopleView.of(archive.collection).known == {}


def test_older_versions_replaced_shards_and_orphans_go_too(archive: Archive) -> None:
    collection = archive.collection
    changed = photo(40, "5.jpg", size=2)
    extra = np.concatenate([archive.embeddings, np.eye(128, dtype=np.float32)])
    collection.commit_shard("three", media(changed), face_rows([40], extra, ["5.jpg"]))
    rewrite(collection, collection.snapshot(), ["two"])
    orphan = face_rows([5, 6], archive.embeddings)
    tables.write(collection.storage, "faces/orphan.parquet", "faces", orphan, "x")
    chosen, left = archive.erase(media=("photos/5.jpg",), faces=(face_of(15).hex(),))
    assert left == []
    assert chosen.faces == {face_of(5), face_of(40), face_of(15)}
    assert not collection.storage.exists("faces/orphan.parquet")
    assert not collection.storage.exists("media/two.parquet")


def test_an_older_content_that_another_item_holds_today_stays_with_that_one(
    archive: Archive,
) -> None:
    collection = archive.collection
    moved = media_row("moved.jpg", "duplicate", of=5, width=CHIP, height=CHIP)
    extra = np.concatenate([archive.embeddings, np.eye(128, dtype=np.float32)])
    changed = photo(40, "5.jpg", size=2)
    collection.commit_shard("three", media(changed, moved), face_rows([40], extra, ["5.jpg"]))
    chosen, left = archive.erase(media=("photos/5.jpg",))
    assert left == []
    assert chosen.faces == {face_of(40)}
    faces = collection.snapshot().faces(["face_id", "media_id"]).to_pylist()
    holders = {row["face_id"]: row["media_id"] for row in faces}
    assert holders[face_of(5)] == ids.media_id("photos", "moved.jpg")


def test_a_video_goes_with_all_its_segments(archive: Archive) -> None:
    collection, extra = archive.collection, np.eye(128, dtype=np.float32)
    rows = [
        {**photo(40, "film.mp4"), "segment": one, "media_id": segment}
        for one, segment in enumerate(ids.media_id("photos", "film.mp4", one) for one in range(3))
    ]
    collection.commit_shard("film", media(*rows), face_rows([40], extra, ["film.mp4"]))
    chosen, left = archive.erase(media=("photos/film.mp4",))
    assert left == []
    assert chosen.media == {row["media_id"] for row in rows}
    assert "film.mp4" not in paths_of(collection)


def test_a_face_of_the_same_pixels_under_another_content_goes_too(archive: Archive) -> None:
    collection = archive.collection
    same = np.zeros((41, 128), np.float32)
    same[40] = archive.embeddings[2]
    collection.commit_shard("three", media(photo(40)), face_rows([40], same))
    chosen, left = archive.erase(media=("photos/2.jpg",))
    assert left == []
    assert chosen.faces == {face_of(2), face_of(40)}
    assert chosen.equal_faces == 1
    assert "40.jpg" in paths_of(collection)


def test_what_was_erased_is_hidden_and_nothing_else_is(archive: Archive) -> None:
    archive.erase(media=("photos/0.jpg",))
    hidden = Suppression.load(archive.collection.storage)
    assert hidden.hides_media(ids.media_id("photos", "0.jpg"))
    assert hidden.hides_media(ids.media_id("photos", "copies/first.jpg"))
    assert hidden.hides_content(content(0))
    assert hidden.hides_face(face_of(0))
    assert not hidden.hides_media(ids.media_id("photos", "1.jpg"))
    assert not hidden.hides_content(content(1))
    assert not hidden.hides_face(face_of(1))


def test_what_comes_back_all_the_same_is_found_and_erased_by_the_same_command(
    archive: Archive,
) -> None:
    archive.erase(media=("photos/0.jpg",))
    rows = face_rows([0], archive.embeddings)
    archive.collection.commit_shard("back", media(photo(0)), rows)
    archive.run_stages()
    found = verify(archive.collection)
    assert {finding.path.partition("/")[0] for finding in found} >= {
        "media",
        "faces",
        "index",
        "matches",
        "clusters",
        "report.html",
    }
    _, left = archive.erase(media=("photos/0.jpg",))
    assert left == []
    assert verify(archive.collection) == []


def test_another_photo_under_an_erased_path_stays_and_is_no_trace(archive: Archive) -> None:
    collection = archive.collection
    archive.erase(media=("photos/0.jpg",))
    other = np.zeros((41, 128), np.float32)
    other[40, 3] = 1
    rows = media(photo(40, "0.jpg", marker="2"))
    collection.commit_shard("again", rows, face_rows([40], other, ["0.jpg"]))
    archive.run_stages()
    assert verify(collection) == []
    _, left = archive.erase(media=("photos/1.jpg",))
    assert left == []
    assert {"0.jpg", "1.jpg"} & paths_of(collection) == {"0.jpg"}
    assert face_of(40) in collection.snapshot().face_ids.tolist()
    assert b"0.jpg" in collection.storage.read("report.html")
    chosen, left = archive.erase(media=("photos/0.jpg",))
    assert left == []
    assert chosen.faces == {face_of(40)}
    assert "0.jpg" not in paths_of(collection)
    assert verify(collection) == []


def with_a_shot(archive: Archive) -> None:
    """Commits a shot of two files, in which photo 1's person and another are."""
    collection, taken = archive.collection, {"captured_at": NOON, "faces": 2}
    looks = np.zeros((44, 128), np.float32)
    looks[[40, 41]] = archive.embeddings[1] + 0.05 * np.eye(128, dtype=np.float32)[:2]
    looks[[42, 43], [5, 6]] = 1
    looks[40:] /= np.linalg.norm(looks[40:], axis=1, keepdims=True)
    rows = media(photo(40, "x.jpg", **taken), photo(41, "x.cr2", width=CHIP - 1, **taken))
    found = face_rows([40, 42, 41, 43], looks, ["x.jpg", "x.jpg", "x.cr2", "x.cr2"])
    contents = pa.array([content(40)] * 2 + [content(41)] * 2, pa.binary(16))
    collection.commit_shard("shot", rows, with_column(found, "content_id", contents))
    archive.run_stages()


def test_the_files_of_a_shot_go_together(archive: Archive) -> None:
    with_a_shot(archive)
    chosen, left = archive.erase(media=("photos/x.cr2",))
    assert left == []
    assert {path for _, path in chosen.places} == {"x.jpg", "x.cr2"}
    assert chosen.copies == 1
    assert chosen.faces == {face_of(one) for one in (40, 41, 42, 43)}
    assert not {"x.jpg", "x.cr2"} & paths_of(archive.collection)


def test_a_raw_file_that_could_not_be_decoded_goes_with_the_jpeg_of_its_name(
    archive: Archive,
) -> None:
    failed = {"status": "quarantined", "reason": "decoder_missing"}
    rows = media(
        photo(50, "1.NEF", **failed), photo(51, "10.nef", **failed), photo(52, "b/1.nef", **failed)
    )
    archive.collection.commit_shard("raw", rows, face_rows([], archive.embeddings))
    chosen, left = archive.erase(media=("photos/1.jpg",))
    assert left == []
    assert {path for _, path in chosen.places} == {"1.jpg", "1.NEF"}
    hidden = Suppression.load(archive.collection.storage)
    assert hidden.hides_content(content(50)), "also under another name, once it can be decoded"


def test_with_a_face_go_those_that_do_not_count_in_the_other_file_of_its_shot(
    archive: Archive,
) -> None:
    with_a_shot(archive)
    counted = archive.collection.snapshot().face_ids.tolist()
    assert {face_of(40), face_of(42)} < set(counted)
    assert not {face_of(41), face_of(43)} & set(counted)
    chosen, left = archive.erase(faces=(face_of(40).hex(),))
    assert left == []
    assert chosen.faces == {face_of(40), face_of(41), face_of(43)}
    gone = media(photo(40, "x.jpg", status="vanished", captured_at=NOON), minute=9)
    archive.collection.commit_shard("gone", gone, face_rows([], archive.embeddings))
    assert not chosen.faces & set(archive.collection.snapshot().face_ids.tolist())


def test_the_list_knows_versions_and_blocks_only_what_was_never_read(archive: Archive) -> None:
    rows = media(media_row("locked.jpg", "quarantined", of=None), media_row("cut.jpg", of=50))
    archive.collection.commit_shard("more", rows, face_rows([], archive.embeddings))
    _, left = archive.erase(media=("photos/locked.jpg", "photos/cut.jpg", "photos/0.jpg"))
    assert left == []
    hidden = Suppression.load(archive.collection.storage)
    names = ("locked.jpg", "cut.jpg", "0.jpg", "copies/first.jpg")
    items = [ids.media_id("photos", name) for name in names]
    assert [hidden.blocks(item) for item in items] == [True, False, False, False]
    assert all(hidden.hides_version(version_id(item, 1, "1")) for item in items)
    assert not any(hidden.hides_version(version_id(item, 1, "2")) for item in items)


@pytest.mark.parametrize(
    ("step", "asked"),
    [
        ("removal._drop_rows", {"media": ("photos/0.jpg",)}),
        ("removal._clean", {"prefixes": ("photos/1",)}),
        ("stage_renewal.cluster_people", {"people": ("Ada Lovelace",)}),
        ("removal.write_report", {"people": ("Ada Lovelace",)}),
        ("removal.check", {"faces": (face_of(4).hex(),)}),
    ],
)
def test_an_erasure_that_was_cut_off_is_completed_by_the_same_command(
    archive: Archive, step: str, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"facebatch.erasure.{step}", kill)
        with pytest.raises(Killed):
            archive.erase(**asked)
    assert Suppression.load(archive.collection.storage), "nothing comes back meanwhile"
    _, left = archive.erase(**asked)
    assert left == []
    assert verify(archive.collection) == []
    left_over = PeopleView.of(archive.collection).by_name("Ada Lovelace")
    assert not left_over or "people" not in asked


def test_what_workers_of_a_killed_run_were_handed_goes(archive: Archive) -> None:
    storage = archive.collection.storage
    storage.write("attempts/shards-dead/pieces/000000.arrow", b"a path")
    _, left = archive.erase(media=("photos/0.jpg",))
    assert left == []
    assert not storage.exists("attempts/shards-dead/pieces/000000.arrow")


def test_dead_attempts_forget_the_item_and_keep_the_others(archive: Archive) -> None:
    storage = archive.collection.storage
    items = [f"{ids.media_id('photos', f'{one}.jpg').hex()}:1:1" for one in (0, 1)]
    mark = {"host": "elsewhere", "pid": 1, "started": 0.0, "items": items}
    storage.write("attempts/shard-1.json", json.dumps(mark).encode())
    storage.write("attempts/shard-2.json", json.dumps({**mark, "items": items[:1]}).encode())
    _, left = archive.erase(media=("photos/0.jpg",))
    assert left == []
    assert attempts.dead(storage) == ({items[1]: 1}, ["attempts/shard-1.json"])


def test_nothing_is_erased_beside_a_run(archive: Archive) -> None:
    file = MediaFile("photos", "/nowhere", "0.jpg", 1, "1")
    path = attempts.begin(archive.collection.storage, Shard("s", (Item(file),)))
    with pytest.raises(CollectionError, match="a run is at work"):
        archive.erase(media=("photos/0.jpg",))
    assert not Suppression.load(archive.collection.storage)
    attempts.end(archive.collection.storage, path)


def test_a_gallery_loses_the_entries_of_erased_faces_and_keeps_the_others(
    archive: Archive,
) -> None:
    gallery, mine = archive.gallery, archive.photos_of(0)
    before = len(gallery.entries())
    gallery.train("knn")
    snapshot = archive.collection.snapshot()
    chosen = select(archive.collection, snapshot, Request(media=(f"photos/{mine[0]}.jpg",)))
    found = check(gallery.storage, targets_of(Suppression(), chosen, (), snapshot))
    assert {finding.what for finding in found} == {"vector", "picture"}
    done = erase(archive.collection, chosen, gallery)
    assert done.findings == ()
    assert done.gallery_entries == 1
    assert len(gallery.entries()) == before - 1
    assert gallery.model("knn").people == ("Ada Lovelace", "Bo Li")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"media": ("photos/none.jpg",)}, "give its media id or root/path"),
        ({"media": ("00" * 16,)}, "there is no item"),
        ({"faces": ("00" * 16,)}, "there is no face"),
        ({"faces": ("0.jpg",)}, "32 hex digits"),
        ({"people": ("Nobody",)}, "nobody called 'Nobody'"),
        ({"prefixes": ("photos",)}, "must be ROOT/PREFIX"),
        ({"prefixes": ("photos/none",)}, "no item of"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_is_written(
    archive: Archive, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        archive.erase(**asked)
    assert not archive.collection.storage.exists("suppressed")


def test_what_was_erased_before_is_known(archive: Archive) -> None:
    asked: dict[str, tuple[str, ...]] = {
        "media": ("photos/0.jpg", ids.media_id("photos", "0.jpg").hex()),
        "faces": (face_of(0).hex(),),
        "people": ("Ada Lovelace",),
        "prefixes": ("photos/2",),
    }
    archive.erase(**asked)
    chosen = select(archive.collection, archive.collection.snapshot(), Request(**asked))
    assert not chosen
    assert set(chosen.erased_before) == {text for texts in asked.values() for text in texts}


def test_no_other_generation_stays_and_clusters_are_of_what_is_left(archive: Archive) -> None:
    collection = archive.collection
    build_index(collection, collection.snapshot())
    archive.erase(faces=(face_of(7).hex(),))
    kept = {stage: len(collection.storage.folders(stage)) for stage in ("index", "matches")}
    assert kept == {"index": 1, "matches": 1}
    for stage in ("clusters", "people"):
        assert len(collection.storage.folders(stage)) == 1
    clusters = collection.current("clusters")
    assert clusters is not None
    assert clusters.manifest.faces_hash == collection.snapshot().faces_hash
    assert len(read_clusters(collection, clusters)[0]) == len(archive.truth) - 1
    assert integrity.check(collection.storage.url).problems == ()
    assert build_index(collection, collection.snapshot()).unchanged
    assert all(result.unchanged for result in cluster_people(collection, collection.snapshot()))
