"""The command `facebatch live` as a user runs it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from support.program import command, facebatch
from support.videos import encode_video, walk

SIZE = ("--size", "480")


def test_a_file_gives_events_and_a_summary_and_nothing_else(place: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    shell = tmp_path / "say"
    shell.write_text(f'#!/bin/sh\necho "$1" >> {said}; echo heard\n')
    shell.chmod(0o755)
    video, gallery = str(place / "two.mp4"), str(place / "gallery")
    before = sorted(place.rglob("*"))
    done = facebatch("live", video, "-g", gallery, "--fast", *SIZE, "--say", str(shell))
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted({each["event"] for each in found}) == ["appeared", "left", "recognised"]
    assert {each["name"] for each in found} == {"Ada", None}
    assert all(each["time"].endswith("+00:00") for each in found)
    assert "26 looks" in done.stderr
    assert said.read_text() == "Ada\n"
    assert sorted(place.rglob("*")) == before, "nothing is stored"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_as_the_end_of_a_file_does(
    number: signal.Signals, place: Path, tmp_path: Path
) -> None:
    # The video plays for minutes.
    pictures = walk([26], 3)
    video = tmp_path / "long.mp4"
    video.write_bytes(encode_video([*pictures * 2, pictures[0]], [*range(0, 600, 100), 200_000]))
    program = subprocess.Popen(
        command("live", str(video), "-g", str(place / "gallery"), *SIZE),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    first = json.loads(program.stdout.readline())
    program.send_signal(number)
    out, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert first["event"] == "appeared"
    assert json.loads(out.splitlines()[-1])["event"] == "left"
    assert "looks" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.mp4",), "none.mp4 can't be read"),
        (("rtsp://127.0.0.1:9/x",), "can't be watched"),
        (("browser", "--fast"), "--fast is for files"),
        (("two.mp4", "--again", "soon"), "--again 'soon' is no duration"),
        (("two.mp4", "--again", "1e999"), "is no duration"),
        (("two.mp4", "--say", "no-such-command-here"), "there is no such command"),
        (("two.mp4", "--say", "'"), "can't be read"),
        (("two.mp4", "--keep", "two.mp4"), "can't be written"),
        (("two.mp4", "-g", "empty"), "is no gallery"),
    ],
)
def test_what_cant_be_done_is_refused(
    words: tuple[str, ...], message: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    done = facebatch("live", "-g", "gallery", *words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not done.stdout


def test_an_empty_gallery_is_refused_without_a_page(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "gallery", tmp_path / "gallery")
    gallery = str(tmp_path / "gallery")
    assert facebatch("gallery", "remove", gallery, "Ada").returncode == 0
    done = facebatch("live", str(place / "two.mp4"), "-g", gallery, "--fast")
    assert done.returncode == 2
    assert "empty: enrol somebody first" in done.stderr


@pytest.mark.full
def test_memory_stays_as_it_is(place: Path, tmp_path: Path) -> None:
    """People come and go, thousands of frames long."""
    pictures = [*walk([26, 35], 6), *walk([12], 6), *walk([30, 12], 6)] * 60
    times = [600 * number for number in range(len(pictures))]
    video = tmp_path / "long.mp4"
    video.write_bytes(encode_video(pictures, times, options={"preset": "ultrafast"}))
    program = subprocess.Popen(
        command("live", str(video), "-g", str(place / "gallery"), "--fast", "--size", "320"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert program.stdout is not None
    process = psutil.Process(program.pid)
    sizes = [
        process.memory_info().rss
        for line in program.stdout
        if json.loads(line)["event"] == "appeared"
    ]
    program.stdout.close()
    assert program.wait() == 0
    assert len(sizes) > 100
    middle = sizes[len(sizes) // 3]
    assert max(sizes[len(sizes) // 3 :]) < middle + 30_000_000


def test_options_of_the_page_without_it_are_refused(place: Path) -> None:
    for words in (("--port", "8000"), ("--host", "0.0.0.0"), ("--language", "zh")):
        done = facebatch("live", str(place / "two.mp4"), "-g", str(place / "gallery"), *words)
        assert done.returncode == 2
        assert done.stderr.endswith("are the page's: add --page\n")
