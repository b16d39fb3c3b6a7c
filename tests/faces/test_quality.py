"""Quality measures follow what a person would say of the face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from facebatch.demo.render import render_face
from facebatch.faces.align import TEMPLATES
from facebatch.faces.quality import Gate, inside_picture, pose, sharpness, size

MEAN_FACE = TEMPLATES["dlib-150"].points.astype(np.float32)


def turned(landmarks, degrees):
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (landmarks @ rotation.T).astype(np.float32)


@pytest.fixture(scope="module")
def chip():
    return Image.fromarray(render_face(3, size=150, noise_seed=1))


def test_size_is_the_shorter_side():
    boxes = np.array([[10, 10, 40, 60], [-5, 0, 15, 8]], np.float32)
    assert size(boxes).tolist() == [30, 8]


def test_blurring_lowers_sharpness_step_by_step(chip):
    chips = [np.array(chip.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 4)]
    assert (np.diff(sharpness(np.stack(chips))) < 0).all()


def test_a_face_enlarged_from_few_pixels_counts_as_blurred(chip):
    enlarged = chip.resize((40, 40)).resize((150, 150))
    sharp, soft = sharpness(np.stack([np.array(chip), np.array(enlarged)]))
    assert soft < sharp / 2


def test_brightness_and_contrast_do_not_change_sharpness(chip):
    pixels = np.array(chip).astype(float)
    dark = np.round(pixels * 0.5 + 10).astype(np.uint8)
    plain, darkened = sharpness(np.stack([np.array(chip), dark]))
    assert darkened == pytest.approx(plain, rel=0.1)  # rounding to half the grey levels adds noise


def test_the_black_beyond_the_picture_does_not_count(chip):
    cut = np.array(chip)
    cut[:, :25] = 0
    plain, bordered = sharpness(np.stack([np.array(chip), cut]))
    assert bordered == plain


def test_a_uniform_chip_has_no_sharpness_and_a_checkerboard_the_most():
    flat = np.full((150, 150, 3), 77, np.uint8)
    board = np.repeat((np.indices((150, 150)).sum(axis=0) % 2 * 255)[..., None], 3, axis=2)
    measured = sharpness(np.stack([flat, board.astype(np.uint8)]))
    assert measured[0] == 0
    assert measured[1] == pytest.approx(64, rel=1e-3)  # (4 + 4)**2: the operator's top response


@given(degrees=st.floats(-179, 179))
def test_roll_is_the_angle_by_which_the_face_was_turned(degrees):
    upright = pose(MEAN_FACE[None])
    measured = pose(turned(MEAN_FACE, degrees)[None])
    difference = (measured.roll[0] - upright.roll[0] - degrees + 180) % 360 - 180
    assert abs(difference) < 1e-3


@given(
    degrees=st.floats(-179, 179),
    scale=st.floats(0.2, 20),
    shift=st.floats(-2000, 2000),
    seed=st.integers(0, 99),
)
def test_yaw_and_pitch_do_not_depend_on_roll_size_and_place(degrees, scale, shift, seed):
    face = MEAN_FACE + np.random.default_rng(seed).normal(0, 3, (5, 2)).astype(np.float32)
    plain, moved = pose(face[None]), pose(turned(face * scale + shift, degrees)[None])
    assert moved.yaw[0] == pytest.approx(plain.yaw[0], abs=2e-2)
    assert moved.pitch[0] == pytest.approx(plain.pitch[0], abs=2e-2)


def test_the_mean_face_looks_straight_ahead():
    straight = pose(MEAN_FACE[None])
    assert abs(straight.yaw[0]) < 0.05
    assert abs(straight.pitch[0]) < 0.002
    assert abs(straight.roll[0]) < 0.5


def test_a_nose_to_the_right_is_positive_yaw_and_its_mirror_image_negative():
    face = MEAN_FACE.copy()
    face[2, 0] = face[1, 0]  # the nose below the right eye
    mirrored = (face * [-1, 1])[[1, 0, 2, 4, 3]].astype(np.float32)
    assert pose(face[None]).yaw[0] == pytest.approx(1, abs=0.01)
    assert pose(mirrored[None]).yaw[0] == pytest.approx(-pose(face[None]).yaw[0])


def test_a_nose_towards_the_mouth_is_positive_pitch():
    down, up = MEAN_FACE.copy(), MEAN_FACE.copy()
    down[2, 1] += 15
    up[2, 1] -= 15
    assert pose(down[None]).pitch[0] > 0.2
    assert pose(up[None]).pitch[0] < -0.2


def test_landmarks_that_tell_no_pose_give_nan_without_a_warning():
    point = np.full((1, 5, 2), 9, np.float32)
    measured = pose(point)
    assert np.isnan([measured.yaw[0], measured.pitch[0], measured.roll[0]]).all()


def test_no_faces_have_no_quality():
    assert size(np.zeros((0, 4), np.float32)).shape == (0,)
    assert sharpness(np.zeros((0, 150, 150, 3), np.uint8)).shape == (0,)
    assert pose(np.zeros((0, 5, 2), np.float32)).roll.shape == (0,)


def test_the_share_inside_the_picture_is_that_of_the_chips_area():
    shifts = np.array([[0, 0], [75, 0], [0, -75], [75, 75], [400, 0]], np.float64)
    matrices = np.stack([np.array([[1, 0, x], [0, 1, y]]) for x, y in shifts])
    pictures = np.full((5, 2), 150, np.int32)
    expected = [1, 0.5, 0.5, 0.25, 0]
    np.testing.assert_allclose(inside_picture(matrices, 150, pictures), expected, atol=0.05)


def test_the_gate_lets_through_what_meets_every_limit_and_nothing_else():
    gate = Gate(min_size=28, min_score=0.95, min_inside=0.75)
    size = np.array([28, 27.9, 100, 100], np.float32)
    score = np.array([0.95, 1, 0.9, 1], np.float32)
    inside = np.array([0.75, 1, 1, 0.7], np.float32)
    assert gate.passes(size, score, inside).tolist() == [True, False, False, False]


def test_a_gate_for_sharpness_and_yaw_lets_through_what_is_not_known() -> None:
    good = np.full(4, 100, np.float32), np.ones(4, np.float32), np.ones(4, np.float32)
    sharpness = np.array([0.01, 0.2, 0.2, 0.2], np.float32)
    yaw = np.array([0, -0.9, np.nan, 0.5], np.float32)
    gate = Gate(min_sharpness=0.1, max_yaw=0.6)
    assert gate.passes(*good, sharpness, yaw).tolist() == [False, False, True, True]
    assert gate.passes(*good).all()
