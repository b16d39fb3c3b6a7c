"""Single photos, however they are given."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.pictures import encode, gradient, with_orientation

import facebatch
from facebatch.config import ExtractSettings
from facebatch.probe.probe import Prober

BIG = {"tta": "full", "max_side": 320}


@pytest.fixture(scope="module")
def portrait(portraits: Path) -> Path:
    return portraits / "1-0.jpg"


def test_faces_are_those_of_the_commands_on_single_photos(portrait: Path) -> None:
    found = facebatch.embed_faces(portrait)
    probe = Prober(ExtractSettings()).probe(str(portrait))
    np.testing.assert_array_equal(found.boxes, probe.faces.boxes)
    np.testing.assert_array_equal(found.landmarks, probe.faces.landmarks)
    np.testing.assert_array_equal(found.views, probe.faces.views)
    np.testing.assert_allclose(found.embeddings, probe.embeddings, atol=1e-6)
    assert (found.width, found.height) == (320, 320)
    assert found.central == 0


def test_a_photo_is_the_same_as_path_bytes_image_and_pixels(portrait: Path) -> None:
    expected = facebatch.detect_faces(str(portrait))
    with Image.open(portrait) as image:
        given = [portrait, portrait.read_bytes(), image.copy(), np.array(image)]
    for photo in given:
        found = facebatch.detect_faces(photo)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
        np.testing.assert_array_equal(found.chips, expected.chips)


def test_the_orientation_of_a_pillow_image_is_applied_as_that_of_a_file_is(portrait: Path) -> None:
    with Image.open(portrait) as image:
        turned = image.transpose(Image.Transpose.ROTATE_90)
    data = encode(turned, "PNG", exif=with_orientation(6))
    upright = facebatch.detect_faces(portrait)
    from_file = facebatch.detect_faces(data)
    from_image = facebatch.detect_faces(Image.open(io.BytesIO(data)))
    np.testing.assert_allclose(from_file.boxes, upright.boxes, atol=0.01)
    np.testing.assert_allclose(from_image.boxes, upright.boxes, atol=0.01)


def test_embedding_what_was_found_is_embedding_the_photo(portrait: Path) -> None:
    settings = ExtractSettings(**BIG)
    faces = facebatch.detect_faces(portrait, settings)
    assert faces.views.shape == (1, 3, 150, 150, 3)
    assert faces.chips.shape == (1, 150, 150, 3)
    one, other = (facebatch.embed_faces(given, settings) for given in (faces, portrait))
    np.testing.assert_array_equal(one.embeddings, other.embeddings)
    np.testing.assert_allclose(np.linalg.norm(one.embeddings, axis=1), 1, atol=1e-5)
    with pytest.raises(facebatch.UsageError, match=r"3 views, but tta 'mirror' averages 1"):
        facebatch.embed_faces(faces)


def test_a_photo_without_a_face_has_none() -> None:
    faces = facebatch.embed_faces(gradient())
    assert len(faces) == 0
    assert faces.embeddings.shape == (0, 128)
    with pytest.raises(facebatch.UsageError, match="no face"):
        faces.central  # noqa: B018


def test_what_is_no_photo_is_refused_by_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(facebatch.InputError, match="no such photo"):
        facebatch.detect_faces(tmp_path / "nothing.jpg")
    with pytest.raises(facebatch.MediaError) as caught:
        facebatch.detect_faces(b"")
    assert caught.value.reason == "empty"
    for pixels in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(facebatch.UsageError, match="uint8"):
            facebatch.detect_faces(pixels)


def test_a_photo_of_another_type_is_refused_and_its_content_not_told() -> None:
    for photo in (None, 7, ["a.jpg"]):
        with pytest.raises(facebatch.UsageError, match=f"not a {type(photo).__name__}"):
            facebatch.detect_faces(photo)  # type: ignore[arg-type]
    with pytest.raises(facebatch.MediaError) as caught:
        facebatch.detect_faces(bytearray(b"xx" * 1000))
    assert len(str(caught.value)) < 200


def test_a_broken_pillow_image_is_a_media_error(portrait: Path) -> None:
    cut = portrait.read_bytes()[:2000]
    with Image.open(io.BytesIO(cut)) as opened, pytest.raises(facebatch.MediaError):
        facebatch.detect_faces(opened)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_side", 0), ("tta", "zz"), ("min_face", 0), ("embedder", "zz"), ("detector", "zz")],
)
def test_settings_out_of_their_range_are_refused(name: str, value: object) -> None:
    settings = facebatch.ExtractSettings(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(facebatch.UsageError, match=name.replace("_", ".")):
        facebatch.embed_faces(gradient(), settings)


def test_models_are_loaded_once(portrait: Path) -> None:
    from facebatch.extract import photo

    facebatch.embed_faces(portrait)
    before = photo._kept_detector.cache_info(), photo._kept_embedder.cache_info()
    facebatch.embed_faces(portrait)
    after = photo._kept_detector.cache_info(), photo._kept_embedder.cache_info()
    assert [info.misses for info in after] == [info.misses for info in before]
