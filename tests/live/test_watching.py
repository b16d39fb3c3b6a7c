"""What is said of whom is seen, when, and that recorded and live pictures give the same."""

from __future__ import annotations

import io
import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebatch.errors import GalleryError, InputError, MediaError, UsageError
from facebatch.identify import Gallery, query
from facebatch.live.events import Greeter, Sink, Speaker
from facebatch.live.following import Follower
from facebatch.live.known import Known
from facebatch.live.sources import Frame, Latest, parse_source, read_in_thread
from facebatch.live.watching import Watch
from facebatch.probe.annotate_video import find_tracks
from facebatch.probe.probe import Prober

Said = list[str]
SECOND = 1_000_000


def noise(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture that shows nobody."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))


def watch(follower: Follower, out: io.StringIO, said: Said, **more: Any) -> Watch:
    sink = Sink(out, as_json=True, keep=more.pop("keep", None))
    return Watch(follower, sink, Greeter(timedelta(minutes=10)), said.append, **more)


def events(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def frames(*shown: tuple[float, Image.Image]) -> Latest:
    """Gives pictures at seconds, each in turn."""
    latest = Latest(drops=False)

    def put() -> None:
        for second, picture in shown:
            at = round(second * SECOND)
            latest.put(Frame(at, time.monotonic(), lambda picture=picture: picture))
        latest.end()

    threading.Thread(target=put, daemon=True).start()
    return latest


def read(path: Path, *, fast: bool, said: Said) -> tuple[Latest, threading.Event]:
    stop = threading.Event()
    return read_in_thread(parse_source(str(path), fast=fast), stop, said.append), stop


def test_a_file_gives_who_appeared_who_it_is_and_who_left(follower, place: Path) -> None:
    out, said = io.StringIO(), []
    summary = watch(follower, out, said).run(*read(place / "two.mp4", fast=True, said=said))
    assert summary.looks == 26
    assert not said
    found = events(out)
    assert sorted(f"{each['event']} {each['name']}" for each in found) == [
        "appeared None", "appeared None", "left Ada", "left None", "recognised Ada",
    ]  # fmt: skip
    ada = next(each for each in found if each["event"] == "recognised")
    assert ada["greet"] is True
    assert ada["probability"] > 0.9
    assert ada["at"] == pytest.approx(0.1)
    left = [each for each in found if each["event"] == "left"]
    assert all(each["seconds"] == pytest.approx(2.5) for each in left)


@pytest.mark.parametrize("refresh_us", [0, SECOND])
def test_recorded_and_live_pictures_give_the_same_tracks_and_names(
    prober: Prober, known: Known, place: Path, refresh_us: int
) -> None:
    with (place / "two.mp4").open("rb") as file:
        batch = find_tracks(file, prober, known.namer(), 10).described()
    out, said = io.StringIO(), []
    live = watch(Follower(prober, known.namer(), refresh_us), out, said)
    live.run(*read(place / "two.mp4", fast=True, said=said))
    left = [each for each in events(out) if each["event"] == "left"]
    assert len(batch) == len(left) == 2
    for one, other in zip(batch, sorted(left, key=lambda each: each["track"]), strict=True):
        assert one["name"] == other["name"]
        assert one["end_us"] / 1e6 == pytest.approx(other["at"])
        assert (one["end_us"] - one["begin_us"]) / 1e6 == pytest.approx(other["seconds"])


def test_a_paced_file_takes_its_own_time(prober, known, place: Path) -> None:
    out, said, began = io.StringIO(), [], time.monotonic()
    live = watch(Follower(prober, known.namer(), SECOND), out, said)
    summary = live.run(*read(place / "two.mp4", fast=False, said=said))
    assert time.monotonic() - began >= 2.5
    assert 0 < summary.looks <= 26
    assert "Ada" in out.getvalue()


def test_who_comes_back_is_greeted_after_ten_minutes_only(follower, picture) -> None:
    visits = (0, 0.2, 60, 60.2, 590, 590.2, 601, 601.2)
    greeted: list[str] = []

    class Voice:
        def greet(self, name: str) -> None:
            greeted.append(name)

    out, said = io.StringIO(), []
    shown = [(second, picture) for second in visits]
    watch(follower, out, said, speaker=Voice()).run(frames(*shown), threading.Event())
    ada = [each for each in events(out) if each["event"] == "recognised"]
    assert [(each["at"], each["greet"]) for each in ada] == [
        (0.2, True), (60.2, False), (590.2, False), (601.2, True),
    ]  # fmt: skip
    assert greeted == ["Ada", "Ada"]


def test_each_person_is_greeted_by_themselves() -> None:
    greeter = Greeter(timedelta(seconds=10))
    asked = [("Ada", 0), ("Bo", 1), ("Ada", 9), ("Ada", 10), ("Bo", 12)]
    assert [greeter.greets(name, second * SECOND) for name, second in asked] == [
        True, True, False, True, True,
    ]  # fmt: skip


def test_a_single_look_is_no_appearance_and_a_new_size_is_told(follower, picture) -> None:
    out, said = io.StringIO(), []
    small = picture.resize((picture.width // 2, picture.height // 2))
    shown = ((0, noise(1)), (0.1, picture), (0.2, noise(2)), (0.3, small))
    watch(follower, out, said).run(frames(*shown), threading.Event())
    told = [line for line in said if "pixels" in line]
    assert told[0] == "the pictures changed from 320 x 240 to 480 x 320 pixels"
    assert [each["event"] for each in events(out)].count("appeared") == 2, "seen again, in any size"


def test_nothing_is_stored_but_what_is_asked_for(follower, picture, tmp_path: Path) -> None:
    out, said = io.StringIO(), []
    keep = tmp_path / "kept"
    shown = ((0, picture), (0.1, picture))
    watch(follower, out, said, keep=keep).run(frames(*shown), threading.Event())
    lines = (keep / "events.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == events(out)
    chips = sorted(path.name for path in (keep / "chips").iterdir())
    assert chips == sorted(Path(one["chip"]).name for one in events(out) if one["event"] == "left")
    assert len(chips) == 2
    assert (keep / "chips" / chips[0]).read_bytes().startswith(b"\xff\xd8")


def test_one_photo_enrols_and_counts_at_once(follower, known: Known, picture) -> None:
    seen = follower.look(picture, 0)
    assert [each.sighting.label["name"] for each in seen] == ["Ada", None]
    assert known.enrol("  Grace ", seen[1].sighting.best) == "Grace"
    follower.namer = known.namer()
    follower.rename()
    assert [each.sighting.label["name"] for each in seen] == ["Ada", "Grace"]
    assert Gallery.open(known.query.gallery.storage.url).names() == ["Ada", "Grace"]
    assert known.enrol("grace", seen[1].sighting.best) == "Grace", "whatever the case"
    assert known.query.gallery.people() == [("Ada", 1), ("Grace", 1)], "the same face once"


def test_what_ended_the_pictures_before_the_first_look_is_told(follower) -> None:
    latest = Latest()
    latest.end(InputError("there is no such file"))
    with pytest.raises(InputError, match="no such file"):
        watch(follower, io.StringIO(), []).run(latest, threading.Event())


def test_everybody_has_left_where_the_pictures_break_off(follower, picture) -> None:
    latest, out = Latest(drops=False), io.StringIO()

    def put() -> None:
        for at in (0, SECOND):
            latest.put(Frame(at, time.monotonic(), lambda: picture))
        latest.end(InputError("the disk is gone"))

    threading.Thread(target=put, daemon=True).start()
    with pytest.raises(InputError, match="the disk is gone"):
        watch(follower, out, []).run(latest, threading.Event())
    assert [each["event"] for each in events(out)].count("left") == 2


def test_a_picture_that_cant_be_converted_is_passed_over(follower, picture) -> None:
    def broken() -> Image.Image:
        raise MediaError("corrupt", "a frame can't be converted")

    latest, out = Latest(drops=False), io.StringIO()

    def put() -> None:
        for at, shown in enumerate((lambda: picture, broken, lambda: picture)):
            latest.put(Frame(at * SECOND // 10, time.monotonic(), shown))
        latest.end()

    threading.Thread(target=put, daemon=True).start()
    assert watch(follower, out, []).run(latest, threading.Event()).looks == 2
    assert [each["event"] for each in events(out)].count("left") == 2


def test_a_stated_threshold_does_without_a_calibration(known: Known, monkeypatch) -> None:
    def unknown(*_: object) -> None:
        raise UsageError("nothing was measured")

    monkeypatch.setattr(query, "default_for", unknown)
    with pytest.raises(UsageError, match="nothing was measured"):
        known.check()
    stated = Known.of(replace(known.query, threshold=0.3))
    ada = known.query.gallery.known()["Ada"]
    assert stated.namer()(ada) == [{"name": "Ada", "probability": None}]


def test_who_cant_be_enrolled_is_refused(follower, known: Known, picture) -> None:
    ada, stranger = (each.sighting.best for each in follower.look(picture, 0))
    with pytest.raises(InputError, match="come closer"):
        known.enrol("Grace", replace(stranger, is_sure=False))
    with pytest.raises(GalleryError, match="name is empty"):
        known.enrol("  ", stranger)
    assert known.query.gallery.people() == [("Ada", 1)]
    known.enrol("Ada", ada)
    with pytest.raises(InputError, match="unlike most of Ada's"):
        known.enrol("ada", stranger)
    assert known.query.gallery.people() == [("Ada", 2)]


def test_a_command_greets_beside_the_loop(tmp_path: Path) -> None:
    script, heard, may = tmp_path / "say", tmp_path / "heard", tmp_path / "may"
    waits = f"while [ ! -e {may} ]; do sleep 0.05; done"
    script.write_text(f'#!/bin/sh\n{waits}\nprintf "%s\\n" "$@" >> {heard}\n')
    script.chmod(0o755)
    said: Said = []
    speaker = Speaker([str(script), "Hello, dear"], said.append)
    speaker.greet("Ada $(touch /tmp/x); O'Neil")
    speaker.greet("Bo")
    may.touch()  # only now: neither greeting was waited for
    speaker.close(20)
    assert heard.read_text().splitlines() == [
        "Hello, dear", "Ada $(touch /tmp/x); O'Neil", "Hello, dear", "Bo",
    ]  # fmt: skip
    assert not said


def test_a_command_that_fails_is_told_and_harms_nothing(tmp_path: Path) -> None:
    said: Said = []
    for words in (["false"], [str(tmp_path / "none")]):
        speaker = Speaker(words, said.append)
        speaker.greet("Ada\0")
        speaker.greet("Ada")
        speaker.close(20)
    assert said[1] == "false ended with 1"
    assert all("can't be run" in said[place] for place in (0, 2, 3))
