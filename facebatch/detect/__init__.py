"""Finding faces: what a detection is, and what every detector promises.

A detector sees one decoded picture and knows nothing of files, full-size pictures or faces'
identities. This module is the light part that everyone may import; the networks are behind
``load_detector``.
"""

from __future__ import annotations

from facebatch.detect.base import Detections, Detector
from facebatch.errors import UsageError
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE
from facebatch.models.registry import DEFAULT_MIN_FACE, DETECTORS

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
        name: One of ``DETECTORS``.
        min_face: Side of the smallest face to look for, in pixels of the image.
        engine: What runs its networks, one of ``facebatch.models.engines.ENGINES``.
        device: Where they run, one of ``facebatch.models.engines.DEVICES``.

    Raises:
        UsageError: There is no such detector, or the engine or the device can't be used.
        WeightsError: Its weights are missing or aren't the expected ones.
    """
    if name == "mtcnn":
        from facebatch.detect.mtcnn import MtcnnDetector

        return MtcnnDetector(min_face=min_face, engine=engine, device=device)
    raise UsageError(f"no detector named {name!r}; there are {', '.join(DETECTORS)}")
