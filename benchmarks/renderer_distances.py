"""Measures how far apart rendered people are, beside the people of LFW, and chooses the cast.

    python benchmarks/renderer_distances.py              # the frozen cast
    python benchmarks/renderer_distances.py --pool 400   # choose a cast among seeds 0..399

Faces are rendered at the size they have in the album's group photos, compressed as JPEG of
quality 90, found by MTCNN and embedded by dlib-resnet with its mirror. Nothing here clusters: the
cast is chosen by distances between people and within a person alone.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.demo.album import draw_light, draw_view
from facebatch.demo.cast import PEOPLE, STRANGERS
from facebatch.demo.scene import Sitter, render_scene
from facebatch.detect import load_detector
from facebatch.embed import load_embedder
from facebatch.faces.align import TEMPLATES, chip_matrices, cut_chip

QUANTILES = (0.1, 1, 5, 50, 90, 95, 99)

LFW = """\
LFW, all pairs, dlib-resnet mirrored (d2 at a FAR: TAR)
  1e-2 .185 (one pass)   1e-3 .143: .971   1e-4 .114: .852   1e-5 .091: .589
  impostors' median about .33"""

CHIP_SIZE = 224
UNIT = 62.0
WORST_MATES = 0.09
"""People of whom two photos lie further apart don't join the cast."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Embedded faces: (n, 128) unit rows and (n,) identities; detection's scores and misses."""

    embeddings: npt.NDArray[np.float32]
    identities: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    rendered: int


def measure(identities: Sequence[int], photos: int, seed: int) -> Sample:
    """Render, detect and embed ``photos`` photos of each person."""
    detector, embedder = load_detector("mtcnn"), load_embedder("dlib-resnet", tta="mirror")
    template = TEMPLATES[embedder.template]
    chips, owners, scores = [], [], []
    for identity in identities:
        rng = np.random.default_rng([seed, identity])
        for _ in range(photos):
            picture = render_photo(identity, rng)
            found = detector.detect(np.array(picture))
            if len(found) != 1:
                continue
            matrix = chip_matrices(found.landmarks, template)[0]
            chips.append(cut_chip(picture, matrix, template.size))
            owners.append(identity)
            scores.append(found.scores[0])
    return Sample(
        embedder.embed(np.stack(chips)[:, None]),
        np.array(owners),
        np.array(scores),
        len(identities) * photos,
    )


def render_photo(identity: int, rng: np.random.Generator) -> Image.Image:
    """Render one person at a group photo's size and compress the photo."""
    view = draw_view(rng, draw_light(rng))
    sitter = Sitter(identity, (CHIP_SIZE / 2, 0.48 * CHIP_SIZE), UNIT, view)
    scene = render_scene([sitter], size=(CHIP_SIZE, CHIP_SIZE), noise_seed=view.noise_seed)
    buffer = io.BytesIO()
    Image.fromarray(scene.picture).save(buffer, format="JPEG", quality=90)
    return Image.open(buffer).convert("RGB")


def distances(sample: Sample) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the d2 of all mate pairs and of all impostor pairs."""
    d2 = 2 - 2 * sample.embeddings @ sample.embeddings.T
    first, second = np.triu_indices(len(d2), 1)
    mates = sample.identities[first] == sample.identities[second]
    return d2[first, second][mates], d2[first, second][~mates]


def choose(sample: Sample, count: int, photos: int) -> list[int]:
    """Choose people whose nearest photos lie far apart: farthest-first from every start.

    Args:
        sample: The pool.
        count: How many people.
        photos: Photos of each; people of whom one was missed don't qualify.
    """
    d2 = 2 - 2 * sample.embeddings @ sample.embeddings.T
    rows = {int(i): np.flatnonzero(sample.identities == i) for i in np.unique(sample.identities)}
    fit = [
        person
        for person, own in rows.items()
        if len(own) == photos and d2[np.ix_(own, own)].max() <= WORST_MATES
    ]
    nearest = np.array([[d2[np.ix_(rows[a], rows[b])].min() for b in fit] for a in fit])
    best: tuple[float, list[int]] = (-1.0, [])
    for start in range(len(fit)):
        chosen, gap, least = [start], nearest[start].copy(), np.inf
        while len(chosen) < count:
            gap[chosen] = -1.0
            chosen.append(int(gap.argmax()))
            least = min(least, float(gap.max()))
            gap = np.minimum(gap, nearest[chosen[-1]])
        best = max(best, (least, chosen))
    return sorted(fit[index] for index in best[1])


def report(title: str, sample: Sample) -> None:
    """Print detection and the quantiles of both kinds of pairs."""
    mates, impostors = distances(sample)
    found = len(sample.scores)
    print(f"{title}: {found} of {sample.rendered} faces found exactly once;", end=" ")
    print(f"scores: least {sample.scores.min():.3f}, 1 % {np.quantile(sample.scores, 0.01):.3f}")
    print("  d2 quantile %  " + "".join(f"{q:>8}" for q in QUANTILES))
    for name, values in (("mates", mates), ("impostors", impostors)):
        row = "".join(f"{value:8.3f}" for value in np.percentile(values, QUANTILES))
        print(f"  {name:<10}{len(values):>6} {row}")
    for tau in (0.09, 0.143, 0.18):
        print(
            f"  at d2 < {tau}: mates {np.mean(mates < tau):.3f}, "
            f"impostors {np.mean(impostors < tau):.4f}"
        )


def main() -> None:
    """Measure the cast, or choose one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=int, default=0, help="choose among so many seeds")
    parser.add_argument("--count", type=int, default=20, help="how many to choose")
    parser.add_argument("--photos", type=int, default=0, help="photos of each person")
    options = parser.parse_args()
    print(LFW)
    if options.pool:
        photos = options.photos or 4
        sample = measure(range(options.pool), photos, seed=1)
        report(f"pool of {options.pool}", sample)
        chosen = choose(sample, options.count, photos)
        print("chosen:", *chosen)
    else:
        chosen = sorted(PEOPLE + STRANGERS)
    # Other photos than those the cast was chosen by.
    report(f"cast of {len(chosen)}", measure(chosen, options.photos or 8, seed=2))


if __name__ == "__main__":
    main()
