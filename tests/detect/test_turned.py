"""Faces of pictures that lie on their side are found, and lie where they are in the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.data import real_data
from support.pictures import encode

from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.detect import Detections, Detector, load_detector
from facebatch.detect.turned import turned_back, way_up
from facebatch.extract.detect_and_crop import find_faces
from facebatch.media.photo.decode import Photo


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector("mtcnn")


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_pixel_of_a_turned_image_is_found_in_the_image(height, width, data) -> None:
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    image = np.zeros((height, width, 3), np.uint8)
    image[y, x] = 255
    for turns in (1, 2, 3):
        [row], [column] = np.nonzero(np.rot90(image, turns)[:, :, 0])
        box = np.array([[column, row, column + 1, row + 1]], np.float32)
        middle = np.full((1, 5, 2), 0.5, np.float32) + box[:, None, :2]
        back = turned_back(Detections(box, np.ones(1, np.float32), middle), turns, image)
        assert back.boxes.tolist() == [[x, y, x + 1, y + 1]]
        np.testing.assert_array_equal(back.landmarks, np.tile([x + 0.5, y + 0.5], (1, 5, 1)))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_is_found_whichever_way_the_picture_lies(detector, turns) -> None:
    upright = np.full((240, 320, 3), 120, np.uint8)
    upright[20:180, 40:200] = render_face(5, size=160)
    [expected] = detector.detect(upright).landmarks
    lying = np.ascontiguousarray(np.rot90(upright, turns))
    found = way_up(detector, lying)[1]
    assert len(found) == 1
    back = turned_back(found, turns, upright) if turns else found
    np.testing.assert_allclose(back.landmarks, [expected], atol=0.01)


def test_a_picture_without_a_face_has_none_whichever_way_it_lies(detector) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    assert len(way_up(detector, noise)[1]) == 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_chips_of_a_lying_photo_stand_upright(detector, turns) -> None:
    [photo, *_] = sorted(real_data("lfw100").rglob("*.jpg"))
    with Image.open(photo) as picture:
        pixels = np.array(picture.convert("RGB"))
    own, lying = (
        find_faces(Photo(encode(raster, "PNG")), detector, ExtractSettings(rotations=True))
        for raster in (pixels, np.ascontiguousarray(np.rot90(pixels, turns)))
    )
    assert len(lying) == len(own) > 0
    assert np.abs(lying.views[0].astype(float) - own.views[0]).mean() < 3
