"""The faces of single photos: found, cut out and embedded, as extraction does it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from facebatch.config import ExtractSettings, resolve_extract
from facebatch.detect import Detector, load_detector
from facebatch.embed import TTA, Embedder, load_embedder
from facebatch.errors import InputError, MediaError, UsageError
from facebatch.extract.chosen import CENTRAL, DEFAULT_FACE, choose_face, sure_faces
from facebatch.extract.detect_and_crop import faces_of
from facebatch.extract.frames import orientation_at
from facebatch.extract.pictures import FacePicture, FramePicture, PhotoPicture
from facebatch.media.photo.decode import Photo
from facebatch.media.photo.to_rgb import as_rgb
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE
from facebatch.storage.retry import retried
from facebatch.storage.store import filesystem
from facebatch.storage.urls import public_url

PhotoLike = str | Path | bytes | bytearray | memoryview | Image.Image | npt.NDArray[np.uint8]
"""A photo: a path or fsspec URL, a file's bytes, a Pillow image, or uint8 (height, width, 3) RGB
pixels, C-contiguous."""


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of one photo.

    All coordinates are pixels of the upright full-size photo, unclipped; the origin is the
    top-left corner of the pixel grid, so that pixel (0, 0) covers 0..1 (docs/tables.md).

    Args:
        width: Width of the photo.
        height: Its height.
        boxes: float32 (n, 4): x0, y0, x1, y1.
        landmarks: float32 (n, 5, 2): x, y of eye, eye, nose, mouth corner, mouth corner; of each
            pair the image-left one first.
        scores: float32 (n,), the detector's probabilities, descending.
        views: uint8 (n, v, size, size, 3), RGB: the aligned faces that the embedder reads, one for
            each scale that the averaging asks for; v is 1 unless ``tta`` is ``full``.
        sure: bool (n,), which are good enough to be recognised by: of 28 pixels and more, surely a
            face, and inside the picture.
    """

    width: int
    height: int
    boxes: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    views: npt.NDArray[np.uint8]
    sure: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def chips(self) -> npt.NDArray[np.uint8]:
        """The aligned faces at the template's own scale, uint8 (n, size, size, 3), RGB."""
        chips: npt.NDArray[np.uint8] = self.views[:, self.views.shape[1] // 2]
        return chips

    @property
    def central(self) -> int:
        """Row of the face nearest the centre, weighted by size: whom one of LFW's crops shows.

        Raises:
            UsageError: There is no face.
        """
        return self.chosen(CENTRAL)

    def chosen(self, face: str | int = DEFAULT_FACE) -> int:
        """Returns the row of the face that is meant.

        Args:
            face: ``largest``, of the sure faces; ``central``; or a number, which counts the faces
                from the left, from 1.

        Raises:
            UsageError: There is no face, or none of that number.
        """
        if not len(self):
            raise UsageError("no face was found in the photo")
        size = (self.width, self.height)
        return choose_face(str(face), self.boxes, self.scores, self.sure, size)


@dataclass(frozen=True, eq=False)
class EmbeddedFaces(Faces):
    """The faces of one photo, with their embeddings.

    Args:
        width: As in `Faces`, and so on for ``height`` to ``sure``.
        embeddings: float32 (n, d), rows of length 1.
    """

    embeddings: npt.NDArray[np.float32]


def detect_faces(
    photo: PhotoLike,
    settings: ExtractSettings | None = None,
    *,
    engine: str = DEFAULT_ENGINE,
    device: str = DEFAULT_DEVICE,
) -> Faces:
    """Finds a photo's faces and cuts them out, aligned.

    The same faces as a run finds under the same settings. The photo is decoded in this process:
    where files may be hostile, `facebatch run` guards itself against them. The detector is loaded
    at the first call and kept.

    Args:
        photo: A path or fsspec URL, a file's bytes, a Pillow image, or uint8 (height, width, 3)
            RGB pixels. EXIF orientation is applied, but to pixels, which have none; to a file that
            is named, its sidecar's where a run applies it.
        settings: The extraction settings; the defaults of a new collection by default.
        engine: What runs the networks: ``torch``, ``openvino`` or ``auto``.
        device: Where they run: ``cpu``, ``cuda``, ``mps`` or ``auto``.

    Returns:
        The faces by descending score; none is no error.

    Raises:
        InputError: The path can't be read.
        MediaError: The bytes aren't a photo that can be decoded; ``reason`` says why.
        UsageError: The photo is of another type or shape, or a setting or the engine can't be
            used.
        WeightsError: The model's weights are missing or aren't the expected ones.
    """
    settings = checked(settings)
    picture, width, height = _picture_of(photo, settings)
    detector = _detector(settings.detector, settings.min_face, engine, device)
    found = faces_of(picture, detector, settings)
    sure = sure_faces(found, width, height)
    return Faces(width, height, found.boxes, found.landmarks, found.scores, found.views, sure)


def embed_faces(
    photo: PhotoLike | Faces,
    settings: ExtractSettings | None = None,
    *,
    engine: str = DEFAULT_ENGINE,
    device: str = DEFAULT_DEVICE,
) -> EmbeddedFaces:
    """Describes each face of a photo by an embedding.

    The squared distance d2 of two embeddings, 0..4, says how unlike two faces are; a similarity is
    ``1 - d2 / 2``. Embeddings of other settings are of another space and can't be compared.

    Args:
        photo: As for `detect_faces`, or what that gave under the same settings.
        settings: As for `detect_faces`.
        engine: As for `detect_faces`.
        device: As for `detect_faces`.

    Returns:
        The faces with their embeddings.

    Raises:
        InputError, MediaError, WeightsError: As for `detect_faces`.
        UsageError: As for `detect_faces`, or the faces were cut out for another averaging.
    """
    settings = checked(settings)
    if isinstance(photo, Faces):
        faces = photo
    else:
        faces = detect_faces(photo, settings, engine=engine, device=device)
    embedder = _embedder(settings.embedder, settings.tta, engine, device)
    if faces.views.shape[1] != len(embedder.scales):
        raise UsageError(
            f"the faces have {faces.views.shape[1]} views, but tta {settings.tta!r} averages "
            f"{len(embedder.scales)}: find them with the settings that they are embedded with"
        )
    known = {entry.name: getattr(faces, entry.name) for entry in fields(Faces)}
    return EmbeddedFaces(**known, embeddings=embedder.embed(faces.views))


def _picture_of(photo: PhotoLike, settings: ExtractSettings) -> tuple[FacePicture, int, int]:
    """Returns a picture to look for faces in, and the size of the upright photo."""
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
            raise UsageError(
                f"pixels are uint8 (height, width, 3), RGB, not {photo.dtype} {photo.shape}"
            )
        photo = Image.fromarray(photo)
    if isinstance(photo, Image.Image):
        upright = _upright(photo)
        return FramePicture(upright, settings), *upright.size
    said = None
    if isinstance(photo, str | Path):
        said = orientation_at(str(photo))
        photo = read_photo(str(photo))
    if not isinstance(photo, bytes | bytearray | memoryview):
        raise UsageError(
            "a photo is a path, a URL, a file's bytes, a Pillow image or an array of pixels, not "
            f"a {type(photo).__name__}"
        )
    decoded = Photo(bytes(photo), sidecar=said)
    return PhotoPicture(decoded, settings), decoded.facts.width, decoded.facts.height


def _upright(photo: Image.Image) -> Image.Image:
    """Returns a Pillow image upright and in RGB; one that is opened only is decoded by it.

    Raises:
        MediaError: Its file is broken.
    """
    try:
        return as_rgb(ImageOps.exif_transpose(photo))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on broken files
        raise MediaError("corrupt", str(error)) from error


def checked(settings: ExtractSettings | None) -> ExtractSettings:
    """Returns settings that somebody made in Python, or the defaults.

    Raises:
        UsageError: A value isn't one that the setting may have.
    """
    if settings is None:
        return ExtractSettings()
    return resolve_extract(asdict(settings), environment={})


def read_photo(path: str) -> bytes:
    """Returns a photo's bytes.

    Args:
        path: A path or fsspec URL.

    Raises:
        InputError: It can't be read.
    """
    store, place = filesystem(path)
    try:
        return bytes(retried(lambda: store.cat_file(place)))
    except FileNotFoundError as error:
        raise InputError(f"{public_url(path)}: there is no such photo") from error
    except OSError as error:
        raise InputError(f"{public_url(path)}: it can't be read: {error}") from error


_loading = Lock()


def _detector(name: str, min_face: int, engine: str, device: str) -> Detector:
    with _loading:  # or threads that come first together would each load it
        return _kept_detector(name, min_face, engine, device)


def _embedder(name: str, tta: TTA, engine: str, device: str) -> Embedder:
    with _loading:
        return _kept_embedder(name, tta, engine, device)


@cache
def _kept_detector(name: str, min_face: int, engine: str, device: str) -> Detector:
    return load_detector(name, min_face=min_face, engine=engine, device=device)


@cache
def _kept_embedder(name: str, tta: TTA, engine: str, device: str) -> Embedder:
    return load_embedder(name, tta, engine, device)
