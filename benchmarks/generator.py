"""Invented people for tests of scale: embeddings with the spread of real ones, at any number.

The model is of dlib-resnet without averaging, fitted to LFW's and to the pins set's distances
(docs/concepts.md), and of mobilefacenet with the mirror image, fitted to those of LFW's View 1 test
set (of strangers at rates of 1e-4 to .9, and of one person's photos): a direction that all faces
share; between people variance that falls off exponentially over the axes, part of it shared by
look-alikes of a few types; within a person a slower fall, scaled by person and by face, with a few
bad pictures. People are as many faces each as LFW's: a power law of exponent 2.3, so that two
thirds have one, up to 530. The simulated people of dlib-resnet are a little harder to tell apart
than the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facebatch.embed import TTA
from facebatch.models.space_thresholds import Links, shipped

DIMENSION = 128
_BLOCK = 50_000
_EXPONENT = 2.3
_MOST_FACES = 530
"""Faces of the commonest person of LFW."""


@dataclass(frozen=True)
class Spread:
    """How one set of real photos is spread.

    Args:
        between: Variance between people, all axes together.
        between_fall: Axes over which it falls to 1/e.
        first_axis: Factor of the first axis of all.
        within: Variance between one person's photos, all axes together.
        within_fall: Axes over which it falls to 1/e.
        person_scale: Spread (of the logarithm) of how much people vary.
        face_scale: The same for single photos.
        rarity: Spread (of the logarithm) of how far people are from the average.
        alike: Share of people that are of a type.
        own: What of a look-alike's variance is their own.
        types: Number of types.
        bad: Share of bad pictures.
        bad_scale: How much more those vary.
    """

    between: float
    between_fall: float
    first_axis: float
    within: float
    within_fall: float
    person_scale: float
    face_scale: float
    rarity: float
    alike: float
    own: float
    types: int
    bad: float
    bad_scale: float


SPREADS: Mapping[str, Spread] = {
    "lfw": Spread(
        between=0.1449,
        between_fall=16.253,
        first_axis=1.525,
        within=0.0577,
        within_fall=38.0,
        person_scale=0.0847,
        face_scale=0.1435,
        rarity=0.0692,
        alike=0.4176,
        own=0.4476,
        types=14,
        bad=0.0053,
        bad_scale=1.5905,
    ),
    "pins": Spread(
        between=0.115,
        between_fall=11.0,
        first_axis=3.5,
        within=0.0693,
        within_fall=42.6662,
        person_scale=0.0785,
        face_scale=0.145,
        rarity=0.0,
        alike=0.1441,
        own=0.6553,
        types=10,
        bad=0.0153,
        bad_scale=1.4697,
    ),
    "mobilefacenet": Spread(
        between=51.6177,
        between_fall=45.0969,
        first_axis=0.9281,
        within=27.7452,
        within_fall=56.5516,
        person_scale=0.1794,
        face_scale=0.1649,
        rarity=0.0,
        alike=0.3764,
        own=0.95,
        types=14,
        bad=0.0145,
        bad_scale=2.5483,
    ),
}

SPACES: Mapping[str, tuple[str, TTA]] = {
    "lfw": ("dlib-resnet", "none"),
    "pins": ("dlib-resnet", "none"),
    "mobilefacenet": ("mobilefacenet", "mirror"),
}
"""The embedder and its averaging that each of `SPREADS` is of."""


def links_of(spread: str) -> Links:
    """Returns what ships of the space that a spread is of, as far as links go."""
    embedder, averaging = SPACES[spread]
    return shipped(embedder)[averaging].links


def population(n: int, seed: int) -> npt.NDArray[np.int32]:
    """Returns the person (n,) of each of n faces, in random order."""
    generator = np.random.default_rng((seed, 1))
    sizes = np.arange(1, _MOST_FACES + 1)
    share = sizes**-_EXPONENT
    drawn = generator.choice(sizes, size=n, p=share / share.sum())
    people = np.repeat(np.arange(n, dtype=np.int32), drawn)[:n]
    return generator.permutation(people)


def faces(
    people: npt.NDArray[np.integer], seed: int, spread: str = "lfw"
) -> npt.NDArray[np.float32]:
    """Returns one embedding (n, 128), of length 1, for each face.

    Args:
        people: (n,) the person of each face, 0 or more.
        seed: Of everything that is drawn.
        spread: One of `SPREADS`.
    """
    model = SPREADS[spread]
    generator = np.random.default_rng((seed, 2))
    within = np.sqrt(_falling(model.within, model.within_fall)).astype(np.float32)
    centres = _centres(int(people.max(initial=-1)) + 1, model, generator)
    scales = np.exp(model.person_scale * generator.standard_normal(len(centres)))
    result = np.empty((len(people), DIMENSION), np.float32)
    for start in range(0, len(people), _BLOCK):
        person = people[start : start + _BLOCK]
        scale = scales[person] * _face_scales(len(person), model, generator)
        noise = generator.standard_normal((len(person), DIMENSION), np.float32) * within
        rows = centres[person] + scale[:, None].astype(np.float32) * noise
        # The shared direction is an axis of its own, folded into the weakest of the others.
        rows[:, -1] = np.hypot(rows[:, -1], 1)
        result[start : start + _BLOCK] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return result


def _falling(total: float, fall: float, first: float = 1.0) -> npt.NDArray[np.float64]:
    variances = np.exp(-np.arange(DIMENSION) / fall)
    variances[0] *= first
    return variances * (total / variances.sum())


def _centres(people: int, model: Spread, generator: np.random.Generator) -> npt.NDArray[np.float32]:
    deviations = np.sqrt(_falling(model.between, model.between_fall, model.first_axis))
    deviations = deviations.astype(np.float32)
    types = generator.standard_normal((model.types, DIMENSION), np.float32) * deviations
    centres = generator.standard_normal((people, DIMENSION), np.float32) * deviations
    rarity = np.exp(model.rarity * generator.standard_normal(people) - model.rarity**2)
    centres *= rarity[:, None].astype(np.float32)
    alike = np.flatnonzero(generator.random(people) < model.alike)
    type_of = generator.integers(model.types, size=len(alike))
    own, shared = np.float32(np.sqrt(model.own)), np.float32(np.sqrt(1 - model.own))
    centres[alike] = shared * types[type_of] + own * centres[alike]
    return centres


def _face_scales(n: int, model: Spread, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    scales = np.exp(model.face_scale * generator.standard_normal(n))
    scales[generator.random(n) < model.bad] *= model.bad_scale
    # Their mean square, together with the people's, is 1.
    mean_square = 1 + model.bad * (model.bad_scale**2 - 1)
    return scales / (np.exp(model.person_scale**2 + model.face_scale**2) * np.sqrt(mean_square))
