"""Videos through the whole extraction: segments, tracks, what is kept and what is known then."""

from __future__ import annotations

import os
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.videos import encode_video, numbered, sound_only

from facebatch.collection import Collection
from facebatch.collection.suppression import suppress
from facebatch.config import ExtractSettings, RunSettings
from facebatch.demo.render import render_face
from facebatch.faces import tracks
from facebatch.jobs.plan import make_plan
from facebatch.jobs.run import Extraction, run_extract
from facebatch.media.sources.roots import parse_roots
from facebatch.media.video import frames

SETTINGS = RunSettings(guard=False, beam_options=("--direct_running_mode=in_memory",))
SECOND = 1_000_000


def film(seconds: int, people: tuple[int, int] = (3, 8)) -> bytes:
    """A frame a second: two people side by side, then, in the last third, the first alone."""
    frames = []
    for number in range(seconds):
        frame = np.full((256, 512, 3), 110, np.uint8)
        frame[20:220, 20 + 4 * number % 40 :][:, :200] = render_face(people[0], size=200)
        if number < seconds - seconds // 3:
            frame[20:220, 290:490] = render_face(people[1], size=200)
        frames.append(frame)
    return encode_video(frames, [1000 * number for number in range(seconds)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "films"
    made.mkdir()
    return made


def night(folder: Path, url: str, **settings: Any) -> tuple[Collection, Extraction]:
    collection = Collection.create(url, ExtractSettings(**settings))
    roots = parse_roots([str(folder)], [])
    return collection, run_extract(roots, collection, SETTINGS, lambda progress: None)


def states(extraction: Extraction) -> dict[str, int]:
    return {state: count for state, count in extraction.plan.states.items() if count}


def rows(collection: Collection, *columns: str) -> list[dict[str, Any]]:
    return collection.snapshot().faces(["face_id", *columns]).to_pylist()


@pytest.fixture(scope="module")
def best(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Collection, Extraction]:
    """A folder with one video, and its extraction; they are read only."""
    place = tmp_path_factory.mktemp("best")
    folder = place / "films"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(film(9))
    return folder, *night(folder, str(place / "collection"))


def test_a_video_gives_the_best_faces_of_each_track(
    best: tuple[Path, Collection, Extraction],
) -> None:
    _, collection, done = best
    [media] = collection.snapshot().media.to_pylist()
    assert (media["status"], media["segments"], media["frames"]) == ("ok", 1, 9)
    assert (media["width"], media["height"]) == (512, 256)
    assert (media["begin_us"], media["end_us"]) == (0, pytest.approx(9 * SECOND, abs=SECOND))
    faces = rows(collection, "track", "track_faces", "track_begin_us", "track_end_us", "score")
    told = {
        (row["track"], row["track_faces"], row["track_begin_us"], row["track_end_us"])
        for row in faces
    }
    assert told == {(0, 9, 0, 8 * SECOND), (1, 6, 0, 5 * SECOND)}
    assert len(faces) == media["faces"] == done.progress.faces
    assert len(faces) <= 2 * tracks.BEST_OF_TRACK


def test_all_faces_are_kept_where_that_is_asked_for(
    best: tuple[Path, Collection, Extraction], tmp_path: Path
) -> None:
    folder, chosen, _ = best
    every, _ = night(folder, str(tmp_path / "all"), video_faces="all")
    faces = rows(every, "timestamp_us", "ordinal")
    assert sorted((row["timestamp_us"], row["ordinal"]) for row in faces) == [
        *[(second * SECOND, place) for second in range(6) for place in (0, 1)],
        *[(second * SECOND, 0) for second in range(6, 9)],
    ]
    assert {row["face_id"] for row in rows(chosen)} < {row["face_id"] for row in faces}


def test_a_long_video_is_several_items(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "SEGMENT_SECONDS", 4)
    (folder / "a.mp4").write_bytes(film(9))
    collection, done = night(folder, str(tmp_path / "collection"), video_faces="all")
    media = sorted(collection.snapshot().media.to_pylist(), key=lambda row: row["segment"])
    assert [(row["segment"], row["segments"], row["frames"]) for row in media] == [
        (0, 3, 4),
        (1, 3, 4),
        (2, 3, 1),
    ]
    assert len({row["content_id"] for row in media}) == 1
    assert len({row["media_id"] for row in media}) == 3
    assert {row["status"] for row in media} == {"ok"}
    assert len(rows(collection)) == 9 + 6
    assert states(done) == {"new": 3}


def test_a_video_that_didnt_change_isnt_opened(folder: Path, tmp_path: Path) -> None:
    film_file = folder / "a.mp4"
    film_file.write_bytes(film(3))
    url = str(tmp_path / "collection")
    night(folder, url)
    status = film_file.stat()
    film_file.write_bytes(bytes(status.st_size))
    os.utime(film_file, ns=(status.st_atime_ns, status.st_mtime_ns))
    _, done = night(folder, url)
    assert states(done) == {"unchanged": 1}


def test_a_moved_video_keeps_its_faces_and_isnt_detected_again(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "a.mp4").write_bytes(film(3))
    url = str(tmp_path / "collection")
    collection, _ = night(folder, url)
    before = rows(collection)
    (folder / "a.mp4").rename(folder / "b.mp4")
    collection, done = night(folder, url)
    assert (done.progress.moved, done.progress.extracted) == (1, 0)
    assert rows(collection) == before
    statuses = collection.snapshot().media.select(["path", "status"]).to_pylist()
    assert sorted(row["path"] + " " + row["status"] for row in statuses) == [
        "a.mp4 vanished",
        "b.mp4 ok",
    ]


def test_videos_that_cant_be_opened_are_one_item_each_with_its_reason(
    folder: Path, tmp_path: Path
) -> None:
    broken = {"empty": b"", "no_frames": sound_only(), "not_an_image": b"no video at all\0" * 99}
    for reason, data in broken.items():
        (folder / f"{reason}.mp4").write_bytes(data)
    (folder / "whole.mp4").write_bytes(film(2))
    url = str(tmp_path / "collection")
    collection, _ = night(folder, url)
    media = sorted(collection.snapshot().media.to_pylist(), key=lambda row: row["path"])
    assert [(row["status"], row["reason"]) for row in media] == [
        *(("quarantined", reason) for reason in sorted(broken)),
        ("ok", None),
    ]
    assert states(night(folder, url)[1]) == {"given_up": 3, "unchanged": 1}


def test_text_that_is_called_a_video_is_ignored(folder: Path, tmp_path: Path) -> None:
    (folder / "a.mp4").write_bytes(film(2))
    url = str(tmp_path / "collection")
    # As a version of facebatch that didn't know better left it.
    (folder / "m.d.ts").write_bytes(b"\0" + b"export const m = 1;")
    (folder / "m.d.ts").rename(folder / "m.mp4")
    night(folder, url)
    (folder / "m.mp4").rename(folder / "m.d.ts")
    (folder / "m.d.ts").write_text("export const m = 1;")
    for _ in range(2):
        collection, done = night(folder, url)
        assert [part.as_json() for part in done.plan.left_out] == [
            {"reason": "content", "kind": ".ts", "files": 1, "examples": ["films/m.d.ts"]}
        ]
    assert states(done) == {"unchanged": 1}
    (folder / "a.mp4").write_text("deleted by a joker")
    collection, done = night(folder, url)
    assert states(done) == {"excluded": 1}
    assert set(collection.snapshot().media["status"].to_pylist()) == {"vanished"}


@pytest.mark.parametrize(("guard", "children"), [(True, 1), (False, 0)])
def test_planning_opens_all_videos_in_one_process(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: bool, children: int
) -> None:
    for number in range(4):
        (folder / f"{number}.mp4").write_bytes(film(1, (number, 9)))
    started: list[Any] = []
    begin = subprocess.Popen.__init__

    def counted(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        started.append(command)
        begin(self, command, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", counted)
    settings = replace(SETTINGS, workers=1, guard=guard)
    plan = make_plan(parse_roots([str(folder)], []), str(tmp_path / "none"), {}, None, settings)
    assert plan["new"] == 4
    assert sum("facebatch.extract.decoder_child" in command for command in started) == children


def test_more_frames_than_allowed_are_too_large(folder: Path, tmp_path: Path) -> None:
    (folder / "a.mp4").write_bytes(film(5))
    collection = Collection.create(str(tmp_path / "collection"), ExtractSettings())
    few = replace(SETTINGS, max_frames=3)
    run_extract(parse_roots([str(folder)], []), collection, few, lambda progress: None)
    assert collection.snapshot().media["reason"].to_pylist() == ["too_large"]


def test_a_dry_run_counts_segments(folder: Path, tmp_path: Path) -> None:
    (folder / "a.mp4").write_bytes(film(2))
    roots = parse_roots([str(folder)], [])
    plan = make_plan(roots, str(tmp_path / "none"), {}, None, replace(SETTINGS, workers=1))
    assert (plan["new"], plan["bytes"]) == (1, (folder / "a.mp4").stat().st_size)


def test_a_video_that_cant_be_opened_ends_no_run_though_something_was_erased(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "a.mp4").write_bytes(b"no video at all\0" * 99)
    collection = Collection.create(str(tmp_path / "collection"), ExtractSettings())
    suppress(collection.storage, contents=[bytes(16)])
    night(folder, collection.storage.url)
    assert collection.snapshot().media["reason"].to_pylist() == ["not_an_image"]


def test_a_video_that_claims_to_last_for_years_is_too_large(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(encode_video([numbered(0)] * 2, [0, 1000], container="matroska"))
    at = data.index(b"\x44\x89\x88") + 3  # Matroska's Duration, as a double of milliseconds
    data[at : at + 8] = struct.pack(">d", 1e15)
    (folder / "a.mkv").write_bytes(data)
    collection, _ = night(folder, str(tmp_path / "collection"))
    assert collection.snapshot().media["reason"].to_pylist() == ["too_large"]
