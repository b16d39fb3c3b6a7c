"""Who a procedural person is: every number that stays the same from one photo to the next.

An identity is drawn from its seed alone. Traits are drawn around the centre of a family
(colouring and proportions that occur together in real faces), because independent uniform traits
give faces that a recognition network sees as variations of one. Lengths are in head units: the
pupils of an average face lie 0.66 apart, so that one unit is about 95 mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Family:
    """The centre of a group of faces: ranges of colour and the means of proportions."""

    skins: tuple[Colour, ...]
    hairs: tuple[Colour, ...]
    irises: tuple[Colour, ...]
    eye_open: float
    eye_tilt: float
    hood: float
    nose_width: float
    nose_height: float
    lip: float
    curl: float


@dataclass(frozen=True, slots=True)
class Skull:
    """Outline of the head: half width, half height, width left at the chin, squareness."""

    width: float
    height: float
    jaw: float
    square: float
    cheek: float
    chin: float
    brow_ridge: float


@dataclass(frozen=True, slots=True)
class Eyes:
    """Eyes and brows; distances from the face's middle line, heights from the eye line."""

    half_distance: float
    line: float
    width: float
    opening: float
    tilt: float
    hood: float
    depth: float
    iris: Colour
    liner: float
    bags: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    brow_slope: float
    brow_length: float
    brow_density: float


@dataclass(frozen=True, slots=True)
class Nose:
    """Nose: ``length`` from the eye line to the tip, ``height`` of the tip over the face."""

    length: float
    width: float
    height: float
    bridge: float
    hump: float
    tip: float
    nostril: float


@dataclass(frozen=True, slots=True)
class Mouth:
    """Mouth: ``line`` is where the lips meet, below the face's centre."""

    line: float
    width: float
    upper: float
    lower: float
    bow: float
    corner: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Hair:
    """Hair of the head and of the face; ``style`` is one of STYLES, ``beard`` one of BEARDS."""

    colour: Colour
    style: str
    volume: float
    line: float
    length: float
    parting: float
    curl: float
    beard: str
    beard_density: float


@dataclass(frozen=True, slots=True)
class Skin:
    """Colour of the skin and what time and sun did to it (each 0..1)."""

    colour: Colour
    age: float
    blush: float
    freckles: float
    shine: float


@dataclass(frozen=True, slots=True)
class Identity:
    """One procedural person. ``glasses`` is the frame's thickness in head units, 0 for none."""

    seed: int
    skull: Skull
    eyes: Eyes
    nose: Nose
    mouth: Mouth
    hair: Hair
    skin: Skin
    glasses: float
    glasses_square: float


_FEMININE_STYLES = {"long": 0.45, "fringe": 0.25, "side": 0.15, "curly": 0.15}
_MASCULINE_STYLES = {"short": 0.4, "side": 0.2, "receding": 0.2, "bald": 0.1, "curly": 0.1}

_EXAGGERATION = 1.6
"""Faces of one renderer share its style, which brings their embeddings together; proportions
that vary more than in people make up for it (benchmarks/renderer_distances.py measures)."""

STYLES = ("bald", "receding", "short", "side", "fringe", "long", "curly")
BEARDS = ("none", "stubble", "full", "goatee", "moustache")

_BLACK: Colour = (24, 20, 19)
_DARK: Colour = (52, 36, 27)
_BROWN: Colour = (92, 61, 38)
_AUBURN: Colour = (128, 62, 32)
_BLOND: Colour = (196, 156, 98)
_FLAXEN: Colour = (222, 194, 142)
_BROWN_EYE: Colour = (74, 46, 26)
_DARK_EYE: Colour = (42, 27, 18)
_BLUE_EYE: Colour = (92, 130, 158)
_GREEN_EYE: Colour = (98, 116, 74)
_GREY_EYE: Colour = (126, 136, 140)

FAMILIES = (
    Family(
        skins=((247, 212, 190), (240, 198, 172)),
        hairs=(_BLOND, _FLAXEN, _BROWN, _AUBURN),
        irises=(_BLUE_EYE, _GREY_EYE, _GREEN_EYE),
        eye_open=0.108,
        eye_tilt=0.0,
        hood=0.35,
        nose_width=0.33,
        nose_height=0.30,
        lip=0.85,
        curl=0.2,
    ),
    Family(
        skins=((228, 182, 148), (210, 160, 122)),
        hairs=(_DARK, _BLACK, _BROWN),
        irises=(_BROWN_EYE, _DARK_EYE, _GREEN_EYE),
        eye_open=0.118,
        eye_tilt=0.012,
        hood=0.25,
        nose_width=0.36,
        nose_height=0.34,
        lip=1.0,
        curl=0.4,
    ),
    Family(
        skins=((238, 200, 160), (226, 182, 138)),
        hairs=(_BLACK, _BLACK, _DARK),
        irises=(_DARK_EYE, _BROWN_EYE),
        eye_open=0.082,
        eye_tilt=0.03,
        hood=0.9,
        nose_width=0.38,
        nose_height=0.20,
        lip=1.0,
        curl=0.0,
    ),
    Family(
        skins=((178, 124, 86), (158, 106, 70)),
        hairs=(_BLACK, _DARK),
        irises=(_DARK_EYE, _BROWN_EYE),
        eye_open=0.122,
        eye_tilt=0.012,
        hood=0.3,
        nose_width=0.39,
        nose_height=0.30,
        lip=1.15,
        curl=0.2,
    ),
    Family(
        skins=((116, 76, 52), (88, 56, 40)),
        hairs=(_BLACK, _BLACK),
        irises=(_DARK_EYE,),
        eye_open=0.115,
        eye_tilt=0.01,
        hood=0.3,
        nose_width=0.46,
        nose_height=0.24,
        lip=1.5,
        curl=1.0,
    ),
)


def draw_identity(seed: int) -> Identity:
    """Draw the person of a seed.

    Args:
        seed: Any non-negative integer; the same seed is the same person for ever.

    Returns:
        The person's traits.
    """
    rng = np.random.default_rng([seed, 0xFACE])
    family = FAMILIES[int(rng.integers(len(FAMILIES)))]
    feminine = bool(rng.random() < 0.5)
    age = float(rng.random() ** 1.3)
    skin = Skin(
        colour=_tint(rng, family.skins, 0.06),
        age=age,
        blush=float(rng.uniform(0.2, 1.0)),
        freckles=float(max(0.0, rng.uniform(-1.5, 1.0))),
        shine=float(rng.uniform(0.2, 1.0)),
    )
    hair = _draw_hair(rng, family, feminine, age)
    glasses = float(rng.uniform(0.008, 0.03)) if rng.random() < 0.22 else 0.0
    return Identity(
        seed=seed,
        skull=_draw_skull(rng, feminine),
        eyes=_draw_eyes(rng, family, feminine, age),
        nose=_draw_nose(rng, family, feminine),
        mouth=_draw_mouth(rng, family, feminine, skin.colour),
        hair=hair,
        skin=skin,
        glasses=glasses,
        glasses_square=float(rng.uniform(2.0, 5.0)),
    )


def _spread(rng: np.random.Generator, mean: float, deviation: float) -> float:
    """Draw around a mean; cut at two deviations, so that nobody is a caricature."""
    return mean + _EXAGGERATION * deviation * float(np.clip(rng.normal(), -2.0, 2.0))


def _tint(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float) -> Colour:
    """Mix two of the colours and vary the brightness by up to ``spread``."""
    first, second = (colours[int(i)] for i in rng.integers(len(colours), size=2))
    share, gain = rng.random(), rng.uniform(1 - spread, 1 + spread)
    mixed = (np.array(first) * share + np.array(second) * (1 - share)) * gain
    return (float(mixed[0]), float(mixed[1]), float(mixed[2]))


def _draw_skull(rng: np.random.Generator, feminine: bool) -> Skull:
    return Skull(
        width=_spread(rng, 0.735 if feminine else 0.765, 0.05),
        height=_spread(rng, 1.10, 0.05),
        jaw=_spread(rng, 0.74 if feminine else 0.86, 0.07),
        square=_spread(rng, 2.3 if feminine else 2.7, 0.25),
        cheek=_spread(rng, 0.05, 0.025),
        chin=_spread(rng, 0.05 if feminine else 0.08, 0.03),
        brow_ridge=_spread(rng, 0.02 if feminine else 0.055, 0.015),
    )


def _draw_eyes(rng: np.random.Generator, family: Family, feminine: bool, age: float) -> Eyes:
    return Eyes(
        half_distance=_spread(rng, 0.33, 0.025),
        line=_spread(rng, -0.06, 0.03),
        width=_spread(rng, 0.305, 0.022),
        opening=family.eye_open * _spread(rng, 1.08 if feminine else 0.95, 0.10),
        tilt=family.eye_tilt + _spread(rng, 0.0, 0.010),
        hood=float(np.clip(_spread(rng, family.hood + 0.2 * age, 0.2), 0.0, 1.0)),
        depth=_spread(rng, 0.075, 0.03),
        iris=_tint(rng, family.irises, 0.15),
        liner=float(rng.uniform(0.3, 1.0)) if feminine else float(rng.uniform(0.0, 0.25)),
        bags=float(np.clip(_spread(rng, 0.15 + 0.5 * age, 0.2), 0.0, 1.0)),
        brow_height=_spread(rng, 0.175 if feminine else 0.15, 0.02),
        brow_thickness=_spread(rng, 0.024 if feminine else 0.038, 0.008),
        brow_arch=_spread(rng, 0.045 if feminine else 0.025, 0.015),
        brow_slope=_spread(rng, 0.0, 0.014),
        brow_length=_spread(rng, 0.185, 0.018),
        brow_density=float(rng.uniform(0.5, 0.95)),
    )


def _draw_nose(rng: np.random.Generator, family: Family, feminine: bool) -> Nose:
    return Nose(
        length=_spread(rng, 0.39 if feminine else 0.415, 0.035),
        width=family.nose_width * _spread(rng, 0.94 if feminine else 1.03, 0.09),
        height=family.nose_height * _spread(rng, 1.0, 0.15),
        bridge=_spread(rng, 0.075, 0.015),
        hump=_spread(rng, 0.0 if feminine else 0.02, 0.02),
        tip=_spread(rng, 0.085, 0.012),
        nostril=_spread(rng, 0.5, 0.12),
    )


def _draw_mouth(rng: np.random.Generator, family: Family, feminine: bool, skin: Colour) -> Mouth:
    paint = float(rng.uniform(0.15, 0.9)) if feminine else 0.0
    lipstick = np.array([(176, 40, 58), (190, 84, 92), (142, 44, 66)][int(rng.integers(3))])
    natural = np.array(skin) * (0.80, 0.56, 0.56) + (14, 8, 10)
    colour = natural * (1 - paint) + lipstick * paint
    return Mouth(
        line=_spread(rng, 0.625, 0.035),
        width=_spread(rng, 0.55, 0.045),
        upper=0.062 * family.lip * _spread(rng, 1.1 if feminine else 0.85, 0.18),
        lower=0.080 * family.lip * _spread(rng, 1.1 if feminine else 0.9, 0.18),
        bow=float(rng.uniform(0.05, 0.4)),
        corner=_spread(rng, 0.0, 0.012),
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
    )


def _draw_hair(rng: np.random.Generator, family: Family, feminine: bool, age: float) -> Hair:
    colour = np.array(_tint(rng, family.hairs, 0.12))
    grey = float(np.clip((age - 0.55) * 2.4 + rng.normal() * 0.15, 0.0, 1.0))
    colour = colour * (1 - grey) + np.array((196.0, 194.0, 190.0)) * grey
    styles = _FEMININE_STYLES if feminine else _MASCULINE_STYLES
    style = str(rng.choice(list(styles), p=list(styles.values())))
    if family.curl > 0.8 and style in ("side", "fringe"):
        style = "curly"
    bearded = not feminine and rng.random() < 0.45
    return Hair(
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        style=style,
        volume=_spread(rng, 0.16 if feminine else 0.09, 0.03) * (1 + 0.8 * family.curl),
        line=_spread(rng, -0.66, 0.06),
        length=float(rng.uniform(0.5, 1.7)) if feminine else float(rng.uniform(-0.1, 0.2)),
        parting=float(rng.uniform(-0.45, 0.45)),
        curl=family.curl,
        beard=str(rng.choice(BEARDS[1:])) if bearded else "none",
        beard_density=float(rng.uniform(0.45, 0.95)),
    )
