"""Four steps of the extraction, each against another way to do it, on one thread.

    python benchmarks/steps.py [--photos FOLDER] [--limit 30] [--rounds 5] [--engine auto]
        [--only STEP ...]

- decode: Pillow's scaled decoding, as detection has it, against decoding in full, of the JPEGs
  that are large enough to be scaled.
- detect: MTCNN with the default settings against ``facenet_pytorch.MTCNN.detect`` with the same
  smallest face, on the same pictures.
- embed: the default network, each chip once, against dlib's own ``compute_face_descriptor`` on the
  same chips.
- write: ``Collection.commit_shard`` of the photos' media and face rows, chips included, against
  ``pyarrow.parquet.write_table`` of the same two tables with pyarrow's own settings.

The two ways take turns; a first turn of each isn't counted. Figures are medians over the rounds, a
ratio's that of its rounds' ratios. Without a folder it renders the demo's album.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from common import ONE_THREAD, photo_folder, photos_in
from PIL import Image

from facebatch import tables
from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.errors import MediaError
from facebatch.extract.items import Item, Shard
from facebatch.media.photo.decode import Photo
from facebatch.media.sources.listing import MediaFile, list_root
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import parse_root
from facebatch.models import registry

_CHIPS = 64  # at most, since dlib may take a tenth of a second for one
_COMMITS = 5  # of one shard in a turn, since one takes a few milliseconds


@dataclass(frozen=True)
class Setup:
    """What the steps work on.

    Args:
        folder: The folder of the photos.
        paths: The photos that are measured.
        photos: Those that can be recognised.
        engine: What runs the networks.
        rounds: Turns that count.
    """

    folder: Path
    paths: Sequence[Path]
    photos: Sequence[Photo]
    engine: str
    rounds: int


def take_turns(
    ours: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Returns the median seconds of both, and the median of other / ours."""
    taken: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        pair = (_seconds(ours), _seconds(other))
        if number:
            taken.append(pair)
    first, second = (statistics.median(times) for times in zip(*taken, strict=True))
    return first, second, statistics.median(theirs / own for own, theirs in taken)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def decode(setup: Setup) -> None:
    """Scaled decoding against decoding in full."""
    from facebatch.extract.pictures import DECODED_AHEAD

    side = DECODED_AHEAD * ExtractSettings().max_side
    scaled = [(photo, photo.scale_for(side)) for photo in setup.photos]
    large = [(photo, scale) for photo, scale in scaled if scale > 1 and _decodes(photo)]
    if not large:
        print("decode: no JPEG here is large enough to be decoded smaller")
        return
    ours, other, ratio = take_turns(
        lambda: [photo.decode(scale) for photo, scale in large],
        lambda: [photo.decode(1) for photo, _ in large],
        setup.rounds,
    )
    pixels = statistics.median(photo.facts.width * photo.facts.height for photo, _ in large)
    print(f"decode: {len(large)} JPEGs of {pixels / 1e6:.1f} megapixels (median)", end="; ")
    print(f"scaled {1e3 * ours / len(large):.1f} ms a photo", end=", ")
    print(f"in full {1e3 * other / len(large):.1f} ms: {ratio:.2f} times as fast")


def _decodes(photo: Photo) -> bool:
    try:
        photo.decode(8)
    except MediaError:
        return False
    return True


def detect(setup: Setup) -> None:
    """The cascade against facenet-pytorch's."""
    from facenet import import_facenet_pytorch, lend_nms

    from facebatch.detect import load_detector

    settings = ExtractSettings()
    pictures = []
    for photo in setup.photos:
        try:
            decoded = photo.decode(photo.scale_for(settings.max_side))
        except MediaError:
            continue
        pictures.append(decoded.shrunk(settings.max_side)[0])
    images = [Image.fromarray(picture) for picture in pictures]
    lend_nms()
    package: Any = import_facenet_pytorch()
    mtcnn = package.MTCNN(keep_all=True, min_face_size=settings.min_face, device="cpu")
    # Last, because it sets torch to one thread, for both.
    detector = load_detector("mtcnn", min_face=settings.min_face, engine=setup.engine)
    ours, other, ratio = take_turns(
        lambda: [detector.detect(picture) for picture in pictures],
        lambda: [mtcnn.detect(image, landmarks=True) for image in images],
        setup.rounds,
    )
    faces = sum(len(detector.detect(picture)) for picture in pictures)
    boxes = [mtcnn.detect(image)[0] for image in images]
    others = sum(0 if found is None else len(found) for found in boxes)
    print(f"detect: {len(pictures)} pictures", end="; ")
    print(f"facebatch ({detector.provenance.engine}) {1e3 * ours / len(pictures):.1f} ms", end=", ")
    print(f"{faces} faces; facenet-pytorch {1e3 * other / len(pictures):.1f} ms", end=", ")
    print(f"{others} faces: {ratio:.2f} times as fast")


def embed(setup: Setup) -> None:
    """The network against dlib's own."""
    import dlib

    from facebatch.embed import load_embedder

    chips = _chips(setup)
    if not len(chips):
        print("embed: no face was found")
        return
    embedder = load_embedder("dlib-resnet", "none", setup.engine)
    model = dlib.face_recognition_model_v1(str(registry.path(registry.DLIB_RESNET)))
    listed = list(chips)
    ours, other, ratio = take_turns(
        lambda: embedder.embed(chips[:, None]),
        lambda: model.compute_face_descriptor(listed),
        setup.rounds,
    )
    ran = embedder.provenance
    print(f"embed: {len(chips)} chips", end="; ")
    print(f"facebatch ({ran.engine}, {ran.precision}) {len(chips) / ours:.0f} faces/s", end=", ")
    print(f"dlib ({'with' if dlib.DLIB_USE_BLAS else 'without'} BLAS)", end=" ")
    print(f"{len(chips) / other:.0f} faces/s: {ratio:.2f} times as fast")


def _chips(setup: Setup) -> npt.NDArray[np.uint8]:
    """Returns the chips of the photos' faces as dlib reads them, uint8 (n, 150, 150, 3)."""
    from facebatch.detect import load_detector
    from facebatch.extract.detect_and_crop import find_faces

    settings = ExtractSettings(embedder="dlib-resnet", tta="none")
    detector = load_detector("mtcnn", min_face=settings.min_face, engine=setup.engine)
    views = [np.zeros((0, 150, 150, 3), np.uint8)]
    for photo in setup.photos:
        try:
            views.append(find_faces(photo, detector, settings).views[:, 0])
        except MediaError:
            continue
        if sum(map(len, views)) >= _CHIPS:
            break
    return np.concatenate(views)[:_CHIPS]


def write(setup: Setup) -> None:
    """A shard's commit against two plain Parquet files."""
    from facebatch.detect import load_detector
    from facebatch.embed import load_embedder
    from facebatch.extract.shard import Tools, detect_shard, embed_shard

    settings = ExtractSettings()
    detector = load_detector(settings.detector, min_face=settings.min_face, engine=setup.engine)
    embedder = load_embedder(settings.embedder, settings.tta, setup.engine)
    chosen = {str(path.resolve().relative_to(setup.folder.resolve())) for path in setup.paths}
    listed = list_root(parse_root(str(setup.folder)))
    items = [Item(file) for file in listed if isinstance(file, MediaFile) and file.path in chosen]
    tools = Tools(MediaReader(), lambda: detector, settings)
    found = detect_shard(Shard("shard", tuple(items)), tools)
    shard = embed_shard(found, lambda: embedder, settings)
    rows = len(shard.media) + len(shard.faces)
    names = map(str, itertools.count())
    with tempfile.TemporaryDirectory() as place:
        collection = Collection.create(f"{place}/collection", settings)
        collection.commit_shard("first", shard.media, shard.faces)  # fills the commit time in
        media = tables.read(collection.storage, "media/first.parquet", "media")
        plain = Path(place) / "plain"
        plain.mkdir()

        def commit() -> None:
            for _ in range(_COMMITS):
                collection.commit_shard(next(names), shard.media, shard.faces)

        def write_plainly() -> None:
            for _ in range(_COMMITS):
                name = next(names)
                pq.write_table(shard.faces, plain / f"{name}.faces.parquet")
                pq.write_table(media, plain / f"{name}.media.parquet")

        ours, other, ratio = take_turns(commit, write_plainly, setup.rounds)
    ours, other = ours / _COMMITS, other / _COMMITS
    print(f"write: a shard of {len(shard.media)} photos and {len(shard.faces)} faces", end="; ")
    print(f"commit_shard {rows / ours:,.0f} rows/s ({1e3 * ours:.1f} ms)", end=", ")
    print(f"write_table {rows / other:,.0f} rows/s ({1e3 * other:.1f} ms)", end=": ")
    print(f"{ratio:.2f} times as fast")


STEPS = {"decode": decode, "detect": detect, "embed": embed, "write": write}


def main() -> None:
    """Prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--limit", type=int, default=30, help="photos, evenly; 0 for all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--only", choices=STEPS, action="append", metavar="STEP")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    with photo_folder(arguments.photos) as folder:
        paths = photos_in(folder, arguments.limit)
        photos = []
        for path in paths:
            try:
                photos.append(Photo(path.read_bytes()))
            except MediaError:
                continue
        setup = Setup(folder, paths, photos, arguments.engine, arguments.rounds)
        print(f"{len(paths)} photos, {arguments.rounds} rounds, one thread, medians")
        for name in arguments.only or STEPS:
            STEPS[name](setup)


if __name__ == "__main__":
    main()
