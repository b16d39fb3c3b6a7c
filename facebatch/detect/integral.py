"""Area-averaged pyramid levels and crops of an image, from one integral image.

The results are those of torch's ``interpolate(mode="area")`` followed by MTCNN's normalisation
(x - 127.5) / 128, bit for bit: an output pixel i of n averages the input pixels from
floor(i * size / n) up to ceil((i + 1) * size / n), as a float32 sum divided first by the
bin's height and then by its width. Only a result of one single pixel differs, in its last bit,
because torch then divides once. (Crow, "Summed-area tables for texture mapping", 1984.)

Sums are uint32 and wrap beyond 2**32, which harms nothing: a bin's sum is a difference of
entries, and differences modulo 2**32 are exact as long as the bin's own sum fits. It is read as
int32 (the conversion to float32 that processors have), so a bin may hold 2**31 / 255, about
8.4 million pixels; ``MAX_PIXELS`` keeps the cascade's bins below that by a factor of four. Equality
with torch to the last bit ends at sums of 2**24, bins of 256 x 256, where torch itself rounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facebatch.workers.jit import compiled

# The largest bins are those of the coarsest pyramid level, at most (shorter side / 12 + 2)**2,
# and those of a 24 x 24 crop of the whole image, (width / 24 + 2) * (height / 24 + 2). Where both
# sides are at least 12 pixels (a smaller image has no level), 2**28 pixels bound both by 2.3
# million.
MAX_PIXELS = 2**28

_MEAN = np.float32(127.5)
_SCALE = np.float32(0.0078125)


def integral_image(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The sums over every rectangle from the top-left corner, modulo 2**32.

    Args:
        image: uint8 (height, width, 3), C-contiguous, at most ``MAX_PIXELS`` pixels.

    Returns:
        uint32 (height + 1, 3 * (width + 1)): entry [y, 3 * x + c] sums channel c of
        ``image[:y, :x]``.

    Raises:
        ValueError: The array isn't such an image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image is uint8 (height, width, 3), not {image.dtype} {image.shape}")
    if not image.flags.c_contiguous:
        raise ValueError("an image must be C-contiguous; use numpy.ascontiguousarray")
    height, width, _ = image.shape
    if height * width > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than {MAX_PIXELS}; shrink the image")
    sums = np.empty((height + 1, 3 * (width + 1)), np.uint32)
    _accumulate(image, sums)
    return sums


def area_level(sums: NDArray[np.uint32], height: int, width: int) -> NDArray[np.float32]:
    """The whole image at another size, normalised.

    Args:
        sums: The integral image.
        height: Height of the result, at least 1.
        width: Width of the result, at least 1.

    Returns:
        float32 (3, height, width), -1..1.
    """
    level = np.empty((3, height, width), np.float32)
    _average_image(sums, level)
    return level


def area_crops(
    sums: NDArray[np.uint32], regions: NDArray[np.int32], side: int
) -> NDArray[np.float32]:
    """Regions of the image, each brought to a square, normalised.

    Args:
        sums: The integral image.
        regions: int32 (n, 4): x0, y0, x1, y1 with 0 <= x0 < x1 <= width, likewise y.
        side: Height and width of the results.

    Returns:
        float32 (n, 3, side, side), -1..1.
    """
    crops = np.empty((len(regions), 3, side, side), np.float32)
    _average_regions(sums, regions, crops)
    return crops


@compiled
def _accumulate(image: NDArray[np.uint8], sums: NDArray[np.uint32]) -> None:
    height, width, _ = image.shape
    sums[0] = 0
    for y in range(height):
        red = green = blue = np.uint32(0)
        above, below, row = sums[y], sums[y + 1], image[y]
        below[:3] = 0
        for x in range(width):
            red += np.uint32(row[x, 0])
            green += np.uint32(row[x, 1])
            blue += np.uint32(row[x, 2])
            below[3 * x + 3] = red
            below[3 * x + 4] = green
            below[3 * x + 5] = blue
        # A loop of its own, because this one the compiler vectorises.
        for k in range(3, 3 * width + 3):
            below[k] += above[k]


@compiled
def _bins(size: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    start = np.empty(count, np.int64)
    stop = np.empty(count, np.int64)
    for i in range(count):
        start[i] = (i * size) // count
        stop[i] = ((i + 1) * size + count - 1) // count
    return start, stop


@compiled
def _average_image(sums: NDArray[np.uint32], level: NDArray[np.float32]) -> None:
    _, height, width = level.shape
    top, bottom = _bins(sums.shape[0] - 1, height)
    left, right = _bins(sums.shape[1] // 3 - 1, width)
    band = np.empty(sums.shape[1], np.uint32)  # column sums of one row of bins
    for y in range(height):
        above, below = sums[top[y]], sums[bottom[y]]
        for k in range(band.size):
            band[k] = below[k] - above[k]
        rows = np.float32(bottom[y] - top[y])
        for c in range(3):
            for x in range(width):
                total = np.int32(band[3 * right[x] + c] - band[3 * left[x] + c])
                mean = np.float32(total) / rows / np.float32(right[x] - left[x])
                level[c, y, x] = (mean - _MEAN) * _SCALE


@compiled
def _average_regions(
    sums: NDArray[np.uint32], regions: NDArray[np.int32], crops: NDArray[np.float32]
) -> None:
    side = crops.shape[2]
    for i in range(regions.shape[0]):
        x0, y0, x1, y1 = regions[i]
        top, bottom = _bins(y1 - y0, side)
        left, right = _bins(x1 - x0, side)
        for y in range(side):
            above, below = sums[y0 + top[y]], sums[y0 + bottom[y]]
            rows = np.float32(bottom[y] - top[y])
            for c in range(3):
                for x in range(side):
                    p = 3 * (x0 + right[x]) + c
                    q = 3 * (x0 + left[x]) + c
                    total = np.int32((below[p] - above[p]) - (below[q] - above[q]))
                    mean = np.float32(total) / rows / np.float32(right[x] - left[x])
                    crops[i, c, y, x] = (mean - _MEAN) * _SCALE
