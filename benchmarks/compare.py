"""Photos to embedded faces: facenet-pytorch, face_recognition, onnxruntime's way, facebatch.

    python benchmarks/compare.py [--photos FOLDER] [--limit 40] [--rounds 3]
        [--max-side 1024] [--min-face 20] [--each-core] [--scaled-decoding] [--skip PROGRAM ...]

Without a folder it renders the demo's album. The programs:
- facenet-pytorch: ``MTCNN(keep_all=True)`` on the CPU and ``InceptionResnetV1`` as its README
  calls them. Where torchvision's suppression can't be called, a compiled one stands in. The network
  has random weights, since the package would download them: time only.
- face_recognition: the steps of ``face_locations`` and ``face_encodings`` with their defaults (HOG
  detector, upsampled once; five landmarks; ResNet), called through dlib.
- YuNet and MobileFaceNet, SCRFD and ArcFace, where their files are installed: photo by photo
  through onnxruntime, as insightface and uniface do it (``photo_by_photo.py``), on photos in full.
- facebatch: the functions that its workers run, a process of one thread a core. No Beam, no hashing
  and no tables: ``overhead.py`` measures those. One row has the models and the detection size of
  the row above, and embeds each face once, as that does.

The others are one process with as many threads as their libraries take; with --each-core they
are spread over the cores as facebatch is, which helps them. They get photos upright, in full and
shrunk to --max-side: decoded, turned, then Pillow's ``thumbnail``. With --scaled-decoding
``thumbnail`` comes first, and a large JPEG is then decoded smaller, which helps them too.

Every program loads once, in processes of its own, and only one works at a time. In a round each
handles all photos once, in an order that rotates; a first round isn't counted. Rates and ratios are
medians over the rounds and count only photos that the program could handle. Memory is the peak
resident size of its processes added up. Measure on an idle machine: threads of torch wait for one
another where others use the cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import psutil
from common import ONE_THREAD, own_peak, photo_folder, photos_in
from others import FacenetPytorch, FaceRecognition, opened
from photo_by_photo import SIDE, PhotoByPhoto, is_installed

from facebatch.config import ExtractSettings
from facebatch.media.photo.decode import Photo
from facebatch.workers.machine import usable_cores

PAIRS = (("yunet", "mobilefacenet"), ("scrfd-500m", "arcface-mbf"), ("scrfd-10g", "arcface-r50"))
"""Detectors and embedders that are run photo by photo, where they are installed."""

SAME_MODELS = "yunet, mobilefacenet"
REFERENCES = ("facenet-pytorch, shrunk", "face_recognition, shrunk", SAME_MODELS)
"""The programs that all are compared with."""

_EMBEDDED_TOGETHER = 64
_FAILURES_NAMED = 3


class Program(Protocol):
    """One program, loaded in one process."""

    def handle(self, path: Path) -> int:
        """Takes one photo and returns the number of faces found; raises where it can't."""

    def finish(self) -> None:
        """Embeds whatever faces were put by."""


class Facebatch:
    """What a worker of facebatch's pipeline calls."""

    def __init__(self, settings: ExtractSettings, engine: str) -> None:
        from facebatch.detect import load_detector
        from facebatch.embed import load_embedder

        self._settings = settings
        self._detector = load_detector(settings.detector, min_face=settings.min_face, engine=engine)
        self._embedder = load_embedder(settings.embedder, settings.tta, engine)
        self._views: list[npt.NDArray[np.uint8]] = []

    def handle(self, path: Path) -> int:
        """Takes one photo; its faces are embedded together with others'."""
        from facebatch.extract.detect_and_crop import find_faces

        faces = find_faces(Photo(path.read_bytes()), self._detector, self._settings)
        self._views.append(faces.views)
        if sum(map(len, self._views)) >= _EMBEDDED_TOGETHER:
            self.finish()
        return len(faces)

    def finish(self) -> None:
        """Embeds the faces that wait."""
        if self._views:
            self._embedder.embed(np.concatenate(self._views))
            self._views.clear()


@dataclass
class Round:
    """What one round gave: faces, seconds of wall clock and processor, and failures' reasons."""

    faces: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)


def serve(
    connection: Connection, load: Callable[[], Program], photos: Sequence[Path], taken: Any
) -> None:
    """Runs in a program's process: loads it, then does a round whenever it is told to.

    Args:
        connection: Says whether there is another round; takes its figures, and the peak at the end.
        load: Loads the program.
        photos: All photos.
        taken: How many of them the program's processes have taken in this round.
    """
    program = load()
    connection.send(None)
    while connection.recv():
        done, begun = Round(), time.process_time()
        while True:
            with taken.get_lock():
                number = taken.value
                taken.value += 1
            if number >= len(photos):
                break
            try:
                done.faces += program.handle(photos[number])
            except Exception as error:
                path = photos[number]
                why = f"{type(error).__name__}: {error}".replace(str(path), path.name)
                done.failures[str(path)] = why
        program.finish()
        done.processor = time.process_time() - begun
        connection.send(done)
    connection.send(own_peak())


class Group:
    """A program's processes."""

    def __init__(
        self, load: Callable[[], Program], photos: Sequence[Path], processes: int, one_thread: bool
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._taken = context.Value("l", 0)
        self._members: list[tuple[Any, Connection]] = []
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, load, photos, self._taken))
            with environment(ONE_THREAD if one_thread else {}):
                process.start()
            theirs.close()
            self._members.append((process, ours))
        for _, connection in self._members:
            connection.recv()

    def run(self) -> Round:
        """Lets the program handle all photos."""
        self._taken.value = 0
        begun = time.perf_counter()
        for _, connection in self._members:
            connection.send(True)
        parts: list[Round] = [connection.recv() for _, connection in self._members]
        seconds = time.perf_counter() - begun
        failures = {name: why for part in parts for name, why in part.failures.items()}
        processor = sum(part.processor for part in parts)
        return Round(sum(part.faces for part in parts), seconds, processor, failures)

    def end(self) -> int:
        """Ends the processes and returns their peak sizes added up."""
        peak = 0
        for process, connection in self._members:
            connection.send(False)
            peak += connection.recv()
            process.join()
        return peak


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables for the processes that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Entry:
    """A row of the table: what loads the program, and whether it is spread over the cores."""

    load: Callable[[], Program]
    spread: bool


@dataclass
class Result:
    """What a program did in the rounds that count."""

    photos: int
    rounds: list[Round] = field(default_factory=list)
    peak: int = 0

    @property
    def rates(self) -> list[float]:
        """Photos handled a second, of each round."""
        return [(self.photos - len(done.failures)) / done.seconds for done in self.rounds]


def programs(arguments: argparse.Namespace) -> dict[str, Entry]:
    """Returns the rows that weren't left out."""
    side, scaled, spread = arguments.max_side, arguments.scaled_decoding, arguments.each_core
    full = partial(opened, max_side=None, scaled=False)
    shrunk = partial(opened, max_side=side, scaled=scaled)
    alike = replace(ExtractSettings(), max_side=side, min_face=arguments.min_face)
    rows = {
        "facenet-pytorch, full": Entry(partial(FacenetPytorch, full, arguments.min_face), spread),
        "facenet-pytorch, shrunk": Entry(
            partial(FacenetPytorch, shrunk, arguments.min_face), spread
        ),
        "face_recognition, full": Entry(partial(FaceRecognition, full), spread),
        "face_recognition, shrunk": Entry(partial(FaceRecognition, shrunk), spread),
        **{
            f"{pair[0]}, {pair[1]}": Entry(partial(PhotoByPhoto, full, *pair, int(spread)), spread)
            for pair in PAIRS
            if importlib.util.find_spec("onnxruntime") and is_installed(*pair)
        },
        "facebatch, torch": Entry(partial(Facebatch, alike, "torch"), True),
        "facebatch, openvino": Entry(partial(Facebatch, alike, "openvino"), True),
        "facebatch, defaults": Entry(partial(Facebatch, ExtractSettings(), "auto"), True),
    }
    if SAME_MODELS in rows:
        same = replace(
            ExtractSettings(), detector=PAIRS[0][0], embedder=PAIRS[0][1], max_side=SIDE, tta="none"
        )
        rows["facebatch, the same"] = Entry(partial(Facebatch, same, "auto"), True)
    if importlib.util.find_spec("openvino") is None:
        del rows["facebatch, openvino"]
        print("OpenVINO isn't installed: its row is left out")
    if unknown := sorted(set(arguments.skip) - set(rows)):
        raise SystemExit(f"no program {unknown[0]!r}; there are: {'; '.join(rows)}")
    return {name: row for name, row in rows.items() if name not in arguments.skip}


def measure(
    rows: Mapping[str, Entry], photos: Sequence[Path], rounds: int, cores: int
) -> dict[str, Result]:
    """Lets the programs work in turns; the first round isn't kept."""
    groups = {
        name: Group(row.load, photos, cores if row.spread else 1, row.spread)
        for name, row in rows.items()
    }
    results = {name: Result(len(photos)) for name in rows}
    order = list(rows)
    for number in range(rounds + 1):
        for name in order:
            done = groups[name].run()
            if number:
                results[name].rounds.append(done)
        order = [*order[1:], order[0]]
    for name, group in groups.items():
        results[name].peak = group.end()
    return results


def print_table(results: Mapping[str, Result]) -> None:
    """Prints the table, and what each program couldn't handle."""
    print(f"{'times as fast as, shrunk':>88}")
    print(
        "program                   photos/s  processor, ms a photo  faces  facenet-pytorch"
        f"  face_recognition  {SAME_MODELS}  memory"
    )
    for name, result in results.items():
        rate = statistics.median(result.rates)
        processor = statistics.median(done.processor for done in result.rounds)
        ratios = [_ratio(result, results.get(reference)) for reference in REFERENCES]
        print(
            f"{name:<24}  {rate:8.2f}  {1000 * processor / result.photos:21.0f}"
            f"  {result.rounds[-1].faces:5}  {ratios[0]:>15}  {ratios[1]:>16}  {ratios[2]:>20}"
            f"  {result.peak / 1e6:4.0f} MB"
        )
    for name, result in results.items():
        failures = result.rounds[-1].failures
        if failures:
            shown = [f"{Path(photo).name} ({why})" for photo, why in failures.items()][
                :_FAILURES_NAMED
            ]
            more = ", ..." if len(failures) > _FAILURES_NAMED else ""
            print(f"{name} couldn't handle {len(failures)}: {', '.join(shown)}{more}")


def _ratio(result: Result, reference: Result | None) -> str:
    if reference is None:
        return "-"
    pairs = [*zip(result.rates, reference.rates, strict=True)]
    if not all(other for _, other in pairs):
        return "-"
    return f"{statistics.median(rate / other for rate, other in pairs):.2f}"


def print_notes(arguments: argparse.Namespace) -> None:
    """Prints what must be known to read the table."""
    import dlib

    defaults = ExtractSettings()
    print(f"smallest face: {arguments.min_face} pixels", end="; ")
    print(f"facebatch's defaults: {defaults.min_face} at {defaults.max_side}", end="; ")
    print("face_recognition's HOG detector: about 40")
    print("facenet-pytorch's embedding network has random weights: time only")
    if defaults.tta != "none":
        print(f"facebatch embeds each face more than once (tta {defaults.tta}), the others once")
    blas = "with" if dlib.DLIB_USE_BLAS else "without"
    avx = "with" if dlib.USE_AVX_INSTRUCTIONS else "without"
    print(f"dlib {dlib.__version__} is built {blas} BLAS, {avx} AVX")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--limit", type=int, default=40, help="photos, evenly; 0 for all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-side", type=int, default=1024)
    parser.add_argument("--min-face", type=int, default=20)
    parser.add_argument("--each-core", action="store_true", help="the others too: one thread each")
    parser.add_argument("--scaled-decoding", action="store_true", help="for the others' shrunk")
    parser.add_argument("--skip", action="append", default=[], metavar="PROGRAM")
    arguments = parser.parse_args()
    cores = usable_cores()
    busy = psutil.cpu_percent(interval=1)
    with photo_folder(arguments.photos) as folder:
        photos = photos_in(folder, arguments.limit)
        results = measure(programs(arguments), photos, arguments.rounds, cores)
    spread = "every program" if arguments.each_core else "facebatch"
    print(f"{len(photos)} photos, {arguments.rounds} rounds, {spread} in {cores} processes")
    print_table(results)
    print_notes(arguments)
    print(f"before it began the machine was {busy:.0f} % busy with other work")


if __name__ == "__main__":
    main()
