"""What detection size and smallest face cost and find, by detector: what the defaults rest on.

    python benchmarks/tradeoff.py --truth FILE [--truth ...] [--photos FOLDER ...]

Truth is any file that ``facebatch.evaluate.inputs.boxes`` reads, which names photos beside it or in
one of the folders, as ``group_faces.csv`` does. For each detector, long side and smallest face: the
processor's time a photo (decoding, detection, chips; one thread), and recall and precision against
the true faces, a box being a face from an IoU of .4 on. All settings take turns on each photo; a
first pass, which compiles what is compiled once, isn't timed.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import ONE_THREAD, photo_of

from facebatch.config import ExtractSettings
from facebatch.detect import load_detector
from facebatch.evaluate.detection import score_detection
from facebatch.evaluate.inputs.boxes import Truth, TruthFaces, read_truth
from facebatch.extract.detect_and_crop import find_faces
from facebatch.media.photo.decode import Photo

DETECTORS = ("yunet", "mtcnn")
SIDES = (640, 1024, 1600)
MIN_FACES = (16, 24, 40)
IOU = 0.4
_LARGE_PHOTO = 4000  # long side of a 12-megapixel photo

Setting = tuple[str, int, int]
Found = dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


def marked(files: list[Path], folders: list[Path]) -> Truth:
    """Returns the true faces by the photo's path."""
    return {
        str(photo_of(file, name, folders)): faces
        for file in files
        for name, faces in read_truth(file).items()
    }


def scored(truth: Truth, found: Found) -> tuple[float, float]:
    """Returns recall and precision."""
    counted: dict[str, TruthFaces] = {path: truth[path] for path in found}
    scores = score_detection(counted, found, IOU)
    return scores.recall or 0, scores.precision or 0


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--truth", type=Path, action="append", required=True)
    parser.add_argument("--photos", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    truth = marked(arguments.truth, arguments.photos)
    grid: list[Setting] = [*product(DETECTORS, SIDES, MIN_FACES)]
    detectors = {
        (name, size): load_detector(name, min_face=size)
        for name, size in product(DETECTORS, MIN_FACES)
    }
    seconds = dict.fromkeys(grid, 0.0)
    found: dict[Setting, Found] = {setting: {} for setting in grid}
    for path in truth:
        photo = Photo(Path(path).read_bytes())
        for timed, setting in product((False, True), grid):
            name, side, size = setting
            settings = ExtractSettings(detector=name, max_side=side, min_face=size)
            begun = time.process_time()
            faces = find_faces(photo, detectors[name, size], settings)
            if timed:
                seconds[setting] += time.process_time() - begun
                found[setting][path] = (faces.boxes, faces.scores)
    marks = sum(int((~faces.ignore).sum()) for faces in truth.values())
    print(f"{len(truth)} photos with {marks} marked faces; milliseconds are the processor's")
    print("detector  max-side  min-face  ms a photo  faces  recall  precision  smallest at 4000")
    for name, side, size in grid:
        one = found[name, side, size]
        recall, precision = scored(truth, one)
        print(
            f"{name:<8}  {side:8}  {size:8}  {1e3 * seconds[name, side, size] / len(truth):10.1f}"
            f"  {sum(len(scores) for _, scores in one.values()):5}  {recall:6.3f}  {precision:9.3f}"
            f"  {size * _LARGE_PHOTO / side:13.0f} px"
        )


if __name__ == "__main__":
    main()
