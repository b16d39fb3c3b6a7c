"""What a training hands on to the stages around it: settings, device and arithmetic."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from facebatch.collection import Collection
from facebatch.config import ExtractSettings, RunSettings
from facebatch.errors import UsageError
from facebatch.faces.align import TEMPLATES
from facebatch.jobs import train, train_head
from facebatch.jobs.evaluated_photos import Source
from facebatch.jobs.known_people import Learnt, check_data
from facebatch.models import registry
from facebatch.models.folder import CARD
from facebatch.models.weights import copies
from facebatch.monitor.stages import nobody
from facebatch.train import TrainSettings
from facebatch.train.heads import Verdict


def test_a_training_goes_on_where_the_environment_wants_no_chips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEBATCH_CHIPS", "false")
    photos = tmp_path / "photos"
    photos.mkdir()
    url = str(tmp_path / "faces")
    Collection.for_extraction(url, {"chips": True})
    check_data(str(photos), url, {}, RunSettings())


@pytest.mark.parametrize(("device", "measured"), [("cpu", "cpu"), ("auto", "auto")])
def test_what_was_trained_on_the_cpu_is_measured_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, measured: str
) -> None:
    asked: list[str] = []

    def evaluate_pairs(pairs: Path, source: Source, *others: Any) -> None:
        asked.append(source.settings.device)
        raise UsageError("that is enough")

    monkeypatch.setattr(train, "evaluate_pairs", evaluate_pairs)
    chips = SimpleNamespace(sources=["photos/ada/1.jpg", "photos/bo/2.jpg"])
    learnt = Learnt(cast(Any, chips), str(tmp_path), ExtractSettings())
    pairs = SimpleNamespace(left=np.array([0]), right=np.array([1]))
    with pytest.raises(UsageError, match="can't be measured: that is enough"):
        train._evaluated(tmp_path, learnt, cast(Any, pairs), RunSettings(device=device), nobody)
    assert asked == [measured]


def test_a_head_computes_in_the_arithmetic_of_its_embedder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="the extra train isn't installed")
    from facebatch.train.export import write_card, write_network
    from facebatch.train.nets import build

    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path / "models"))
    settings = TrainSettings(side=32, width=0.25)
    folder, model = tmp_path / "own", tmp_path / "headed"
    folder.mkdir()
    said = {"summary": "A test.", "licence": "none", "source": "a test"}
    sha256 = write_network(folder, build(settings), settings.side)
    write_card(folder, sha256, settings, TEMPLATES["dlib-150"], said, {})
    card = folder / CARD
    card.write_text('precision = "bfloat16"\n' + card.read_text())
    copies.add([folder / "own.onnx"], card)
    best = Verdict("linear", 0.01, 0.5, 0.6, 0.05, 0.15, ())
    head = np.eye(128, 8, dtype=np.float32)
    train_head._export(model, registry.card("own"), head, best, "a test")
    assert registry.card("headed").precision == "bfloat16"
