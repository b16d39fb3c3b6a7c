"""Makes worn copies of photos: as small, blurred and hard compressed as those of old phones.

    python benchmarks/worn.py FOLDER OUTPUT [--seed 0]

Every photo below FOLDER is shrunk to between a fifth and half of its sides, blurred by up to one
pixel and saved as JPEG of quality 20 to 60, under its own name: faces that are harder to tell
apart, of people who are known.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def wear(photo: Image.Image, drawn: np.random.Generator) -> tuple[Image.Image, int]:
    """Returns a photo's worn copy, and the quality that it is to be saved with."""
    scale = drawn.uniform(0.2, 0.5)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    small = photo.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    # As an album shows it: large again, and none the sharper.
    blurred = small.filter(ImageFilter.GaussianBlur(drawn.uniform(0, 1)))
    return blurred.resize(photo.size, Image.Resampling.BICUBIC), int(drawn.integers(20, 60))


def main() -> None:
    """Writes the copies."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    drawn = np.random.default_rng(arguments.seed)
    for path in sorted(arguments.folder.rglob("*.jpg")):
        target = arguments.output / path.relative_to(arguments.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as photo:
            worn, quality = wear(photo, drawn)
        worn.save(target, "JPEG", quality=quality)


if __name__ == "__main__":
    main()
