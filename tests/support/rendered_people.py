"""Chips and photos of rendered people, aligned where the renderer says their landmarks are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from facebatch.demo.album import draw_light, draw_view
from facebatch.demo.scene import Scene, Sitter, render_scene
from facebatch.faces.align import TEMPLATES, chip_matrices, cut_chip
from facebatch.train import NamedChips

_SIZE = 160
_TEMPLATE = TEMPLATES["arcface-112"]


def scene_of(person: int, rng: np.random.Generator, size: int = _SIZE) -> Scene:
    """A portrait of a person as an album's photos show them."""
    view = draw_view(rng, draw_light(rng))
    sitter = Sitter(person, (size / 2, 0.48 * size), 0.28 * size, view)
    return render_scene([sitter], size=(size, size), noise_seed=view.noise_seed)


def rendered_chips(people: int, photos: int, first: int = 1000) -> NamedChips:
    """Chips of so many people."""
    chips, names = [], []
    for person in range(first, first + people):
        rng = np.random.default_rng([5, person])
        for _ in range(photos):
            scene = scene_of(person, rng)
            landmarks = np.array(scene.faces[0].landmarks)[None]
            matrix = chip_matrices(landmarks, _TEMPLATE)[0]
            pixels = cut_chip(Image.fromarray(scene.picture), matrix, _TEMPLATE.size)
            chips.append(_jpeg(pixels))
            names.append(f"person-{person}")
    sources = [f"photos/{name}/{row}.jpg" for row, name in enumerate(names)]
    return NamedChips(chips, names, sources, _TEMPLATE)


def write_people(folder: Path, people: int, photos: int, first: int = 1000) -> Path:
    """Writes photos of so many people, a folder each."""
    for person in range(first, first + people):
        rng = np.random.default_rng([6, person])
        place = folder / f"person {person}"
        place.mkdir(parents=True)
        for number in range(photos):
            (place / f"{number}.jpg").write_bytes(_jpeg(scene_of(person, rng, 200).picture))
    return folder


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
