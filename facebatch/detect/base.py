"""What a detection is, and what every detector promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facebatch.models.provenance import Provenance


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

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """Returns some of the faces, as numpy indexes them."""
        return Detections(self.boxes[rows], self.scores[rows], self.landmarks[rows])


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
