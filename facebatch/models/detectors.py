"""Which detectors there are, which is the best that can run here, and which files it reads."""

from __future__ import annotations

from facebatch.models import onnx_runtime
from facebatch.models.card import WeightFile
from facebatch.models.registry import ONET, all_cards, card, is_installed

AUTO = "auto"
"""Stands for the best detector that can run here; a collection holds the one it stood for."""


def known_detectors() -> tuple[str, ...]:
    """Returns the names of the shipped ones and of the user's own, as they are now.

    A network that reads pictures of one size only would see most photos shrunk: it isn't among
    them.
    """
    return tuple(
        card.name for card in all_cards() if card.kind == "detector" and card.input.size == 0
    )


def best() -> str:
    """Returns the detector that ``auto`` stands for.

    It is YuNet where its file and something that runs it are installed, else MTCNN, whose files
    come with facebatch.
    """
    return (
        "yunet"
        if onnx_runtime.can_run() and all(map(is_installed, card("yunet").files))
        else "mtcnn"
    )


def weights(name: str) -> tuple[WeightFile, ...]:
    """Returns every file that a detector reads: its own, and that of O-Net.

    Raises:
        WeightsError: There is no such detector.
    """
    own = card(name).files
    return own if ONET in own else (*own, ONET)
