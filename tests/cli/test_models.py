"""`facebatch models`, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cards import card_text, file_lines, sha256
from support.weight_server import weight_server
from typer.testing import CliRunner, Result

from facebatch.cli import app
from facebatch.errors import CardError, DownloadError
from facebatch.models import registry

WEIGHTS = b"weights" * 100


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder, with a model that anybody may study and nobody sell."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("FACEBATCH_MODELS_URL", raising=False)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    lines = file_lines("mine.onnx", WEIGHTS, "http://127.0.0.1:1/mine.onnx")
    card = card_text("mine", lines, commercial="no")
    (tmp_path / "models" / "mine" / "card.toml").write_text(card)
    return tmp_path / "models"


def models(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


def test_list_says_of_every_model_who_may_use_it_and_whether_it_is_there() -> None:
    shown = models("list").stdout
    listed = {
        model["name"]: model for model in json.loads(models("list", "--json").stdout)["models"]
    }
    assert set(listed) == {*registry.CARDS, "mine"}
    for name, model in listed.items():
        assert name in shown
        assert model["licence"] in shown
    assert listed["mtcnn"]["installed"]
    assert not listed["mobilefacenet"]["installed"]
    assert {name for name, model in listed.items() if model["commercial"] == "no"} == {
        *("arcface-mbf", "arcface-r50", "scrfd-10g", "scrfd-500m", "mine")
    }


def test_fetching_says_what_may_not_be_sold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with weight_server({"/mine/mine.onnx": WEIGHTS}) as server:
        monkeypatch.setenv("FACEBATCH_MODELS_URL", server.url)
        done = models("fetch", "mine")
    assert done.exit_code == 0, done.output
    assert str(folder / "mine" / "mine.onnx") in done.stdout
    assert "mine is not for commercial use: for tests" in done.stdout


def test_what_must_be_got_by_hand_is_an_error_after_the_rest() -> None:
    done = models("fetch", "mtcnn", "scrfd-10g")
    assert "pnet.pt" in done.stdout
    assert isinstance(done.exception, DownloadError)
    assert "get it by hand" in str(done.exception)


def test_verify_ends_with_4_when_a_file_is_wrong_or_missing_and_asked_for(folder: Path) -> None:
    assert models("verify").exit_code == 0
    assert models("verify", "mine").exit_code == 4
    (folder / "mine" / "mine.onnx").write_bytes(b"other")
    found = models("verify", "--json")
    assert found.exit_code == 4
    (wrong,) = (file for file in json.loads(found.stdout)["files"] if file["state"] != "ok")
    assert sha256(WEIGHTS) in wrong["message"]


def test_a_model_of_ones_own_is_added_and_exported(tmp_path: Path) -> None:
    weights, card = tmp_path / "net.onnx", tmp_path / "card.toml"
    weights.write_bytes(WEIGHTS)
    card.write_text(card_text("own", file_lines("net.onnx")))
    assert models("add", str(weights), "--card", str(card)).exit_code == 0
    done = json.loads(models("export", str(tmp_path / "stick"), "--json").stdout)
    assert [file["model"] for file in done["files"]] == ["own"]
    assert (tmp_path / "stick" / "own" / "card.toml").exists()


def test_a_bad_card_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text("name = 3")
    refused = models("add", "net.onnx", "--card", str(tmp_path / "card.toml")).exception
    assert isinstance(refused, CardError)
    assert refused.exit_code == 2
    assert "name is 3" in str(refused)
    assert "\n" not in str(refused)
