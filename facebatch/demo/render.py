"""Portraits and group photos of procedural people, for the demo and as fixtures of the tests.

Everything is drawn from its arguments alone, in float64 and without any state, so that the same
arguments give the same bytes. Nothing here knows of detectors or embedders.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from facebatch.demo.features import (
    Face,
    blend,
    paint_age,
    paint_brows,
    paint_eyes,
    paint_glasses,
    paint_hollows,
    paint_mouth,
    paint_nose,
    paint_skin,
)
from facebatch.demo.hair import HairLayer, paint_beard
from facebatch.demo.identity import Identity, draw_identity
from facebatch.demo.surface import (
    Field,
    Grid,
    View,
    face_relief,
    head_solid,
    illuminate,
    make_grid,
    nose_relief,
    project,
    soft,
    texture,
    trace,
)

Picture = npt.NDArray[np.uint8]

HEAD_UNIT = 0.30
"""Length of a head unit as a share of a portrait's side."""

HEAD_CENTRE = (0.5, 0.46)
"""Middle of the head in a portrait, as shares of its side."""


_NECK = 0.60
"""Half width of the neck as a share of the head's."""

_LENS_BLUR = 0.0073
"""Blur of a figure in head units, which takes the drawn look off its edges."""

_BACKDROPS = (
    ((206, 200, 188), (172, 166, 158)),
    ((152, 178, 204), (206, 214, 216)),
    ((84, 112, 62), (148, 166, 96)),
    ((134, 88, 68), (92, 66, 54)),
    ((96, 110, 128), (58, 66, 80)),
    ((188, 172, 132), (120, 132, 92)),
    ((70, 62, 58), (120, 104, 90)),
    ((214, 190, 170), (176, 138, 120)),
)
"""Walls, skies, gardens and rooms, as pairs of colours that run into each other."""


def render_face(
    identity: int,
    *,
    size: int = 320,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    light: tuple[float, float] = (0.3, -0.4),
    smile: float = 0.0,
    noise_seed: int = 0,
) -> Picture:
    """Render a portrait: head, neck, shoulders and a background.

    Args:
        identity: Seed of the person; the same number is the same person.
        size: Side of the picture in pixels. The head fills about half of its width.
        yaw: Turn of the head in radians, positive towards the image's right; up to about 0.5.
        pitch: Nod in radians, positive down; up to about 0.3.
        roll: Tilt in the picture plane in radians, positive clockwise.
        light: Horizontal and vertical direction of the light, each about -1..1.
        smile: 0 at rest, 1 a broad smile, negative a frown.
        noise_seed: Background, clothes and grain.

    Returns:
        An RGB picture, (size, size, 3) uint8.
    """
    view = View(yaw, pitch, roll, light, smile, noise_seed)
    backdrop = paint_backdrop((size, size), noise_seed)
    centre = (HEAD_CENTRE[0] * size, HEAD_CENTRE[1] * size)
    grid = make_grid((size, size), centre, HEAD_UNIT * size)
    figure = render_figure(draw_identity(identity), view, grid)
    return develop(lay_over(backdrop, figure), noise_seed)


def lay_over(backdrop: Field, figure: Field) -> Field:
    """Lay a premultiplied figure (rows, columns, 4) over a backdrop of the same size."""
    laid: Field = backdrop * (1 - figure[..., 3:]) + figure[..., :3]
    return laid


def render_figure(person: Identity, view: View, grid: Grid) -> Field:
    """Render one person without a background.

    Args:
        person: Who.
        view: How the photo sees the person.
        grid: The canvas, in head units.

    Returns:
        (rows, columns, 4): colours 0..255 premultiplied by the coverage 0..1 in the last channel.
    """
    figure = np.zeros((*grid.u.shape, 4))
    # Painters see only the part of the canvas that they can reach, which is what makes them quick.
    locks = grid.window(1.35, 2.0)
    hair = HairLayer(person, view, grid.crop(locks))
    hair.paint_back(figure[locks])
    paint_body(figure, person, view, grid)
    window = grid.window(person.skull.width + 0.2, person.skull.height + 0.15)
    paint_ears(figure[window], person, view, grid.crop(window))
    face, coverage = _paint_face(person, view, grid.crop(window))
    blend(figure[window], face, coverage)
    hair.paint_front(figure[locks])
    blur = _LENS_BLUR * grid.unit
    smooth: Field = gaussian_filter(figure, (blur, blur, 0.0))
    return smooth


def _paint_face(person: Identity, view: View, grid: Grid) -> tuple[Field, Field]:
    """Return the painted head (rows, columns, 3) and its coverage."""
    relief = face_relief(person, view.smile)
    surface = trace(head_solid(person), view, grid, nose_relief(person), relief)
    diffuse, highlight = illuminate(surface, view)
    face = Face(person, view, surface, diffuse, highlight, 0.006 + 0.6 * grid.pixel)
    picture = np.empty((*diffuse.shape, 3))
    for paint in _PAINTERS:
        paint(picture, face)
    return picture, surface.coverage


_PAINTERS = (
    paint_skin,
    paint_hollows,
    paint_age,
    paint_nose,
    paint_mouth,
    paint_beard,
    paint_eyes,
    paint_brows,
    paint_glasses,
)


def paint_body(figure: Field, person: Identity, view: View, grid: Grid) -> None:
    """Paint neck and shoulders; the clothes change with the photo, not with the person."""
    rng = np.random.default_rng([view.noise_seed, 0xC1])
    skin = np.array(person.skin.colour)
    shift = 0.10 * np.sin(view.yaw)
    half = _NECK * person.skull.width
    across = (grid.u - shift) / (half + 0.10 * np.clip(grid.v - 1.0, 0.0, 1.0))
    light = 0.62 + 0.20 * across * view.light[0] - 0.18 * across**2
    light = light - 0.22 * np.exp(-(((grid.v - 1.0) / 0.22) ** 2))
    neck = soft(1 - np.abs(across), grid.pixel / half) * soft(grid.v - 0.4, 0.05)
    blend(figure, skin * light[..., None], neck)
    grey = rng.uniform(40, 200)
    cloth = grey + 0.45 * (rng.uniform(20, 220, 3) - grey)
    aside = np.abs(grid.u - shift)
    slope = np.clip(aside - 0.42, 0.0, None)
    collar = rng.uniform(0.0, 0.4) * np.clip(1 - aside / 0.45, 0.0, 1.0)
    shoulders = soft(grid.v - 1.27 - 0.30 * slope - 0.25 * slope**2 - collar, 0.02)
    folds = texture(view.noise_seed, (16.0, 5.0), grid.u * 0.3, grid.v * 0.3)
    shade = 0.80 + 0.03 * folds + 0.15 * grid.u * view.light[0]
    shade = shade - 0.25 * soft(aside - 1.05, 0.6)
    arm = np.exp(-(((aside - 1.0 - 0.05 * grid.v) / 0.03) ** 2))
    shade = shade - 0.25 * arm * soft(grid.v - 2.0, 0.2)
    torso = shoulders * soft(1.55 - aside, 0.04)
    blend(figure, cloth * np.clip(shade, 0.3, 1.2)[..., None], torso)


def paint_ears(figure: Field, person: Identity, view: View, grid: Grid) -> None:
    """Paint the ears at the sides of the head; hair may cover them later."""
    places = np.array([(s * 0.99 * person.skull.width, 0.12, -0.08) for s in (-1.0, 1.0)])
    for sign, (u, v) in zip((-1, 1), project(places, view), strict=True):
        across = (grid.u - u) / (0.11 + 0.04 * sign * np.sin(-view.yaw))
        radius = np.hypot(across, (grid.v - v) / 0.21)
        light = 0.72 + 0.25 * sign * view.light[0] - 0.25 * np.exp(-((radius / 0.5) ** 2))
        skin = np.array(person.skin.colour) * (1.0, 0.93, 0.91)
        blend(figure, skin * light[..., None], soft(1 - radius, 0.1))


def paint_backdrop(shape: tuple[int, int], seed: int) -> Field:
    """Paint an out-of-focus background.

    Args:
        shape: Rows and columns.
        seed: Which background.

    Returns:
        A float picture (rows, columns, 3), 0..255.
    """
    rng = np.random.default_rng([seed, 0xB6])
    base, other = (np.array(colour) for colour in _BACKDROPS[int(rng.integers(len(_BACKDROPS)))])
    base, other = base * rng.uniform(0.85, 1.1), other * rng.uniform(0.8, 1.15)
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    clouds = texture(seed + 11, (26.0, 26.0), columns * 0.9, rows * 0.9)
    fall = rng.uniform(0, 1) * rows + rng.uniform(-1, 1) * columns
    share = np.clip(0.5 + 0.22 * clouds + fall, 0.0, 1.0)[..., None]
    picture: Field = base * (1 - share) + other * share
    return picture


def develop(picture: Field, noise_seed: int) -> Picture:
    """Turn a float picture into bytes: a little grain, clipped and rounded."""
    grain = np.random.default_rng([noise_seed, 0x6A]).normal(0.0, 2.0, picture.shape)
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)
