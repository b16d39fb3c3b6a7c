"""How good a face is to recognise: size, sharpness and pose, from pixels and landmarks alone.

These are measures, not decisions: the quality rules that use them are settings. Pose comes from
five landmarks and no head model, so yaw and pitch are ratios rather than angles; only roll is
in degrees. All functions take n faces at once and n may be 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601 luma of R, G and B, which Pillow's mode L uses too.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

# The share of the chip's side cut off on every side before sharpness is measured. In the middle
# of a chip there is only the face; around it there may be background or the picture's black edge.
_MARGIN = 0.2

# Where the nose falls between the line of the eyes (0) and that of the mouth corners (1) in the
# mean face of the dlib-150 template: (78.347 - 45.997) / (105.171 - 45.997).
_FRONTAL_NOSE = 0.5467


@dataclass(frozen=True, eq=False)
class Pose:
    """Head pose of n faces, each float32 (n,); NaN where the landmarks don't tell.

    Args:
        yaw: How far the nose is off the middle between the eyes, in half eye distances along the
            eyes' line: 0 frontal, about -1 or 1 where it is level with an eye; positive towards
            the image's right.
        pitch: How far the nose is off its place between the eyes' line and the mouth's, in
            distances between the two: 0 for a mean frontal face, negative where it is nearer the
            eyes (looking up), positive where it is nearer the mouth (looking down).
        roll: Angle of the line through the eyes in degrees, -180..180, clockwise positive as
            the image is seen; 0 for an upright face.
    """

    yaw: NDArray[np.float32]
    pitch: NDArray[np.float32]
    roll: NDArray[np.float32]


def size(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The shorter side of each box, in the boxes' unit (full-picture pixels in the tables).

    Args:
        boxes: float32 (n, 4): x0, y0, x1, y1.

    Returns:
        float32 (n,).
    """
    shorter: NDArray[np.float32] = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    return shorter


def sharpness(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Variance of the Laplacian over variance of the grey chip, in its middle.

    The variance of the Laplacian is a focus measure (Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy", ICPR 2000, LAP_VAR). By itself it grows with the square of the
    contrast, so that a dark photo passes for a blurred one; the quotient doesn't depend on
    brightness and contrast. It is measured after alignment: a face with fewer pixels than its
    chip counts as blurred, which for recognition it is. Noise counts as sharpness.

    Args:
        chips: uint8 (n, size, size, 3), RGB, of at least 5 pixels a side.

    Returns:
        float32 (n,): from 0 (uniform) to about 64 (a checkerboard of single pixels).
    """
    margin = int(chips.shape[1] * _MARGIN)
    middle = slice(margin, chips.shape[1] - margin)
    grey = chips[:, middle, middle].astype(np.float32) @ _LUMA
    inner = grey[:, 1:-1, 1:-1]
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    laplacian_variance = (neighbours - 4 * inner).var(axis=(1, 2))
    variance = grey.var(axis=(1, 2))
    # A uniform chip leaves rounding in both; a thousandth of a grey level squared is uniform.
    uniform = variance < 1e-3
    quotient: NDArray[np.float32] = laplacian_variance / np.where(uniform, 1, variance)
    return np.where(uniform, np.float32(0), quotient)


def pose(landmarks: NDArray[np.float32]) -> Pose:
    """The head's pose from five landmarks.

    Args:
        landmarks: float32 (n, 5, 2): eye, eye, nose, mouth corner, mouth corner, image-left first.

    Returns:
        The pose; yaw and roll are NaN where the eyes coincide, pitch also where the mouth lies
        on the line of the eyes.
    """
    points = landmarks.astype(np.float64)
    eyes = (points[:, 0] + points[:, 1]) / 2
    across = points[:, 1] - points[:, 0]
    distance = np.hypot(across[:, 0], across[:, 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        across = across / distance[:, None]  # unit vector along the eyes; NaN where they coincide
        down = np.stack([-across[:, 1], across[:, 0]], axis=1)
        nose = points[:, 2] - eyes
        mouth = (points[:, 3] + points[:, 4]) / 2 - eyes
        yaw = (nose * across).sum(axis=1) / (distance / 2)
        place = (nose * down).sum(axis=1) / (mouth * down).sum(axis=1)
    pitch = np.where(np.isfinite(place), place - _FRONTAL_NOSE, np.nan)
    roll = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    return Pose(yaw.astype(np.float32), pitch.astype(np.float32), roll.astype(np.float32))
