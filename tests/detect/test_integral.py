"""Area averages from the integral image are torch's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.examples import examples

from facebatch.detect.integral import MAX_PIXELS, area_crops, area_level, integral_image


def torch_area(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """What facenet-pytorch feeds its nets: area interpolation, then normalisation."""
    tensor = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    resized = F.interpolate(tensor, size=(height, width), mode="area")
    return ((resized - 127.5) * 0.0078125)[0].numpy()


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


side = st.integers(1, 70)
out_side = st.integers(2, 70)  # for one single pixel torch takes a global mean, rounded otherwise


@examples(25, 150)
@given(height=side, width=side, out_height=out_side, out_width=out_side, seed=st.integers(0, 9))
def test_a_level_equals_torch_area_interpolation(height, width, out_height, out_width, seed):
    image = noise(height, width, seed)
    level = area_level(integral_image(image), out_height, out_width)
    np.testing.assert_array_equal(level, torch_area(image, out_height, out_width))


@examples(20, 100)
@given(data=st.data(), height=side, width=side, net=st.sampled_from([24, 48]))
def test_a_crop_equals_torch_adaptive_pooling_of_the_region(data, height, width, net):
    image = noise(height, width)
    x0 = data.draw(st.integers(0, width - 1))
    y0 = data.draw(st.integers(0, height - 1))
    x1 = data.draw(st.integers(x0 + 1, width))
    y1 = data.draw(st.integers(y0 + 1, height))
    regions = np.array([[x0, y0, x1, y1]], np.int32)
    region = torch.from_numpy(image[y0:y1, x0:x1].astype(np.float32)).permute(2, 0, 1)
    pooled = F.adaptive_avg_pool2d(region, net)
    crop = area_crops(integral_image(image), regions, net)[0]
    np.testing.assert_array_equal(crop, ((pooled - 127.5) * 0.0078125).numpy())


def test_sums_that_wrap_leave_the_averages_exact():
    image = np.full((4200, 4200, 3), 255, np.uint8)  # sums to 4.5e9, more than 2**32
    image[-300:, -300:] = noise(300, 300)
    sums = integral_image(image)
    assert int(sums[-1, -1]) == int(image[..., 2].sum(dtype=np.uint64)) % 2**32
    corner = np.array([[3900, 3900, 4200, 4200], [0, 0, 4200, 4200]], np.int32)
    crops = area_crops(sums, corner, 48)
    np.testing.assert_array_equal(crops[0], torch_area(image[-300:, -300:], 48, 48))
    np.testing.assert_array_equal(crops[1][:, :40], np.float32(127.5 * 0.0078125))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 16, 3), np.uint8)[:, ::2],
    ],
    ids=["grey", "four channels", "float", "strided"],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match="image"):
        integral_image(image)


def test_an_image_beyond_the_limit_is_refused_before_it_is_read():
    image = np.empty((2**14, MAX_PIXELS // 2**14 + 1, 3), np.uint8)  # never touched, so never paged
    with pytest.raises(ValueError, match="shrink"):
        integral_image(image)
