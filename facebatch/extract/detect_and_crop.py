"""The faces of one picture: detected, and cut out as chips, in full-size coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from facebatch.config import ExtractSettings
from facebatch.detect import Detections, Detector
from facebatch.detect.tiled import detect_closer
from facebatch.detect.turned import detect_turned, way_up
from facebatch.embed import SCALES
from facebatch.extract.pictures import FacePicture, PhotoPicture, Views, template_of
from facebatch.faces import align
from facebatch.media.photo.decode import Photo


@dataclass(frozen=True)
class Faces:
    """The faces of one picture, or of the frames of a video one after the other.

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1, in pixels of the upright full-size picture.
        landmarks: float32 (n, 5, 2), in the same coordinates.
        scores: float32 (n,), descending within a picture.
        chip_to_picture: float64 (n, 2, 3).
        views: uint8 (n, v, size, size, 3): the chips the embedder reads, one for each scale of
            the template.
        timestamps_us: int64 (n,): time of the frame, microseconds; 0 for a photo.
        ordinals: int32 (n,): place of the face among those of its picture.
    """

    boxes: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    chip_to_picture: npt.NDArray[np.float64]
    views: npt.NDArray[np.uint8]
    timestamps_us: npt.NDArray[np.int64]
    ordinals: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.scores)

    def at(self, timestamp_us: int) -> Faces:
        """Returns the same faces as those of a frame."""
        return replace(self, timestamps_us=np.full(len(self), timestamp_us, np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Faces]) -> Faces:
        """Returns the faces of several pictures, at least one, as one."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def find_faces(photo: Photo, detector: Detector, settings: ExtractSettings) -> Faces:
    """Finds a photo's faces and cuts their chips.

    Raises:
        MediaError: The pixels can't be decoded.
    """
    return faces_of(PhotoPicture(photo, settings), detector, settings)


def faces_of(picture: FacePicture, detector: Detector, settings: ExtractSettings) -> Faces:
    """Finds a picture's faces and cuts their chips.

    Raises:
        MediaError: The pixels can't be decoded.
    """
    return cut_faces(picture, detect_faces(picture, detector, settings), settings)


def detect_faces(picture: FacePicture, detector: Detector, settings: ExtractSettings) -> Detections:
    """Finds a picture's faces, in pixels of the full-size picture; all of them can be aligned.

    Raises:
        MediaError: The pixels can't be decoded.
    """
    found = _detected(picture, detector, settings)
    return found.take(~align.is_degenerate(found.landmarks, template_of(settings)))


def cut_faces(picture: FacePicture, found: Detections, settings: ExtractSettings) -> Faces:
    """Cuts the chips of faces that `detect_faces` found.

    Raises:
        MediaError: The pixels can't be decoded in the detail that the chips need.
    """
    views, matrices = picture.views(found.landmarks) if len(found) else _no_views(settings)
    return Faces(
        boxes=found.boxes,
        landmarks=found.landmarks,
        scores=found.scores,
        chip_to_picture=matrices,
        views=views,
        timestamps_us=np.zeros(len(found), np.int64),
        ordinals=np.arange(len(found), dtype=np.int32),
    )


def _detected(picture: FacePicture, detector: Detector, settings: ExtractSettings) -> Detections:
    """Finds a picture's faces, in pixels of the full-size picture."""
    pixels, scale = picture.for_detection()
    turns, seen = way_up(detector, pixels) if settings.rotations else (0, detector.detect(pixels))
    scale_xy = np.array(scale, np.float32)
    found = Detections(seen.boxes * np.tile(scale_xy, 2), seen.scores, seen.landmarks * scale_xy)
    if settings.tiles == "off":
        return found
    return detect_closer(
        found,
        (round(pixels.shape[1] * scale[0]), round(pixels.shape[0] * scale[1])),
        settings.max_side,
        settings.min_face,
        lambda image: detect_turned(detector, image, turns),
        lambda tile: picture.part(tile.box, tile.size),
    )


def no_faces(settings: ExtractSettings) -> Faces:
    """Returns the faces of a picture that shows none."""
    views, matrices = _no_views(settings)
    floats, whole = np.zeros(0, np.float32), np.zeros(0, np.int64)
    return Faces(
        floats.reshape(0, 4),
        floats.reshape(0, 5, 2),
        floats,
        matrices,
        views,
        whole,
        whole.astype(np.int32),
    )


def _no_views(settings: ExtractSettings) -> Views:
    shape = (0, len(SCALES[settings.tta]), *[template_of(settings).size] * 2, 3)
    return np.zeros(shape, np.uint8), np.zeros((0, 2, 3))
