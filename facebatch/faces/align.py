"""Alignment: where a chip lies in its picture, and cutting it out.

A template says where the five landmarks belong in a chip; the least-squares similarity from the
template to a face's landmarks gives the 2x3 matrix from chip to picture that the face row keeps.
All coordinates are corner coordinates: the origin is the top-left corner of the pixel grid and
pixel (0, 0) covers 0..1, in the chip as in the picture. Only numpy and Pillow are used here, and
nothing is known of detectors or embedders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

_SAME_PLACE = 1e-3  # pixels, for two matrices of one chip
_MAX_COORDINATE = 2.0**24  # beyond it float32, the tables' type, no longer tells pixels apart


@dataclass(frozen=True, eq=False)
class Template:
    """Where the five landmarks belong in a chip.

    Args:
        name: The name that goes into the space.
        size: Side of the square chip in pixels.
        points: float64 (5, 2): x, y of eye, eye, nose, mouth corner, mouth corner, image-left
            first, in corner coordinates of the chip.
    """

    name: str
    size: int
    points: NDArray[np.float64]

    def scaled(self, factor: float) -> NDArray[np.float64]:
        """The points, float64 (5, 2), enlarged by a factor about the chip's centre."""
        centre = self.size / 2
        return centre + factor * (self.points - centre)

    def is_same(self, other: Template) -> bool:
        """Tells whether two templates cut the same chips, whatever they are called."""
        return self.size == other.size and bool((self.points == other.points).all())


# Where MTCNN's landmarks fall, on average, in chips that dlib's own get_face_chip cut from LFW
# photos. They were measured with the landmarks taken for zero-based pixel indices, but they are
# one-based: in LFW, where a chip pixel covers 0.771 picture pixels, that is 1 / 0.771 chip pixels
# too far. The corner coordinates of a pixel index are half a pixel further.
_DLIB_150_MEASURED = (
    (49.117, 46.044),
    (101.993, 45.950),
    (74.653, 78.347),
    (52.304, 105.182),
    (99.436, 105.159),
)
_DLIB_150_SHIFT = 0.5 - 1 / 0.771

# InsightFace's ``arcface_dst`` (insightface/utils/face_align.py), in zero-based pixel indices.
_ARCFACE_112 = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "dlib-150": Template("dlib-150", 150, np.array(_DLIB_150_MEASURED) + _DLIB_150_SHIFT),
        "arcface-112": Template("arcface-112", 112, np.array(_ARCFACE_112) + 0.5),
    }
)


def similarity(source: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """The least-squares similarity (rotation, uniform scale, shift) from source to target.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns"
    (PAMI 1991), equations 40 to 42, in closed form for the plane and without reflection: the
    scaled rotation [[a, -b], [b, a]] has a and b as the centred sets' dot and cross products over
    the source's sum of squares.

    Args:
        source: (..., n, 2) points.
        target: (..., n, 2) points; leading dimensions broadcast.

    Returns:
        float64 (..., 2, 3): ``target ~ source @ m[..., :2].T + m[..., 2]``.

    Raises:
        ValueError: A point isn't finite, or all source points of a set are the same.
    """
    source, target = np.broadcast_arrays(
        np.asarray(source, np.float64), np.asarray(target, np.float64)
    )
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise ValueError("a similarity needs finite points")
    source_mean, target_mean = source.mean(axis=-2), target.mean(axis=-2)
    s, t = source - source_mean[..., None, :], target - target_mean[..., None, :]
    squares = (s * s).sum(axis=(-2, -1))
    if (squares == 0).any():
        raise ValueError("a similarity needs two different source points")
    a = (s * t).sum(axis=(-2, -1)) / squares
    b = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(axis=-1) / squares
    linear = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], -2)
    shift = target_mean - (linear @ source_mean[..., None])[..., 0]
    return np.concatenate([linear, shift[..., None]], axis=-1)


def is_degenerate(landmarks: ArrayLike, template: Template) -> NDArray[np.bool_]:
    """Which faces have landmarks that no chip can be cut from.

    Those are landmarks that aren't finite, lie more than 2**24 pixels out, or fit the template
    only at a scale where the whole chip would cover less than one picture pixel, as landmarks
    in one point do.

    Args:
        landmarks: (n, 5, 2) in picture corner coordinates.
        template: The template they would be fitted to.

    Returns:
        bool (n,).
    """
    landmarks = np.asarray(landmarks, np.float64)
    # NaN and infinity compare as false, so they are degenerate too.
    usable: NDArray[np.bool_] = (np.abs(landmarks) <= _MAX_COORDINATE).all(axis=(1, 2))
    fitted = similarity(template.points, np.where(usable[:, None, None], landmarks, 0.0))
    side = np.hypot(fitted[:, 0, 0], fitted[:, 1, 0]) * template.size
    return ~usable | (side < 1.0)


def chip_matrices(
    landmarks: ArrayLike, template: Template, scale: float = 1.0
) -> NDArray[np.float64]:
    """The matrices from chip to picture that align faces to a template.

    The similarity is fitted from template to picture, as dlib's get_face_chip_details does, so
    the error it minimises is in picture pixels.

    Args:
        landmarks: (n, 5, 2) in picture corner coordinates; n may be 0.
        template: Where they belong in the chip.
        scale: Enlarges the template about the chip's centre: above 1 the face fills more of
            the chip.

    Returns:
        float64 (n, 2, 3) from chip to picture, both in corner coordinates.

    Raises:
        ValueError: A face is degenerate; drop those that ``is_degenerate`` names first.
    """
    landmarks = np.asarray(landmarks, np.float64)
    degenerate = np.flatnonzero(is_degenerate(landmarks, template))
    if degenerate.size:
        raise ValueError(f"degenerate landmarks in rows {degenerate.tolist()}")
    return similarity(template.scaled(scale), landmarks)


def picture_pixels_per_chip_pixel(matrix: ArrayLike) -> float:
    """How many picture pixels one side of a chip pixel covers: the similarity's scale.

    Args:
        matrix: (2, 3) from chip to picture.
    """
    matrix = np.asarray(matrix, np.float64)
    return math.hypot(matrix[0, 0], matrix[1, 0])


def cut_chip(picture: Image.Image, matrix: ArrayLike, size: int) -> NDArray[np.uint8]:
    """Cut one aligned chip, bilinearly; what lies outside the picture is black.

    Where a chip pixel covers two picture pixels or more, the picture is first averaged over
    whole blocks (Pillow's ``reduce``) so that bilinear sampling doesn't alias; only the chip's
    surroundings are, on the block grid of the whole picture.

    Args:
        picture: A Pillow image of mode RGB.
        matrix: (2, 3) from chip to picture, both in corner coordinates.
        size: Side of the chip in pixels.

    Returns:
        uint8 (size, size, 3), RGB, C-contiguous.

    Raises:
        ValueError: The picture isn't RGB or the matrix isn't finite.
    """
    if picture.mode != "RGB":
        raise ValueError(f"chips are cut from RGB pictures, not from {picture.mode}")
    matrix = np.array(matrix, np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError("the matrix of a chip must be finite")
    factor = int(picture_pixels_per_chip_pixel(matrix))
    if factor >= 2:
        box = _block_box(matrix, size, factor, picture.size)
        if box is None:
            return np.zeros((size, size, 3), np.uint8)
        picture = picture.reduce(factor, box=box)
        matrix[:, 2] -= box[:2]
        matrix /= factor
    chip = picture.transform(
        (size, size),
        Image.Transform.AFFINE,
        tuple(matrix.ravel().tolist()),
        Image.Resampling.BILINEAR,
    )
    return np.array(chip)


def recut_chip(
    chip: NDArray[np.uint8], chip_to_picture: ArrayLike, wanted_to_picture: ArrayLike, size: int
) -> NDArray[np.uint8]:
    """Cut a chip of another template or scale out of one, where the picture isn't at hand.

    What the old chip doesn't show is black, as is what lies outside a picture. Filled with the
    nearest pixels, a reflection or the mean colour it moves embeddings further, or no less
    (docs/models.md).

    Args:
        chip: uint8 (side, side, 3), RGB.
        chip_to_picture: (2, 3), its matrix to the picture, both in corner coordinates.
        wanted_to_picture: (2, 3), that of the chip to cut.
        size: Side of the chip to cut, in pixels.

    Returns:
        uint8 (size, size, 3), RGB; ``chip`` itself where it is the one that is wanted.
    """
    old, new = (
        np.vstack([np.asarray(matrix, np.float64), [0.0, 0.0, 1.0]])
        for matrix in (chip_to_picture, wanted_to_picture)
    )
    matrix = np.linalg.solve(old, new)[:2]
    if len(chip) == size and np.allclose(matrix, np.eye(2, 3), atol=_SAME_PLACE):
        return chip
    return cut_chip(Image.fromarray(chip), matrix, size)


def _block_box(
    matrix: NDArray[np.float64], size: int, factor: int, picture_size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """The chip's surroundings in whole blocks of ``factor`` pixels, clipped to the picture.

    Bilinear sampling reads no further: at the centre of a chip pixel, which covers at least one
    block, the neighbours that count lie inside the outline's blocks. None where the chip lies
    outside the picture.
    """
    corners = np.array([[0, 0, size, size], [0, size, 0, size], [1, 1, 1, 1]])
    outline = matrix @ corners
    low = np.floor(outline.min(axis=1) / factor).astype(int) * factor
    high = np.ceil(outline.max(axis=1) / factor).astype(int) * factor
    left, top = (max(0, int(edge)) for edge in low)
    right, bottom = (min(limit, int(edge)) for edge, limit in zip(high, picture_size, strict=True))
    if left >= right or top >= bottom:
        return None
    return left, top, right, bottom
