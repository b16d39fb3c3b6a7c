"""Who faces are, by their embeddings and a gallery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.errors import UsageError
from facebatch.identify import Calibration
from facebatch.identify.calibration import DISTANCE_METHODS
from facebatch.identify.query import IdentificationQuery

Label = dict[str, Any]
"""``name`` and ``probability``, which are None where nobody is near enough, or none is known."""

UNKNOWN: Label = {"name": None, "probability": None}

Namer = Callable[[npt.NDArray[np.float32]], list[Label]]
"""Gives the labels of faces by their embeddings (n, d), rows of length 1."""


def nobody(embeddings: npt.NDArray[np.float32]) -> list[Label]:
    """Returns the labels of faces that nobody knows: a `Namer`."""
    return [UNKNOWN] * len(embeddings)


def namer_of(query: IdentificationQuery | None) -> Namer:
    """Returns what names faces by a gallery; without one, `nobody`.

    Raises:
        GalleryError, UsageError: As for `IdentificationQuery.decided_by`.
    """
    if query is None:
        return nobody
    model, threshold = query.model, query.decided_by()[0]
    calibration = _calibration(query) if query.method in DISTANCE_METHODS else None

    def name(embeddings: npt.NDArray[np.float32]) -> list[Label]:
        decided = model.decide(embeddings, threshold)
        likely: list[float | None] = [None] * len(embeddings)
        if calibration is not None and calibration.curve:
            likely = calibration.probability(decided.score).tolist()
        return [
            UNKNOWN if person < 0 else {"name": model.people[person], "probability": probability}
            for person, probability in zip(decided.person.tolist(), likely, strict=True)
        ]

    return name


def _calibration(query: IdentificationQuery) -> Calibration | None:
    """Returns what says how likely names are; a stated threshold does without."""
    try:
        return query.calibration()
    except UsageError:
        if query.threshold is None:
            raise
        return None
