"""``facebatch train``: from photos to an embedder that commands take, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("pytorch_metric_learning", reason="the extra train isn't installed")

from support.program import command, facebatch
from support.rendered_people import write_people

from facebatch.models import onnx_runtime

if not onnx_runtime.can_run():
    pytest.skip("nothing that runs ONNX files is installed", allow_module_level=True)

QUICK = ("--side", "32", "--width", "0.25", "--steps", "4", "--every", "2", "--people", "3")


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.mark.full
def test_photos_become_an_embedder_with_the_figure_that_evaluate_gives(tmp_path, models):
    photos = write_people(tmp_path / "photos", 7, 3)
    (photos / "person 1000" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    faceless = photos / "nobody"
    faceless.mkdir()
    (faceless / "grey.png").write_bytes(_grey())
    model = tmp_path / "mine"
    words = ("train", str(photos), "-o", str(model), *QUICK)
    done = facebatch(*words)
    assert done.returncode == 0, done.stderr
    assert "training: 4 of 4, step 4, loss" in done.stderr
    assert "left out: 2 photos (1 no_face, 1 " in done.stdout
    assert "nobody found for: nobody" in done.stdout
    assert {path.name for path in models.iterdir()} == {"mine"}
    said = json.loads((model / "training.json").read_text())
    assert said["people"] == {"trained": 3, "stopping": 2, "tested": 2}
    assert f"accuracy {said['figures']['accuracy']:.4f}" in done.stdout
    page = (model / "report.html").read_text()
    assert "Training of mine" in page
    assert "<script" not in page
    # Started, not forked: a process knows the models that were there when it began.
    pairs = ("evaluate", "pairs", "--pairs", str(model / "pairs.csv"), "--images", str(photos))
    measured = subprocess.run(
        command(*pairs, "--embedder", "mine", "--json"), capture_output=True, text=True, check=False
    )
    assert measured.returncode == 0, measured.stderr
    figures = json.loads(measured.stdout)["figures"]
    assert figures["accuracy"]["mean"] == said["figures"]["accuracy"]
    assert figures["eer"] == said["figures"]["eer"]
    again = facebatch(*words)
    assert again.returncode == 2
    assert again.stderr == f"facebatch: {model} is trained already: choose another place\n"
    elsewhere = tmp_path / "other" / "mine"
    taken = facebatch("train", str(photos), "-o", str(elsewhere), *QUICK)
    assert taken.returncode == 2
    assert "a model called mine is in" in taken.stderr


@pytest.mark.parametrize(
    ("people", "photos", "says"),
    [
        (1, 3, "training needs photos of several people, there is 1 with a face"),
        (6, 1, "nobody of 6 people has two photos with a face"),
    ],
)
def test_too_few_photos_end_in_one_line(tmp_path, models, people, photos, says):
    folder = write_people(tmp_path / "photos", people, photos)
    done = facebatch("train", str(folder), "-o", str(tmp_path / "mine"), *QUICK)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("facebatch: ")
    assert says in last


def test_what_cant_be_trained_is_refused_before_anything_is_done(tmp_path, models):
    place = tmp_path / "Not a name"
    done = facebatch("train", str(tmp_path), "-o", str(place), *QUICK)
    assert done.returncode == 2
    assert "a model can't be called" in done.stderr
    assert not place.exists()
    wrong = facebatch("train", str(tmp_path), "-o", str(tmp_path / "mine"), "--loss", "mse")
    assert wrong.returncode == 2
    assert "--loss mse is none of" in wrong.stderr


def _grey() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (120, 120), (90, 90, 90)).save(buffer, "PNG")
    return buffer.getvalue()
