"""MTCNN's O-Net on boxes that another detector found: its probability, and five landmarks.

Every detector's landmarks are O-Net's, so that faces of different detectors are aligned alike and
their embeddings can be compared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.crops import OUTPUT_BATCH, classify
from facebatch.detect.integral import integral_image
from facebatch.detect.mtcnn_boxes import landmarks_in_image, regions, squared
from facebatch.detect.nets import ONET, ArrayFunction, load
from facebatch.models.engines import Choice
from facebatch.models.registry import ONET as ONET_FILE

_ONE_BASED = np.array([1, 1, 0, 0], np.float32)


class SecondOpinion:
    """O-Net in float32.

    Args:
        chosen: What runs it, and where.

    Raises:
        WeightsError: Its weight file is missing or isn't the expected one.
    """

    def __init__(self, chosen: Choice) -> None:
        self._net = _loaded(chosen)

    def __call__(
        self, image: NDArray[np.uint8], boxes: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Looks at the square around each box.

        Args:
            image: uint8 (height, width, 3), RGB, C-contiguous.
            boxes: float32 (n, 4): x0, y0, x1, y1.

        Returns:
            O-Net's probabilities, float32 (n,), 0 for a box outside the image; and its landmarks,
            float32 (n, 5, 2), NaN for such a box.
        """
        scores = np.zeros(len(boxes), np.float32)
        landmarks = np.full((len(boxes), 5, 2), np.nan, np.float32)
        if len(boxes) == 0:
            return scores, landmarks
        squares = squared(boxes + _ONE_BASED)
        inside = regions(squares, *image.shape[:2])
        top = inside[:, 1].min()
        sums = integral_image(image[top : max(top, inside[:, 3].max())])  # of the rows that count
        lower = squares - np.array([0, top, 0, top], np.float32)
        valid, outputs = classify(self._net, sums, lower, 48, OUTPUT_BATCH)
        if outputs:
            _, scores[valid], fractions = outputs
            # Pixel indices, where an integer is a pixel's centre, as MtcnnDetector has them.
            landmarks[valid] = landmarks_in_image(squares[valid], fractions) - np.float32(0.5)
        return scores, landmarks


def _loaded(chosen: Choice) -> ArrayFunction:
    weights = load(ONET, ONET_FILE)
    if chosen.engine == "openvino":
        from facebatch.detect.openvino_nets import compiled

        return compiled(ONET, weights)
    from facebatch.detect.torch_nets import eager

    return eager(ONET, weights, chosen.device)
