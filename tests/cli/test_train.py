"""``facebatch train``: from photos to an embedder that commands take, and what it refuses."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pytorch_metric_learning", reason="the extra train isn't installed")

from support.commits import follow
from support.program import facebatch
from support.rendered_people import write_people
from support.reviewable import make_reviewable
from support.synthetic import people as simulated
from support.synthetic import unit

from facebatch.collection import Collection
from facebatch.errors import UsageError
from facebatch.jobs.train import check_training, locked
from facebatch.models import onnx_runtime
from facebatch.people.deciding import People
from facebatch.people.exchange import NamedRow, import_names

if not onnx_runtime.can_run():
    pytest.skip("nothing that runs ONNX files is installed", allow_module_level=True)

QUICK = ("--side", "32", "--width", "0.25", "--steps", "4", "--every", "2", "--people", "3")


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    # Two threads wait for each other more than they compute where tests run side by side.
    monkeypatch.setenv("FACEBATCH_WORKERS", "1")
    return tmp_path / "models"


@pytest.mark.full
def test_photos_become_an_embedder_with_the_figure_that_evaluate_gives(
    tmp_path, models, monkeypatch
):
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
    pairs = ("evaluate", "pairs", "--pairs", str(model / "pairs.csv"), "--images", str(photos))
    # By its name here; by its place where the models folder has never heard of it.
    for embedder, folder in (("mine", models), (f"onnx:{model}", tmp_path / "others")):
        monkeypatch.setenv("FACEBATCH_MODELS", str(folder))
        measured = facebatch(*pairs, "--embedder", embedder, "--json")
        assert measured.returncode == 0, measured.stderr
        figures = json.loads(measured.stdout)["figures"]
        assert figures["accuracy"]["mean"] == said["figures"]["accuracy"]
        assert figures["eer"] == said["figures"]["eer"]
    monkeypatch.setenv("FACEBATCH_MODELS", str(models))
    again = facebatch(*words)
    assert again.returncode == 2
    assert again.stderr == f"facebatch: {model} is trained already: choose another place\n"
    elsewhere = tmp_path / "other" / "mine"
    taken = facebatch("train", str(photos), "-o", str(elsewhere), *QUICK)
    assert taken.returncode == 2
    assert "a model called mine is in" in taken.stderr


@pytest.mark.full
def test_people_in_linked_folders_are_measured_like_others(tmp_path, models):
    photos = write_people(tmp_path / "photos", 6, 2)
    linked = tmp_path / "linked"
    linked.mkdir()
    for person in photos.iterdir():
        (linked / person.name).symlink_to(person)
    model = tmp_path / "mine"
    done = facebatch("train", str(linked), "-o", str(model), "--follow-links", *QUICK)
    assert done.returncode == 0, done.stderr
    (evaluation,) = (model / "evaluation").glob("*.json")
    photos_of = json.loads(evaluation.read_text())["photos"]
    assert (photos_of["not_there"], photos_of["with_face"]) == ([], 4)


def test_a_collection_with_names_is_learned_from_by_its_chips(tmp_path, models, monkeypatch):
    named_collection(tmp_path, monkeypatch, [3] * 8)
    collection, model = tmp_path / "collection", tmp_path / "mine"
    done = facebatch("train", "embedder", str(collection), "-o", str(model), *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["people"] == {"trained": 4, "stopping": 2, "tested": 2}
    assert said["photos"] == {"trained": 12, "stopping": 6, "tested": 6}
    assert "on stored chips" in (models / "mine" / "card.toml").read_text()
    assert not (model / "faces").exists()


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
    nowhere = facebatch("train", str(tmp_path / "nobody"), "-o", str(tmp_path / "mine"), *QUICK)
    assert nowhere.returncode == 2
    assert "nobody" in nowhere.stderr
    assert not (tmp_path / "mine").exists()


def test_a_folder_that_is_trained_in_is_left_to_that_training(tmp_path, models):
    photos = write_people(tmp_path / "photos", 2, 1)
    model = tmp_path / "mine"
    model.mkdir()
    with locked(model):
        done = facebatch("train", str(photos), "-o", str(model), *QUICK)
    assert done.returncode == 2
    assert done.stderr == f"facebatch: another training goes on in {model}\n"
    assert not any(model.iterdir())


def test_a_file_system_that_knows_no_locks_keeps_nobody_out(tmp_path, monkeypatch):
    def refuse(*_: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path):
        pass


def test_what_a_collection_was_made_with_cant_be_asked_for_otherwise(tmp_path, models, monkeypatch):
    named_collection(tmp_path, monkeypatch, [3] * 8)
    collection, model = str(tmp_path / "collection"), tmp_path / "mine"
    detector = Collection.open(collection).settings.detector
    for words, says in (
        (("--max-side", "640"), "was made with max_side = 1024"),
        (("--exclude", "*.png"), "--exclude is for photos"),
    ):
        done = facebatch("train", collection, "-o", str(model), *words, *QUICK)
        assert done.returncode == 2
        assert says in done.stderr
    assert not model.exists()
    same = ("--detector", detector, "--loss", "mse")
    assert "--loss mse" in facebatch("train", collection, "-o", str(model), *same).stderr


def test_a_network_whose_package_is_missing_is_refused_before_anything(
    tmp_path, models, monkeypatch
):
    there = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> object:
        return None if name == "facenet_pytorch" else there(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    check_training(tmp_path / "mine", backbone="mobilenetv1")
    with pytest.raises(UsageError, match="facenet_pytorch isn't installed"):
        check_training(tmp_path / "mine", backbone="inception-resnet-v1")


def _grey() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (120, 120), (90, 90, 90)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.full
def test_a_head_that_helps_nobody_is_refused_and_writes_nothing(tmp_path, models, monkeypatch):
    collection = named_collection(tmp_path, monkeypatch, [6] * 12)
    done = facebatch("train", "head", str(tmp_path / "collection"), "-o", str(tmp_path / "headed"))
    assert done.returncode == 4, done.stderr
    told = done.stdout.splitlines()
    assert told[0].startswith("heads behind dlib-resnet, of 72 faces of 12 named people")
    assert [line.split()[0] for line in told[1:5]] == ["linear", "lda", "whitening", "triplet"]
    assert all("gain " in line for line in told[1:5])
    assert told[5].startswith("refused: no head is sure to help")
    assert not (tmp_path / "headed").exists()
    assert [*models.iterdir()] == []
    assert collection.current("people") is not None


@pytest.mark.full
def test_a_head_that_helps_is_a_model_that_commands_take(tmp_path, models, monkeypatch):
    named_collection(tmp_path, monkeypatch, [6] * 40, noise=1.0)
    model = tmp_path / "headed"
    done = facebatch("train", "head", str(tmp_path / "collection"), "-o", str(model), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["heads"][said["accepted"]]["low"] > 0
    assert (models / "headed" / "headed.onnx").read_bytes() == (model / "headed.onnx").read_bytes()
    photos = write_people(tmp_path / "photos", 1, 2)
    used = facebatch("extract", str(photos), "-o", str(tmp_path / "new"), "--embedder", "headed")
    assert used.returncode == 0, used.stderr


def test_too_few_names_for_a_head_end_in_one_line(tmp_path, models, monkeypatch):
    named_collection(tmp_path, monkeypatch, [6] * 3)
    done = facebatch("train", "head", str(tmp_path / "collection"), "-o", str(tmp_path / "headed"))
    assert done.returncode == 2
    assert "3 named people have two faces or more: a head needs 10" in done.stderr


def named_collection(
    place: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int], noise: float = 0.0
) -> Collection:
    """A collection of simulated people, everyone named; noise in four directions is everyone's."""
    embeddings, truth = simulated(sizes, 3)
    there = np.zeros_like(embeddings)
    there[:, :4] = np.random.default_rng(0).normal(size=(len(truth), 4)) * noise
    embeddings = unit(embeddings + there)
    monkeypatch.setattr("support.reviewable.simulated", lambda *_: (embeddings, truth))
    collection = make_reviewable(place, sizes)
    snapshot = collection.snapshot()
    paths = dict(
        zip(*(snapshot.media[name].to_pylist() for name in ("media_id", "path")), strict=True)
    )
    faces = snapshot.faces(["face_id", "media_id"]).to_pylist()
    rows = [
        NamedRow(
            number,
            f"name {truth[int(Path(paths[face['media_id']]).stem)]}",
            face=face["face_id"].hex(),
        )
        for number, face in enumerate(faces)
    ]
    import_names(People.of(collection), rows)
    follow(collection)
    return collection
