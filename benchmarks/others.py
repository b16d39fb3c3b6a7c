"""Other programs that turn photos into embedded faces, as their own examples call them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from facebatch.models import registry


class FacenetPytorch:
    """facenet-pytorch's MTCNN and InceptionResnetV1."""

    def __init__(self, opened: Callable[[Path], Image.Image], min_face: int) -> None:
        import torch
        from facenet import import_facenet_pytorch, lend_nms

        lend_nms()
        package: Any = import_facenet_pytorch()
        self._opened = opened
        self._no_grad: Any = torch.no_grad
        self._mtcnn = package.MTCNN(keep_all=True, min_face_size=min_face, device="cpu")
        self._resnet = package.InceptionResnetV1(pretrained=None).eval()

    def handle(self, path: Path) -> int:
        """Takes one photo."""
        with self._no_grad():
            crops = self._mtcnn(self._opened(path))
            if crops is None:
                return 0
            return len(self._resnet(crops))

    def finish(self) -> None:
        """Nothing is put by."""


class FaceRecognition:
    """What face_recognition does, through dlib; the package itself needs setuptools of old."""

    def __init__(self, opened: Callable[[Path], Image.Image]) -> None:
        import dlib

        self._opened = opened
        resnet = registry.path(registry.DLIB_RESNET)
        landmarks = resnet.with_name("shape_predictor_5_face_landmarks.dat")
        self._detect = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(landmarks))
        self._resnet = dlib.face_recognition_model_v1(str(resnet))

    def handle(self, path: Path) -> int:
        """Takes one photo."""
        pixels = np.array(self._opened(path))
        boxes = self._detect(pixels, 1)
        for box in boxes:
            self._resnet.compute_face_descriptor(pixels, self._landmarks(pixels, box), 1)
        return len(boxes)

    def finish(self) -> None:
        """Nothing is put by."""


def opened(path: Path, max_side: int | None, scaled: bool) -> Image.Image:
    """Returns a photo upright and in RGB, shrunk to a long side or, for None, in full."""
    with Image.open(path) as image:
        if max_side and scaled:
            image.thumbnail((max_side, max_side))
        picture = ImageOps.exif_transpose(image).convert("RGB")
    if max_side:
        picture.thumbnail((max_side, max_side))
    return picture
