"""facenet-pytorch's InceptionResnetV1 in torch, from a file of its weights.

The network's code is the package's own. The package itself isn't imported: it imports torchvision,
for a detector that isn't needed here, and that fails beside some builds of torch.
"""

from __future__ import annotations

import importlib.util
import io
import pickle
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facebatch.embed.averaging import TTA
from facebatch.embed.views import Forward, ViewsEmbedder
from facebatch.errors import UsageError, WeightsError
from facebatch.models.card import Card
from facebatch.models.engines import choose
from facebatch.models.provenance import Provenance
from facebatch.models.torch_runtime import prepare

_MODELS = "_facenet_pytorch_models"
_CLASSIFIER = ("logits.weight", "logits.bias")
"""What training needed to tell its people apart; embeddings come from before it."""


def load_facenet(
    card: Card, contents: list[bytes], tta: TTA, engine: str, device: str
) -> ViewsEmbedder:
    """Loads the embedder.

    Args:
        card: Its card, of format ``facenet``.
        contents: The bytes of its one file, a state dict.
        tta: Which views of a face are averaged.
        engine: ``torch`` or ``auto``.
        device: One of ``facebatch.models.engines.DEVICES``.

    Raises:
        UsageError: Another engine was asked for, or the device isn't there.
        WeightsError: The bytes aren't the state dict of this network, or its package is missing.
    """
    if engine == "openvino":
        raise UsageError(f"{card.name} runs in torch only: choose --engine auto or torch")
    chosen = choose("torch", device)
    provenance = Provenance(chosen.engine, chosen.device, "float32")
    forward = _forward(card, _network(card, contents[0]), prepare(chosen.device))
    return ViewsEmbedder(card.name, card.dimension, card.chip_template(), tta, provenance, forward)


def _forward(card: Card, network: Any, where: torch.device) -> Forward:
    network = network.to(where, memory_format=torch.channels_last)
    mean, std = (
        torch.tensor(values, device=where)[:, None, None]
        for values in (card.input.mean, card.input.std)
    )

    def forward(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(chips.astype(np.float32, order="C")).to(where)
        with torch.inference_mode():
            outputs = network((pixels.permute(0, 3, 1, 2) - mean) / std)
        found: NDArray[np.float32] = outputs.cpu().numpy()
        return found

    return forward


def _network(card: Card, content: bytes) -> Any:
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        for name in _CLASSIFIER:
            state.pop(name, None)
        with torch.device("meta"):  # its own first weights would take a second, and go unused
            network = inception_resnet_v1()
        network.load_state_dict(state, assign=True)
    except (RuntimeError, ValueError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise WeightsError(f"{card.name}: its file isn't this network's: {first}") from error
    return network.eval()


def inception_resnet_v1() -> Any:
    """Returns the package's network, a ``torch.nn.Module`` with weights of its own drawing.

    Raises:
        WeightsError: facenet-pytorch isn't installed.
    """
    return import_module(f"{_package()}.inception_resnet_v1").InceptionResnetV1()


def _package() -> str:
    """The folder of facenet-pytorch's networks, as a package without its parent."""
    if _MODELS not in sys.modules:
        spec = importlib.util.find_spec("facenet_pytorch")
        if spec is None or spec.origin is None:
            raise WeightsError("facenet-pytorch isn't installed; run: pip install facenet-pytorch")
        package = ModuleType(_MODELS)
        package.__path__ = [str(Path(spec.origin).parent / "models")]
        sys.modules[_MODELS] = package
    return _MODELS
