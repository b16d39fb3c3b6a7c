"""Embedding chips: what every embedder promises, and how to get one.

An embedder reads aligned chips and gives unit vectors; it never sees a picture. This module is
the light part that everyone may import; the networks are behind ``load_embedder``.
"""

from __future__ import annotations

from facebatch.embed.averaging import DEFAULT_TTA, MIRRORED, SCALES, TTA, TTA_CHOICES
from facebatch.embed.base import Embedder
from facebatch.errors import UsageError
from facebatch.models import registry
from facebatch.models.embedders import known_embedders
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE
from facebatch.models.registry import DEFAULT_EMBEDDER

__all__ = [
    "DEFAULT_TTA",
    "MIRRORED",
    "SCALES",
    "TTA",
    "TTA_CHOICES",
    "Embedder",
    "load_embedder",
]


def load_embedder(
    name: str = DEFAULT_EMBEDDER,
    tta: TTA = DEFAULT_TTA,
    engine: str = DEFAULT_ENGINE,
    device: str = DEFAULT_DEVICE,
) -> Embedder:
    """Load an embedder by its registry name.

    Args:
        name: One of ``facebatch.models.embedders.known_embedders``.
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
    if name not in (known := known_embedders()):
        raise UsageError(f"no embedder named {name!r}; there are {', '.join(known)}")
    card = registry.card(name)
    contents = [registry.read(file) for file in card.files]
    if card.format == "facenet":
        from facebatch.embed.facenet import load_facenet

        return load_facenet(card, contents, tta, engine, device)
    from facebatch.embed.card_embedder import load_card_embedder

    return load_card_embedder(card, contents, tta, engine, device)
