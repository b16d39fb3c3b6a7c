"""Whole ``extract`` commands over photos of 12 megapixels: what a photo costs, by the models.

    python benchmarks/large_photos.py --photos FOLDER [--limit 20] [--copies 8] [--rounds 2]
        [--also DETECTOR EMBEDDER] [--earlier PROGRAM]

Every photo is enlarged to 4032 x 3024 with grain, so that its file has a phone's size, and copied
with other bytes. Commands of two workers, decoding guarded, take turns: the models that ``auto``
takes, those that are asked for, those that need no download, and the defaults of an earlier version
where its program is given. Seconds are the processors' of all processes together, which other work
on the machine changes little. Those of a command over the first copies alone are taken off, so that
what it takes to start both workers isn't counted. Beside them stand, measured in this process in
the same rounds, what reading, hashing and decoding take of it, what the embedder takes for a face,
and what the steps take one by one.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from common import ONE_THREAD, extract_command, photos_in
from PIL import Image, ImageOps

from facebatch import ids
from facebatch.config import ExtractSettings
from facebatch.detect import Detector, load_detector
from facebatch.detect.single_shot import SingleShotDetector
from facebatch.embed import Embedder, load_embedder
from facebatch.extract.pictures import DECODED_AHEAD, PhotoPicture
from facebatch.extract.rows import chip_jpeg
from facebatch.media.photo.decode import Photo
from facebatch.models import registry

T = TypeVar("T")


@dataclass(frozen=True)
class Models:
    """A detector and an embedder."""

    detector: Detector
    embedder: Embedder


OFFLINE = ("mtcnn", "dlib-resnet")
_SIDES = (4032, 3024)
_GRAIN = 4.0  # files of 2 to 3 MB at this quality
_QUALITY = 90
_FACES = 64


def enlarge(photos: Sequence[Path], folder: Path, copies: int) -> None:
    """Writes each photo at 12 megapixels, so many times, no two with the same bytes."""
    noise = np.random.default_rng(0)
    for number, path in enumerate(photos):
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        sides = _SIDES if picture.width >= picture.height else _SIDES[::-1]
        large = np.asarray(ImageOps.pad(picture, sides), np.float32)
        grain = noise.normal(0, _GRAIN, (*large.shape[:2], 1)).astype(np.float32)
        pixels = np.clip(large + grain, 0, 255).astype(np.uint8)
        first = folder / f"{number}-0.jpg"
        Image.fromarray(pixels).save(first, quality=_QUALITY)
        for copy in range(1, copies):
            (folder / f"{number}-{copy}.jpg").write_bytes(first.read_bytes() + bytes([copy]))


def command_seconds(folder: Path, program: Path | None = None, *options: str) -> float:
    """Returns the processor seconds of an extract command and all processes below it."""
    with tempfile.TemporaryDirectory() as place:
        command = extract_command(folder, Path(place) / "collection", 2, *options)
        if program:
            command[0] = str(program)
        before = _children()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds_of(work: Callable[[], object]) -> float:
    """Returns the processor seconds of something done in this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def read_and_decode(paths: Sequence[Path], side: float) -> None:
    """Reads, hashes and decodes photos as a worker and its child do."""
    for path in paths:
        data = path.read_bytes()
        ids.content_id(data)
        photo = Photo(data)
        photo.decode(photo.scale_for(side))


def steps(paths: Sequence[Path], models: Models, settings: ExtractSettings) -> dict[str, float]:
    """Returns the processor seconds of each step, one photo after the other in this process."""
    taken: dict[str, float] = {}
    views = []

    def step(name: str, work: Callable[[], T]) -> T:
        begun = time.process_time()
        result = work()
        taken[name] = taken.get(name, 0.0) + time.process_time() - begun
        return result

    for path in paths:
        data = step("reading", path.read_bytes)
        step("hashing", partial(ids.content_id, data))
        photo = Photo(data)
        picture = PhotoPicture(photo, settings)
        scale = photo.scale_for(DECODED_AHEAD * settings.max_side)
        step("decoding", partial(photo.decode, scale))
        begun = time.process_time()
        pixels, shrunk_by = picture.for_detection()  # decodes as well
        taken["shrinking"] = taken.get("shrinking", 0.0) + time.process_time() - begun
        found = step("detecting", partial(models.detector.detect, pixels))
        if isinstance(models.detector, SingleShotDetector):
            step("of it the network", partial(models.detector.find, pixels))
        landmarks = found.landmarks * np.array(shrunk_by, np.float32)
        if len(landmarks):
            views.append(step("cutting chips", partial(picture.views, landmarks))[0])
    taken["shrinking"] -= taken["decoding"]
    chips = np.concatenate(views)
    step("embedding", partial(models.embedder.embed, chips))
    step("storing chips", lambda: [chip_jpeg(chip) for chip in chips[:, chips.shape[1] // 2]])
    return {"faces": len(chips), **taken}


def embed(embedder: Embedder, side: int) -> Callable[[], object]:
    """Returns the embedding of `_FACES` chips of noise."""
    shape = (_FACES, len(embedder.scales), side, side, 3)
    chips = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return lambda: embedder.embed(chips)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=20, help="photos, evenly; 0 for all")
    parser.add_argument("--copies", type=int, default=8, help="at least 2")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--also", nargs=2, action="append", default=[], metavar=("DETECTOR", "EMBEDDER")
    )
    parser.add_argument("--earlier", type=Path, metavar="PROGRAM", help="its facebatch")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    settings = ExtractSettings()
    asked = [(detector, embedder) for detector, embedder in arguments.also]
    rows = list(dict.fromkeys([(settings.detector, settings.embedder), *asked, OFFLINE]))
    loaded = {
        models: Models(
            load_detector(models[0], min_face=settings.min_face),
            load_embedder(models[1], settings.tta),
        )
        for models in rows
    }
    embedders = {
        name: embed(loaded[detector, name].embedder, registry.card(name).chip_template().size)
        for detector, name in rows
    }
    with tempfile.TemporaryDirectory() as place:
        folder, first = Path(place) / "photos", Path(place) / "first"
        folder.mkdir()
        first.mkdir()
        enlarge(photos_in(arguments.photos, arguments.limit), folder, arguments.copies)
        paths = photos_in(folder)
        for path in paths[:: arguments.copies]:
            (first / path.name).write_bytes(path.read_bytes())
        more = len(paths) - len(photos_in(first))
        megabytes = statistics.mean(path.stat().st_size for path in paths) / 1e6
        photo: dict[tuple[str, str], list[float]] = {models: [] for models in rows}
        face: dict[str, list[float]] = {name: [] for name in embedders}
        decoding: list[float] = []
        earlier: list[float] = []
        one_by_one: dict[tuple[str, str], list[dict[str, float]]] = {models: [] for models in rows}
        for counted in (False, *[True] * arguments.rounds):
            decode = seconds_of(
                lambda: read_and_decode(
                    paths[:: arguments.copies], DECODED_AHEAD * settings.max_side
                )
            ) / len(paths[:: arguments.copies])
            each = {name: seconds_of(run) / _FACES for name, run in embedders.items()}
            for models, used in loaded.items():
                chosen = replace(settings, detector=models[0], embedder=models[1])
                # All copies first, so that frequent sizes have what they come to have.
                found = steps(paths[:: arguments.copies] if counted else paths, used, chosen)
                one_by_one[models].append(found)
            if not counted:
                for turns in one_by_one.values():
                    turns.clear()
                continue
            decoding.append(decode)
            for name, seconds in each.items():
                face[name].append(seconds)
            for models in rows:
                chosen = ("--detector", models[0], "--embedder", models[1])
                started, everything = (command_seconds(at, None, *chosen) for at in (first, folder))
                photo[models].append((everything - started) / more)
            if arguments.earlier:
                started, everything = (
                    command_seconds(at, arguments.earlier) for at in (first, folder)
                )
                earlier.append((everything - started) / more)
    print(f"{len(paths)} photos of 12 megapixels, {megabytes:.1f} MB each", end="; ")
    print(f"{arguments.rounds} rounds, processor milliseconds, medians")
    print(
        f"reading, hashing and decoding a photo on its own: {1e3 * statistics.median(decoding):.1f}"
    )
    print("models                     a photo  above decoding  an embedded face  times as fast")
    for models in rows:
        whole = statistics.median(photo[models])
        above = statistics.median(
            1 - decode / each for decode, each in zip(decoding, photo[models], strict=True)
        )
        ratio = statistics.median(
            other / own for other, own in zip(photo[rows[-1]], photo[models], strict=True)
        )
        print(
            f"{' + '.join(models):<25}  {1e3 * whole:7.1f}  {above:14.0%}"
            f"  {1e3 * statistics.median(face[models[1]]):16.1f}  {ratio:13.2f}"
        )
    for models in rows if earlier else ():
        gain = [other / own for other, own in zip(earlier, photo[models], strict=True)]
        print(
            f"{' + '.join(models)}: {statistics.median(gain):.2f} times as fast as the earlier "
            f"version, which takes {1e3 * statistics.median(earlier):.1f}"
        )
    count = len(paths[:: arguments.copies])
    for models, turns in one_by_one.items():
        whole = 1e3 * statistics.median(photo[models])
        each = {name: statistics.median(turn[name] for turn in turns) / count for name in turns[0]}
        print(f"{' + '.join(models)}, {each.pop('faces'):.2f} faces a photo, step by step:")
        inner = each.pop("of it the network", None)
        for name, seconds in each.items():
            print(f"  {name:<16} {1e3 * seconds:6.1f}")
            if name == "detecting" and inner is not None:
                print(f"    {'its network':<14} {1e3 * inner:6.1f}")
        print(f"  {'all else':<16} {whole - 1e3 * sum(each.values()):6.1f}")


if __name__ == "__main__":
    main()
