"""What detection size and smallest face cost and find: the table that decides the defaults.

    python benchmarks/tradeoff.py --photos FOLDER [--photos ...] [--truth FILE ...] [--limit N]

For each long side and smallest face: time a photo (decoding, detection, chips; one thread), faces
found, and recall of two kinds: of the faces that 1600/20 is sure of (score above 0.95), and of the
marked faces, where truth is given: any file that ``facebatch.evaluate.inputs.boxes`` reads, which
names photos beside it. A face is found when a box holds its point, one box for each face. All
settings take turns on each photo; a first pass, which compiles what is compiled once, isn't timed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import photos_in
from scipy.optimize import linear_sum_assignment

from facebatch.config import ExtractSettings
from facebatch.detect import load_detector
from facebatch.errors import MediaError
from facebatch.evaluate.inputs.boxes import read_truth
from facebatch.extract.detect_and_crop import find_faces
from facebatch.media.photo.decode import Photo

SIDES = (640, 800, 1000, 1024, 1280, 1600)
MIN_FACES = (20, 24, 32, 40)
REFERENCE = (1600, 20)
SURE = 0.95
_LARGE_PHOTO = 4000  # long side of a 12-megapixel photo

Points = npt.NDArray[np.float64]
Boxes = npt.NDArray[np.float32]


@dataclass
class Tally:
    """What one setting cost and found over all photos."""

    seconds: float = 0.0
    faces: int = 0
    sure: int = 0
    marked: int = 0


def marked_faces(files: list[Path]) -> dict[Path, Points]:
    """Returns a point inside each marked face, float64 (n, 2), by photo."""
    marked: dict[Path, Points] = {}
    for file in files:
        for name, faces in read_truth(file).items():
            inside = faces.points
            if inside is None:
                inside = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
            marked[file.parent / name] = inside[~faces.ignore].astype(np.float64)
    return marked


def found(points: Points, boxes: Boxes) -> int:
    """Returns how many points have a box of their own that holds them."""
    x, y = points[:, 0, None], points[:, 1, None]
    holds = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    rows, columns = linear_sum_assignment(holds, maximize=True)
    return int(holds[rows, columns].sum())


def recognised(folders: list[Path], limit: int) -> Iterator[tuple[Path, Photo]]:
    """Yields the photos of all folders, at most ``limit`` of each, evenly chosen."""
    for path in (path for folder in folders for path in photos_in(folder, limit)):
        try:
            yield path, Photo(path.read_bytes())
        except MediaError:
            continue


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, action="append", required=True)
    parser.add_argument("--truth", type=Path, action="append", default=[])
    parser.add_argument("--limit", type=int, default=0, help="photos of each folder")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    detectors = {size: load_detector("mtcnn", min_face=size) for size in MIN_FACES}
    grid = list(product(SIDES, MIN_FACES))
    tallies = {setting: Tally() for setting in grid}
    truth = marked_faces(arguments.truth)
    photos = list(recognised(arguments.photos, arguments.limit))
    sure = marked = 0
    for path, photo in photos:
        boxes = {}
        for timed, setting in product((False, True), grid):
            side, min_face = setting
            settings = ExtractSettings(max_side=side, min_face=min_face)
            begun = time.perf_counter()
            faces = find_faces(photo, detectors[min_face], settings)
            if timed:
                tallies[setting].seconds += time.perf_counter() - begun
                tallies[setting].faces += len(faces)
            boxes[setting] = faces.boxes
            if setting == REFERENCE:
                reference = faces.boxes[faces.scores > SURE]
        centres = (reference[:, :2] + reference[:, 2:]) / 2
        sure += len(centres)
        marked += len(truth.get(path, ()))
        for setting, tally in tallies.items():
            tally.sure += found(centres, boxes[setting])
            if path in truth:
                tally.marked += found(truth[path], boxes[setting])
    print(f"{len(photos)} photos; {sure} faces that {REFERENCE} is sure of, {marked} marked faces")
    print("max-side  min-face  ms a photo  faces  recall (sure)  recall (marked)  smallest at 4000")
    for (side, min_face), tally in tallies.items():
        milliseconds = 1000 * tally.seconds / len(photos)
        smallest = min_face * _LARGE_PHOTO / side
        print(
            f"{side:8}  {min_face:8}  {milliseconds:10.1f}  {tally.faces:5}"
            f"  {tally.sure / max(sure, 1):13.3f}  {tally.marked / max(marked, 1):15.3f}"
            f"  {smallest:13.0f} px"
        )


if __name__ == "__main__":
    main()
