"""Which embedders there are, and which is the best that can run here."""

from __future__ import annotations

from facebatch.models import onnx_runtime
from facebatch.models.registry import DEFAULT_EMBEDDER, all_cards, card, is_installed
from facebatch.models.space_thresholds import shipped

_FORMATS = frozenset({"dlib", "facenet", "onnx", "openvino"})  # which `facebatch.embed` reads

_BETTER = "mobilefacenet"


def known_embedders() -> tuple[str, ...]:
    """Returns the names of the shipped ones and of the user's own, as they are now."""
    return tuple(
        card.name for card in all_cards() if card.kind == "embedder" and card.format in _FORMATS
    )


def best(tta: str) -> str:
    """Returns the embedder that ``auto`` stands for.

    It is mobilefacenet where its file and something that runs it are installed, else dlib-resnet,
    whose file comes with facebatch. retail-0095 is as good, but its official files were never run.

    Args:
        tta: Views that are averaged; an embedder without thresholds for them isn't taken.
    """
    measured = tta in shipped(_BETTER)
    there = onnx_runtime.can_run() and measured and all(map(is_installed, card(_BETTER).files))
    return _BETTER if there else DEFAULT_EMBEDDER
