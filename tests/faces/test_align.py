"""Chips lie where the landmarks say, in corner coordinates, at any size of the face."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.examples import examples

from facebatch.faces.align import (
    TEMPLATES,
    Template,
    chip_matrices,
    cut_chip,
    is_degenerate,
    picture_pixels_per_chip_pixel,
    recut_chip,
    similarity,
)

TEMPLATE = TEMPLATES["dlib-150"]


def similarity_matrix(angle: float, scale: float, x: float, y: float):
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[a, -b, x], [b, a, y]])


def apply(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


def compose(outer, inner):
    square = np.vstack([inner, [0, 0, 1]])
    return outer @ square


def noise_picture(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


matrices = st.builds(
    similarity_matrix,
    angle=st.floats(-math.pi, math.pi),
    scale=st.floats(0.05, 20),
    x=st.floats(-3000, 3000),
    y=st.floats(-3000, 3000),
)


@given(matrix=matrices)
def test_a_similarity_is_recovered_from_the_points_it_moved(matrix):
    found = similarity(TEMPLATE.points, apply(matrix, TEMPLATE.points))
    np.testing.assert_allclose(found, matrix, rtol=0, atol=1e-8)


@given(matrix=matrices, seed=st.integers(0, 1000))
def test_no_other_similarity_fits_better(matrix, seed):
    random = np.random.default_rng(seed)
    target = apply(matrix, TEMPLATE.points) + random.normal(0, 5, (5, 2))
    best = similarity(TEMPLATE.points, target)
    error = np.square(apply(best, TEMPLATE.points) - target).sum()
    nudge = similarity_matrix(1e-3 * random.normal(), 1 + 1e-3 * random.normal(), 0.1, -0.1)
    nudged = np.square(apply(compose(nudge, best), TEMPLATE.points) - target).sum()
    assert error <= nudged


def test_a_mirrored_face_is_not_reflected():
    mirrored = TEMPLATE.points * [-1, 1]
    assert np.linalg.det(similarity(TEMPLATE.points, mirrored)[:, :2]) >= 0


@given(moved=matrices, seed=st.integers(0, 1000))
def test_moving_the_picture_moves_the_chip_with_it(moved, seed):
    landmarks = TEMPLATE.points + np.random.default_rng(seed).normal(0, 4, (5, 2))
    before = chip_matrices(landmarks[None], TEMPLATE)[0]
    after = chip_matrices(apply(moved, landmarks)[None], TEMPLATE)[0]
    np.testing.assert_allclose(after, compose(moved, before), rtol=0, atol=1e-7)


def test_many_faces_are_fitted_as_each_alone():
    landmarks = TEMPLATE.points + np.random.default_rng(0).normal(0, 4, (7, 5, 2))
    together = chip_matrices(landmarks, TEMPLATE)
    alone = [chip_matrices(face[None], TEMPLATE)[0] for face in landmarks]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    assert chip_matrices(landmarks[:0], TEMPLATE).shape == (0, 2, 3)


@pytest.mark.parametrize("scale", [0.95, 1.05])
def test_a_larger_scale_narrows_the_view_about_the_same_centre(scale):
    landmarks = apply(similarity_matrix(0.3, 1.7, 40, -20), TEMPLATE.points)[None]
    plain, scaled = (chip_matrices(landmarks, TEMPLATE, s)[0] for s in (1.0, scale))
    centre = np.array([[75.0, 75.0]])
    np.testing.assert_allclose(apply(scaled, centre), apply(plain, centre), atol=1e-9)
    assert picture_pixels_per_chip_pixel(scaled) == pytest.approx(1.7 / scale)


def test_the_template_is_the_measured_one_in_corner_coordinates():
    # The left eye was measured at (49.117, 46.044) with landmarks read one picture pixel, that is
    # 1.297 chip pixels, too far; corner coordinates add half a pixel.
    np.testing.assert_allclose(TEMPLATE.points[0], [48.320, 45.247], atol=1e-3)
    assert TEMPLATE.size == 150


@pytest.mark.parametrize(
    "landmarks",
    [
        np.full((5, 2), 7.0),
        np.full((5, 2), np.nan),
        np.where(np.eye(5, 2, dtype=bool), np.inf, TEMPLATE.points),
        TEMPLATE.points * 1e-3,
        TEMPLATE.points * 1e9,
    ],
    ids=["one point", "nan", "infinite", "smaller than a pixel", "beyond any picture"],
)
def test_degenerate_landmarks_are_named_and_refused(landmarks):
    faces = np.stack([TEMPLATE.points, landmarks])
    assert is_degenerate(faces, TEMPLATE).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"rows \[1\]"):
        chip_matrices(faces, TEMPLATE)


def test_a_similarity_of_points_that_tell_nothing_is_refused():
    with pytest.raises(ValueError, match="different"):
        similarity(np.zeros((5, 2)), TEMPLATE.points)
    with pytest.raises(ValueError, match="finite"):
        similarity(TEMPLATE.points, np.full((5, 2), np.nan))


def test_a_chip_of_whole_pixels_is_the_crop():
    picture = noise_picture(60, 50)
    chip = cut_chip(picture, [[1, 0, 11], [0, 1, 7]], 20)
    np.testing.assert_array_equal(chip, np.array(picture)[7:27, 11:31])
    assert chip.flags.c_contiguous


def test_a_chip_turned_by_a_right_angle_is_the_turned_crop():
    # Chip corner (u, v) reads picture corner (20 - v, u): the crop turned counter-clockwise.
    picture = noise_picture(20, 20)
    chip = cut_chip(picture, [[0, -1, 20], [1, 0, 0]], 20)
    np.testing.assert_array_equal(chip, np.rot90(np.array(picture)))


def test_a_chip_of_two_by_two_pixels_each_is_the_block_average():
    picture = noise_picture(80, 80)
    chip = cut_chip(picture, [[2, 0, 10], [0, 2, 20]], 25)
    pixels = np.array(picture)[20:70, 10:60].astype(float)
    expected = pixels.reshape(25, 2, 25, 2, 3).mean(axis=(1, 3))
    assert np.abs(chip - expected).max() <= 0.5


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_outside_the_picture_is_black(scale):
    white = Image.new("RGB", (90, 90), "white")
    half = cut_chip(white, [[scale, 0, -15 * scale], [0, scale, 0]], 30)
    assert not half[:, :15].any()
    assert (half[:, 15:] == 255).all()
    far = cut_chip(white, [[scale, 0, 5000], [0, scale, 0]], 30)
    assert far.shape == (30, 30, 3)
    assert not far.any()


@examples(25, 150)
@given(
    angle=st.floats(-math.pi, math.pi),
    scale=st.floats(2, 9),
    centre=st.tuples(st.floats(-60, 260), st.floats(-60, 220)),
)
def test_a_large_face_is_cut_as_if_the_whole_picture_had_been_reduced(angle, scale, centre):
    picture, size = noise_picture(203, 151), 16
    matrix = similarity_matrix(angle, scale, 0, 0)
    matrix[:, 2] = np.array(centre) - matrix[:, :2] @ [size / 2, size / 2]
    factor = int(picture_pixels_per_chip_pixel(matrix))
    whole = picture.reduce(factor).transform(
        (size, size),
        Image.Transform.AFFINE,
        tuple((matrix / factor).ravel()),
        Image.Resampling.BILINEAR,
    )
    # One grey level: the same sampling position is reached by other roundings.
    difference = cut_chip(picture, matrix, size).astype(int) - np.array(whole)
    assert np.abs(difference).max() <= 1


def test_chips_come_from_finite_matrices_and_rgb_pictures():
    with pytest.raises(ValueError, match="RGB"):
        cut_chip(Image.new("L", (10, 10)), np.eye(2, 3), 5)
    with pytest.raises(ValueError, match="finite"):
        cut_chip(Image.new("RGB", (10, 10)), np.full((2, 3), np.nan), 5)


def test_landmarks_of_a_face_fall_on_the_template_in_its_chip():
    picture = Image.new("RGB", (400, 400))
    landmarks = apply(similarity_matrix(-0.4, 1.3, 30, 150), TEMPLATE.points)
    for x, y in landmarks.astype(int):
        picture.paste((255, 255, 255), (x - 1, y - 1, x + 2, y + 2))
    chip = cut_chip(picture, chip_matrices(landmarks[None], TEMPLATE)[0], TEMPLATE.size)
    for x, y in TEMPLATE.points.astype(int):
        assert chip[y - 1 : y + 2, x - 1 : x + 2].max() > 200
    assert np.count_nonzero(chip.max(axis=2)) < 5 * 25


def test_templates_may_have_any_size():
    small = Template("small", 16, TEMPLATE.points * 16 / 150)
    landmarks = TEMPLATE.points[None] * 2
    assert picture_pixels_per_chip_pixel(chip_matrices(landmarks, small)[0]) == pytest.approx(
        2 * 150 / 16
    )


def test_a_chip_is_cut_out_of_a_wider_one_as_out_of_the_picture():
    picture = noise_picture(40, 40).resize((400, 400), Image.Resampling.BICUBIC)
    wide, narrow = similarity_matrix(0.3, 1.0, 150, 80), similarity_matrix(0.3, 0.6, 155, 130)
    chip = cut_chip(picture, wide, 150)
    assert recut_chip(chip, wide, wide, 150) is chip
    found, direct = recut_chip(chip, wide, narrow, 112), cut_chip(picture, narrow, 112)
    assert np.abs(found.astype(int) - direct).mean() < 2
    beside = compose(wide, similarity_matrix(0, 1, 100, 0))
    assert not recut_chip(chip, wide, beside, 150)[:, 51:].any(), "what isn't shown is black"


def test_templates_are_the_same_by_what_they_cut():
    assert TEMPLATE.is_same(Template("other", 150, TEMPLATE.points.copy()))
    assert not TEMPLATE.is_same(TEMPLATES["arcface-112"])
