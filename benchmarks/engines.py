"""Detection and embedding by torch and by OpenVINO, in turns, over the same pictures.

    python benchmarks/engines.py [--photos FOLDER] [--limit 60] [--rounds 3]

Without a folder it renders the demo's album. Each engine works in a process of its own, so that
its memory is its own; only one works at a time, on one thread. Photos are decoded beforehand, and
a first round, which compiles what is compiled once, isn't counted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import ONE_THREAD, own_peak, photo_folder, photos_in
from PIL import Image

from facebatch.config import ExtractSettings
from facebatch.errors import MediaError
from facebatch.media.photo.decode import Photo

ENGINES = ("torch", "openvino")


@dataclass
class Round:
    """One round's figures; seconds are wall clock."""

    detection: float
    embedding: float
    faces: int


@dataclass
class Engine:
    """An engine's process and what it told."""

    process: multiprocessing.process.BaseProcess
    connection: Connection
    label: str = ""
    loading: float = 0.0
    peak: int = 0
    rounds: list[Round] = field(default_factory=list)


def serve(connection: Connection, engine: str, photos: list[Path]) -> None:
    """Runs in an engine's process: loads it, then does a round whenever it is told to."""
    from facebatch.faces.align import TEMPLATES, chip_matrices, cut_chip

    pictures = decoded(photos)
    begun = time.perf_counter()
    from facebatch.detect import load_detector
    from facebatch.embed import load_embedder

    settings = ExtractSettings()
    detector = load_detector(settings.detector, min_face=settings.min_face, engine=engine)
    embedder = load_embedder(settings.embedder, settings.tta, engine)
    loading = time.perf_counter() - begun
    label = f"{detector.provenance.precision}, {embedder.provenance.precision}"
    connection.send((label, loading))
    template = TEMPLATES[embedder.template]
    while connection.recv():
        begun = time.perf_counter()
        found = [detector.detect(picture) for picture in pictures]
        detection = time.perf_counter() - begun
        chips = [
            cut_chip(Image.fromarray(picture), matrix, template.size)
            for picture, faces in zip(pictures, found, strict=True)
            for matrix in chip_matrices(faces.landmarks, template)
        ]
        begun = time.perf_counter()
        embedder.embed(np.array(chips).reshape(-1, 1, template.size, template.size, 3))
        connection.send(Round(detection, time.perf_counter() - begun, len(chips)))
    connection.send(own_peak())


def decoded(photos: list[Path]) -> list[npt.NDArray[np.uint8]]:
    """Returns the photos as detection sees them; those that can't be decoded are left out."""
    side = ExtractSettings().max_side
    pictures = []
    for path in photos:
        try:
            photo = Photo(path.read_bytes())
            pictures.append(photo.decode(photo.scale_for(side)).shrunk(side)[0])
        except MediaError:
            continue
    return pictures


def start(engine: str, photos: list[Path]) -> Engine:
    """Starts an engine's process and waits until it has loaded its networks."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, engine, photos))
    process.start()
    theirs.close()
    started = Engine(process, ours)
    started.label, started.loading = ours.recv()
    return started


def measure(photos: list[Path], rounds: int) -> dict[str, Engine]:
    """Lets the engines work in turns; the first round of each isn't kept."""
    engines = {name: start(name, photos) for name in ENGINES}
    for number in range(rounds + 1):
        for engine in engines.values():
            engine.connection.send(True)
            figures = engine.connection.recv()
            if number:
                engine.rounds.append(figures)
    for engine in engines.values():
        engine.connection.send(False)
        engine.peak = engine.connection.recv()
        engine.process.join()
    return engines


def print_table(pictures: int, engines: dict[str, Engine]) -> None:
    """Prints medians over the rounds, and the median of the rounds' ratios."""
    print("engine    images/s  faces/s  faces  loading  largest  detection, embedding in")
    for name, engine in engines.items():
        images = pictures / statistics.median(done.detection for done in engine.rounds)
        faces = engine.rounds[0].faces
        embedded = faces / statistics.median(done.embedding for done in engine.rounds)
        print(
            f"{name:<8}  {images:8.1f}  {embedded:7.0f}  {faces:5}  {engine.loading:5.1f} s"
            f"  {engine.peak / 1e6:4.0f} MB  {engine.label}"
        )
    pairs = list(zip(*(engine.rounds for engine in engines.values()), strict=True))
    detection = statistics.median(one.detection / two.detection for one, two in pairs)
    embedding = statistics.median(one.embedding / two.embedding for one, two in pairs)
    first, second = engines
    print(f"{second} is {detection:.2f} times as fast as {first} in detection", end=", ")
    print(f"{embedding:.2f} times in embedding")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--limit", type=int, default=60, help="photos, evenly from the folder")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    with photo_folder(arguments.photos) as folder:
        photos = photos_in(folder, arguments.limit)
        pictures = decoded(photos)
        if not pictures:
            raise SystemExit(f"{folder} holds no photo")
        engines = measure(photos, arguments.rounds)
    sizes = len({picture.shape for picture in pictures})
    print(f"{len(pictures)} pictures of {sizes} sizes, {arguments.rounds} rounds, median")
    print_table(len(pictures), engines)


if __name__ == "__main__":
    main()
