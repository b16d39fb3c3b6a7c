"""The faces of single photos that belong to no collection: to search for, to verify, to annotate.

A probe goes through the functions that extraction runs, with the settings that it will be compared
under, and is written nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.config import DEFAULT_EXECUTION, Execution, ExtractSettings
from facebatch.detect import Detections, Detector, load_detector
from facebatch.embed import Embedder, load_embedder
from facebatch.errors import InputError, MediaError
from facebatch.extract.chosen import CENTRAL, DEFAULT_FACE, LARGEST, choose_face, sure_faces
from facebatch.extract.detect_and_crop import Faces, cut_faces, detect_faces, find_faces
from facebatch.extract.frames import orientation_at
from facebatch.extract.photo import read_photo
from facebatch.extract.pictures import FramePicture, template_of
from facebatch.faces.choice import numbers
from facebatch.media.photo.decode import Photo, PhotoFacts
from facebatch.storage.urls import public_url


@dataclass(frozen=True)
class Probe:
    """One photo and its faces.

    Args:
        path: The photo, as it was named.
        photo: The photo itself.
        faces: Its faces, by descending score.
        embeddings: (n, d) float32, rows of length 1.
    """

    path: str
    photo: Photo
    faces: Faces
    embeddings: npt.NDArray[np.float32]

    @property
    def facts(self) -> PhotoFacts:
        """What is known of the photo."""
        return self.photo.facts

    def picture(self) -> Image.Image:
        """Returns the upright full-size picture, in mode RGB."""
        return self.photo.decode().pixels

    @cached_property
    def sure(self) -> npt.NDArray[np.bool_]:
        """Which faces (n,) are good enough to be recognised by."""
        return sure_faces(self.faces, self.facts.width, self.facts.height)

    def taken(self, asked: str = DEFAULT_FACE) -> Taken:
        """Returns the face that is meant.

        Args:
            asked: As for `facebatch.extract.chosen.choose_face`.

        Raises:
            InputError: The photo shows no face, or none of that number.
            UsageError: Nothing of the kind can be asked for.
        """
        boxes, size = self.faces.boxes, (self.facts.width, self.facts.height)
        if not len(boxes):
            raise InputError(f"{self.path}: no face was found in it")
        try:
            row = choose_face(asked, boxes, self.faces.scores, self.sure, size)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        number = int(numbers(boxes)[row])
        return Taken(self.path, row, number, len(boxes), asked, tuple(boxes[row].tolist()))


@dataclass(frozen=True)
class Taken:
    """The face of a photo that was taken.

    Args:
        photo: The photo, as it was named.
        row: The face's row, by score.
        number: Its number, counted from the left, from 1.
        faces: How many there are.
        asked: What was asked for.
        box: x0, y0, x1, y1 in pixels of the upright full-size picture.
    """

    photo: str
    row: int
    number: int
    faces: int
    asked: str
    box: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain data."""
        return {
            "photo": self.photo,
            "number": self.number,
            "faces": self.faces,
            "by": self.asked if self.asked in (LARGEST, CENTRAL) else "number",
            "box": list(self.box),
        }

    @property
    def notes(self) -> list[str]:
        """What a person should know of it: nothing where there is one face."""
        if self.faces == 1:
            return []
        which = f"the {self.asked} one, " if self.asked in (LARGEST, CENTRAL) else ""
        which += f"number {self.number} from the left,"
        return [f"{self.photo}: {self.faces} faces: {which} counts (--face says otherwise)"]


class Prober:
    """Finds and embeds the faces of photos; loads its models at the first.

    Args:
        settings: The extraction settings.
        execution: What runs the networks.
    """

    def __init__(self, settings: ExtractSettings, execution: Execution = DEFAULT_EXECUTION) -> None:
        self.settings = settings
        self._execution = execution

    @cached_property
    def _detector(self) -> Detector:
        settings, execution = self.settings, self._execution
        return load_detector(
            settings.detector,
            min_face=settings.min_face,
            engine=execution.engine,
            device=execution.device,
        )

    @cached_property
    def _embedder(self) -> Embedder:
        settings, execution = self.settings, self._execution
        return load_embedder(settings.embedder, settings.tta, execution.engine, execution.device)

    def probe(self, path: str) -> Probe:
        """Returns a photo's faces.

        Args:
            path: A path or fsspec URL.

        Raises:
            InputError: The photo can't be read or decoded.
        """
        try:
            photo = Photo(read_photo(path), sidecar=orientation_at(path))
            faces = find_faces(photo, self._detector, self.settings)
        except MediaError as error:
            raise InputError(f"{public_url(path)}: {error.message} ({error.reason})") from error
        return Probe(public_url(path), photo, faces, self._embedder.embed(faces.views))

    def load(self) -> None:
        """Loads the models and runs each once, so that the first picture needn't wait for it."""
        side = template_of(self.settings).size
        self._detector.detect(np.zeros((64, 64, 3), np.uint8))
        chip = np.zeros((1, len(self._embedder.scales), side, side, 3), np.uint8)
        self._embedder.embed(chip + np.uint8(128))

    def detect(self, frame: FramePicture) -> Detections:
        """Returns the faces of a video's frame, in pixels of the frame, by descending score."""
        return detect_faces(frame, self._detector, self.settings)

    def embed(
        self, frame: FramePicture, found: Detections
    ) -> tuple[Faces, npt.NDArray[np.float32]]:
        """Returns faces of a frame with their chips, and their embeddings (n, d)."""
        faces = cut_faces(frame, found, self.settings)
        return faces, self._embedder.embed(faces.views)
