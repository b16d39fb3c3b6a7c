"""Weights at hand become models, and models go to machines without a network."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import pytest
from support.cards import card_text, file_lines, member_lines, sha256
from support.data import real_data

from facebatch.config import ExtractSettings
from facebatch.errors import CardError, WeightsError
from facebatch.models import registry
from facebatch.models.weights import catalogue, copies

WEIGHTS, OTHER = b"weights" * 100, b"other" * 100


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The models folder, not there yet."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_and_a_card_are_a_model_of_ones_own(tmp_path, folder):
    card = written(tmp_path / "mine.toml", card_text("mine", file_lines("mine.onnx")))
    copies.add([written(tmp_path / "epoch-9.onnx", WEIGHTS)], card)
    (file,) = registry.card("mine").files
    assert registry.path(file) == folder / "mine" / "mine.onnx"
    assert registry.read(file) == WEIGHTS
    assert registry.digest(file) == sha256(WEIGHTS)
    assert "mine" in {entry["name"] for entry in catalogue.catalogue()["models"]}


def test_a_file_of_a_known_model_needs_no_card(folder):
    copies.add([real_data("models/yunet/yunet_n_dynamic.onnx")])
    assert registry.path(registry.card("yunet").files[0]) == folder / "yunet/yunet_n_dynamic.onnx"


def test_a_file_that_no_card_knows_is_refused_and_so_is_a_known_name_with_other_bytes(tmp_path):
    with pytest.raises(WeightsError, match="--card"):
        copies.add([written(tmp_path / "strange.onnx", WEIGHTS)])
    for card in ("yunet", "scrfd-500m"):
        (file,) = registry.card(card).files
        name = file.archive.name if file.archive else file.name
        expected = file.archive.sha256 if file.archive else file.sha256
        with pytest.raises(WeightsError, match=f"{sha256(WEIGHTS)}, expected {expected}"):
            copies.add([written(tmp_path / name, WEIGHTS)])
    with pytest.raises(WeightsError, match="can't read"):
        copies.add([tmp_path / "missing.onnx"])


def test_an_archive_at_hand_gives_all_the_models_in_it(tmp_path, folder):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("a.onnx", WEIGHTS)
        out.writestr("b.onnx", OTHER)
    for name, content in {"a": WEIGHTS, "b": OTHER}.items():
        lines = member_lines(f"{name}.onnx", content, "pack.zip", packed.getvalue())
        written(folder / name / "card.toml", card_text(name, lines))
    copies.add([written(tmp_path / "renamed.zip", packed.getvalue())])
    assert [registry.read(registry.card(name).files[0]) for name in "ab"] == [WEIGHTS, OTHER]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no card", "isn't a model card"),
        (card_text("mtcnn", file_lines("a.onnx")), "another name"),
        (card_text("mine", file_lines("a.onnx"), file_lines("b.onnx")), "names a.onnx, b.onnx"),
        (card_text("mine"), "names no files"),
        (card_text("mine", file_lines("a.onnx", OTHER)), f"expected {sha256(OTHER)}"),
    ],
)
def test_a_card_that_does_not_fit_adds_nothing(tmp_path, folder, text, said):
    weights = written(tmp_path / "a.onnx", WEIGHTS)
    with pytest.raises(WeightsError, match=said):
        copies.add([weights], written(tmp_path / "mine.toml", text))
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_of_several_is_told_by_its_name(tmp_path):
    text = card_text("mine", file_lines("net.xml", WEIGHTS), file_lines("net.bin", OTHER))
    files = [written(tmp_path / "net.bin", OTHER), written(tmp_path / "net.xml", WEIGHTS)]
    copies.add(files, written(tmp_path / "mine.toml", text))
    assert [registry.read(file) for file in registry.card("mine").files] == [WEIGHTS, OTHER]


def test_changed_weights_are_another_model(tmp_path):
    card = written(tmp_path / "mine.toml", card_text("mine", file_lines("mine.onnx")))
    copies.add([written(tmp_path / "mine.onnx", WEIGHTS)], card)
    with pytest.raises(WeightsError, match=sha256(WEIGHTS)):
        copies.add([written(tmp_path / "mine.onnx", OTHER)], card)
    assert registry.read(registry.card("mine").files[0]) == WEIGHTS


def test_an_exported_folder_is_a_models_folder_with_cards_and_kept_hashes(tmp_path, monkeypatch):
    card = written(tmp_path / "mine.toml", card_text("mine", file_lines("mine.onnx")))
    copies.add([written(tmp_path / "mine.onnx", WEIGHTS)], card)
    copies.export(tmp_path / "stick", copies.exportable())
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "stick"))
    (exported,) = copies.exportable()
    assert exported.name == "mine"
    written(tmp_path / "stick" / "mine" / "mine.onnx", OTHER)
    (file,) = registry.card("mine").files
    with pytest.raises(WeightsError, match=sha256(WEIGHTS)):
        registry.read(file)


def test_only_sound_models_are_exported(tmp_path, folder):
    text = card_text("mine", file_lines("mine.onnx", WEIGHTS))
    written(folder / "mine" / "card.toml", text)
    assert copies.exportable() == []
    with pytest.raises(WeightsError, match="isn't in"):
        copies.export(tmp_path / "stick", [registry.card("mine")])
    written(folder / "mine" / "mine.onnx", OTHER)
    with pytest.raises(WeightsError, match=sha256(OTHER)):
        copies.export(tmp_path / "stick", [registry.card("mine")])


def test_a_damaged_card_in_the_folder_costs_its_own_model_only(folder):
    written(folder / "mine" / "card.toml", "no card")
    written(folder / "moved" / "card.toml", card_text("mine", file_lines("a.onnx")))
    summary = catalogue.catalogue()
    assert len(summary["models"]) == len(registry.CARDS)
    assert len(summary["damaged_cards"]) == 2
    with pytest.raises(CardError, match="isn't a model card"):
        registry.card("mine")


def test_a_card_of_a_shipped_models_name_in_the_folder_changes_nothing(folder):
    written(folder / "mtcnn" / "card.toml", card_text("mtcnn", file_lines("a.onnx")))
    assert registry.card("mtcnn") is registry.CARDS["mtcnn"]
    assert registry.all_cards() == list(registry.CARDS.values())


def test_embeddings_of_a_card_that_was_changed_are_another_space(tmp_path):
    weights = written(tmp_path / "a.onnx", WEIGHTS)
    text = card_text("mine", file_lines("a.onnx"))
    spaces = set()
    for changed in (text, text.replace("BGR", "RGB"), text.replace("0.3,", "0.31,")):
        copies.add([weights], written(tmp_path / "mine.toml", changed))
        spaces.add(ExtractSettings(embedder="mine").space())
    assert len(spaces) == 3


def test_an_embedder_of_ones_own_is_a_choice_among_the_others(folder):
    text = card_text("mine", file_lines("a.dat")).replace("onnx", "dlib")
    written(folder / "mine" / "card.toml", text)
    program = "from facebatch.models.embedders import known_embedders; print(*known_embedders())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert {"dlib-resnet", "mine"} <= set(run.stdout.split())


def test_a_converted_copy_of_a_shipped_model_is_a_model_by_its_own_card(tmp_path):
    files = [real_data(f"models/retail-0095/retail-0095.{end}") for end in ("xml", "bin")]
    with pytest.raises(WeightsError, match="no file of a known model"):
        copies.add(files)
    text = card_text("retail-0095-irv5", *(file_lines(path.name) for path in files))
    for old, new in {"onnx": "openvino", "BGR": "RGB", "dimension = 4": "dimension = 256"}.items():
        text = text.replace(old, new)
    text = text.replace("size = 128", 'size = 128\nlayout = "NHWC"\ndtype = "uint8"')
    copies.add(files, written(tmp_path / "irv5.toml", text))
    xml, _ = registry.card("retail-0095-irv5").files
    assert registry.digest(xml) == sha256(files[0].read_bytes())
