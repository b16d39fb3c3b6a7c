"""How good a face is to recognise: size, sharpness, pose and how much of it the picture shows.

They are measured from pixels, landmarks and geometry alone. The one decision here is `Gate`, whose
limits are settings. Pose comes from
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

_GRID = 15  # cells along a chip's side

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


@dataclass(frozen=True)
class Gate:
    """What a face needs to be grouped with others.

    Faces below it look like one another whoever they are: too few pixels, cut off by the picture's
    edge, or no face at all. Left in, they become one large person; left out, the 1,549 photos of
    LFW's View 1 test set keep the same pairwise precision and recall (docs/concepts.md).

    Args:
        min_size: Shorter side of the box in pixels of the full-size picture.
        min_score: The detector's probability.
        min_inside: Share of the chip that lies inside the picture.
        min_sharpness: `sharpness` of the chip.
        max_yaw: Largest turn to either side, as `Pose` has it.
    """

    min_size: float = 28.0
    min_score: float = 0.95
    min_inside: float = 0.75
    min_sharpness: float = 0.0
    max_yaw: float = 10.0

    def passes(
        self,
        size: NDArray[np.float32],
        score: NDArray[np.float32],
        inside: NDArray[np.float32],
        sharpness: NDArray[np.float32] | None = None,
        yaw: NDArray[np.float32] | None = None,
    ) -> NDArray[np.bool_]:
        """Says which of n faces are good enough.

        Args:
            size: float32 (n,).
            score: float32 (n,).
            inside: float32 (n,), as `inside_picture` gives it.
            sharpness: float32 (n,); left out, no face is too blurred.
            yaw: float32 (n,), NaN where it isn't known, which is good enough; left out, no face
                is turned too far.

        Returns:
            bool (n,).
        """
        good: NDArray[np.bool_] = (size >= self.min_size) & (score >= self.min_score)
        good &= inside >= self.min_inside
        if sharpness is not None:
            good &= sharpness >= self.min_sharpness
        if yaw is not None:
            good &= ~(np.abs(yaw) > self.max_yaw)
        return good


def inside_picture(
    chip_to_picture: NDArray[np.float64],
    chip_size: int,
    pictures: NDArray[np.int32],
) -> NDArray[np.float32]:
    """The share of each chip that lies inside its picture; the rest of the chip is black.

    It is taken over the centres of a grid of 15 x 15 cells.

    Args:
        chip_to_picture: float64 (n, 2, 3), from chip to picture in corner coordinates.
        chip_size: Side of the chips in pixels.
        pictures: int32 (n, 2): width and height of each face's full-size picture.

    Returns:
        float32 (n,): 0..1.
    """
    steps = (np.arange(_GRID) + 0.5) * (chip_size / _GRID)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    points = np.einsum("nij,kj->nki", chip_to_picture[:, :, :2], grid)
    points += chip_to_picture[:, None, :, 2]
    within = (points >= 0) & (points < pictures[:, None, :])
    shares: NDArray[np.float32] = within.all(axis=2).mean(axis=1).astype(np.float32)
    return shares


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
