"""Detectors against each other: what they find, how right they are, and what a photo costs.

    python benchmarks/detectors.py [--photos FOLDER ...] [--truth FILE ...] [--min-face 24]

Truth is any file that ``facebatch.evaluate.inputs.boxes`` reads, which names photos beside it or in
one of the folders, as ``group_faces.csv`` does. The detectors take turns on each photo, as
extraction decodes it, on one thread; a first pass, which compiles what is compiled once, isn't
timed. Recall is given over all detections and at the same precisions for both, by the side of the
true box in pixels of the photo; a box is a face from an IoU of .4 on. Photos without truth are only
timed, and their faces counted: by the side of the box in pixels at detection size.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import ONE_THREAD, photo_of, photos_in
from PIL import Image

from facebatch.config import ExtractSettings
from facebatch.config.extract import TILES
from facebatch.detect import Detections, load_detector
from facebatch.detect.turned import turned_back, way_up
from facebatch.errors import MediaError
from facebatch.evaluate.detection import DetectionScores, score_detection
from facebatch.evaluate.inputs.boxes import TruthFaces, read_truth
from facebatch.extract.detect_and_crop import find_faces
from facebatch.media.photo.decode import Photo
from facebatch.models.detectors import known_detectors

PRECISIONS = (0.9, 0.95, 0.98, 1.0)
SIDES = (0, 12, 16, 24, 32, 64)
SURE = 0.95
EQUAL = 0.98
IOU = 0.4
LEAST = 28.0  # pixels of the photo, from which faces are grouped by default
PASTED, HEIGHT = 4, 768

Found = dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


@dataclass
class Tally:
    """What one detector cost and found."""

    wall: float = 0.0
    processor: float = 0.0
    sides: list[npt.NDArray[np.float32]] = field(default_factory=list)
    scores: list[npt.NDArray[np.float32]] = field(default_factory=list)
    found: dict[Path, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = field(
        default_factory=dict
    )

    def add(self, path: Path, faces: Detections, scale: tuple[float, float]) -> None:
        """Keeps a photo's faces."""
        self.sides.append(np.sqrt((faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(axis=1)))
        self.scores.append(faces.scores)
        self.found[path] = (faces.boxes * np.tile(np.array(scale, np.float32), 2), faces.scores)


def measured(photos: list[Path], names: list[str], min_face: int, side: int) -> dict[str, Tally]:
    """Lets every detector find the faces of every photo, twice."""
    detectors = {name: load_detector(name, min_face=min_face) for name in names}
    tallies = {name: Tally() for name in names}
    for path in photos:
        try:
            photo = Photo(path.read_bytes())
            pixels, scale = photo.decode(photo.scale_for(side)).shrunk(side)
        except MediaError:
            continue
        for timed in (False, True):
            for name, detector in detectors.items():
                wall, processor = time.perf_counter(), time.process_time()
                faces = detector.detect(pixels)
                if timed:
                    tallies[name].wall += time.perf_counter() - wall
                    tallies[name].processor += time.process_time() - processor
                    tallies[name].add(path, faces, scale)
    return tallies


def recall_at(scores: DetectionScores, precision: float) -> float:
    """The largest recall at which at least so many of the detections are faces."""
    enough = scores.curve.precision >= precision
    return float(scores.curve.recall[enough].max()) if enough.any() else 0.0


def above(found: Found, score: float) -> Found:
    """Returns the detections of at least a score."""
    return {
        k: (boxes[scores >= score], scores[scores >= score]) for k, (boxes, scores) in found.items()
    }


def by_size(scores: DetectionScores) -> str:
    """Returns the faces found of those of each size."""
    parts = (part for part in scores.by_size if part.faces)
    return ", ".join(f"{part.smallest:.0f}: {part.found}/{part.faces}" for part in parts)


def print_truth(file: Path, folders: list[Path], tallies: dict[str, Tally]) -> None:
    """Prints recall and precision against one file of true faces."""
    truth = read_truth(file)
    faces = sum(int((~one.ignore).sum()) for one in truth.values())
    print(f"\n{file.parent.name}/{file.name}: {faces} faces in {len(truth)} photos")
    columns = "".join(f"  at {precision:4.2f}" for precision in PRECISIONS)
    print(f"detector  precision  recall{columns}  above {SURE}: precision, recall")
    for name, tally in tallies.items():
        found: Found = {key: tally.found[photo_of(file, key, folders)] for key in truth}
        every = score_detection(truth, found, IOU, SIDES)
        sure = score_detection(truth, above(found, SURE), IOU, SIDES)
        at = "".join(f"  {recall_at(every, precision):7.3f}" for precision in PRECISIONS)
        print(
            f"{name:<8}  {every.precision or 0:9.3f}  {every.recall or 0:6.3f}{at}"
            f"  {sure.precision or 0:.3f}, {sure.recall or 0:.3f}"
        )
        print(f"  by size: {by_size(every)}")
        enough = every.curve.score[every.curve.precision >= EQUAL]
        if enough.size:
            equal = score_detection(truth, above(found, enough.min()), IOU, SIDES)
            print(f"  at precision {EQUAL}: {by_size(equal)}")


def print_counts(tallies: dict[str, Tally]) -> None:
    """Prints what photos cost, and faces by size."""
    photos = len(next(iter(tallies.values())).found)
    print(f"{photos} photos; faces by the side of the box at detection size, sure ones after the /")
    print("detector  ms a photo  of the processor  faces  " + "  ".join(f"from {s}" for s in SIDES))
    for name, tally in tallies.items():
        sides, scores = np.concatenate(tally.sides), np.concatenate(tally.scores)
        edges = [*SIDES, np.inf]
        counts = [np.histogram(part, edges)[0] for part in (sides, sides[scores >= SURE])]
        each = "  ".join(f"{every}/{sure}" for every, sure in zip(*counts, strict=True))
        milliseconds = 1e3 * tally.wall / photos, 1e3 * tally.processor / photos
        print(
            f"{name:<8}  {milliseconds[0]:10.1f}  {milliseconds[1]:16.1f}  {len(sides):5}  {each}"
        )


def print_turned(photos: list[Path], name: str, min_face: int, side: int) -> None:
    """Prints how many sure faces are found again, landmarks in place, in photos turned aside."""
    detector = load_detector(name, min_face=min_face)
    faces, again = 0, {"plainly": 0, "any way up": 0}
    for path in photos:
        photo = Photo(path.read_bytes())
        upright, _ = photo.decode(photo.scale_for(side)).shrunk(side)
        expected = detector.detect(upright)
        sure = expected.landmarks[expected.scores >= SURE]
        spans = np.linalg.norm(np.ptp(sure, axis=1), axis=1)
        for turns in (1, 2, 3):
            lying = np.ascontiguousarray(np.rot90(upright, turns))
            faces += len(sure)
            for way, found in (
                ("plainly", detector.detect(lying)),
                ("any way up", way_up(detector, lying)[1]),
            ):
                back = turned_back(found, turns, upright).landmarks
                apart = np.linalg.norm(sure[:, None] - back[None], axis=3).mean(axis=2)
                again[way] += int((apart.min(axis=1, initial=np.inf) < 0.2 * spans).sum())
    print(f"{name}: {faces} sure faces in {len(photos)} photos, each turned three ways; {again}")


def print_tiled(photos: list[Path], name: str, settings: ExtractSettings) -> None:
    """Prints what tiles add, in the photos and in panoramas that are pasted of four each."""
    detector = load_detector(name, min_face=settings.min_face)
    pictures = {"photos": [Photo(path.read_bytes()) for path in photos]}
    pictures["panoramas"] = [
        Photo(_pasted(pictures["photos"][at : at + PASTED]))
        for at in range(0, len(photos) - PASTED + 1, PASTED)
    ]
    print("detector  of         tiles  faces  sure  sure from 28 px  processor ms each")
    for kind, several in pictures.items():
        for tiles in TILES:
            chosen = replace(settings, detector=name, tiles=tiles)
            faces, spent = [], 0.0
            for photo in several:
                find_faces(photo, detector, chosen)  # what is compiled once isn't timed
                begun = time.process_time()
                faces.append(find_faces(photo, detector, chosen))
                spent += time.process_time() - begun
            scores = np.concatenate([one.scores for one in faces])
            sides = np.concatenate(
                [(one.boxes[:, 2:] - one.boxes[:, :2]).min(axis=1) for one in faces]
            )
            sure = scores >= SURE
            print(
                f"{name:<8}  {kind:<9}  {tiles:<5}  {len(scores):5}  {sure.sum():4}  "
                f"{(sure & (sides >= LEAST)).sum():15}  {1e3 * spent / len(several):.0f}"
            )


def print_tiled_truth(
    file: Path, folders: list[Path], name: str, settings: ExtractSettings
) -> None:
    """Prints how right it is what is found in panoramas that are pasted of photos with truth."""
    detector = load_detector(name, min_face=settings.min_face)
    truth = read_truth(file)
    named = sorted(truth)
    panoramas: dict[str, Photo] = {}
    whole: dict[str, TruthFaces] = {}
    for at in range(0, len(named) - PASTED + 1, PASTED):
        photos = [
            Photo(photo_of(file, one, folders).read_bytes()) for one in named[at : at + PASTED]
        ]
        edge, boxes = 0, []
        for photo, one in zip(photos, named[at:], strict=False):
            scale = HEIGHT / photo.facts.height
            boxes.append(truth[one].boxes * scale + np.array([edge, 0, edge, 0], np.float32))
            edge += round(photo.facts.width * scale)
        ignore = np.concatenate([truth[one].ignore for one in named[at : at + PASTED]])
        panoramas[named[at]] = Photo(_pasted(photos))
        whole[named[at]] = TruthFaces(np.concatenate(boxes), ignore)
    for tiles in TILES:
        chosen = replace(settings, detector=name, tiles=tiles)
        faces = {one: find_faces(photo, detector, chosen) for one, photo in panoramas.items()}
        for least in (0.0, SURE):
            kept = {one: each.scores >= least for one, each in faces.items()}
            found = {one: (faces[one].boxes[of], faces[one].scores[of]) for one, of in kept.items()}
            scores = score_detection(whole, found, IOU)
            print(
                f"{name:<8}  {len(whole)} panoramas of {file.name}, tiles {tiles:<4}  "
                f"from {least:<4}  precision {scores.precision or 0:.3f}  "
                f"recall {scores.recall or 0:.3f}"
            )


def _pasted(photos: list[Photo]) -> bytes:
    """Returns a panorama of photos side by side, all of one height."""
    pixels = [photo.decode().pixels for photo in photos]
    row = [image.resize((round(image.width * HEIGHT / image.height), HEIGHT)) for image in pixels]
    whole = Image.fromarray(np.concatenate([np.asarray(image) for image in row], axis=1))
    buffer = io.BytesIO()
    whole.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, action="append", default=[])
    parser.add_argument("--truth", type=Path, action="append", default=[])
    parser.add_argument("--turned", action="store_true", help="turn photos aside, nothing else")
    parser.add_argument("--tiles", action="store_true", help="what tiles add, nothing else")
    parser.add_argument("--limit", type=int, default=0, help="photos of each folder")
    parser.add_argument("--min-face", type=int, default=ExtractSettings().min_face)
    parser.add_argument("--max-side", type=int, default=ExtractSettings().max_side)
    parser.add_argument(
        "--detectors", nargs="+", default=["mtcnn", "yunet"], choices=known_detectors()
    )
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    photos = [path for folder in arguments.photos for path in photos_in(folder, arguments.limit)]
    photos += [
        photo_of(file, name, arguments.photos)
        for file in arguments.truth
        for name in read_truth(file)
    ]
    photos = list(dict.fromkeys(photos))
    if not photos:
        raise SystemExit("name photos by --photos or --truth")
    if arguments.turned:
        for name in arguments.detectors:
            print_turned(photos, name, arguments.min_face, arguments.max_side)
        return
    if arguments.tiles:
        for name in arguments.detectors:
            settings = ExtractSettings(min_face=arguments.min_face, max_side=arguments.max_side)
            print_tiled(photos, name, settings)
            for file in arguments.truth:
                print_tiled_truth(file, arguments.photos, name, settings)
        return
    tallies = measured(photos, arguments.detectors, arguments.min_face, arguments.max_side)
    print_counts(tallies)
    for file in arguments.truth:
        print_truth(file, arguments.photos, tallies)


if __name__ == "__main__":
    main()
