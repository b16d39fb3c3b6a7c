"""An archive over several nights: what was added, changed, moved, copied, removed and came back."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.nights import SETTINGS, Archive, states
from support.pictures import encode

from facebatch import tables
from facebatch.collection.summary import inspect_collection
from facebatch.demo.render import render_face
from facebatch.detect import Detector
from facebatch.errors import InputError, UsageError
from facebatch.jobs.plan import make_plan
from facebatch.media.sources.roots import parse_roots
from facebatch.pipelines.copies import StandingContents
from facebatch.pipelines.extract import ExtractShard


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of four photos and the collection after its first night."""
    place = tmp_path_factory.mktemp("nights")
    made = Archive(place)
    for number in range(4):
        made.add(f"2019/{number}.jpg", number)
    made.night()
    return place


@pytest.fixture
def archive(first_night: Path, tmp_path: Path) -> Archive:
    """One's own copy of it."""
    return Archive(shutil.copytree(first_night, tmp_path, dirs_exist_ok=True))


@pytest.fixture
def detections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects a word for every time that a detector is asked for."""
    asked: list[str] = []
    honest = ExtractShard._load_detector

    def noticed(self: ExtractShard) -> Detector:
        asked.append("detector")
        return honest(self)

    monkeypatch.setattr(ExtractShard, "_load_detector", noticed)
    return asked


def test_an_unchanged_archive_costs_nothing(archive: Archive) -> None:
    shards = archive.collection.snapshot().shards
    assert states(archive.night()) == {"unchanged": 4}
    assert archive.collection.snapshot().shards == shards


def test_a_touched_photo_keeps_its_faces_and_isnt_detected_again(
    archive: Archive, detections: list[str]
) -> None:
    before = archive.faces()
    os.utime(archive.folder / "2019/1.jpg", (1, 1))
    done = archive.night()
    assert states(done) == {"changed": 1, "unchanged": 3}
    assert (done.progress.touched, done.progress.extracted, done.progress.faces) == (1, 0, 0)
    assert detections == []
    assert archive.faces() == before
    assert states(archive.night()) == {"unchanged": 4}


def test_rereading_finds_what_kept_its_size_and_time_and_detects_nothing_twice(
    archive: Archive, detections: list[str]
) -> None:
    before = archive.faces()
    rereading = replace(SETTINGS, reread=True)
    done = archive.night(settings=rereading)
    assert states(done) == {"reread": 4}
    assert (done.progress.touched, done.progress.extracted, detections) == (4, 0, [])
    assert archive.faces() == before
    photo = archive.folder / "2019/1.jpg"
    status = photo.stat()
    other = encode(render_face(70, size=180), quality=60)
    photo.write_bytes(other.ljust(status.st_size, b"\0"))
    assert len(other) <= status.st_size
    os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert states(archive.night()) == {"unchanged": 4}
    done = archive.night(settings=rereading)
    assert (done.progress.touched, done.progress.extracted) == (3, 1)
    after = archive.faces()
    assert [path for path in after if after[path] != before[path]] == ["2019/1.jpg"]


def test_a_moved_photo_takes_its_faces_along(archive: Archive, detections: list[str]) -> None:
    [face] = archive.faces()["2019/1.jpg"]
    (archive.folder / "2020").mkdir()
    (archive.folder / "2019/1.jpg").rename(archive.folder / "2020/x.jpg")
    done = archive.night()
    assert states(done) == {"new": 1, "unchanged": 3, "vanished": 1}
    assert done.progress.moved == 1
    assert detections == []
    assert archive.faces()["2020/x.jpg"] == [face]
    assert archive.statuses()["2019/1.jpg"] == "vanished"
    assert archive.statuses()["2020/x.jpg"] == "ok"
    assert states(archive.night()) == {"unchanged": 4}, "what has vanished is said once"


def test_a_copy_is_recorded_as_one_and_isnt_detected_again(
    archive: Archive, detections: list[str]
) -> None:
    before = archive.faces()
    shutil.copy(archive.folder / "2019/1.jpg", archive.folder / "copy.jpg")
    done = archive.night()
    assert (done.progress.duplicates, done.progress.faces) == (1, 0)
    assert detections == []
    assert sorted(archive.statuses().values()) == ["duplicate", "ok", "ok", "ok", "ok"]
    assert sorted(map(tuple, archive.faces().values())) == sorted(map(tuple, before.values()))


def test_another_photo_of_a_known_size_is_detected(archive: Archive) -> None:
    known = (archive.folder / "2019/1.jpg").read_bytes()
    other = bytearray((archive.folder / "2019/2.jpg").read_bytes())
    # A JPEG may be followed by anything, so the two can be made the same length.
    longest = max(len(known), len(other))
    archive.add("a.jpg", 1).write_bytes(known.ljust(longest, b"\0"))
    archive.night()
    archive.add("b.jpg", 2).write_bytes(bytes(other).ljust(longest, b"\1"))
    done = archive.night()
    assert (done.progress.duplicates, done.progress.faces) == (0, 1)


def test_what_vanished_counts_until_it_is_pruned(archive: Archive) -> None:
    before = archive.faces()
    (archive.folder / "2019/1.jpg").unlink()
    assert states(archive.night()) == {"unchanged": 3, "vanished": 1}
    assert archive.faces() == before
    done = archive.night(settings=replace(SETTINGS, prune=True, max_prune=0.5))
    assert done.pruned is not None
    assert done.pruned.as_json()["items"] == 1
    assert "2019/1.jpg" not in archive.statuses()
    assert set(archive.faces()) == {"2019/0.jpg", "2019/2.jpg", "2019/3.jpg"}


def test_pruning_more_than_allowed_is_refused_and_removes_nothing(archive: Archive) -> None:
    for number in (1, 2):
        (archive.folder / f"2019/{number}.jpg").unlink()
    done = archive.night(settings=replace(SETTINGS, prune=True, max_prune=0.1))
    with pytest.raises(UsageError, match="--max-prune"):
        done.check_failures(0.1)
    assert len(archive.statuses()) == 4


def test_a_photo_that_came_back_is_itself_again(archive: Archive, detections: list[str]) -> None:
    before = archive.faces()
    photo = archive.folder / "2019/1.jpg"
    photo.rename(archive.folder.parent / "elsewhere.jpg")
    archive.night()
    (archive.folder.parent / "elsewhere.jpg").rename(photo)
    assert states(archive.night()) == {"new": 1, "unchanged": 3}
    assert detections == []
    assert archive.faces() == before
    assert set(archive.statuses().values()) == {"ok"}


def test_a_photo_that_replaces_another_under_its_name_is_extracted(archive: Archive) -> None:
    before = archive.faces()
    archive.add("2019/1.jpg", 77)
    assert states(archive.night()) == {"changed": 1, "unchanged": 3}
    after = archive.faces()
    assert after.keys() == before.keys()
    assert [path for path in after if after[path] != before[path]] == ["2019/1.jpg"]


def test_a_broken_photo_that_moves_is_still_broken(archive: Archive) -> None:
    broken = archive.folder / "broken.jpg"
    broken.write_bytes((archive.folder / "2019/1.jpg").read_bytes()[:300])
    archive.night()
    broken.rename(archive.folder / "moved.jpg")
    done = archive.night()
    assert dict(done.progress.failures) == {"truncated": 1}
    assert archive.statuses()["moved.jpg"] == "quarantined"


def test_a_root_that_is_suddenly_empty_is_an_error(archive: Archive) -> None:
    shutil.rmtree(archive.folder)
    archive.folder.mkdir()
    with pytest.raises(InputError, match=r"knows 4 items.*mounted.*--allow-empty"):
        archive.night()
    assert set(archive.statuses().values()) == {"ok"}
    done = archive.night(settings=replace(SETTINGS, allow_empty=True))
    assert states(done) == {"vanished": 4}


def test_a_dry_run_foresees_that_a_root_is_refused(archive: Archive) -> None:
    shutil.rmtree(archive.folder)
    archive.folder.mkdir()
    roots, url = parse_roots([str(archive.folder)], []), archive.collection.storage.url
    with pytest.raises(InputError, match=r"knows 4 items"):
        make_plan(roots, url, {}, None, replace(SETTINGS, workers=1))
    allowed = make_plan(roots, url, {}, None, replace(SETTINGS, workers=1, allow_empty=True))
    assert allowed["vanished"] == 4


def test_what_is_excluded_vanishes_by_rule_and_the_rule_is_remembered(archive: Archive) -> None:
    excluding = replace(SETTINGS, exclude=("2019/", "*.tmp.jpg"))
    done = archive.night(settings=excluding)
    assert states(done) == {"excluded": 4}
    assert set(archive.statuses().values()) == {"vanished"}
    assert done.plan.as_json()["ignored_kinds"] == [
        {"reason": "excluded", "kind": "2019/", "files": 1, "examples": ["archive/2019"]}
    ]
    archive.add("new.tmp.jpg", 9)
    assert states(archive.night()) == {}
    held = inspect_collection(archive.collection)["sources"]
    assert held["exclude"] == ["2019/", "*.tmp.jpg"]
    assert [kind["kind"] for kind in held["ignored"]] == ["*.tmp.jpg", "2019/"]
    assert states(archive.night(settings=replace(SETTINGS, exclude=()))) == {"new": 5}


def test_a_folder_that_is_marked_vanishes_by_rule(archive: Archive) -> None:
    (archive.folder / "2019" / ".nomedia").touch()
    assert states(archive.night()) == {"excluded": 4}


def test_a_collection_remembers_where_its_roots_lay(archive: Archive) -> None:
    other = Archive(archive.folder.parent / "elsewhere")
    for number in range(4):
        other.add(f"2019/{number}.jpg", 10 + number)
    before = archive.statuses(), archive.faces()
    archive.collection.storage.remove("sources.json")  # as collections of earlier versions are
    with pytest.raises(InputError, match="--allow-empty"):
        archive.night(str(other.folder))
    archive.night()
    with pytest.raises(InputError, match=f"archive was {archive.folder}, and {other.folder} holds"):
        archive.night(str(other.folder))
    assert (archive.statuses(), archive.faces()) == before
    shutil.copytree(archive.folder, other.folder, dirs_exist_ok=True)
    archive.night(str(other.folder))
    shutil.rmtree(archive.folder)
    assert states(archive.night(str(other.folder))) == {"unchanged": 4}


def test_a_root_that_never_held_anything_may_be_empty(tmp_path: Path) -> None:
    assert states(Archive(tmp_path).night()) == {}


def test_a_selection_takes_nothing_else_for_vanished(archive: Archive) -> None:
    archive.add("2020/new.jpg", 9)
    done = archive.night(f"{archive.folder}/./2019/*.jpg")
    assert "vanished" not in states(done)
    assert set(archive.statuses().values()) == {"ok"}


def test_a_dry_run_counts_what_vanished_and_marks_nothing(archive: Archive) -> None:
    (archive.folder / "2019/1.jpg").unlink()
    roots = parse_roots([str(archive.folder)], [])
    plan = make_plan(roots, archive.collection.storage.url, {}, None, replace(SETTINGS, workers=1))
    assert (plan["vanished"], plan["unchanged"]) == (1, 3)
    assert set(archive.statuses().values()) == {"ok"}


def test_a_copy_of_what_nobody_holds_any_more_is_detected(archive: Archive) -> None:
    """One photo is a copy of another until both are gone; then the first comes back."""
    [face] = archive.faces()["2019/1.jpg"]
    first, copy = archive.folder / "2019/1.jpg", archive.folder / "copy.jpg"
    kept = shutil.copy(first, archive.folder.parent / "kept.jpg")
    shutil.copy(first, copy)
    archive.night()
    archive.add("copy.jpg", 50)
    first.unlink()
    archive.night(settings=replace(SETTINGS, prune=True, max_prune=0.9))
    shutil.copy(kept, first)
    archive.night()
    assert archive.faces()["2019/1.jpg"] == [face]


def test_a_copy_isnt_recorded_when_what_it_copies_was_pruned_meanwhile(archive: Archive) -> None:
    photo = archive.folder / "2019/1.jpg"
    shards = archive.collection.snapshot().shards
    rows = tables.from_rows(
        "media",
        [
            {**row, "status": "duplicate", "path": "late.jpg", "media_id": bytes(16)}
            for row in archive.collection.snapshot().media.drop_columns(["shard"]).to_pylist()
            if row["path"] == "2019/1.jpg"
        ],
    )
    standing = StandingContents(archive.collection, shards)
    assert standing.without_lost_copies(rows) == rows
    photo.unlink()
    archive.night(settings=replace(SETTINGS, prune=True, max_prune=0.9))
    assert len(StandingContents(archive.collection, shards).without_lost_copies(rows)) == 0
