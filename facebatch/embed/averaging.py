"""Test-time averaging: which views of a face are embedded."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

TTA = Literal["none", "mirror", "full"]
"""Test-time averaging: of the chip alone, with its mirror image, or of three scales mirrored."""


TTA_CHOICES: tuple[TTA, ...] = get_args(TTA)


DEFAULT_TTA: TTA = "mirror"


SCALES: Mapping[TTA, tuple[float, ...]] = MappingProxyType(
    {"none": (1.0,), "mirror": (1.0,), "full": (0.95, 1.0, 1.05)}
)
"""Template scales at which a face's chips are cut for each kind of averaging."""


MIRRORED: Mapping[TTA, bool] = MappingProxyType({"none": False, "mirror": True, "full": True})
"""Whether each chip's horizontal mirror image is averaged too."""
