from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psutil
import pytest
from support.pictures import encode, gradient
from support.poisoned import CRASHES, HANGS, environment

from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.errors import MediaError
from facebatch.extract.decoder import LocalDecoder
from facebatch.extract.decoder_channel import SHARED_BYTES
from facebatch.extract.guarded_decoder import DecoderPool, GuardedDecoder
from facebatch.media.limits import Limits

SETTINGS = ExtractSettings()
LANDMARKS = np.array([[[90, 100], [150, 100], [120, 140], [95, 170], [145, 170]]], np.float32)


@pytest.fixture
def guarded() -> Iterator[GuardedDecoder]:
    with closing(GuardedDecoder(SETTINGS)) as decoder:
        yield decoder


@pytest.fixture
def wary(monkeypatch: pytest.MonkeyPatch) -> Iterator[GuardedDecoder]:
    """A decoder whose child crashes and hangs on marked files, and is given a second."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    with closing(GuardedDecoder(SETTINGS, Limits(max_seconds=1.0))) as decoder:
        yield decoder


def portrait() -> bytes:
    return encode(render_face(3), quality=95)


_BEFORE: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def _leave_out_what_other_tests_started() -> None:
    _BEFORE.clear()
    _BEFORE.update(psutil.Process().children(recursive=True))


def children() -> list[psutil.Process]:
    found = set(psutil.Process().children(recursive=True)) - _BEFORE
    return [child for child in found if "facebatch.extract.decoder_child" in child.cmdline()]


def test_the_child_gives_what_this_process_would(guarded: GuardedDecoder) -> None:
    data = portrait()
    ours, theirs = LocalDecoder(SETTINGS).photo(data), guarded.photo(data)
    assert theirs[0] == ours[0] == guarded.facts(data)
    theirs = guarded.photo(data)
    (pixels, scale), (expected, expected_scale) = (
        theirs[1].for_detection(),
        ours[1].for_detection(),
    )
    assert scale == expected_scale
    np.testing.assert_array_equal(pixels, expected)
    part, expected_part = (one[1].part((20, 30, 220, 180), (160, 120)) for one in (theirs, ours))
    assert part.shape == (120, 160, 3)
    np.testing.assert_array_equal(part, expected_part)
    for found, wanted in zip(theirs[1].views(LANDMARKS), ours[1].views(LANDMARKS), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_chips_stay_what_they_were_when_the_next_photo_comes(guarded: GuardedDecoder) -> None:
    views, _ = guarded.photo(portrait())[1].views(LANDMARKS)
    kept = views.copy()
    guarded.photo(encode(gradient(600, 400)))
    np.testing.assert_array_equal(views, kept)


def test_what_is_larger_than_the_shared_memory_crosses_all_the_same() -> None:
    settings = ExtractSettings(max_side=4000)
    noise = np.random.default_rng(1).integers(0, 256, (3000, 4000, 3), np.uint8)
    data = encode(noise, "BMP")
    assert len(data) > SHARED_BYTES
    with closing(GuardedDecoder(settings)) as decoder:
        pixels, _ = decoder.photo(data)[1].for_detection()
        np.testing.assert_array_equal(pixels, noise)


def test_a_broken_file_has_its_reason_and_the_child_goes_on(guarded: GuardedDecoder) -> None:
    with pytest.raises(MediaError) as error:
        guarded.photo(b"no picture at all")
    assert error.value.reason == "not_an_image"
    [child] = children()
    guarded.photo(portrait())
    assert children() == [child]


def test_limits_hold_in_the_child() -> None:
    with closing(GuardedDecoder(SETTINGS, Limits(max_pixels=1000))) as decoder:
        with pytest.raises(MediaError) as error:
            decoder.photo(portrait())
        assert error.value.reason == "too_large"


def test_a_decoder_that_crashes_costs_its_item_only(wary: GuardedDecoder) -> None:
    wary.photo(portrait())
    with pytest.raises(MediaError, match="SIGSEGV") as error:
        wary.photo(CRASHES)
    assert error.value.reason == "crashed"
    assert wary.photo(portrait())[0].width == 320
    assert len(children()) == 1


def test_a_decoder_that_hangs_costs_its_item_only(wary: GuardedDecoder) -> None:
    with pytest.raises(MediaError, match="longer than 1 s") as error:
        wary.photo(HANGS)
    assert error.value.reason == "too_slow"
    assert wary.photo(portrait())[0].width == 320
    assert len(children()) == 1


@pytest.mark.full
def test_a_child_outlives_neither_its_parent_nor_a_hang(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """The parent is killed while its child hangs in native code and no thread of it runs."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    script = (
        "from facebatch.config import ExtractSettings\n"
        "from facebatch.extract.guarded_decoder import GuardedDecoder\n"
        "from facebatch.media.limits import Limits\n"
        f"GuardedDecoder(ExtractSettings(), Limits(max_seconds=1.0)).photo({HANGS!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        found: list[psutil.Process] = []
        while not (found and found[0].cpu_times().user > 0.1):
            found = psutil.Process(parent.pid).children()
            time.sleep(0.05)
        time.sleep(0.3)
        parent.kill()
    _, alive = psutil.wait_procs(found, timeout=30)
    assert not alive


def test_the_child_ignores_what_stops_its_parent_in_good_order(guarded: GuardedDecoder) -> None:
    guarded.photo(portrait())
    [child] = children()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child.pid, number)
    assert guarded.photo(portrait())[0].width == 320
    assert children() == [child]


def test_threads_have_a_child_each_and_give_it_back() -> None:
    decoders = DecoderPool(SETTINGS)
    together = threading.Barrier(2)

    def work() -> None:
        with decoders.acquire() as decoder:
            decoder.photo(portrait())
            together.wait(30)

    try:
        for _ in range(2):
            threads = [threading.Thread(target=work) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(children()) == 2
    finally:
        decoders.close()
    assert not children()
