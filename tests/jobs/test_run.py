"""The whole run, as a user starts it: real processes, a real album, real weights."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.album_checks import check_album
from support.albums import Album
from support.equality import assert_equal_clusters, assert_equal_extractions
from support.program import facebatch

from facebatch.collection import Collection
from facebatch.config import ExtractSettings, RunSettings
from facebatch.errors import UsageError
from facebatch.extract.plan import Plan
from facebatch.extract.progress import Progress, ProgressReader
from facebatch.jobs.plan import make_plan
from facebatch.jobs.run import run_all, signs_of_life
from facebatch.media.sources.roots import parse_roots
from facebatch.pipelines.slices import write_plan
from facebatch.storage.store import Storage


def test_a_run_in_two_processes_turns_an_album_into_people(
    undisturbed: Collection, album: Album
) -> None:
    check_album(undisturbed, album)
    report = undisturbed.storage.read("report.html").decode()
    assert "<html" in report
    assert undisturbed.storage.files("attempts") == []


def test_a_second_run_extracts_nothing_and_says_so(
    undisturbed: Collection, album: Album, tmp_path: Path
) -> None:
    url = str(shutil.copytree(undisturbed.storage.url, tmp_path / "collection"))
    collection = Collection.open(url)
    before = collection.snapshot().shards
    generations = {stage: collection.current(stage) for stage in ("index", "clusters", "people")}
    again = facebatch("run", str(album.folder), "--output", url)
    assert again.returncode == 0, again.stderr
    assert "nothing to extract" in again.stdout
    assert collection.snapshot().shards == before
    assert {stage: collection.current(stage) for stage in generations} == generations


def test_stages_one_by_one_give_what_run_gives(
    undisturbed: Collection, album: Album, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    for arguments in (
        # Beam's own options follow a double dash.
        (
            *("extract", str(album.folder), "--output", url, "--workers", "1"),
            *("--", "--direct_running_mode=in_memory"),
        ),
        ("index", url),
        ("cluster", url),
        ("report", url),
        ("inspect", url),
    ):
        done = facebatch(*arguments)
        assert done.returncode == 0, done.stderr
    assert_equal_extractions(Collection.open(url), undisturbed)
    assert_equal_clusters(Collection.open(url), undisturbed)


def test_a_dry_run_counts_and_writes_nothing_and_verbose_names_the_runner(
    album: Album, tmp_path: Path
) -> None:
    url = tmp_path / "collection"
    arguments = ("run", str(album.folder), "--output", str(url), "--workers", "1")
    done = facebatch(*arguments, "--dry-run", "--json", "-v")
    assert "DirectRunner is run as FnApiRunner, in 1 processes" in done.stderr
    plan = json.loads(done.stdout)
    candidates = [file for file in album.truth.files if file.outcome != "ignored"]
    assert plan["new"] == plan["to_extract"] == len(candidates)
    assert plan["ignored"] == len(album.truth.files) - len(candidates)
    assert plan["bytes"] == sum((album.folder / file.path).stat().st_size for file in candidates)
    assert not url.exists()


def test_only_new_and_changed_photos_are_extracted(
    undisturbed: Collection, album: Album, tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    shutil.copytree(album.folder, folder)
    url = str(tmp_path / "collection")
    shutil.copytree(undisturbed.storage.url, url)
    photo = next(file.path for file in album.truth.files if len(file.faces) == 1)
    shutil.copy2(folder / photo, folder / "new.jpg")
    os.utime(folder / photo, (1, 1))
    gone = next(file.path for file in reversed(album.truth.files) if file.outcome == "ok")
    (folder / gone).unlink()
    done = json.loads(facebatch("run", str(folder), "--output", url, "--json").stdout)
    plan = done["extract"]["plan"]
    assert (plan["new"], plan["changed"], plan["vanished"]) == (1, 1, 1)
    faces = {bytes(face) for face in undisturbed.snapshot().face_ids}
    assert {bytes(face) for face in Collection.open(url).snapshot().face_ids} == faces


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "missing-folder", "--output", "c"), "doesn't exist"),
        (("run", "--output", "c"), "no photos given"),
        (("run", ".", "--output", "c", "--runner", "DaskRunner"), "loses data"),
        (("run", ".", "--output", "c", "--runner", "NoSuchRunner"), "NoSuchRunner"),
        (("run", ".", "--output", "c", "--max-side", "3"), "isn't within"),
        (("run", ".", "--output", "c", "--tta", "half"), "; there is: "),
        (("run", ".", "--output", "c", "--retry", "bad-luck"), "; there is: "),
        (("inspect", "nowhere"), "is no collection"),
        (("index", "nowhere", "--", "--x"), "no Beam options"),
    ],
)
def test_wrong_input_ends_with_code_2_and_one_line(
    arguments: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = facebatch(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("wrong", [("missing",), (".", "--runner", "DaskRunner"), ()])
def test_a_command_that_is_refused_makes_no_collection(
    wrong: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert facebatch("run", *wrong, "--output", "collection").returncode == 2
    assert not (tmp_path / "collection").exists()


def test_a_dry_run_refuses_what_the_run_refuses(album: Album, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no collection")
    arguments = ("run", str(album.folder), "--output", str(tmp_path))
    for more in ((), ("--dry-run",)):
        done = facebatch(*arguments, *more)
        assert (done.returncode, "choose an empty folder" in done.stderr) == (2, True)


def test_the_demo_replaces_nothing_but_a_demo(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text("{}")
    done = facebatch("demo", str(tmp_path))
    assert done.returncode == 2
    assert "holds other files" in done.stderr
    assert (tmp_path / "truth.json").read_text() == "{}"


def test_copies_are_counted_once_in_the_summary(album: Album, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photo = next(file.path for file in album.truth.files if len(file.faces) == 1)
    for number in range(3):
        (photos / str(number)).mkdir(parents=True)
        shutil.copy2(album.folder / photo, photos / str(number))
    url = str(tmp_path / "collection")
    done = json.loads(facebatch("run", str(photos), "--output", url, "--json").stdout)
    assert done["extract"]["extracted"] == done["extract"]["faces"] == done["index"]["faces"] == 1
    assert done["extract"]["duplicates"] == 2


def test_a_setting_that_differs_from_the_collections_names_both(
    undisturbed: Collection, album: Album
) -> None:
    url = undisturbed.storage.url
    done = facebatch("run", str(album.folder), "--output", url, "--min-face", "40")
    assert done.returncode == 2
    assert "40" in done.stderr
    assert "24" in done.stderr


def test_too_many_failures_end_with_code_3_after_everything_is_done(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(25):
        (photos / f"{number}.jpg").write_bytes(b"no photo")
    url = str(tmp_path / "collection")
    done = facebatch("run", str(photos), "--output", url)
    assert done.returncode == 3
    assert "25 of 25" in done.stderr
    collection = Collection.open(url)
    assert collection.snapshot().media["reason"].to_pylist() == ["not_an_image"] * 25
    assert collection.storage.exists("report.html")
    assert facebatch("run", str(photos), "--output", url).returncode == 0


def test_a_run_without_thresholds_ends_before_it_extracts(tmp_path: Path) -> None:
    settings = ExtractSettings(embedder="sface")
    collection = Collection.create(str(tmp_path / "collection"), settings)
    with pytest.raises(UsageError, match="facebatch calibrate FOLDER --embedder sface"):
        run_all([], collection, RunSettings(), lambda progress: None)


def test_a_dry_run_for_a_cluster_plans_here_without_the_clusters_options(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"no photo")
    options = ("--job_endpoint=embed", "--some_setting_of_the_server=3")
    settings = RunSettings(runner="PortableRunner", workers=7, beam_options=options)
    roots, url = parse_roots([str(tmp_path / "photos")]), str(tmp_path / "collection")
    plan = make_plan(roots, url, {}, None, settings)
    assert (plan["to_extract"], plan["workers"]) == (1, 7)


def test_silence_counts_from_the_plan_on(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    reader = ProgressReader(storage, "attempts/plan-1.json", clock=iter(range(100)).__next__)
    assert signs_of_life(reader, storage) != signs_of_life(reader, storage)
    write_plan(Plan(), storage, "attempts/plan-1.json")
    reader.look()
    assert signs_of_life(reader, storage) == signs_of_life(reader, storage)
    storage.write("attempts/shard-1.json", b"{}")
    before = signs_of_life(reader, storage)
    storage.remove("attempts/shard-1.json")
    assert signs_of_life(reader, storage) != before


def test_a_dry_run_tells_how_far_its_listing_is(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(30):
        (photos / f"{number}.jpg").write_bytes(b"no photo")
    settings = RunSettings(beam_options=("--direct_running_mode=in_memory",))
    seen: list[Progress] = []
    roots, url = parse_roots([str(photos)]), str(tmp_path / "collection")
    make_plan(roots, url, {}, None, settings, seen.append)
    assert seen[0].listed == 0
    assert (seen[-1].listed, seen[-1].planned) == (30, 0)
    assert not any(said.plan for said in seen), "an extraction was said to begin"
