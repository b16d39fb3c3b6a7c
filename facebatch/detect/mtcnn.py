"""The MTCNN cascade over one image: pyramid, proposals, refinement, landmarks.

Zhang et al., "Joint face detection and alignment using multitask cascaded convolutional
networks" (2016), with facenet-pytorch's weights and its arithmetic, so that ``cascade`` gives what
``facenet_pytorch.MTCNN.detect`` gives; it is faster because every crop and every pyramid level
comes from one integral image. ``detect`` converts to the coordinates of ``facebatch.detect``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.base import Detections
from facebatch.detect.crops import OUTPUT_BATCH, classify, image_size
from facebatch.detect.integral import area_level, integral_image
from facebatch.detect.mtcnn_boxes import (
    landmarks_in_image,
    moved,
    proposals,
    pyramid,
    squared,
)
from facebatch.detect.nets import Cascade
from facebatch.detect.nms import suppress_minimum, suppress_union
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE, choose
from facebatch.models.provenance import Provenance
from facebatch.models.registry import DEFAULT_MIN_FACE

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]
Landmarks = NDArray[np.float32]

_REFINE_BATCH = 256  # crops a network call

# Overlaps above which a proposal goes: inside a pyramid level, and between levels and after
# each later stage (facenet-pytorch's detect_face).
_LEVEL_OVERLAP = 0.5
_STAGE_OVERLAP = 0.7


class MtcnnDetector:
    """MTCNN in float32, on one thread of the CPU or on a GPU.

    Args:
        min_face: Side of the smallest face to look for, in pixels of the image.
        thresholds: Least scores after P-Net (reached), R-Net and O-Net (exceeded), each 0..1.
        factor: Ratio of neighbouring pyramid scales, between 0 and 1.
        engine: What runs the networks, one of ``facebatch.models.engines.ENGINES``.
        device: Where they run, one of ``facebatch.models.engines.DEVICES``.

    Raises:
        ValueError: An argument is out of its range.
        UsageError: The engine or the device can't be used.
        WeightsError: A weight file is missing or isn't the expected one.
    """

    name = "mtcnn"

    def __init__(
        self,
        min_face: int = DEFAULT_MIN_FACE,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
        engine: str = DEFAULT_ENGINE,
        device: str = DEFAULT_DEVICE,
    ) -> None:
        if min_face < 1:
            raise ValueError(f"min_face must be at least 1 pixel, not {min_face}")
        if not 0 < factor < 1:
            raise ValueError(f"factor must lie between 0 and 1, not {factor}")
        if not all(0 <= threshold <= 1 for threshold in thresholds):
            raise ValueError(f"thresholds must lie in 0..1, not {thresholds}")
        self.min_face = min_face
        self.thresholds = thresholds
        self.factor = factor
        self._nets, self._provenance = _load_cascade(engine, device)

    @property
    def provenance(self) -> Provenance:
        """What runs the model."""
        return self._provenance

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Find every face; see ``facebatch.detect.Detector.detect``.

        Raises:
            ValueError: The array isn't uint8 (height, width, 3) and C-contiguous, or has more
                than ``facebatch.detect.integral.MAX_PIXELS`` pixels.
        """
        boxes, scores, landmarks = self.cascade(image)
        # Both are one-based: a box from pixel 1 to pixel n is n pixels wide, and the landmark 1 is
        # the centre of the first pixel. In corner coordinates that pixel covers 0..1.
        boxes = boxes - np.array([1, 1, 0, 0], np.float32)
        landmarks = landmarks - np.float32(0.5)
        order = np.lexsort((boxes[:, 1], boxes[:, 0], -scores))
        return Detections(boxes[order], scores[order], landmarks[order])

    def cascade(self, image: NDArray[np.uint8]) -> tuple[Boxes, Scores, Landmarks]:
        """The faces as ``facenet_pytorch.MTCNN(keep_all=True).detect`` gives them.

        Args:
            image: As for ``detect``.

        Returns:
            float32 boxes (n, 4), scores (n,) and landmarks (n, 5, 2) in facenet-pytorch's
            coordinates, by descending box area.
        """
        sums = integral_image(image)
        boxes = self._propose(sums)
        boxes = self._refine(sums, boxes)
        boxes, scores, landmarks = self._output(sums, boxes)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        order = np.argsort(area, kind="stable")[::-1]
        return boxes[order], scores[order], landmarks[order]

    def _propose(self, sums: NDArray[np.uint32]) -> Boxes:
        height, width = image_size(sums)
        found = []
        for scale in pyramid(height, width, self.min_face, self.factor):
            level = area_level(sums, int(height * scale + 1), int(width * scale + 1))
            regressions, scores = self._nets.propose(level)
            fields = proposals(regressions, scores, scale, self.thresholds[0])
            kept = suppress_union(fields[0], fields[1], _LEVEL_OVERLAP)
            found.append([part[kept] for part in fields])
        if not found:
            return np.zeros((0, 4), np.float32)
        boxes, scores, regressions = (np.concatenate(part) for part in zip(*found, strict=True))
        kept = suppress_union(boxes, scores, _STAGE_OVERLAP)
        return squared(moved(boxes[kept], regressions[kept], edge=0))

    def _refine(self, sums: NDArray[np.uint32], boxes: Boxes) -> Boxes:
        valid, outputs = classify(self._nets.refine, sums, boxes, 24, _REFINE_BATCH)
        boxes = boxes[valid]
        if not outputs:
            return boxes
        regressions, scores = outputs
        passed = scores > np.float32(self.thresholds[1])
        boxes, regressions, scores = boxes[passed], regressions[passed], scores[passed]
        kept = suppress_union(boxes, scores, _STAGE_OVERLAP)
        return squared(moved(boxes[kept], regressions[kept], edge=1))

    def _output(self, sums: NDArray[np.uint32], boxes: Boxes) -> tuple[Boxes, Scores, Landmarks]:
        valid, outputs = classify(self._nets.output, sums, boxes, 48, OUTPUT_BATCH)
        boxes = boxes[valid]
        if not outputs:
            return boxes, np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
        regressions, scores, fractions = outputs
        passed = scores > np.float32(self.thresholds[2])
        boxes, regressions, scores = boxes[passed], regressions[passed], scores[passed]
        landmarks = landmarks_in_image(boxes, fractions[passed])
        boxes = moved(boxes, regressions, edge=1)
        kept = suppress_minimum(boxes, scores, _STAGE_OVERLAP)
        return boxes[kept], scores[kept], landmarks[kept]


def _load_cascade(engine: str, device: str) -> tuple[Cascade, Provenance]:
    chosen = choose(engine, device)
    if chosen.engine == "openvino":
        from facebatch.detect.openvino_nets import compiled

        cascade = Cascade(compiled)
    else:
        from facebatch.detect.torch_nets import eager

        cascade = Cascade(partial(eager, device=chosen.device))
    return cascade, Provenance(chosen.engine, chosen.device, "float32")
