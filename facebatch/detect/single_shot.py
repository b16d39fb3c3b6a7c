"""Detectors of one network over the whole picture, with MTCNN's O-Net for the second opinion.

The network finds boxes; O-Net says of each how sure it is, and where the five landmarks are. How
the outputs of a network are read is its `Family`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facebatch.detect.base import Detections
from facebatch.detect.integral import MAX_PIXELS
from facebatch.detect.nms import suppress_union
from facebatch.detect.onnx_nets import OnnxNet
from facebatch.detect.second_opinion import SecondOpinion
from facebatch.models.onnx_runtime import Strips
from facebatch.models.provenance import Provenance

Outputs = Mapping[str, NDArray[np.float32]]
Found = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Boxes, float32 (n, 4), in pixels of the picture, and scores, float32 (n,)."""

# Both sides of what a network reads are multiples of this. Each shape of its own costs OpenVINO a
# compilation of every layer; these leave few, and add less than a tenth to a photo's pixels.
_MULTIPLE = 128

# MTCNN's smallest boxes have half the side of the squares that it looks into: of 879 in 72 group
# photos and portraits at a min_face of 24, the smallest had .48 of it, a twentieth less than .56.
_LEAST_SHARE = 0.5


_SECONDED = np.float32(0.7)
"""O-Net's probability from which a face of MTCNN's is one, and from which it seconds another's."""


@dataclass(frozen=True)
class Family:
    """How the outputs of networks of one family are read.

    Args:
        overlap: Intersection over union above which the box of the lower score goes.
        sure: Score from which a box is taken for a face whatever O-Net says.
        decode: Gives the boxes of a picture of a height and a width from the outputs by name, in
            the file's order.
        strips: The layers that may go over a picture in strips, where such are known.
    """

    overlap: float
    sure: float
    decode: Callable[[Outputs, tuple[int, int]], Found]
    strips: Strips | None = None

    def judged(
        self, found: NDArray[np.float32], seconded: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The probability that is kept: O-Net's, so that it means what MTCNN's means.

        Args:
            found: float32 (n,): the network's scores.
            seconded: float32 (n,): O-Net's.

        Returns:
            float32 (n,); where only the network is sure the least that a face of MTCNN's has; 0 for
            what isn't taken for a face.
        """
        kept = (found >= np.float32(self.sure)) | (seconded >= _SECONDED)
        return np.where(kept, np.maximum(seconded, _SECONDED), np.float32(0))


class SingleShotDetector:
    """A single-shot network, and O-Net in float32.

    Args:
        name: The name in the model registry.
        family: How the network's outputs are read.
        net: The network.
        opinion: O-Net.
        min_face: Side of the smallest square to look into for a face, in pixels of the image; a
            face's box may be half as large.

    Raises:
        ValueError: ``min_face`` isn't positive.
    """

    def __init__(
        self,
        name: str,
        family: Family,
        net: OnnxNet,
        opinion: SecondOpinion,
        min_face: int,
    ) -> None:
        if min_face < 1:
            raise ValueError(f"min_face must be at least 1 pixel, not {min_face}")
        self.name = name
        self.min_face = min_face
        self._family = family
        self._net = net
        self._opinion = opinion

    @property
    def provenance(self) -> Provenance:
        """What runs the network."""
        return self._net.provenance

    def detect(self, image: NDArray[np.uint8]) -> Detections:
        """Find every face; see ``facebatch.detect.Detector.detect``.

        Raises:
            ValueError: The array isn't uint8 (height, width, 3) and C-contiguous, or has more
                than ``facebatch.detect.integral.MAX_PIXELS`` pixels.
        """
        _check(image)
        if min(image.shape[:2]) < self.min_face:
            return Detections.empty()
        boxes, found = self.find(image)
        seconded, landmarks = self._opinion(image, boxes)
        scores = self._family.judged(found, seconded)
        kept = scores > 0
        boxes, scores, landmarks = boxes[kept], scores[kept], landmarks[kept]
        order = np.lexsort((boxes[:, 1], boxes[:, 0], -scores))
        return Detections(boxes[order], scores[order], landmarks[order])

    def find(self, image: NDArray[np.uint8]) -> Found:
        """Gives the network's own boxes and scores, of which O-Net hasn't been asked yet.

        Args:
            image: As for ``detect``.

        Returns:
            By descending score, as far as they aren't too small for ``min_face``. The side of a
            box is that of a square of its area.
        """
        family = self._family
        outputs = dict(zip(self._net.outputs, self._net.run(_filled_up(image)), strict=True))
        boxes, scores = family.decode(outputs, image.shape[:2])
        # First of all: a box that is too small may stand for a larger one that is less sure.
        kept = suppress_union(boxes, scores, family.overlap)
        boxes, scores = boxes[kept], scores[kept]
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        large = areas >= (_LEAST_SHARE * self.min_face) ** 2
        return boxes[large], scores[large]


def _filled_up(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as one of a batch, with black below and to the right of it."""
    height, width, _ = image.shape
    filled = np.zeros((1, padded(height), padded(width), 3), np.uint8)
    filled[0, :height, :width] = image
    return filled


def padded(side: int) -> int:
    """The side of what a network reads for a side of the picture."""
    return -(-side // _MULTIPLE) * _MULTIPLE


def _check(image: NDArray[np.uint8]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image is uint8 (height, width, 3), not {image.dtype} {image.shape}")
    if not image.flags.c_contiguous:
        raise ValueError("an image must be C-contiguous; use numpy.ascontiguousarray")
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise ValueError(f"{image.shape[1]} x {image.shape[0]} pixels are more than {MAX_PIXELS}")
