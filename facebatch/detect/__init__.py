"""Finding faces: what a detection is, and what every detector promises.

A detector sees one decoded picture and knows nothing of files, full-size pictures or faces'
identities. This module is the light part that everyone may import; the networks are behind
``load_detector``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facebatch.errors import UsageError
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE
from facebatch.models.provenance import Provenance

DETECTORS = ("mtcnn",)
DEFAULT_MIN_FACE = 24


@dataclass(frozen=True, eq=False)
class Detections:
    """The faces of one image, in pixels of that image.

    The origin is the top-left corner of the pixel grid, so that pixel (0, 0) covers 0..1 and its
    centre is at 0.5. Nothing is clipped to the image.

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1.
        scores: float32 (n,): 0..1, descending.
        landmarks: float32 (n, 5, 2): x, y of eye, eye, nose, mouth corner, mouth corner;
            of each pair the one on the image's left comes first for an upright face.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    @classmethod
    def empty(cls) -> Detections:
        """The detections of an image without a face."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            landmarks=np.zeros((0, 5, 2), np.float32),
        )

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """Finds the faces of one image at a time."""

    @property
    def name(self) -> str:
        """The name in the model registry."""

    @property
    def provenance(self) -> Provenance:
        """What runs the model."""

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Find every face.

        Args:
            image: uint8 (height, width, 3), RGB, C-contiguous, of any size. One that is too
                small to hold a face has none.

        Returns:
            The faces by descending score; equal scores by x0, then y0.

        Raises:
            ValueError: The array isn't such an image, or is too large for the detector.
        """


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
