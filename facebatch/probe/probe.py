"""The faces of single photos that belong to no collection: to search for, to verify, to annotate.

A probe goes through the functions that extraction runs, with the settings that it will be compared
under, and is written nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from facebatch.config import DEFAULT_EXECUTION, Execution, ExtractSettings
from facebatch.detect import Detector, load_detector
from facebatch.embed import Embedder, load_embedder
from facebatch.errors import InputError, MediaError
from facebatch.extract.detect_and_crop import Faces, faces_of, find_faces
from facebatch.extract.photo import read_photo
from facebatch.extract.pictures import FramePicture
from facebatch.faces.central import central_face
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

    @property
    def central(self) -> int:
        """Number of the face nearest the centre, weighted by size.

        Raises:
            InputError: The photo shows no face.
        """
        if not len(self.faces):
            raise InputError(f"{self.path}: no face was found in it")
        return central_face(self.faces.boxes, self.facts.width, self.facts.height)

    @property
    def others(self) -> int:
        """How many faces there are beside the central one."""
        return max(0, len(self.faces) - 1)


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
            photo = Photo(read_photo(path))
            faces = find_faces(photo, self._detector, self.settings)
        except MediaError as error:
            raise InputError(f"{public_url(path)}: {error.message} ({error.reason})") from error
        return Probe(public_url(path), photo, faces, self._embedder.embed(faces.views))

    def look_at(self, frame: Image.Image) -> tuple[Faces, npt.NDArray[np.float32]]:
        """Returns the faces of a video's frame and their embeddings, (n, d), rows of length 1.

        Args:
            frame: The upright frame, in mode RGB.
        """
        faces = faces_of(FramePicture(frame, self.settings), self._detector, self.settings)
        return faces, self._embedder.embed(faces.views)
