"""Simulated people for tests: embeddings with the spread that real ones have.

The spectra and sizes follow a calibration on LFW (docs/concepts.md): strangers lie at d2 about
0.33, photos of one person at about 0.1, in few enough directions that both vary a good deal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TAU = 0.094
"""d2 at FAR 1e-5 of one-pass embeddings on LFW (docs/concepts.md), which these imitate."""

DIMENSION = 128


def people(sizes: list[int], seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Returns shuffled embeddings (n, 128) and the person (n,) of each.

    Four people in ten are look-alikes of one of 14 types, and photos differ in how well they show
    their person.
    """
    generator = np.random.default_rng(seed)
    axes = np.arange(DIMENSION)
    between = np.exp(-axes / 16.0)
    within = np.exp(-axes / 38.0)
    between *= 0.145 / between.sum()
    within *= 0.058 / within.sum()
    centres = generator.standard_normal((len(sizes), DIMENSION)) * np.sqrt(between)
    types = generator.standard_normal((14, DIMENSION)) * np.sqrt(between)
    alike = generator.random(len(sizes)) < 0.42
    own = np.sqrt(0.55) * types[generator.integers(14, size=len(sizes))] + np.sqrt(0.45) * centres
    centres[alike] = own[alike]
    truth = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    noise = generator.standard_normal((len(truth), DIMENSION)) * np.sqrt(within)
    noise *= np.exp(0.17 * generator.standard_normal((len(truth), 1)) - 0.03)
    rows = centres[truth] + noise
    rows[:, -1] += 1.0  # the direction all faces share
    return unit(rows), truth


def unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Returns the rows scaled to length 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def at_angles(*degrees: float) -> npt.NDArray[np.float32]:
    """Returns points on the unit circle, (n, 2): distances that can be reckoned by hand."""
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def d2_of_angle(degrees: float) -> float:
    """Returns the squared L2 distance of two points on the unit circle this far apart."""
    return float(2 - 2 * np.cos(np.deg2rad(degrees)))


def partition(labels: npt.NDArray[np.integer]) -> set[frozenset[int]]:
    """Returns the clusters as sets of rows, label -1 as single faces."""
    groups: dict[int, set[int]] = {}
    for row, label in enumerate(labels.tolist()):
        groups.setdefault(label if label >= 0 else -1 - row, set()).add(row)
    return {frozenset(rows) for rows in groups.values()}
