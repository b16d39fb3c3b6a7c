"""What is exported gives what the network gave, and its card says how to feed it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra train isn't installed")

import torch
from support.spread import spread

from facebatch.embed.card_embedder import load_card_embedder
from facebatch.errors import UsageError
from facebatch.faces.align import TEMPLATES
from facebatch.models.card import Figure, parse
from facebatch.train import TrainSettings
from facebatch.train.export import check_name, write_card, write_network
from facebatch.train.loop import forward_of
from facebatch.train.nets import build
from facebatch.train.settings import need
from facebatch.train.verification import mirrored

SAID = {"summary": 'Of "quotes"\n and \\ .', "licence": "none", "source": "a test"}


@pytest.mark.parametrize(
    ("settings", "template"),
    [
        (TrainSettings(side=40, width=0.25), "dlib-150"),
        (TrainSettings(side=112, width=0.25, dimension=512), "arcface-112"),
        pytest.param(
            TrainSettings(backbone="inception-resnet-v1", side=96),
            "arcface-112",
            marks=pytest.mark.full,
        ),
    ],
)
def test_the_onnx_file_gives_what_torch_gives(tmp_path, settings, template):
    torch.manual_seed(0)
    folder = tmp_path / "mine"
    folder.mkdir()
    chips = np.random.default_rng(0).integers(
        0, 256, (5, settings.side, settings.side, 3), dtype=np.uint8
    )
    net = spread(build(settings), chips)
    wanted = mirrored(forward_of(net, torch.device("cpu")), chips)
    figures = {"held-out EER": Figure(0.25, "measured")}
    sha256 = write_network(folder, net, settings.side)
    write_card(folder, sha256, settings, TEMPLATES[template], SAID, figures)
    card = parse((folder / "card.toml").read_bytes(), "card")
    assert card.summary == SAID["summary"]
    assert dict(card.figures) == figures
    cut = card.chip_template()
    expected = TEMPLATES[template].points / TEMPLATES[template].size
    assert np.allclose(cut.points / cut.size, expected)
    assert cut.size == settings.side
    content = (folder / "mine.onnx").read_bytes()
    assert np.square(wanted[0] - wanted[1]).sum() > 0.1
    found = load_card_embedder(card, [content], "mirror", "auto", "cpu").embed(chips[:, None])
    assert np.abs(found - wanted).max() < 1e-4
    assert (found * wanted).sum(axis=1).min() > 0.99999


def test_names_that_a_model_cant_have_are_refused():
    check_name("mine-2")
    with pytest.raises(UsageError, match="can't be called 'My model'"):
        check_name("My model")
    with pytest.raises(UsageError, match="a model of facebatch's"):
        check_name("dlib-resnet")


def test_a_missing_package_names_its_extra():
    with pytest.raises(
        UsageError, match=r"^no_such isn't installed: pip install 'facebatch\[train\]'$"
    ):
        need("no_such", "train")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"loss": "mse"}, "--loss mse is none of triplet, ce, ce\\+triplet, arcface"),
        ({"dimension": 100}, "--dimension 100 is none of 128, 512"),
        ({"side": 16}, "--side is at least 32"),
        ({"backbone": "inception-resnet-v1", "side": 64}, "--side is at least 80"),
        ({"photos": 1}, "--photos is at least 2"),
        ({"held_out": 1.0}, "--held-out is a share"),
        ({"rate": 0.0}, "--rate is above 0"),
        ({"seed": 2**32}, "--seed is below 4294967296"),
        ({"backbone": "inception-resnet-v1", "side": 160, "width": 0.5}, "for mobilenetv1 only"),
    ],
)
def test_settings_that_cant_be_are_refused(given, says):
    with pytest.raises(UsageError, match=says):
        TrainSettings(**given)
