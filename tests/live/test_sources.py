"""Streams and files as they come: whole, broken off, stalled, resized, or no video at all."""

from __future__ import annotations

import io
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from PIL import Image
from support.videos import encode_video, number_of, numbered, numbered_video, sound_only

from facebatch.errors import InputError, MediaError, UsageError
from facebatch.live import sources
from facebatch.live.sources import BrowserCamera, Frame, Latest, parse_source, read_in_thread
from facebatch.media.limits import DEFAULT_LIMITS

SECOND = 1_000_000
Serve = Callable[[socket.socket], None]


def transport_stream(count: int, size: int = 1) -> bytes:
    """Returns an MPEG transport stream whose frames say 0, 1, 2..."""
    pictures = [np.kron(numbered(n), np.ones((size, size, 1), np.uint8)) for n in range(count)]
    times = [40 * n for n in range(count)]
    options = {"tune": "zerolatency"}
    return encode_video(pictures, times, container="mpegts", options=options)


@contextmanager
def server(*connections: Serve) -> Iterator[str]:
    """Serves one connection after the other, and gives the address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(serve: Serve, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def work() -> None:
        for serve in connections:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=answer, args=(serve, connection), daemon=True).start()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def sends(data: bytes, then_waits: threading.Event | None = None) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.sendall(data)
        if then_waits is not None:
            then_waits.wait(20)

    return serve


def taken(url: str, count: int, said: list[str]) -> list[Frame]:
    """Returns the first frames of a source."""
    stop = threading.Event()
    found = list(itertools.islice(parse_source(url).frames(stop, said.append), count))
    stop.set()
    return found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits as long as for a real camera."""
    monkeypatch.setattr(sources, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(sources, "_FIRST_WAIT", 0.05)


def test_a_stream_that_ends_is_connected_again_and_told_once() -> None:
    said: list[str] = []
    data = transport_stream(10)
    with server(sends(data), lambda connection: None, sends(data)) as url:
        found = taken(url, 15, said)
    assert [number_of(frame.picture()) for frame in found] == [*range(10), *range(5)]
    times = [frame.at_us for frame in found]
    assert times == sorted(times)
    assert [line.partition(": ")[2].split(",")[0] for line in said] == [
        "the stream ended; connecting again",
        "pictures again",
    ]


def test_a_stream_that_stalls_is_connected_again() -> None:
    said: list[str] = []
    done = threading.Event()
    data = transport_stream(60)
    with server(sends(data, done), sends(data)) as url:
        found = taken(url, 62, said)
        done.set()
    assert len(found) == 62
    assert "nothing came for 1 s; connecting again" in said[0]


def test_a_stream_whose_sound_goes_on_without_pictures_is_connected_again() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mpegts") as out:
        stream = out.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
        stream.height, stream.width = numbered(0).shape[:2]
        stream.pix_fmt = "yuv420p"
        voice = out.add_stream("aac", rate=8000)
        for number in range(30):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), "rgb24")))
        out.mux(stream.encode())
        for second in range(120):
            sound = np.random.default_rng(second).uniform(-1, 1, (1, 8000)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(sound, "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 8000 * second
            out.mux(voice.encode(frame))
    data, said = sink.getvalue(), []

    def drips(connection: socket.socket) -> None:
        for start in range(0, len(data), 9400):
            connection.sendall(data[start : start + 9400])
            time.sleep(0.1)

    with server(drips, sends(transport_stream(60))) as url:
        found = taken(url, 60, said)
    assert len(found) == 60
    assert "no picture for 1 s; connecting again" in said[0]


def test_a_stream_of_another_size_goes_on() -> None:
    data = transport_stream(4) + transport_stream(4, size=2)
    with server(sends(data)) as url:
        found = taken(url, 8, [])
    assert [frame.picture().width for frame in found] == [64] * 4 + [128] * 4


def test_a_damaged_stream_goes_on_after_the_damage() -> None:
    data = bytearray(transport_stream(30))
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    with server(sends(bytes(data))) as url:
        found = taken(url, 12, [])
    assert len(found) == 12


def test_after_several_pictures_that_cant_be_converted_it_is_connected_again(monkeypatch) -> None:
    height, width = numbered(0).shape[:2]
    limits = replace(DEFAULT_LIMITS, max_pixels=width * height)
    monkeypatch.setattr(sources, "DEFAULT_LIMITS", limits)
    said, good, failed = [], [], 0
    data = transport_stream(4) + transport_stream(30, size=2)
    with server(sends(data), sends(transport_stream(4))) as url:
        for frame in parse_source(url).frames(threading.Event(), said.append):
            try:
                good.append(number_of(frame.picture()))
            except MediaError:
                failed += 1
            if len(good) == 8:
                break
    assert good == [0, 1, 2, 3] * 2
    assert failed == 5
    assert f"{2 * width} x {2 * height} pixels; at most" in said[0]
    assert "pictures again" in said[1]


def test_a_stream_that_breaks_off_after_a_few_bad_pictures_is_connected_again(monkeypatch) -> None:
    height, width = numbered(0).shape[:2]
    limits = replace(DEFAULT_LIMITS, max_pixels=width * height)
    monkeypatch.setattr(sources, "DEFAULT_LIMITS", limits)
    said, good = [], []
    with server(sends(transport_stream(4, size=2)), sends(transport_stream(4))) as url:
        for frame in parse_source(url).frames(threading.Event(), said.append):
            with suppress(MediaError):
                good.append(number_of(frame.picture()))
            if len(good) == 4:
                break
    assert good == [0, 1, 2, 3]
    assert "connecting again" in said[0]


def test_a_stream_of_which_no_picture_can_be_converted_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(sources, "DEFAULT_LIMITS", replace(DEFAULT_LIMITS, max_pixels=100))

    def convert(frames: Iterator[Frame]) -> None:
        for frame in frames:
            with suppress(MediaError):
                frame.picture()

    with server(sends(transport_stream(30))) as url:
        frames = parse_source(url).frames(threading.Event(), print)
        with pytest.raises(InputError, match=r"can't be watched: .* pixels; at most 100"):
            convert(frames)


def test_who_never_answers_is_said_with_the_time_that_was_waited(monkeypatch) -> None:
    monkeypatch.setattr(sources, "_OPEN_SECONDS", 2.0)
    done = threading.Event()
    with (
        server(lambda connection: done.wait(20)) as url,
        pytest.raises(InputError, match="can't be watched: nothing came for 2 s"),
    ):
        taken(url, 1, [])
    done.set()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n" * 400, b""], ids=["text", "nothing"])
def test_what_is_no_video_is_refused(data: bytes) -> None:
    with (
        server(sends(data)) as url,
        pytest.raises(InputError, match="can't be watched: what it sends is no video"),
    ):
        taken(url, 1, [])


def test_a_stream_of_sound_alone_is_refused() -> None:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as out:
        voice = out.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        out.mux([*voice.encode(frame), *voice.encode()])
    with (
        server(sends(buffer.getvalue())) as url,
        pytest.raises(InputError, match="there is no video in it"),
    ):
        taken(url, 1, [])


def test_where_nobody_listens_is_refused_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://ada:secret@127.0.0.1:{port}/stream?key=hidden"
    with pytest.raises(InputError, match="Connection refused") as refused:
        taken(url, 1, [])
    assert "secret" not in str(refused.value)
    assert "hidden" not in str(refused.value)


_SENDER = """
import itertools, sys, time
import av
from support.videos import numbered
with av.open(f"tcp://127.0.0.1:{sys.argv[1]}?listen=1", "w", format="mpegts") as out:
    stream = out.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
    stream.height, stream.width = numbered(0).shape[:2]
    stream.pix_fmt = "yuv420p"
    for number in itertools.count():
        frame = av.VideoFrame.from_ndarray(numbered(number % 4096), "rgb24")
        out.mux(stream.encode(frame))
        time.sleep(0.01)
"""


def test_a_live_transport_stream_is_watched_while_it_is_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # In a process of its own: while it waits for somebody, PyAV lets no other thread run.
    sender = subprocess.Popen(
        [sys.executable, "-c", _SENDER, str(port)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    while not any(
        each.laddr and each.laddr.port == port
        for each in psutil.Process(sender.pid).net_connections("tcp")
    ):
        assert sender.poll() is None
        time.sleep(0.02)
    stop, said = threading.Event(), []
    latest = read_in_thread(parse_source(f"tcp://127.0.0.1:{port}"), stop, said.append)
    numbers = []
    while len(numbers) < 5:
        frame = latest.take(10)
        assert frame is not None
        numbers.append(number_of(frame.picture()))
        time.sleep(0.1)  # a slow look: what came meanwhile is passed over
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - numbers[0] > 8, "the newest, not the next"
    stop.set()
    sender.kill()
    sender.wait()
    assert not said


def test_a_recording_over_the_network_ends(tmp_path: Path) -> None:
    import functools
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    (tmp_path / "clip.mkv").write_bytes(
        numbered_video([40 * n for n in range(12)], container="matroska")
    )
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.func.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        said: list[str] = []
        found = taken(f"http://127.0.0.1:{web.server_port}/clip.mkv", 100, said)
        web.shutdown()
    assert [number_of(frame.picture()) for frame in found] == list(range(12))
    assert found[-1].at_us - found[0].at_us > 200_000, "at its own pace, as a file"
    assert not said


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no bytes"),
        (b"hello", "no known video format"),
        (None, "can't be read: No such file"),
        ("sound", "no video in it"),
    ],
)
def test_a_file_that_is_no_video_is_refused(data, words: str, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    if data is not None:
        path.write_bytes(sound_only() if data == "sound" else data)
    with pytest.raises(InputError, match=words):
        taken(str(path), 1, [])


def test_every_frame_of_a_fast_file_is_given_and_of_a_paced_one_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(numbered_video([20 * n for n in range(30)]))
    for fast in (True, False):
        latest = read_in_thread(parse_source(str(path), fast=fast), threading.Event(), print)
        numbers = []
        while not latest.is_over:
            frame = latest.take(10)
            if frame is not None:
                numbers.append(number_of(frame.picture()))
                assert frame.at_us == 20_000 * numbers[-1]
                time.sleep(0.05)
        assert numbers == (list(range(30)) if fast else sorted(set(numbers)))
        assert fast or len(numbers) < 30


def test_a_file_may_be_as_long_as_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    day = 86_400_000
    path.write_bytes(numbered_video([*range(0, 400, 40), day], container="matroska"))
    frames = parse_source(str(path), fast=True).frames(threading.Event(), print)
    assert [frame.at_us for frame in frames][-1] == 1000 * day


def test_only_files_are_fast() -> None:
    for source in ("rtsp://camera/1", "browser"):
        with pytest.raises(UsageError, match="--fast is for files"):
            parse_source(source, fast=True)


def test_what_ends_a_reader_reaches_who_takes_its_frames() -> None:
    latest = Latest()
    latest.put(Frame(0, 0.0, numbered_picture))
    latest.end(InputError("broken"))
    assert latest.take(0) is not None, "what came before counts"
    with pytest.raises(InputError, match="broken"):
        latest.take(0)


def numbered_picture() -> Image.Image:
    return Image.fromarray(numbered(1))


def test_a_browsers_pictures_are_taken_and_nothing_else() -> None:
    camera, stop, said = BrowserCamera(), threading.Event(), []
    sink = io.BytesIO()
    numbered_picture().save(sink, "JPEG", quality=95)
    for data in (b"", b"<html>", sink.getvalue()[:200]):
        with pytest.raises(MediaError, match="no JPEG"):
            camera.push(data)
    huge = io.BytesIO()
    Image.new("1", (10_000, 2_000)).save(huge, "JPEG")
    with pytest.raises(MediaError, match="10000 x 2000"):
        camera.push(huge.getvalue())
    camera.push(sink.getvalue())
    assert number_of(next(camera.frames(stop, said.append)).picture()) == 1
    assert not said
