"""What Beam, tables and hashing cost: the extract command against a plain loop, same photos.

    python benchmarks/overhead.py [--photos FOLDER] [--rounds 3]

Both are whole processes that work on one thread: ``facebatch extract --workers 1``, and this script
with --loop, which reads each photo, finds its faces, embeds them in batches and compresses their
chips, and does nothing else. In a round each runs over all photos and over the first one alone,
which is its start-up. A first round, which compiles what is compiled once, isn't counted. Without a
folder it renders the demo's album.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import ONE_THREAD, extract_command, photo_folder, photos_in

from facebatch.config import ExtractSettings
from facebatch.errors import MediaError
from facebatch.media.photo.decode import Photo

_EMBEDDED_TOGETHER = 256


def loop(folder: Path) -> None:
    """Turns photos into embeddings and compressed chips, as the product's worker does."""
    from facebatch.detect import load_detector
    from facebatch.embed import load_embedder
    from facebatch.extract.detect_and_crop import find_faces
    from facebatch.extract.rows import chip_jpeg

    settings = ExtractSettings()
    detector = load_detector(settings.detector, min_face=settings.min_face)
    embedder = load_embedder(settings.embedder, settings.tta)
    waiting: list[npt.NDArray[np.uint8]] = []

    def finish() -> None:
        views = np.concatenate(waiting)
        waiting.clear()
        embedder.embed(views)
        for view in views[:, views.shape[1] // 2]:
            chip_jpeg(view)

    for path in photos_in(folder):
        try:
            waiting.append(find_faces(Photo(path.read_bytes()), detector, settings).views)
        except MediaError:
            continue  # the command quarantines it
        if sum(map(len, waiting)) >= _EMBEDDED_TOGETHER:
            finish()
    if waiting:
        finish()


def run_loop(folder: Path) -> float:
    """Runs the plain loop in a process of its own and returns its seconds."""
    return _seconds([sys.executable, __file__, "--loop", str(folder)])


def run_command(folder: Path) -> float:
    """Runs the extract command and returns its seconds."""
    with tempfile.TemporaryDirectory() as output:
        return _seconds(extract_command(folder, Path(output) / "collection", 1))


def _seconds(command: list[str]) -> float:
    environment = {**os.environ, **ONE_THREAD}
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begun


@dataclass(frozen=True)
class Round:
    """Seconds of the command and of the loop, over all photos and over one."""

    command: float
    loop: float
    command_start: float
    loop_start: float

    @property
    def overhead(self) -> float:
        """How much longer the command took, as a share of the loop's time."""
        return self.command / self.loop - 1

    @property
    def overhead_after_start(self) -> float:
        """The same of what comes after the start-up."""
        return (self.command - self.command_start) / (self.loop - self.loop_start) - 1


def measure(folder: Path, one: Path, rounds: int) -> list[Round]:
    """Lets command and loop run in turns; the first round isn't kept."""
    done = []
    for number in range(rounds + 1):
        figures = Round(run_command(folder), run_loop(folder), run_command(one), run_loop(one))
        if number:
            done.append(figures)
    return done


def first_photo(photos: list[Path], folder: Path) -> Path:
    """Puts the first photo that can be decoded into a folder of its own, and returns the folder."""
    for path in photos:
        try:
            Photo(path.read_bytes()).decode(8)
        except MediaError:
            continue
        folder.mkdir()
        shutil.copy(path, folder)
        return folder
    raise SystemExit("none of the photos can be decoded")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loop:
        loop(arguments.loop)
        return
    with photo_folder(arguments.photos) as folder, tempfile.TemporaryDirectory() as place:
        photos = photos_in(folder)
        if len(photos) < 2:
            raise SystemExit(f"{folder} holds one photo; it takes two to tell start-up from work")
        rounds = measure(folder, first_photo(photos, Path(place) / "one"), arguments.rounds)

    def median(figure: Callable[[Round], float]) -> float:
        return statistics.median(map(figure, rounds))

    print(f"{len(photos)} photos, {len(rounds)} rounds, whole processes, median")
    print("                   all photos  one photo")
    print(
        f"facebatch extract  {median(lambda done: done.command):8.2f} s"
        f"  {median(lambda done: done.command_start):7.2f} s"
    )
    print(
        f"plain loop         {median(lambda done: done.loop):8.2f} s"
        f"  {median(lambda done: done.loop_start):7.2f} s"
    )
    print(f"overhead with start-up {median(lambda done: done.overhead):.1%}", end=", ")
    print(f"without {median(lambda done: done.overhead_after_start):.1%}")


if __name__ == "__main__":
    main()
