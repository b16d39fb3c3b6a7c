"""Live recognition on one core: looks a second, capture to label, and few faces embedded.

    python benchmarks/live.py [--video FILE] [--sizes 640 480]

Each frame is looked at three times, in turns: as `facebatch live` does it, the same with one view
of a face where the gallery averages several, and naively, with every face embedded at every look.
Without a video three invented people sway in 640 x 360 pixels. The process keeps to one core.
"""

from __future__ import annotations

import argparse
import io
import os
import threading
import time
from datetime import timedelta
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
from one_view import OneViewProber
from PIL import Image

from facebatch.config import ExtractSettings
from facebatch.demo.scene import Sitter, render_scene
from facebatch.demo.surface import View
from facebatch.embed import load_embedder
from facebatch.live.events import Greeter, Sink
from facebatch.live.following import Follower
from facebatch.live.naming import nobody
from facebatch.live.sources import Frame, Latest
from facebatch.live.watching import REFRESH_US, Watch
from facebatch.media.video.frames import WHOLE, Sampling, frames
from facebatch.probe.probe import Prober

STEP_US = 50_000
SECONDS = 10.0


def invented(count: int) -> list[Image.Image]:
    """Returns frames of three people who sway."""
    places = [(person, 107 + 213 * place) for place, person in enumerate((26, 35, 12))]
    return [
        Image.fromarray(
            render_scene(
                [
                    Sitter(person, (x + 15 * np.sin(frame / 5), 165.0), 75.0, View(yaw=0.0))
                    for person, x in places
                ],
                size=(640, 360),
                noise_seed=frame,
            ).picture
        )
        for frame in range(count)
    ]


def looks(shown: list[Image.Image], prober: Prober) -> None:
    """Times a look at each frame, live, with one view and naive, in turns."""
    followers = {
        "live": Follower(prober, nobody, REFRESH_US),
        "one view": Follower(OneViewProber(prober.settings), nobody, REFRESH_US),
        "naive": Follower(prober, nobody),
    }
    times: dict[str, list[float]] = {name: [] for name in followers}
    faces = []
    for number, picture in enumerate(shown):
        for name, follower in followers.items():
            began = time.perf_counter()
            seen = follower.look(picture, number * STEP_US)
            times[name].append(time.perf_counter() - began)
        faces.append(len(seen))
    for name, each in times.items():
        rate = len(each) / sum(each)
        print(
            f"{name:8} {rate:6.1f} looks/s  a look {1e3 * median(each):6.1f} ms (median), "
            f"{1e3 * min(each):6.1f} ms (least)"
        )
    ratios = [sum(times[name]) / sum(times["live"]) for name in ("one view", "naive")]
    print(f"{sum(faces)} faces, {median(faces):.0f} a frame (median)")
    print("live looks {:.2f} times as often as with one view, {:.1f} as naive".format(*ratios))


def latency(shown: list[Image.Image], prober: Prober) -> None:
    """Plays the frames 25 a second, as a camera does, and times capture to label."""
    latest, stop = Latest(), threading.Event()

    def play() -> None:
        began, number = time.monotonic(), 0
        while time.monotonic() - began < SECONDS:
            picture = shown[number % len(shown)]
            stop.wait(began + number / 25 - time.monotonic())
            latest.put(Frame(number * 40_000, time.monotonic(), picture.copy))
            number += 1
        latest.end()

    sink = Sink(io.StringIO(), as_json=True, keep=None)
    watch = Watch(Follower(prober, nobody, REFRESH_US), sink, Greeter(timedelta()), print)
    threading.Thread(target=play, daemon=True).start()
    print(f"a camera of 25 pictures a second: {watch.run(latest, stop).as_text()}")


def batches(settings: ExtractSettings) -> None:
    """Times the embedding of one to eight faces."""
    ways = {tta: load_embedder(settings.embedder, tta) for tta in ("none", settings.tta)}
    side = 112 if settings.embedder != "dlib-resnet" else 150
    rng = np.random.default_rng(0)
    chips = rng.integers(0, 256, (8, 1, side, side, 3), dtype=np.uint8)
    counts = (1, 2, 3, 8)
    times = {(tta, count): list[float]() for tta in ways for count in counts}
    for turn in range(13):
        for tta, count in times:
            began = time.perf_counter()
            ways[tta].embed(chips[:count])
            if turn:
                times[tta, count].append(1e3 * (time.perf_counter() - began))
    for tta in ways:
        each = {count: times[tta, count] for count in counts}
        told = ", ".join(f"{n}: {median(took):.1f} ({min(took):.1f})" for n, took in each.items())
        print(f"{settings.embedder}, {tta}: ms (least) for so many faces: {told}")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, help="a video to take the frames of")
    parser.add_argument("--sizes", type=int, nargs="+", default=[640, 480], help="long sides")
    parser.add_argument("--frames", type=int, default=60, help="how many frames")
    parser.add_argument("--fps", type=float, default=25.0, help="frames a second of the video")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if asked.video:
        read = frames(str(asked.video), WHOLE, Sampling("fps", asked.fps))
        shown = [frame.pixels for frame in islice(read, asked.frames)]
    else:
        shown = invented(asked.frames)
    for size in asked.sizes:
        settings = ExtractSettings(max_side=size)
        prober = Prober(settings)
        prober.load()
        print(f"{settings.detector} at {size} pixels, {settings.embedder}")
        looks(shown, prober)
        latency(shown, prober)
    batches(settings)


if __name__ == "__main__":
    main()
