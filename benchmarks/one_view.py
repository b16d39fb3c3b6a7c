"""One view of a face against a gallery of averaged views: are the space's thresholds still right?

    python benchmarks/one_view.py FOLDER [--embedder NAME]

It is what live looks would be compared with that take half the time. FOLDER has a folder of photos
for each person; the face nearest a photo's centre counts. Distances of all pairs are compared: both
averaged (`mirror`), one view against averaged, and both of one view. FAR and TAR are at the
thresholds that facebatch ships for averaged ones, FPIR and TPIR at those for galleries: every photo
is looked for among all others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.config import ExtractSettings
from facebatch.detect import Detections
from facebatch.embed import load_embedder
from facebatch.extract.detect_and_crop import Faces, cut_faces
from facebatch.extract.pictures import FramePicture
from facebatch.probe.probe import Prober

Embeddings = npt.NDArray[np.float32]


class OneViewProber(Prober):
    """A prober that embeds one view of each face in a frame."""

    def __init__(self, settings: ExtractSettings) -> None:
        super().__init__(settings)
        self._single = load_embedder(settings.embedder, "none")

    def embed(self, frame: FramePicture, found: Detections) -> tuple[Faces, Embeddings]:
        """Returns faces of a frame with their chips, and embeddings (n, d) of one view each."""
        faces = cut_faces(frame, found, self.settings)
        middle = faces.views.shape[1] // 2
        return faces, self._single.embed(faces.views[:, middle : middle + 1])


def embedded(folder: Path, settings: ExtractSettings) -> tuple[Embeddings, Embeddings, list[str]]:
    """Returns the averaged and the single embeddings of the central faces, and whose they are."""
    prober, views = OneViewProber(settings), load_embedder(settings.embedder, settings.tta)
    averaged, single, names = [], [], []
    for photo in sorted(folder.rglob("*.jpg")):
        picture = Image.open(photo).convert("RGB")
        frame = FramePicture(picture, settings)
        found = prober.detect(frame)
        if not len(found):
            continue
        middle = np.array(picture.size, np.float32) / 2
        off = np.abs((found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - middle).sum(1)
        faces, one = prober.embed(frame, found.take(off.argmin()[None]))
        averaged.append(views.embed(faces.views)[0])
        single.append(one[0])
        names.append(photo.parent.name)
    return np.array(averaged), np.array(single), names


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedder", default="auto")
    asked = parser.parse_args()
    settings = ExtractSettings(embedder=asked.embedder)
    thresholds = settings.thresholds()
    averaged, single, names = embedded(asked.folder, settings)
    people = np.array(names)
    same, other = people[:, None] == people, ~np.eye(len(people), dtype=bool)
    print(f"{settings.detector}, {settings.embedder}: {len(names)} photos of {len(set(names))}")
    sides = {
        settings.tta: (averaged, averaged),
        f"none to {settings.tta}": (single, averaged),
        "none": (single, single),
    }
    [gallery] = [each for each in thresholds.calibration["fpir"] if each["method"] == "nearest"]
    for way, (one, two) in sides.items():
        d2 = 2 - 2 * one @ two.T
        impostors, genuine = d2[other & ~same], d2[other & same]
        mean = f"{genuine.mean():.3f}"
        print(f"{way}: {len(genuine)} pairs of one person (d2 {mean}), {len(impostors)} of two")
        for far, limit in thresholds.links.far.items():
            passed = [(values < limit).mean() for values in (impostors, genuine)]
            print("  d2 {:.3f} (FAR {:g}): FAR {:.1e}, TAR {:.4f}".format(limit, far, *passed))
        nearest_other = np.where(same, 9, d2).min(1)
        own = np.where(other & same, d2, 9).min(1)
        for point in gallery["points"]:
            limit, mated = point["threshold"], own < 9
            fpir = (nearest_other < limit).mean()
            tpir = ((own < limit) & (own < nearest_other))[mated].mean()
            print(f"  d2 {limit:.3f} (FPIR {point['rate']:g}): FPIR {fpir:.4f}, TPIR {tpir:.4f}")


if __name__ == "__main__":
    main()
