"""``onnx:PATH`` is an embedder by its place, and its name is what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cards import card_text, file_lines, sha256

from facebatch.config import resolve_extract
from facebatch.errors import CardError, SettingsMismatch, WeightsError
from facebatch.models import registry

WEIGHTS, OTHER = b"weights" * 100, b"other" * 100


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch) -> Path:
    """The models folder, not there yet."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def exported(folder: Path, content: bytes = WEIGHTS, card: str | None = None) -> Path:
    """A model's folder as a training leaves it."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.onnx").write_bytes(content)
    text = card_text("mine", file_lines("mine.onnx", content)) if card is None else card
    (folder / "card.toml").write_text(text, "utf-8")
    return folder


def asked(place: Path, kept: dict | None = None) -> str:
    return resolve_extract({"embedder": f"onnx:{place}"}, None, kept, {}).embedder


def test_a_folder_or_its_file_is_brought_and_called_by_its_name(tmp_path, models):
    folder = exported(tmp_path / "trained")
    assert asked(folder) == "mine"
    (file,) = registry.card("mine").files
    assert registry.read(file) == WEIGHTS
    before = {path: path.stat().st_mtime_ns for path in models.rglob("*")}
    assert asked(folder / "mine.onnx") == "mine"
    assert {path: path.stat().st_mtime_ns for path in models.rglob("*")} == before
    assert asked(models / "mine") == "mine"


def test_a_variable_and_a_file_name_it_likewise(tmp_path):
    place = f"onnx:{exported(tmp_path / 'trained')}"
    assert resolve_extract({}, None, None, {"FACEBATCH_EMBEDDER": place}).embedder == "mine"
    (tmp_path / "c.toml").write_text(f'[extract]\nembedder = "{place}"\n')
    assert resolve_extract({}, tmp_path / "c.toml", None, {}).embedder == "mine"


def test_a_collection_is_gone_on_with_by_the_models_place_or_name(tmp_path):
    folder = exported(tmp_path / "trained")
    kept = {"embedder": asked(folder)}
    assert asked(folder, kept) == resolve_extract({}, None, kept, {}).embedder == "mine"
    with pytest.raises(SettingsMismatch, match="embedder = mine"):
        asked(folder, {"embedder": "dlib-resnet"})


def test_a_card_that_says_no_hash_has_it_recorded_at_first_use(tmp_path):
    folder = exported(tmp_path / "trained", card=card_text("mine", file_lines("mine.onnx")))
    assert asked(folder) == "mine"
    (folder / "mine.onnx").write_bytes(OTHER)
    with pytest.raises(WeightsError, match="another model called mine"):
        asked(folder)


def test_a_file_put_there_by_hand_is_compared_and_stays_the_one_that_is_used(tmp_path, models):
    (models / "mine").mkdir(parents=True)
    exported(models / "mine", OTHER, card_text("mine", file_lines("mine.onnx")))
    folder = exported(tmp_path / "trained", card=card_text("mine", file_lines("mine.onnx")))
    with pytest.raises(WeightsError, match="another model called mine"):
        asked(folder)
    (file,) = registry.card("mine").files
    assert registry.read(file) == OTHER


def test_another_model_of_the_name_is_refused_and_nothing_is_changed(tmp_path, models):
    asked(exported(tmp_path / "trained"))
    same = card_text("mine", file_lines("mine.onnx", WEIGHTS))
    for content, card in ((OTHER, None), (WEIGHTS, same.replace("BGR", "RGB"))):
        with pytest.raises(WeightsError, match="another model called mine is in"):
            asked(exported(tmp_path / "again", content, card))
    assert (models / "mine" / "mine.onnx").read_bytes() == WEIGHTS
    assert (models / "mine" / "card.toml").read_text() == same


def test_words_and_figures_of_a_card_make_no_other_model(tmp_path):
    asked(exported(tmp_path / "trained"))
    card = card_text("mine", file_lines("mine.onnx", WEIGHTS)).replace("A model", "The model")
    assert asked(exported(tmp_path / "trained", card=card)) == "mine"


@pytest.mark.parametrize(
    ("card", "error", "says"),
    [
        ("no card", CardError, "isn't a model card"),
        (card_text("mine", file_lines("theirs.onnx", WEIGHTS)), WeightsError, "theirs.onnx"),
        (card_text("mine", file_lines("mine.onnx", OTHER)), WeightsError, sha256(WEIGHTS)),
        (card_text("mtcnn", file_lines("mine.onnx", WEIGHTS)), CardError, "another name"),
        (card_text("mine", file_lines("a.onnx"), file_lines("b.onnx")), CardError, "one ONNX"),
        (card_text("mine", file_lines("mine.onnx")).replace('"onnx"', '"dlib"'), CardError, "one"),
    ],
)
def test_what_cant_be_used_has_one_outcome_and_brings_nothing(tmp_path, models, card, error, says):
    folder = exported(tmp_path / "trained", card=card)
    with pytest.raises(error, match=says):
        asked(folder)
    assert not [path for path in models.rglob("*") if path.is_file()]


def test_a_detectors_card_is_no_embedders(tmp_path):
    text = (
        'name = "mine"\nkind = "detector"\nsummary = "s"\nformat = "onnx"\nfamily = "yunet"\n'
        'licence = "l"\nsource = "s"\n[input]\ncolour = "BGR"\n[[files]]\nname = "mine.onnx"\n'
    )
    with pytest.raises(CardError, match="mine is a detector, no embedder"):
        asked(exported(tmp_path / "trained", card=text))


def test_a_missing_file_card_or_path_is_named(tmp_path):
    with pytest.raises(WeightsError, match="there is no such file or folder"):
        asked(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match="onnx:: there is no such"):
        resolve_extract({"embedder": "onnx:"}, None, None, {})
    for unlikely in ("~nobody.of.that.name/mine", "m" * 300):
        with pytest.raises(WeightsError, match=r"can't be found: "):
            asked(Path(unlikely))
    folder = exported(tmp_path / "trained")
    (folder / "other.onnx").write_bytes(OTHER)
    with pytest.raises(CardError, match=r"is that of mine\.onnx, not of other\.onnx"):
        asked(folder / "other.onnx")
    (folder / "mine.onnx").unlink()
    with pytest.raises(WeightsError, match=r"can't read .*mine\.onnx"):
        asked(folder)
    (folder / "card.toml").unlink()
    with pytest.raises(CardError, match="can't read the card"):
        asked(folder)
