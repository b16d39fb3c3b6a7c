"""What scripts do with the packages insightface and uniface: photo by photo, face by face.

Their functions' steps with models that facebatch knows, in onnxruntime: the photo is decoded in
full and shrunk into a square of 640 pixels, the detector's own landmarks align each face, and each
is embedded on its own, once. Neither package is needed, nor OpenCV, on whose place Pillow stands.
YuNet is read as by OpenCV's ``FaceDetectorYN``; SCRFD as by insightface's
``model_zoo/scrfd.py`` (written, not run: its files weren't at hand).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.faces import align
from facebatch.models import registry
from facebatch.models.card import Card
from facebatch.models.onnx_runtime import prepared

SIDE = 640
_STRIDES = (8, 16, 32)
_SURE, _OVERLAP = 0.5, 0.4  # FaceAnalysis.prepare's det_thresh, and SCRFD's nms_thresh

Floats = npt.NDArray[np.float32]
Found = tuple[Floats, Floats, Floats]
"""Boxes (n, 4), scores (n,) and landmarks (n, 5, 2) in the square's pixels."""


class PhotoByPhoto:
    """A detector and an embedder, both of an ONNX file.

    Args:
        opened: Opens a photo in full.
        detector: Name of a detector of the family ``yunet`` or ``scrfd``.
        embedder: Name of an embedder.
        threads: Threads of each network; 0 for onnxruntime's own choice, a thread a core.
    """

    def __init__(
        self, opened: Callable[[Path], Image.Image], detector: str, embedder: str, threads: int
    ) -> None:
        self._opened = opened
        self._cards = registry.card(detector), registry.card(embedder)
        self._decode = _FAMILIES[self._cards[0].family or ""]
        self._detector, self._embedder = (_session(card, threads) for card in self._cards)
        self._template = self._cards[1].chip_template()

    def handle(self, path: Path) -> int:
        """Takes one photo."""
        picture = self._opened(path)
        ratio = SIDE / max(picture.size)
        sides = (round(picture.width * ratio), round(picture.height * ratio))
        square = Image.new("RGB", (SIDE, SIDE))
        square.paste(picture.resize(sides, Image.Resampling.BILINEAR))
        outputs = _run(self._detector, self._cards[0], np.asarray(square))
        boxes, scores, landmarks = self._decode(outputs)
        kept = _suppressed(boxes, scores)
        for points in landmarks[kept] / np.float32(ratio):
            matrix = align.similarity(self._template.points, points)
            size = self._template.size
            chip = picture.transform(
                (size, size),
                Image.Transform.AFFINE,
                tuple(matrix.ravel().tolist()),
                Image.Resampling.BILINEAR,
            )
            [embedding] = _run(self._embedder, self._cards[1], np.asarray(chip)).values()
            embedding /= np.linalg.norm(embedding)
        return len(kept)

    def finish(self) -> None:
        """Nothing is put by."""


def is_installed(*names: str) -> bool:
    """Tells whether all files of models are there."""
    return all(registry.is_installed(file) for name in names for file in registry.card(name).files)


def _session(card: Card, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    [file] = card.files
    return onnxruntime.InferenceSession(
        registry.read(file), options, providers=["CPUExecutionProvider"]
    )


def _run(session: Any, card: Card, pixels: npt.NDArray[np.uint8]) -> dict[str, Floats]:
    [given] = session.get_inputs()
    values = session.run(None, {given.name: prepared(pixels[None], card.input)})
    return dict(zip((output.name for output in session.get_outputs()), values, strict=True))


def _yunet(outputs: Mapping[str, Floats]) -> Found:
    parts = []
    for stride in _STRIDES:
        classes, objects = (
            outputs[f"{kind}_{stride}"].ravel().clip(0, 1) for kind in ("cls", "obj")
        )
        scores = np.sqrt(classes * objects)
        kept = np.flatnonzero(scores >= _SURE)
        corners = _corners(kept, stride, 1)
        box = outputs[f"bbox_{stride}"].reshape(-1, 4)[kept]
        centres, halves = (corners + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
        points = outputs[f"kps_{stride}"].reshape(-1, 5, 2)[kept]
        parts.append(
            (
                np.concatenate([centres - halves, centres + halves], axis=1),
                scores[kept],
                (corners[:, None] + points) * stride,
            )
        )
    return _joined(parts)


def _scrfd(outputs: Mapping[str, Floats]) -> Found:
    values = [*outputs.values()]
    parts = []
    for stride, scores, box, points in zip(
        _STRIDES, values[:3], values[3:6], values[6:9], strict=True
    ):
        kept = np.flatnonzero(scores.ravel() >= _SURE)
        corners = _corners(kept, stride, 2) * stride
        edges = box.reshape(-1, 4)[kept] * stride
        parts.append(
            (
                np.concatenate([corners - edges[:, :2], corners + edges[:, 2:]], axis=1),
                scores.ravel()[kept],
                corners[:, None] + points.reshape(-1, 5, 2)[kept] * stride,
            )
        )
    return _joined(parts)


_FAMILIES: Mapping[str, Callable[[Mapping[str, Floats]], Found]] = {
    "yunet": _yunet,
    "scrfd": _scrfd,
}


def _corners(anchors: npt.NDArray[np.intp], stride: int, a_cell: int) -> Floats:
    rows, columns = np.divmod(anchors // a_cell, SIDE // stride)
    return np.stack([columns, rows], axis=1).astype(np.float32)


def _joined(parts: list[Found]) -> Found:
    boxes, scores, landmarks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return boxes, scores, landmarks


def _suppressed(boxes: Floats, scores: Floats) -> list[int]:
    """The rows that are kept, as in insightface's ``SCRFD.nms``."""
    areas = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    order = scores.argsort()[::-1]
    kept = []
    while order.size:
        best, others = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[others, :2])
        high = np.minimum(boxes[best, 2:], boxes[others, 2:])
        shared = (high - low + 1).clip(0).prod(axis=1)
        order = others[shared / (areas[best] + areas[others] - shared) <= _OVERLAP]
    return kept
