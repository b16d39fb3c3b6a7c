"""Embedding chips: what every embedder promises, and how to get one.

An embedder reads aligned chips and gives unit vectors; it never sees a picture. This module is
the light part that everyone may import; the networks are behind ``load_embedder``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import UsageError
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE
from facebatch.models.provenance import Provenance

EMBEDDERS = ("dlib-resnet",)
DEFAULT_EMBEDDER = "dlib-resnet"

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


class Embedder(Protocol):
    """Turns aligned chips into embeddings."""

    @property
    def name(self) -> str:
        """The name in the model registry."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    @property
    def template(self) -> str:
        """Name of the template that chips are aligned to (``facebatch.faces.align.TEMPLATES``)."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Template scales at which the chips of a face are cut, in the order ``embed`` expects."""

    @property
    def provenance(self) -> Provenance:
        """What runs the model."""

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the chips of n faces.

        Args:
            chips: uint8 (n, len(scales), size, size, 3), RGB, where size is the template's;
                n may be 0.

        Returns:
            float32 (n, dimension) with rows of unit length.

        Raises:
            ValueError: The array has another shape or dtype.
        """


def load_embedder(
    name: str = DEFAULT_EMBEDDER,
    tta: TTA = DEFAULT_TTA,
    engine: str = DEFAULT_ENGINE,
    device: str = DEFAULT_DEVICE,
) -> Embedder:
    """Load an embedder by its registry name.

    Args:
        name: One of ``EMBEDDERS``.
        tta: The test-time averaging; part of the space, since it moves every embedding.
        engine: What runs its network, one of ``facebatch.models.engines.ENGINES``.
        device: Where it runs, one of ``facebatch.models.engines.DEVICES``.

    Raises:
        UsageError: There is no such embedder or averaging, or the engine or the device can't be
            used.
        WeightsError: Its weights are missing or aren't the expected ones.
    """
    if tta not in TTA_CHOICES:
        raise UsageError(f"no averaging named {tta!r}; there are {', '.join(TTA_CHOICES)}")
    if name == "dlib-resnet":
        from facebatch.embed.dlib_resnet import DlibResnetEmbedder

        return DlibResnetEmbedder(tta, engine, device=device)
    raise UsageError(f"no embedder named {name!r}; there are {', '.join(EMBEDDERS)}")
