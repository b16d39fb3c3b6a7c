"""MobileFaceNet and YuNet in float32, in bfloat16 and quantised to int8: time, and what it costs.

    pip install nncf
    python benchmarks/fewer_bits.py --people FOLDER --calibration FOLDER [--calibration ...]

NNCF quantises after training: weights and activations in the ranges that it sees on the photos of
``--calibration``, which are to be others than those of ``--people``, a folder of photos for each
person. Of these the central faces, averaged with their mirror images, give all pairs. The networks
take turns, two chips a call and one picture of 1024 x 768, whole and in strips of 256 rows;
milliseconds are the processor's, medians.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import ONE_THREAD, photos_in

from facebatch.config import ExtractSettings
from facebatch.detect import load_detector
from facebatch.errors import MediaError
from facebatch.extract.detect_and_crop import find_faces
from facebatch.media.photo.decode import Photo
from facebatch.models.registry import card, read

Chips = npt.NDArray[np.uint8]

FARS = (1e-3, 1e-4, 1e-5)
_TOGETHER = 2
_LEAST = 28.0  # pixels of the photo, from which faces are grouped by default
_ROUNDS = 12


def chips_of(photos: Sequence[Path], *, central: bool) -> tuple[Chips, list[str]]:
    """Returns the chips of all large faces, or of the central one, and the folder of each."""
    settings = ExtractSettings(detector="yunet", embedder="mobilefacenet", tta="none")
    detector = load_detector("yunet", min_face=settings.min_face)
    chips, folders = [], []
    for path in photos:
        try:
            photo = Photo(path.read_bytes())
            faces = find_faces(photo, detector, settings)
        except MediaError:
            continue
        sides = np.sqrt((faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(axis=1))
        kept = np.flatnonzero((sides >= _LEAST) & (faces.scores >= 0.95))
        if central:
            middle = np.array([photo.facts.width, photo.facts.height]) / 2
            apart = np.linalg.norm(faces.boxes.reshape(-1, 2, 2).mean(axis=1) - middle, axis=1)
            kept = apart.argsort()[:1]
        chips += [faces.views[face, 0] for face in kept]
        folders += [path.parent.name] * len(kept)
    return np.stack(chips), folders


def quantised(
    model: Any, shape: Sequence[int], given: Sequence[Chips], but_for: Sequence[str] = ()
) -> Any:
    """Returns a model in int8, but for layers of some types."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it would report
    import nncf

    nncf.set_log_level(logging.ERROR)
    model = model.clone()
    model.reshape({model.input(): list(shape)})
    scope = nncf.IgnoredScope(types=list(but_for))
    data = nncf.Dataset(given)
    return nncf.quantize(model, data, subset_size=len(given), ignored_scope=scope)


def embedded(run: Callable[[Chips], Any], chips: Chips) -> npt.NDArray[np.float32]:
    """Returns embeddings of chips averaged with their mirror images."""
    pairs = (np.ascontiguousarray(np.stack([chip, chip[:, ::-1]])) for chip in chips)
    sums = np.stack([run(pair)[0].reshape(_TOGETHER, -1).sum(axis=0) for pair in pairs])
    return sums / np.linalg.norm(sums, axis=1, keepdims=True)


def tars(embeddings: npt.NDArray[np.float32], folders: Sequence[str]) -> list[float]:
    """Returns the share of one person's pairs that are nearer than two people's at each of FARS."""
    one, other = np.triu_indices(len(embeddings), 1)
    people = np.array(folders)
    same = people[one] == people[other]
    cosines = (embeddings @ embeddings.T)[one, other]
    impostors = np.sort(cosines[~same])[::-1]
    return [float((cosines[same] > impostors[int(far * len(impostors))]).mean()) for far in FARS]


def timed(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Returns the processor milliseconds of each, which take turns."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(1 + _ROUNDS):
        for name, run in runs.items():
            begun = time.process_time()
            run()
            taken[name].append(time.process_time() - begun)
    return {name: 1e3 * statistics.median(each[1:]) for name, each in taken.items()}


def compare_embedders(calibration: Sequence[Path], people: Sequence[Path]) -> None:
    """Prints a line for each kind of MobileFaceNet."""
    from facebatch.models.openvino_runtime import graph_of, model_of

    described = card("mobilefacenet")
    model = model_of(read(described.files[0]), described.input)
    side = described.input.size
    model.reshape({model.input(): [_TOGETHER, side, side, 3]})
    seen, _ = chips_of(calibration, central=False)
    both = np.concatenate([seen, seen[:, :, ::-1]])
    given = [chip[None] for chip in np.random.default_rng(0).permutation(both)[:300]]
    kinds: dict[str, Any] = {"float32": graph_of(model), "bfloat16": graph_of(model, "bfloat16")}
    depthwise = ("GroupConvolution",)
    for name, but_for in (("int8", ()), ("int8 but for depthwise layers", depthwise)):
        int8 = quantised(model, [1, side, side, 3], given, but_for)
        int8.reshape({int8.input(): [_TOGETHER, side, side, 3]})
        kinds[name] = graph_of(int8)
    chips, folders = chips_of(people, central=True)
    exact = embedded(kinds["float32"], chips)
    pair = np.ascontiguousarray(chips[:_TOGETHER])
    spent = timed({name: (lambda run=run: run(pair)) for name, run in kinds.items()})
    print(f"{len(given)} chips to quantise on, {len(chips)} to try it on")
    print("MobileFaceNet, ms a chip; cosine to float32: median, least; TAR at FAR 1e-3, 1e-4, 1e-5")
    for name, run in kinds.items():
        found = embedded(run, chips)
        cosines = (found * exact).sum(axis=1)
        rates = ", ".join(f"{rate:.4f}" for rate in tars(found, folders))
        print(
            f"{name:<30}  {spent[name] / _TOGETHER:5.2f}  {np.median(cosines):.5f}, "
            f"{cosines.min():.5f}  {rates}"
        )


def compare_detectors(calibration: Sequence[Path]) -> None:
    """Prints a line for each kind of YuNet's network."""
    from facebatch.models.openvino_runtime import graph_of, model_of

    described = card("yunet")
    model = model_of(read(described.files[0]), described.input)
    pictures = [picture for path in calibration if (picture := _picture(path)) is not None]
    int8 = quantised(model, [1, -1, -1, 3], pictures)
    rows: dict[str, list[float]] = {"float32": [], "bfloat16": [], "int8": []}
    for height in (768, 256):
        runs = {}
        noise = np.random.default_rng(0).integers(0, 256, (1, height, 1024, 3), dtype=np.uint8)
        for name, source in (("float32", model), ("bfloat16", model), ("int8", int8)):
            own = source.clone()
            own.reshape({own.input(): list(noise.shape)})
            network = graph_of(own, "bfloat16" if name == "bfloat16" else "float32")
            runs[name] = lambda network=network, noise=noise: network(noise)
        for name, spent in timed(runs).items():
            rows[name].append(spent * 768 / height)
    print("YuNet, 1024 x 768: ms whole, in strips of 256 rows")
    for name, (at_once, in_strips) in rows.items():
        print(f"{name:<10}  {at_once:5.1f}  {in_strips:5.1f}")


def _picture(path: Path) -> Chips | None:
    side = ExtractSettings().max_side
    try:
        photo = Photo(path.read_bytes())
        pixels, _ = photo.decode(photo.scale_for(side)).shrunk(side)
    except MediaError:
        return None
    filled = np.zeros((1, *(-(-length // 128) * 128 for length in pixels.shape[:2]), 3), np.uint8)
    filled[0, : pixels.shape[0], : pixels.shape[1]] = pixels
    return filled


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, action="append", required=True)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    calibration = [path for folder in arguments.calibration for path in photos_in(folder)]
    compare_embedders(calibration, photos_in(arguments.people))
    compare_detectors(calibration)


if __name__ == "__main__":
    main()
