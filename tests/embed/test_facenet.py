"""facenet-pytorch's network is run with its own code; here with random weights."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from support.facenet_package import import_facenet_pytorch

from facebatch.demo.render import render_face
from facebatch.embed.facenet import load_facenet
from facebatch.errors import UsageError, WeightsError
from facebatch.models.registry import CARDS

CARD = CARDS["facenet-vggface2"]


def saved(state: object) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def reference():
    """The package's network with its classifier, as its published files hold it."""
    torch.manual_seed(0)
    network = import_facenet_pytorch().InceptionResnetV1(classify=True, num_classes=7)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="module")
def content(reference) -> bytes:
    return saved(reference.state_dict())


@pytest.fixture(scope="module")
def chips() -> np.ndarray:
    return np.stack([render_face(identity, size=160) for identity in range(3)])[:, None]


def test_embeddings_are_those_of_the_package(reference, content, chips):
    embedder = load_facenet(CARD, [content], "none", "auto", "cpu")
    package = import_facenet_pytorch()
    images = torch.from_numpy(chips[:, 0].astype(np.float32)).permute(0, 3, 1, 2)
    reference.classify = False
    with torch.inference_mode():
        expected = reference(package.fixed_image_standardization(images)).numpy()
    reference.classify = True
    np.testing.assert_allclose(embedder.embed(chips), expected, atol=1e-5)
    assert (embedder.dimension, embedder.provenance.engine) == (512, "torch")


@pytest.mark.full
def test_a_chip_and_its_mirror_image_have_one_embedding(content, chips):
    embedder = load_facenet(CARD, [content], "mirror", "torch", "cpu")
    flipped = np.ascontiguousarray(chips[:, :, :, ::-1])
    np.testing.assert_allclose(embedder.embed(chips), embedder.embed(flipped), atol=1e-5)


def test_files_of_anything_else_are_refused(reference):
    state = dict(reference.state_dict())
    lacking = {name: value for name, value in state.items() if name != "last_bn.weight"}
    for content in (saved(lacking), saved({**state, "more": state["last_bn.weight"]}),
                    saved(3), b"", b"nonsense"):  # fmt: skip
        with pytest.raises(WeightsError, match="isn't this network's") as refused:
            load_facenet(CARD, [content], "none", "torch", "cpu")
        assert "\n" not in str(refused.value)


def test_it_runs_in_torch_only():
    with pytest.raises(UsageError, match="--engine auto or torch"):
        load_facenet(CARD, [b""], "none", "openvino", "cpu")
