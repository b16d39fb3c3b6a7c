"""What is painted on the face: skin, eyes, brows, nose, mouth, the marks of age, and glasses.

Each painter changes an (rows, columns, 3) float picture in place; colours are 0..255. Features
are drawn in head coordinates, so that they turn with the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebatch.demo.identity import Colour, Identity
from facebatch.demo.surface import Field, Surface, View, bump, eye_sides, soft, texture


@dataclass(frozen=True, slots=True)
class Face:
    """All that a painter needs.

    Args:
        person: Who is painted.
        view: How the photo sees the person.
        surface: The traced head.
        diffuse: Light of each pixel, 1 facing the lamp.
        highlight: Strength of the reflection of each pixel, 0..1.
        edge: Width of a soft edge in head units.
    """

    person: Identity
    view: View
    surface: Surface
    diffuse: Field
    highlight: Field
    edge: float


def blend(picture: Field, colour: Colour | Field, alpha: Field) -> None:
    """Lay a colour over the picture in place.

    Args:
        picture: (rows, columns, 3), or (rows, columns, 4) with the coverage so far as fourth
            channel, by which the colours are premultiplied.
        colour: One colour or one for each pixel.
        alpha: Strength 0..1 of each pixel.
    """
    colours = picture[..., :3]
    colours += (np.asarray(colour) - colours) * alpha[..., None]
    if picture.shape[-1] == 4:
        picture[..., 3] += (1 - picture[..., 3]) * alpha


def darken(picture: Field, amount: Field) -> None:
    """Multiply the picture in place by 1 - amount."""
    picture *= 1 - amount[..., None]


def ridge(distance: Field, width: float) -> Field:
    """Return a soft line of half width ``width`` where the distance is zero."""
    line: Field = np.exp(-((distance / width) ** 2))
    return line


def skin_albedo(face: Face) -> Field:
    """Return the unlit colour of the skin: base, blush, blotches, freckles, shaven beard."""
    person, x, y = face.person, face.surface.x, face.surface.y
    skin = person.skin
    albedo = np.empty((*x.shape, 3))
    albedo[:] = skin.colour
    side = np.abs(x)
    blush = skin.blush * bump(side, y, 0.42, person.eyes.line + 0.34, 0.2, 0.16)
    blush += 0.5 * skin.blush * bump(x, y, 0.0, person.eyes.line + person.nose.length, 0.12, 0.1)
    albedo *= 1 + blush[..., None] * (0.03, -0.07, -0.06)
    blotches = texture(person.seed, (9.0, 9.0), x * 0.4, y * 0.4)
    albedo *= 1 + blotches[..., None] * (0.018, 0.026, 0.028) * (0.6 + skin.age)
    if skin.freckles > 0:
        grain = texture(person.seed + 1, (1.6, 1.6), x * 0.45, y * 0.45)
        spots = soft(grain - 1.25, 0.3) * bump(side, y, 0.28, person.eyes.line + 0.28, 0.34, 0.22)
        albedo *= 1 - skin.freckles * spots[..., None] * (0.22, 0.32, 0.38)
    return albedo


def paint_skin(picture: Field, face: Face) -> None:
    """Paint the lit skin over the whole picture."""
    shine = 30 * face.person.skin.shine * face.highlight
    picture[:] = skin_albedo(face) * face.diffuse[..., None] + shine[..., None]


def paint_hollows(picture: Field, face: Face) -> None:
    """Paint the shade of hollows: sockets, sides of the nose, under nose and lip."""
    person, x, y = face.person, face.surface.x, face.surface.y
    eyes, nose, mouth = person.eyes, person.nose, person.mouth
    side, tip = np.abs(x), eyes.line + nose.length
    inner = bump(side, y, 0.13, eyes.line - 0.02, 0.06, 0.08)
    socket = bump(side, y, eyes.half_distance, eyes.line - 0.07, 0.19, 0.05)
    darken(picture, (0.9 * eyes.depth + 0.02) * (1.6 * inner + 1.2 * socket))
    flank = bump(side, y, nose.bridge * 1.7, eyes.line + 0.55 * nose.length, 0.05, 0.16)
    darken(picture, 0.22 * nose.height * flank)
    darken(picture, 0.28 * bump(x, y, 0.0, tip + 0.085, nose.width * 0.42, 0.03))
    darken(picture, 0.16 * bump(x, y, 0.0, mouth.line + mouth.lower + 0.045, 0.17, 0.03))


def paint_nose(picture: Field, face: Face) -> None:
    """Paint nostrils and the crease around each wing."""
    person, x, y = face.person, face.surface.x, face.surface.y
    nose = person.nose
    tip = person.eyes.line + nose.length
    side = np.abs(x)
    hole = bump(side, y, nose.width * 0.23, tip + 0.058, 0.034 + 0.06 * nose.width, 0.017)
    blend(picture, (38.0, 20.0, 16.0), np.clip(1.5 * nose.nostril, 0, 0.9) * hole)
    radius = np.hypot((side - nose.width * 0.34) / (nose.width * 0.18), (y - tip - 0.01) / 0.075)
    outer = soft(side - nose.width * 0.36, 0.03) * soft(y - tip + 0.06, 0.03)
    darken(picture, 0.34 * ridge(radius - 1, 0.22) * outer)


def paint_age(picture: Field, face: Face) -> None:
    """Paint the lines of age and of a smile: cheek folds, bags, forehead, crow's feet."""
    person, x, y = face.person, face.surface.x, face.surface.y
    eyes, nose, mouth, age = person.eyes, person.nose, person.mouth, person.skin.age
    side, smile = np.abs(x), max(face.view.smile, 0.0)
    tip = eyes.line + nose.length
    down = (y - tip) / (mouth.line - tip)
    fold = side - (nose.width * 0.5 + 0.03 + (0.12 + 0.05 * smile) * down)
    span = soft(down + 0.1, 0.15) * soft(1.2 - down, 0.25)
    darken(picture, (0.04 + 0.26 * age + 0.14 * smile) * ridge(fold, 0.022) * span)
    bag = y - eyes.line - 0.115 - 0.5 * (side - eyes.half_distance) ** 2
    under = np.exp(-(((side - eyes.half_distance) / 0.13) ** 4))
    darken(picture, 0.30 * eyes.bags * ridge(bag, 0.025) * under)
    if age > 0.35:
        wave = texture(person.seed + 2, (3.0, 30.0), x * 0.3 + 0.5, y * 0.0)
        waves = np.sin((y + 0.02 * wave + 0.06 * x * x) * 2 * np.pi / 0.085)
        brow = bump(x, y, 0.0, eyes.line - 0.40, 0.38, 0.13)
        darken(picture, 0.30 * (age - 0.35) * soft(waves - 0.6, 0.3) * brow)
        outer = side - eyes.half_distance - eyes.width * 0.62
        rays = np.sin(np.arctan2(y - eyes.line, outer + 0.12) * 16)
        corner = bump(side, y, eyes.half_distance + eyes.width * 0.72, eyes.line, 0.07, 0.08)
        darken(picture, (0.35 * age + 0.15 * smile) * soft(rays - 0.5, 0.3) * corner)


def paint_eyes(picture: Field, face: Face) -> None:
    """Paint both eyes with lids, lashes and the crease of the upper lid."""
    for sign, middle in eye_sides(face.person.eyes):
        across = (face.surface.x - middle) * sign / (face.person.eyes.width / 2)
        down = face.surface.y - face.person.eyes.line + face.person.eyes.tilt * across
        _paint_eye(picture, face, sign, across, down)


def _paint_eye(picture: Field, face: Face, sign: int, across: Field, down: Field) -> None:
    """Paint one eye; ``across`` is -1 at the inner corner and 1 at the outer one."""
    eyes, edge = face.person.eyes, face.edge
    squint = 1 - 0.22 * max(face.view.smile, 0.0)
    inside = np.clip(1 - across * across, 0.0, 1.0)
    skew = 1 - 0.12 * across
    upper = -0.62 * eyes.opening * squint * inside**0.7 * skew
    lower = 0.42 * eyes.opening * squint * inside**0.85
    opening = soft(down - upper, edge) * soft(lower - down, edge) * (inside > 0)
    blend(picture, _eyeball(face, sign, across, down, upper), opening)
    within = soft(1.02 - np.abs(across), 0.06)
    lash_width = 0.010 + 0.012 * eyes.liner
    darken(picture, (0.55 + 0.35 * eyes.liner) * ridge(down - upper, lash_width) * within)
    darken(picture, (0.18 + 0.22 * eyes.liner) * ridge(down - lower - 0.006, 0.010) * within)
    lift = 0.020 + 0.045 * (1 - eyes.hood)
    arc = -lift - (0.62 * eyes.opening) * np.clip(1.05 - across * across, 0.0, 1.0) ** 0.6
    wide = soft(1.15 - np.abs(across + 0.05), 0.1)
    darken(picture, (0.38 - 0.22 * eyes.hood) * ridge(down - arc, 0.014) * wide)


def _eyeball(face: Face, sign: int, across: Field, down: Field, upper: Field) -> Field:
    """Return the colour of the open eye: white, iris, pupil, glint, shadow of the lid."""
    eyes, edge = face.person.eyes, face.edge
    # Eyes follow the camera, so the iris slides against the turn of the head.
    gaze_x = -0.045 * np.sin(face.view.yaw)
    gaze_y = -0.02 - 0.03 * np.sin(face.view.pitch)
    dx = across * sign * eyes.width / 2 - gaze_x
    dy = down - gaze_y * 0.5
    radius = np.hypot(dx, dy)
    ball = np.empty((*radius.shape, 3))
    ball[:] = (226.0, 220.0, 214.0)
    ball *= (0.55 + 0.5 * face.diffuse)[..., None]
    ball *= 1 - 0.22 * (across * across)[..., None]
    iris_radius = 0.063
    iris = np.array(eyes.iris) * (0.65 + 0.75 * radius / iris_radius)[..., None]
    blend(ball, iris, soft(iris_radius - radius, edge))
    darken(ball, 0.55 * ridge(radius - iris_radius, 0.010))
    blend(ball, (10.0, 9.0, 9.0), soft(0.027 - radius, edge))
    glint = np.hypot(dx - 0.02 * np.sign(face.view.light[0] or 1.0), dy + 0.022)
    blend(ball, (250.0, 250.0, 250.0), 0.9 * soft(0.011 - glint, max(edge, 0.006)))
    darken(ball, 0.45 * ridge(down - upper, 0.032))
    return ball


def paint_brows(picture: Field, face: Face) -> None:
    """Paint both brows, as hairs of the person's darkened hair colour."""
    person, x, y = face.person, face.surface.x, face.surface.y
    eyes = person.eyes
    hairs = texture(person.seed + 3, (1.0, 4.0), x * 0.8, y * 0.8)
    colour = np.array(person.hair.colour) * 0.55 + np.array(person.skin.colour) * 0.10
    for sign, middle in eye_sides(eyes):
        across = ((x - middle) * sign - 0.01) / eyes.brow_length
        arch = eyes.brow_arch * (1 - (across - 0.25) ** 2 / 1.2) - eyes.brow_slope * across
        raised = 0.012 * face.view.smile
        centre = eyes.line - eyes.brow_height - arch + 0.015 - raised
        thick = eyes.brow_thickness * (1.05 - 0.35 * np.clip(across, -1, 1) ** 2 - 0.3 * across)
        body = np.exp(-(((y - centre) / np.clip(thick, 0.008, None)) ** 4))
        ends = soft(1.0 - np.abs(across), 0.12)
        density = np.clip(eyes.brow_density * (1 + 0.22 * hairs), 0.0, 1.0)
        blend(picture, colour * (0.5 + 0.6 * face.diffuse)[..., None], body * ends * density)


def paint_mouth(picture: Field, face: Face) -> None:
    """Paint the lips; a broad smile opens them over the teeth."""
    person, x, y, edge = face.person, face.surface.x, face.surface.y, face.edge
    mouth, smile = person.mouth, face.view.smile
    half = mouth.width / 2 * (1 + 0.12 * max(smile, 0.0))
    across = x / half
    inside = np.clip(1 - across * across, 0.0, 1.0)
    line = mouth.line - (mouth.corner + 0.05 * smile) * across**2
    gap = 0.085 * max(smile - 0.35, 0.0) * inside
    bow = 1 - mouth.bow * np.exp(-((across / 0.16) ** 2)) + 0.25 * mouth.bow
    top = line - mouth.upper * inside**0.75 * bow * (1 - 0.15 * max(smile, 0.0))
    bottom = line + gap + mouth.lower * inside**0.6 * (1 - 0.1 * max(smile, 0.0))
    corners = (inside > 0).astype(np.float64)
    lips = soft(y - top, edge + 0.006) * soft(bottom - y, edge + 0.010) * corners
    lit = np.array(mouth.colour) * (0.30 + 0.75 * face.diffuse)[..., None]
    lit *= np.where(y < line, 0.86, 1.06)[..., None]
    lit += (14 * ridge(y - line - gap - mouth.lower * 0.5, 0.02))[..., None]
    blend(picture, lit, 0.85 * lips)
    if smile > 0.35:
        teeth = soft(y - line, edge) * soft(line + gap - y, edge) * corners
        columns = 0.90 + 0.10 * np.abs(np.cos(across * 12))
        white = np.array((232.0, 226.0, 214.0)) * (columns * inside**0.35)[..., None]
        blend(picture, white * (0.55 + 0.4 * face.diffuse)[..., None], teeth)
    ends = soft(1.05 - np.abs(across), 0.05)
    seam = 0.011 + 0.006 * (1 - inside)
    darken(picture, 0.62 * np.exp(-(((y - line) / seam) ** 2)) * ends)
    darken(picture, 0.25 * bump(np.abs(x), y, half * 1.02, mouth.line - 0.05 * smile, 0.03, 0.03))


def paint_glasses(picture: Field, face: Face) -> None:
    """Paint the frame of a person's glasses, if any."""
    person, x, y = face.person, face.surface.x, face.surface.y
    if person.glasses <= 0:
        return
    eyes, thick = person.eyes, person.glasses
    tint = np.random.default_rng([person.seed, 0x61]).choice([18.0, 60.0, 110.0])
    frame = (tint * 1.1, tint * 0.9, tint * 0.8)
    power, reach = person.glasses_square, eyes.half_distance * 0.74
    for _, middle in eye_sides(eyes):
        radius = (
            np.abs((x - middle) / reach) ** power + np.abs((y - eyes.line) / 0.17) ** power
        ) ** (1 / power)
        blend(picture, frame, 0.9 * ridge((radius - 1) * 0.2, thick))
        blend(picture, (235.0, 240.0, 245.0), 0.06 * soft(1 - radius, 0.1))
    bridge = soft(eyes.half_distance - reach - np.abs(x), 0.02)
    blend(picture, frame, 0.9 * bridge * ridge(y - eyes.line + 0.03, thick))
    arms = soft(np.abs(x) - eyes.half_distance - reach, 0.02)
    blend(picture, frame, 0.8 * arms * ridge(y - eyes.line + 0.04, thick))
