"""Finding faces: what a detection is, and what every detector promises.

A detector sees one decoded picture and knows nothing of files, full-size pictures or faces'
identities. This module is the light part that everyone may import; the networks are behind
``load_detector``.
"""

from __future__ import annotations

from facebatch.detect.base import Detections, Detector
from facebatch.errors import UsageError
from facebatch.models import registry
from facebatch.models.card import Card
from facebatch.models.detectors import known_detectors
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE, Choice, choose
from facebatch.models.registry import DEFAULT_MIN_FACE

__all__ = ["Detections", "Detector", "load_detector"]


def load_detector(
    name: str,
    *,
    min_face: int = DEFAULT_MIN_FACE,
    engine: str = DEFAULT_ENGINE,
    device: str = DEFAULT_DEVICE,
) -> Detector:
    """Load a detector by its registry name.

    Args:
        name: One of ``facebatch.models.detectors.known_detectors``.
        min_face: Side of the smallest square to look into for a face, in pixels of the image; a
            face's box may be half as large.
        engine: What runs its networks, one of ``facebatch.models.engines.ENGINES``.
        device: Where they run, one of ``facebatch.models.engines.DEVICES``.

    Raises:
        UsageError: There is no such detector, or the engine or the device can't be used.
        WeightsError: Its weights are missing or aren't the expected ones.
    """
    if name == "mtcnn":
        from facebatch.detect.mtcnn import MtcnnDetector

        return MtcnnDetector(min_face=min_face, engine=engine, device=device)
    if name in (known := known_detectors()):
        return _single_shot(registry.card(name), min_face, choose(engine, device))
    raise UsageError(f"no detector named {name!r}; there are {', '.join(known)}")


def _single_shot(card: Card, min_face: int, chosen: Choice) -> Detector:
    from facebatch.detect.families import FAMILIES
    from facebatch.detect.onnx_nets import loaded
    from facebatch.detect.second_opinion import SecondOpinion
    from facebatch.detect.single_shot import SingleShotDetector

    [file] = card.files
    family = FAMILIES[card.family or ""]
    net = loaded(registry.read(file), card, chosen, family.strips)
    return SingleShotDetector(card.name, family, net, SecondOpinion(chosen), min_face)
