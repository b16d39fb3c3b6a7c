"""Photos of several procedural people on a common background, with the truth of each face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebatch.demo.features import blend
from facebatch.demo.identity import Identity, draw_identity
from facebatch.demo.render import Picture, develop, lay_over, paint_backdrop, render_figure
from facebatch.demo.surface import (
    Field,
    View,
    landmark_points,
    make_grid,
    project,
    soft,
    texture,
)
from facebatch.demo.truth import TrueFace

_REACH = 1.75
"""Half width of a figure in head units: its sleeves end within."""

_ABOVE = 1.6
"""Height of a figure over the middle of the head, hair included, in head units."""


_BOX_MIDDLE, _BOX_DEPTH, _BOX_WIDTH, _BOX_HEIGHT = 0.18, 0.30, 0.68, 0.90
"""Middle (below the eyes, before the head's middle) and half sides of a face's box in head units:
the means over what MTCNN finds on 80 portraits of different people."""


@dataclass(frozen=True, slots=True)
class Sitter:
    """Where a person stands in a photo.

    Args:
        identity: Seed of the person.
        centre: Column and row of the middle of the head, corner coordinates, in pixels.
        unit: Pixels to a head unit. A face is about 1.5 units wide; from 40 pixels on it is found
            and recognised.
        view: How the photo sees the person.
    """

    identity: int
    centre: tuple[float, float]
    unit: float
    view: View


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rendered photo, (height, width, 3) uint8 RGB, and the faces it shows."""

    picture: Picture
    faces: tuple[TrueFace, ...]


def render_scene(
    sitters: Sequence[Sitter], *, size: tuple[int, int] = (960, 640), noise_seed: int = 0
) -> Scene:
    """Render people side by side.

    Args:
        sitters: The people; smaller heads stand behind larger ones.
        size: Width and height of the photo in pixels.
        noise_seed: Background and grain. Clothes follow the seed of each sitter's view.

    Returns:
        The photo and its faces, in the order of the sitters.
    """
    width, height = size
    picture = paint_backdrop((height, width), noise_seed)
    people = [draw_identity(sitter.identity) for sitter in sitters]
    for place in sorted(range(len(sitters)), key=lambda i: (sitters[i].unit, i)):
        _place_figure(picture, people[place], sitters[place])
    faces = tuple(_true_face(*pair) for pair in zip(people, sitters, strict=True))
    return Scene(develop(picture, noise_seed), faces)


def render_landscape(*, size: tuple[int, int] = (960, 640), noise_seed: int = 0) -> Picture:
    """Render hills under a sky: a photo without a face.

    Args:
        size: Width and height in pixels.
        noise_seed: Which hills.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width] / max(size)
    horizon = height / max(size)
    sky = (rows / horizon)[..., None]
    picture: Field = np.array((118.0, 164.0, 214.0)) * (1 - sky) + np.array((226, 224, 210)) * sky
    clouds = texture(noise_seed, (10.0, 26.0), columns * 0.8, rows * 0.8)
    blend(picture, (246.0, 246.0, 244.0), 0.7 * soft(clouds - 0.7, 0.5))
    for layer, colour in enumerate(((128, 148, 164), (96, 124, 92), (62, 96, 48))):
        ridge = texture(noise_seed + layer + 1, (3.0, 14.0), columns * 0.5, 0.0 * rows)
        top = horizon * (0.50 + 0.15 * layer) + 0.035 * ridge
        grass = texture(noise_seed + 9, (1.0, 1.0), columns, rows)
        lit = np.array(colour) * (1 + 0.05 * grass)[..., None]
        blend(picture, lit, soft(rows - top, 1.5 / max(size)))
    return develop(picture, noise_seed)


def _place_figure(picture: Field, person: Identity, sitter: Sitter) -> None:
    """Render a person into the part of the picture that the figure takes up."""
    (column, row), unit = sitter.centre, sitter.unit
    height, width = picture.shape[:2]
    left, right = max(0, int(column - _REACH * unit)), min(width, int(column + _REACH * unit) + 1)
    top = max(0, int(row - _ABOVE * unit))
    grid = make_grid((height - top, right - left), (column - left, row - top), unit)
    figure = render_figure(person, sitter.view, grid)
    window = (slice(top, None), slice(left, right))
    picture[window] = lay_over(picture[window], figure)


def _true_face(person: Identity, sitter: Sitter) -> TrueFace:
    """Return where a sitter's face is in the picture."""
    centre = np.array(sitter.centre)
    marks = landmark_points(person, sitter.view.smile)
    marks = centre + sitter.unit * project(marks, sitter.view)
    middle = np.array([[0.0, person.eyes.line + _BOX_MIDDLE, _BOX_DEPTH]])
    x, y = centre + sitter.unit * project(middle, sitter.view)[0]
    x0, y0, x1, y1 = (
        round(float(edge), 2)
        for edge in (
            x - sitter.unit * _BOX_WIDTH,
            y - sitter.unit * _BOX_HEIGHT,
            x + sitter.unit * _BOX_WIDTH,
            y + sitter.unit * _BOX_HEIGHT,
        )
    )
    points = tuple((round(float(a), 2), round(float(b), 2)) for a, b in marks)
    return TrueFace(person.seed, (x0, y0, x1, y1), points)
