"""The head as a solid: where each pixel meets it, how the face stands out from it, how it is lit.

Head coordinates are X to the image's right, Y down and Z towards the viewer, in head units, with
the origin in the middle of the head. The base is a squared ellipsoid whose rays are solved in
closed form; the nose, sockets and lips are a relief along Z on top of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, map_coordinates

from facebatch.demo.identity import Eyes, Identity

Field = npt.NDArray[np.float64]

DEPTH = 0.92
"""Half depth of the head, in head units."""

_ROUNDS = 4
"""Rounds of iteration: at a turn of 0.35, 99 % of a face then lies within 0.02 units of the
limit; the flanks of a high nose converge last."""

_CROWN = 2.4
"""Squareness of the upper half of the head."""

_TEXTURE_SIDE = 256


@dataclass(frozen=True, slots=True)
class View:
    """How one photo sees a person.

    Args:
        yaw: Turn of the head in radians, positive towards the image's right.
        pitch: Nod in radians, positive down.
        roll: Tilt in the picture plane in radians, positive clockwise.
        light: Horizontal and vertical direction of the light, each about -1..1; (0.3, -0.4)
            comes from the right and from above.
        smile: 0 at rest, 1 a broad smile, negative a frown.
        noise_seed: What changes from photo to photo: background, clothes, grain.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    light: tuple[float, float] = (0.3, -0.4)
    smile: float = 0.0
    noise_seed: int = 0

    def rotation(self) -> Field:
        """Return the 3x3 matrix from head to picture directions."""
        cy, sy = np.cos(self.yaw), np.sin(self.yaw)
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        rotation: Field = tilt @ nod @ turn
        return rotation


@dataclass(frozen=True, slots=True)
class Grid:
    """Picture coordinates of a canvas in head units, origin in the middle of the head."""

    u: Field
    v: Field
    unit: float

    @property
    def pixel(self) -> float:
        """Size of a pixel in head units: the width of every soft edge."""
        return 1.0 / self.unit

    def window(self, width: float, height: float) -> tuple[slice, slice]:
        """Return the rows and columns within ``width`` and ``height`` of the head's middle."""
        rows = np.flatnonzero(np.abs(self.v[:, 0]) <= height)
        columns = np.flatnonzero(np.abs(self.u[0]) <= width)
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

    def crop(self, window: tuple[slice, slice]) -> Grid:
        """Return the part of the grid inside a window."""
        return Grid(self.u[window], self.v[window], self.unit)


@dataclass(frozen=True, slots=True)
class Solid:
    """A squared ellipsoid: half axes, how it narrows below, and where its centre lies.

    ``taper`` is the share of the width left at the bottom; ``drape`` makes the lower half a
    cylinder, as for hair that hangs.
    """

    width: float
    height: float
    depth: float
    taper: float = 1.0
    square: float = 2.0
    lift: float = 0.0
    setback: float = 0.0
    drape: bool = False


@dataclass(frozen=True, slots=True)
class Surface:
    """What each pixel sees of a solid: point in head coordinates, coverage, normal in the picture.

    Coverage is 0..1. Outside the solid the point is the nearest one of its outline.
    """

    x: Field
    y: Field
    z: Field
    coverage: Field
    normal: Field


Relief = Callable[[Field, Field], Field]


def bump(x: Field, y: Field, cx: float, cy: float, sx: float, sy: float) -> Field:
    """Return a Gaussian hill of height 1 at (cx, cy) with e-fold radii sx and sy."""
    hill: Field = np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)
    return hill


def soft(distance: Field, width: float) -> Field:
    """Return the smooth step of a signed distance: 0 below -width, 1 above width."""
    t = np.clip(distance / (2 * width) + 0.5, 0.0, 1.0)
    step: Field = t * t * (3 - 2 * t)
    return step


def texture(seed: int, sigma: tuple[float, float], x: Field, y: Field) -> Field:
    """Sample a seeded, wrapped noise of unit variance at texture coordinates.

    Args:
        seed: Which noise.
        sigma: Its blur along y and x, in texels.
        x: Horizontal coordinate, 256 texels to the unit.
        y: Vertical coordinate.

    Returns:
        An array of the shape of ``x``.
    """
    places = [y * _TEXTURE_SIDE, x * _TEXTURE_SIDE]
    sampled: Field = map_coordinates(_noise(seed, sigma), places, order=1, mode="grid-wrap")
    return sampled


@lru_cache(maxsize=64)
def _noise(seed: int, sigma: tuple[float, float]) -> Field:
    noise = np.random.default_rng([seed, 0x7E]).normal(size=(_TEXTURE_SIDE, _TEXTURE_SIDE))
    smooth: Field = gaussian_filter(noise, sigma, mode="wrap")
    smooth /= smooth.std()
    smooth.setflags(write=False)
    return smooth


def make_grid(shape: tuple[int, int], centre: tuple[float, float], unit: float) -> Grid:
    """Lay head units over a canvas.

    Args:
        shape: Rows and columns of the canvas.
        centre: Column and row of the head's middle, in corner coordinates.
        unit: Pixels to a head unit.
    """
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    return Grid((columns + 0.5 - centre[0]) / unit, (rows + 0.5 - centre[1]) / unit, unit)


def trace(
    solid: Solid, view: View, grid: Grid, nose: Relief | None = None, relief: Relief | None = None
) -> Surface:
    """Find where each pixel's ray meets a solid.

    The ellipse of a level (X, Z) is solved in closed form; its size depends on Y and the nose
    on X and Y, which a few rounds of fixed-point iteration settle.

    Args:
        solid: The base shape.
        view: Direction of view.
        grid: The canvas.
        nose: Height over the base along Z, as a function of X and Y, of what stands out so far
            that turning the head shifts it.
        relief: The whole height, nose included; it shapes the normals.

    Returns:
        Fields of the canvas's shape.
    """
    rotation = view.rotation()
    ray = rotation[2]
    height = np.zeros_like(grid.u)
    y = grid.v - solid.lift
    for _ in range(_ROUNDS):
        u = grid.u - height * rotation[0, 2]
        v = grid.v - height * rotation[1, 2]
        start = [rotation[0, axis] * u + rotation[1, axis] * v for axis in range(3)]
        start[1] = start[1] - solid.lift
        start[2] = start[2] + solid.setback
        width, level = _section(solid, y)
        a = (ray[0] / width) ** 2 + (ray[2] / solid.depth) ** 2
        b = start[0] * ray[0] / width**2 + start[2] * ray[2] / solid.depth**2
        c = (start[0] / width) ** 2 + (start[2] / solid.depth) ** 2 - level
        inside = b * b / a - c
        t = (-b + np.sqrt(np.clip(inside * a, 0.0, None))) / a
        x, y, z = (start[axis] + t * ray[axis] for axis in range(3))
        if nose is not None:
            height = nose(x, y)
    if relief is not None:
        height = relief(x, y)
    slope_v, slope_u = np.gradient(inside)
    edge = np.hypot(slope_u, slope_v) + 1e-9
    coverage = np.clip(inside / edge + 0.5, 0.0, 1.0)
    depth = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * (z + height)
    return Surface(x, y + solid.lift, z, coverage, _normals(depth, grid))


def _section(solid: Solid, y: Field) -> tuple[Field, Field]:
    """Return the half width at a height, and how much of the ellipse is left there."""
    below = np.clip(y / solid.height, 0.0, 1.0)
    width = solid.width * (1 - (1 - solid.taper) * below**1.6)
    if solid.drape:
        y = np.minimum(y, 0.0)
    power = np.where(y > 0, solid.square, _CROWN)
    return width, 1 - np.abs(y / solid.height) ** power


def _normals(depth: Field, grid: Grid) -> Field:
    """Return unit normals (rows, columns, 3) of a depth map, towards the viewer."""
    slope_v, slope_u = np.gradient(gaussian_filter(depth, 0.008 * grid.unit) * grid.unit)
    normal = np.stack([-slope_u, -slope_v, np.ones_like(depth)], axis=-1)
    unit: Field = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
    return unit


def head_solid(person: Identity) -> Solid:
    """Return the base of a person's head."""
    skull = person.skull
    return Solid(skull.width, skull.height, DEPTH, skull.jaw, skull.square)


def face_relief(person: Identity, smile: float) -> Relief:
    """Return the height of a person's face over the base of the head.

    Args:
        person: Whose face.
        smile: Lifts the cheeks.
    """
    skull, eyes, mouth = person.skull, person.eyes, person.mouth
    cheek = skull.cheek + 0.03 * max(smile, 0.0)

    def relief(x: Field, y: Field) -> Field:
        side = np.abs(x)
        height = _nose_relief(person, x, y)
        height = height - eyes.depth * bump(side, y, eyes.half_distance, eyes.line, 0.17, 0.10)
        height += cheek * bump(side, y, 0.42, eyes.line + 0.34, 0.22, 0.17)
        ridge = eyes.line - eyes.brow_height
        height += (0.03 + skull.brow_ridge) * bump(side, y, 0.30, ridge, 0.26, 0.07)
        height += 0.035 * bump(x, y, 0.0, mouth.line, 0.36, 0.17)
        height += _lip_relief(person, x, y)
        height -= 0.03 * bump(x, y, 0.0, mouth.line + 0.155, 0.18, 0.05)
        height += skull.chin * bump(x, y, 0.0, skull.height - 0.17, 0.20, 0.12)
        return height

    return relief


def nose_relief(person: Identity) -> Relief:
    """Return the height of a person's nose over the base of the head."""
    return partial(_nose_relief, person)


def _nose_relief(person: Identity, x: Field, y: Field) -> Field:
    nose, eyes = person.nose, person.eyes
    tip = eyes.line + nose.length
    along = np.clip((y - eyes.line) / nose.length, -0.6, 1.0)
    rise = np.where(along > 0, 0.35 + 0.65 * np.abs(along) ** 1.3, 0.35 * (1 + along / 0.6) ** 2)
    below = np.exp(-((np.clip(y - tip, 0.0, None) / 0.045) ** 2))
    width = nose.bridge * (1 + 0.45 * np.clip(along, 0.0, 1.0))
    height: Field = nose.height * 0.72 * rise * np.exp(-((x / width) ** 2)) * below
    height += nose.height * 0.28 * bump(x, y, 0.0, tip - 0.005, nose.tip, 0.07)
    height += nose.hump * bump(x, y, 0.0, eyes.line + 0.45 * nose.length, 0.06, 0.08)
    wing = bump(np.abs(x), y, nose.width * 0.37, tip + 0.015, nose.width * 0.16, 0.055)
    return height + (0.05 + 0.22 * nose.height) * wing


def _lip_relief(person: Identity, x: Field, y: Field) -> Field:
    mouth = person.mouth
    half = mouth.width / 2
    upper = mouth.upper * 0.6 * bump(x, y, 0.0, mouth.line - mouth.upper / 2, half, mouth.upper)
    lower = (
        mouth.lower
        * 0.7
        * bump(x, y, 0.0, mouth.line + mouth.lower / 2, half * 0.8, mouth.lower * 0.8)
    )
    return upper + lower


def illuminate(surface: Surface, view: View) -> tuple[Field, Field]:
    """Light a surface with one lamp and a dim sky.

    Returns:
        Diffuse light (1 is a surface that faces the lamp) and the strength of the highlight 0..1.
    """
    lamp = np.array([view.light[0], view.light[1], 0.95])
    lamp /= np.linalg.norm(lamp)
    halfway = lamp + np.array((0.0, 0.0, 1.0))
    halfway /= np.linalg.norm(halfway)
    facing = surface.normal @ lamp
    sky = 0.5 - 0.5 * surface.normal[..., 1]
    diffuse: Field = 0.30 + 0.14 * sky + 0.62 * np.clip((facing + 0.15) / 1.15, 0.0, 1.0)
    # Slopes at the very outline mix the solid with what lies outside; they mustn't shine.
    reliable = np.clip(2.5 * surface.normal[..., 2] - 0.6, 0.0, 1.0)
    highlight: Field = reliable * np.clip(surface.normal @ halfway, 0.0, 1.0) ** 24
    return diffuse, highlight


def project(points: Field, view: View) -> Field:
    """Project head points (n, 3) to picture coordinates (n, 2) in head units."""
    projected: Field = points @ view.rotation()[:2].T
    return projected


def landmark_points(person: Identity, smile: float) -> Field:
    """Return eye, eye, nose tip, mouth corner, mouth corner in head coordinates, (5, 3)."""
    eyes, nose, mouth = person.eyes, person.nose, person.mouth
    tip = eyes.line + nose.length
    corner = mouth.width / 2 * (1 + 0.12 * max(smile, 0.0))
    lifted = mouth.line - mouth.corner - 0.05 * smile
    flat = np.array(
        [
            (-eyes.half_distance, eyes.line),
            (eyes.half_distance, eyes.line),
            (0.0, tip),
            (-corner, lifted),
            (corner, lifted),
        ]
    )
    width, level = _section(head_solid(person), flat[:, 1])
    base = DEPTH * np.sqrt(np.clip(level - (flat[:, 0] / width) ** 2, 0.0, None))
    height = face_relief(person, smile)(flat[:, 0], flat[:, 1])
    return np.column_stack([flat, base + height])


def eye_sides(eyes: Eyes) -> tuple[tuple[int, float], tuple[int, float]]:
    """Return (-1, X) and (1, X): the sides of the face with the middle of their eye."""
    return ((-1, -eyes.half_distance), (1, eyes.half_distance))
