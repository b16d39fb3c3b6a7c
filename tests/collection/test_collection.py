from __future__ import annotations

import json
import os
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import rows

from facebatch import tables
from facebatch.collection import Collection, Generation, IndexManifest, Manifest, generation_name
from facebatch.collection.collection import PLAN_PREFIX, read_info
from facebatch.collection.commits import committed
from facebatch.collection.generations import GENERATIONS_KEPT
from facebatch.collection.lease import Lease
from facebatch.collection.manifests import MANIFESTS, Stage
from facebatch.config import ExtractSettings
from facebatch.errors import CollectionError, SettingsMismatch
from facebatch.storage.local import TEMPORARY_MARK

Faults = dict[tuple[str, str], OSError]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "collection")


@pytest.fixture
def collection(url: str) -> Collection:
    return Collection.create(url, ExtractSettings())


def commit(collection: Collection, shard: str, *paths: str) -> None:
    """Commits photos of which each has a content of its own and one face."""
    numbers = {path: ord(path[0]) for path in paths}
    media = rows.media(*(rows.media_row(path, of=n, faces=1) for path, n in numbers.items()))
    faces = rows.faces([(path, n, 0) for path, n in numbers.items()])
    collection.commit_shard(shard, media, faces)


def make_old(collection: Collection, *paths: str, hours: float = 25) -> None:
    moment = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
    for path in paths:
        os.utime(collection.storage.full_path(path), (moment, moment))


def generation(stage: Stage = "index", **said: object) -> Generation[Manifest]:
    return Generation(generation_name(), MANIFESTS[stage].from_json(said))


def test_a_collection_opens_as_it_was_made(url: str) -> None:
    settings = ExtractSettings(max_side=800, tta="none")
    made = Collection.create(url, settings)
    opened = Collection.open(url)
    assert opened == made
    assert (opened.name, opened.settings) == ("collection", settings)
    assert opened.fingerprint == settings.fingerprint()
    assert opened.space == settings.space()


def test_making_it_twice_opens_the_first(url: str) -> None:
    Collection.create(url, ExtractSettings())
    written = read_info(url)
    Collection.create(url, ExtractSettings())
    assert read_info(url) == written


def test_a_collection_crosses_a_process(collection: Collection) -> None:
    assert pickle.loads(pickle.dumps(collection)) == collection


def test_no_collection_is_named(url: str) -> None:
    with pytest.raises(CollectionError, match=f"{url} is no collection"):
        Collection.open(url)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CollectionError, match="choose an empty folder"):
        Collection.create(str(tmp_path), ExtractSettings())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_making_that_was_cut_short_can_be_repeated(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY_MARK}1234-collection.json").write_bytes(b"{")
    assert Collection.create(str(tmp_path), ExtractSettings()).snapshot().shards == ()


@pytest.mark.parametrize("settings", [ExtractSettings(max_side=800), ExtractSettings(chips=False)])
def test_other_settings_are_refused(url: str, settings: ExtractSettings) -> None:
    Collection.create(url, ExtractSettings())
    with pytest.raises(SettingsMismatch):
        Collection.create(url, settings)


def test_settings_for_an_extraction_come_from_the_collection_that_is_there(url: str) -> None:
    Collection.create(url, ExtractSettings(max_side=800))
    assert Collection.for_extraction(url, {"max_side": None}).settings.max_side == 800
    with pytest.raises(SettingsMismatch, match=r"900.*800"):
        Collection.for_extraction(url, {"max_side": 900})


def damaged(url: str, **changes: object) -> None:
    info = {**(read_info(url) or {}), **changes}
    kept = {key: value for key, value in info.items() if value is not None}
    (Path(url) / "collection.json").write_text(json.dumps(kept), "utf-8")


@pytest.mark.parametrize(
    "changes", [{"format_version": None}, {"extract": None}, {"extract": {"eyes": 2}}]
)
def test_a_damaged_collection_is_named(
    collection: Collection, url: str, changes: dict[str, object]
) -> None:
    damaged(url, **changes)
    with pytest.raises(CollectionError, match=r"collection\.json is damaged"):
        Collection.open(url)


def test_a_file_that_is_no_json_is_a_damaged_collection(url: str) -> None:
    Path(url).mkdir()
    (Path(url) / "collection.json").write_bytes(b"{")
    with pytest.raises(CollectionError, match=r"collection\.json is damaged"):
        Collection.create(url, ExtractSettings())


def test_another_format_is_refused_with_both_versions(collection: Collection, url: str) -> None:
    damaged(url, format_version=2)
    with pytest.raises(CollectionError, match="format 2; this facebatch reads 1"):
        Collection.open(url)


def test_faces_of_another_detector_version_are_not_added_to(
    collection: Collection, url: str
) -> None:
    damaged(url, fingerprint="0" * 32)
    with pytest.raises(SettingsMismatch, match="Extract into a new collection"):
        Collection.create(url, collection.settings)
    assert Collection.open(url).fingerprint == "0" * 32  # reading it is another matter


def test_a_committed_shard_is_in_the_next_snapshot(collection: Collection) -> None:
    before = collection.snapshot()
    assert not collection.is_committed("one")
    commit(collection, "one", "a.jpg", "b.jpg")
    assert collection.is_committed("one")
    assert before.shards == ()
    assert collection.snapshot().shards == ("one",)
    assert len(collection.snapshot().faces(["face_id"])) == 2


def test_a_commit_carries_its_time_and_the_fingerprint(collection: Collection) -> None:
    earliest = datetime.now(UTC)
    commit(collection, "one", "a.jpg")
    [committed] = collection.snapshot().media["committed_at"].to_pylist()
    assert earliest <= committed <= datetime.now(UTC)
    for folder in ("media", "faces"):
        metadata = tables.read_metadata(collection.storage, f"{folder}/one.parquet", folder)
        assert metadata["fingerprint"] == collection.fingerprint


def test_the_later_commit_of_an_item_wins(collection: Collection) -> None:
    commit(collection, "zz", "a.jpg")
    media = rows.media(rows.media_row("a.jpg", "quarantined", None))
    collection.commit_shard("aa", media, rows.faces([]))
    assert collection.snapshot().media["status"].to_pylist() == ["quarantined"]
    assert len(collection.snapshot().face_ids) == 0


def test_a_replaced_shard_is_ignored_and_kept_on_disk(collection: Collection) -> None:
    commit(collection, "one", "a.jpg", "b.jpg")
    media = rows.media(rows.media_row("a.jpg", of=ord("a")))
    collection.commit_shard("two", media, rows.faces([("a.jpg", ord("a"), 0)]), replaces=["one"])
    assert collection.snapshot().shards == ("two",)
    assert collection.snapshot().media["path"].to_pylist() == ["a.jpg"]
    assert collection.storage.exists("media/one.parquet")
    assert not collection.is_committed("one")


def test_a_name_that_was_replaced_may_be_committed_anew(collection: Collection) -> None:
    commit(collection, "one", "a.jpg")
    [one] = committed(collection.storage)
    commit(collection, "two", "b.jpg")
    nothing = rows.faces([])
    empty = rows.media()
    collection.commit_shard("three", empty, nothing, replaces=[one.reference])
    assert collection.snapshot().shards == ("three", "two")
    commit(collection, "one", "a.jpg")
    assert collection.snapshot().shards == ("one", "three", "two")


def test_rows_of_earlier_commits_keep_their_times_if_asked_to(collection: Collection) -> None:
    media = rows.media(rows.media_row("a.jpg"))
    collection.commit_shard("one", media, rows.faces([]), keep_times=True)
    assert collection.snapshot().media["committed_at"].to_pylist() == [rows.NOON]


def test_replaced_shards_are_removed_at_once_if_asked_to(collection: Collection) -> None:
    commit(collection, "one", "a.jpg")
    commit(collection, "two", "b.jpg")
    collection.commit_shard("three", rows.media(), rows.faces([]), replaces=["one"])
    assert [shard.name for shard in collection.replaced()] == ["one"]
    assert collection.remove_shards(collection.replaced()) == [
        "media/one.parquet",
        "faces/one.parquet",
    ]
    assert not collection.storage.exists("faces/one.parquet")
    assert collection.remove_shards(collection.replaced()) == []
    assert collection.snapshot().shards == ("three", "two")


def test_a_shard_that_was_written_anew_meanwhile_isn_t_removed(collection: Collection) -> None:
    commit(collection, "one", "a.jpg")
    seen = committed(collection.storage)
    commit(collection, "one", "a.jpg")
    assert collection.remove_shards(seen) == []
    assert collection.is_committed("one")


def test_a_writer_that_dies_between_its_files_has_committed_nothing(
    tmp_path: Path, faults: Faults
) -> None:
    collection = Collection.create(f"faulty://{tmp_path}", ExtractSettings())
    commit(collection, "one", "a.jpg")
    faults["put", "media/two.parquet"] = OSError(5, "the writer died")
    with pytest.raises(CollectionError, match="the writer died"):
        commit(collection, "two", "b.jpg")
    assert [file.path for file in collection.storage.files("faces")] == [
        "faces/one.parquet",
        "faces/two.parquet",
    ]
    assert collection.snapshot().shards == ("one",)
    assert collection.snapshot().media["path"].to_pylist() == ["a.jpg"]
    assert len(collection.snapshot().face_ids) == 1


def test_sweep_takes_orphans_and_temporaries_older_than_a_day(collection: Collection) -> None:
    storage = collection.storage
    commit(collection, "committed", "a.jpg")
    old = [f"faces/{TEMPORARY_MARK}1-x.parquet", f"media/{TEMPORARY_MARK}1-x.parquet"]
    old += ["faces/orphan.parquet", f"attempts/{TEMPORARY_MARK}1-x.json", f"{PLAN_PREFIX}1.json"]
    young = ["faces/young.parquet", f"media/{TEMPORARY_MARK}2-y.parquet"]
    for path in (*old, *young, "attempts/mark.json", "report.html", "index/made/faces.index"):
        storage.write(path, b"")
    make_old(collection, *old, "attempts/mark.json", "report.html", "index/made/faces.index")
    make_old(collection, "faces/committed.parquet", "media/committed.parquet")
    make_old(collection, *young, hours=23)
    assert sorted(collection.sweep()) == sorted(old)
    kept = {str(path.relative_to(storage.url)) for path in Path(storage.url).rglob("*.*")}
    assert kept == {
        *young,
        *("collection.json", "report.html", "attempts/mark.json", "index/made/faces.index"),
        *("faces/committed.parquet", "media/committed.parquet"),
    }


def test_sweep_takes_what_workers_of_a_killed_run_were_handed_and_no_other_runs(
    collection: Collection,
) -> None:
    for run in ("dead", "alive"):
        collection.storage.write(f"attempts/shards-{run}/pieces/000000.arrow", b"")
    make_old(collection, "attempts/shards-dead/pieces/000000.arrow")
    Path(collection.storage.url, "attempts/shards-begun").mkdir()
    assert collection.sweep() == ["attempts/shards-dead"]


def test_sweep_leaves_a_run_its_shards_for_as_long_as_it_holds_its_lease(
    collection: Collection,
) -> None:
    lease = Lease(collection.storage)
    piece = f"attempts/shards-{lease.run}/pieces/000000.arrow"
    collection.storage.write(piece, b"")
    make_old(collection, piece, hours=100)
    with lease.held():
        assert collection.sweep() == []
    assert collection.sweep() == [f"attempts/shards-{lease.run}"]


def test_sweep_keeps_the_faces_of_replaced_shards_and_takes_nothing_twice(
    collection: Collection,
) -> None:
    commit(collection, "one", "a.jpg")
    media = rows.media(rows.media_row("a.jpg", of=ord("a")))
    collection.commit_shard("two", media, rows.faces([("a.jpg", ord("a"), 0)]), replaces=["one"])
    make_old(collection, "faces/one.parquet", "media/one.parquet")
    assert collection.sweep() == []


def test_a_row_that_takes_over_is_later_even_where_the_clock_is_behind(
    collection: Collection,
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    photo = rows.media(rows.media_row("a.jpg", of=1))
    collection.commit_shard("one", photo, rows.faces([]), after=ahead)
    [first] = collection.snapshot().media["committed_at"].to_pylist()
    collection.commit_shard("two", photo, rows.faces([]), after=first)
    assert collection.snapshot().media["shard"].to_pylist() == ["two"]


def test_a_generation_follows_the_last_one_even_where_the_clock_is_behind() -> None:
    ahead = Generation("29990101T000000.000000Z-aaaaaa", IndexManifest())
    assert generation_name(ahead) > ahead.name


def test_a_damaged_manifest_says_what_to_remove(collection: Collection) -> None:
    collection.storage.write("index/20240101T000000.000000Z-aaaaaa/manifest.json", b"{")
    with pytest.raises(CollectionError, match="remove the folder index/20240101T000000"):
        collection.current("index")


@pytest.mark.parametrize("damage", [{"name": None}, {"extract": {"max_side": "abc"}}])
def test_a_damaged_collection_file_is_an_error_of_its_own(
    collection: Collection, url: str, damage: dict[str, object]
) -> None:
    info = json.loads(collection.storage.read("collection.json")) | damage
    if info["name"] is None:
        del info["name"]
    collection.storage.write("collection.json", json.dumps(info).encode())
    with pytest.raises(CollectionError, match="damaged"):
        Collection.open(url)


def test_sweep_takes_generations_that_were_never_finished(collection: Collection) -> None:
    begun = "20200101T000000.000000Z-aaaaaa"
    finished = Generation("20200101T000000.000000Z-bbbbbb", IndexManifest())
    running = generation_name()
    for name in (begun, finished.name, running):
        collection.storage.write(f"index/{name}/ids.parquet", b"")
    collection.finish(finished)
    assert collection.sweep() == [f"index/{begun}"]
    assert collection.storage.folders("index") == sorted([finished.name, running])


@pytest.mark.parametrize("scheme", ["memory://swept", "faulty://"])
def test_sweep_leaves_what_has_no_age_or_is_committed_on_any_store(
    tmp_path: Path, scheme: str
) -> None:
    collection = Collection.create(f"{scheme}{tmp_path}", ExtractSettings())
    commit(collection, "one", "a.jpg")
    collection.storage.write("faces/orphan.parquet", b"")
    assert collection.sweep() == []


def test_a_generation_without_a_manifest_does_not_exist(collection: Collection) -> None:
    unfinished = generation()
    collection.storage.write(f"{unfinished.folder}/faces.index", b"half")
    assert collection.generations("index") == []
    assert collection.current("index") is None


def test_the_newest_finished_generation_is_the_current_one(collection: Collection) -> None:
    first = collection.finish(generation(faces=1))
    second = collection.finish(generation(faces=2))
    assert [made.name for made in collection.generations("index")] == [first.name, second.name]
    current = collection.current("index")
    assert current is not None
    assert (current.name, current.manifest.faces) == (second.name, 2)
    assert collection.current("clusters") is None


def test_the_last_three_generations_are_kept(collection: Collection) -> None:
    made = []
    for _ in range(GENERATIONS_KEPT + 2):
        made.append(generation())
        collection.storage.write(f"{made[-1].folder}/faces.index", b"")
        collection.finish(made[-1])
    clusters = collection.finish(generation("clusters"))
    kept = [made.name for made in made[-GENERATIONS_KEPT:]]
    assert [found.name for found in collection.generations("index")] == kept
    assert collection.storage.folders("index") == kept
    assert [found.name for found in collection.generations("clusters")] == [clusters.name]


def test_finishing_a_generation_leaves_one_that_is_being_made(collection: Collection) -> None:
    underway = generation()
    collection.storage.write(f"{underway.folder}/faces.index", b"")
    for _ in range(GENERATIONS_KEPT + 1):
        collection.finish(generation())
    assert underway.name in collection.storage.folders("index")


def test_generation_names_sort_by_time() -> None:
    names = [generation_name() for _ in range(50)]
    assert len(set(names)) == 50
    # The part after the dash is chance; names of one microsecond are never made in earnest.
    times = [name.partition("-")[0] for name in names]
    assert times == sorted(times)
