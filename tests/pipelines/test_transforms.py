"""Transforms and model handlers in other people's pipelines give what the functions give."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from support.pictures import encode, gradient

import facebatch
from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.detect import load_detector
from facebatch.pipelines.model_handlers import DetectorHandler, EmbedderHandler
from facebatch.pipelines.transforms import DetectFaces, EmbedFaces, PhotoOutcome

PEOPLE = {"ada": 1, "grace": 2}
FULL = ExtractSettings(tta="full")


@pytest.fixture(scope="module")
def photos() -> dict[str, bytes]:
    portraits = {name: encode(render_face(seed)) for name, seed in PEOPLE.items()}
    whole = encode(render_face(PEOPLE["ada"]), "PNG")
    return {
        **portraits,
        "landscape": encode(gradient()),
        "text": b"no photo",
        "empty": b"",
        "half": whole[: len(whole) // 2],
    }


def made(elements: list[Any], *steps: Any, tmp_path: Path) -> dict[str, Any]:
    """Runs a pipeline over (key, value) in this process and returns what it gave, by key."""
    file = tmp_path / "made.pickle"

    def keep(found: list[Any]) -> None:
        file.write_bytes(pickle.dumps(found))

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        collected = pipeline | beam.Create(elements)
        for step in steps:
            collected |= step
        collected | beam.combiners.ToList() | beam.Map(keep)
    return dict(pickle.loads(file.read_bytes()))


def test_photos_become_the_faces_that_the_functions_give(
    photos: dict[str, bytes], tmp_path: Path
) -> None:
    found = made(list(photos.items()), DetectFaces(), EmbedFaces(), tmp_path=tmp_path)
    assert set(found) == set(photos)
    for name in ("ada", "grace", "landscape"):
        expected = facebatch.embed_faces(photos[name])
        outcome: PhotoOutcome = found[name]
        assert outcome.reason is outcome.message is None
        assert len(expected) == (name != "landscape")
        assert outcome.embedded is not None
        assert vars(outcome.embedded).keys() == vars(expected).keys()
        for part, value in vars(expected).items():
            np.testing.assert_array_equal(vars(outcome.embedded)[part], value, part)


def test_a_photo_that_cant_be_decoded_is_an_outcome_with_its_reason(
    photos: dict[str, bytes], tmp_path: Path
) -> None:
    found = made(list(photos.items()), DetectFaces(), EmbedFaces(), tmp_path=tmp_path)
    reasons = {name: outcome.reason for name, outcome in found.items() if outcome.reason}
    assert reasons == {"text": "not_an_image", "empty": "empty", "half": "truncated"}
    for name in reasons:
        assert found[name].faces is found[name].embedded is None
        assert found[name].message


def test_an_element_that_is_no_bytes_is_an_outcome_too(tmp_path: Path) -> None:
    given = [("path", "/etc/passwd"), ("none", None), ("array", bytearray(b"no photo"))]
    found = made(given, DetectFaces(), tmp_path=tmp_path)
    assert {key: outcome.reason for key, outcome in found.items()} == {
        key: "not_an_image" for key, _ in given
    }


def test_settings_decide_what_is_found(photos: dict[str, bytes], tmp_path: Path) -> None:
    elements = [("ada", photos["ada"])]
    detected = made(elements, DetectFaces(FULL), tmp_path=tmp_path)["ada"]
    assert detected.embedded is None
    assert detected.faces.views.shape[1] == 3
    embedded = made(elements, DetectFaces(FULL), EmbedFaces(FULL), tmp_path=tmp_path)["ada"]
    expected = facebatch.embed_faces(photos["ada"], FULL)
    np.testing.assert_array_equal(embedded.embedded.embeddings, expected.embeddings)


@pytest.mark.parametrize("settings", [ExtractSettings(), FULL], ids=["mirror", "full"])
def test_the_embedders_handler_embeds_as_the_function_does(
    photos: dict[str, bytes], tmp_path: Path, settings: ExtractSettings
) -> None:
    expected = {name: facebatch.embed_faces(photos[name], settings) for name in PEOPLE}
    several = settings.tta == "full"
    chips = [(name, (one.views if several else one.chips)[0]) for name, one in expected.items()]
    handler = KeyedModelHandler(EmbedderHandler(settings))
    found = made(chips, RunInference(handler), tmp_path=tmp_path)
    for name, result in found.items():
        # In a batch of two the network's sums may be rounded otherwise.
        cosine = float(result.inference @ expected[name].embeddings[0])
        assert cosine == pytest.approx(1, abs=1e-4)


def test_the_detectors_handler_finds_what_the_detector_finds(tmp_path: Path) -> None:
    pictures = {name: render_face(seed) for name, seed in PEOPLE.items()}
    handler = KeyedModelHandler(DetectorHandler(ExtractSettings(min_face=40)))
    found = made(list(pictures.items()), RunInference(handler), tmp_path=tmp_path)
    detector = load_detector("mtcnn", min_face=40)
    for name, picture in pictures.items():
        expected = detector.detect(picture)
        assert len(expected) == 1
        for part, value in vars(expected).items():
            np.testing.assert_array_equal(vars(found[name].inference)[part], value, part)


def test_handlers_say_their_size_and_name() -> None:
    chips = [np.zeros((150, 150, 3), np.uint8)] * 2
    for handler in (DetectorHandler(max_batch_size=2), EmbedderHandler(max_batch_size=2)):
        assert handler.get_num_bytes(chips) == 2 * 150 * 150 * 3
        assert handler.batch_elements_kwargs() == {"max_batch_size": 2}
        assert handler.get_metrics_namespace().startswith("facebatch_")
