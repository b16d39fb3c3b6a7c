"""A trained network as others use it: an ONNX file with its model card."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facebatch.errors import UsageError
from facebatch.faces.align import TEMPLATES, Template
from facebatch.models import registry
from facebatch.models.card import Figure, is_name
from facebatch.models.folder import CARD
from facebatch.storage.local_files import whole_file
from facebatch.train import nets
from facebatch.train.settings import TrainSettings, need

WEIGHTS = "weights.pt"
_OPSET = 17


def check_name(name: str) -> None:
    """Refuses what a model can't be called.

    Raises:
        UsageError: It is no name, or that of a model of facebatch's.
    """
    if not is_name(name):
        raise UsageError(
            f"a model can't be called {name!r}, as its folder is: small letters, digits, dots and "
            "hyphens"
        )
    if name in registry.CARDS:
        raise UsageError(f"{name} is a model of facebatch's: call the folder something else")


def write_network(folder: Path, net: nn.Module, side: int) -> str:
    """Writes a network as ``NAME.onnx``, called as its folder is, and its weights for torch.

    The ONNX file reads any number of chips, normalised as the card says, and gives raw embeddings.

    Args:
        folder: Where they go.
        net: The network.
        side: Side of the chips it reads.

    Returns:
        The file's sha256.

    Raises:
        UsageError: onnx isn't installed.
    """
    content = onnx_bytes(net, side)
    weights = io.BytesIO()
    torch.save({name: value.contiguous() for name, value in net.state_dict().items()}, weights)
    with whole_file(folder / WEIGHTS) as out:
        out.write(weights.getvalue())
    with whole_file(folder / f"{folder.name}.onnx") as out:
        out.write(content)
    return hashlib.sha256(content).hexdigest()


def onnx_bytes(net: nn.Module, side: int) -> bytes:
    """Returns a network as an ONNX file: from chips (n, 3, side, side) to raw embeddings (n, d).

    Raises:
        UsageError: onnx isn't installed.
    """
    need("onnx", "train")
    net = net.to("cpu").eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing is deprecated for one that needs onnxscript; for networks without
        # branches they give the same.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, side, side),),
            buffer,  # type: ignore[arg-type]
            input_names=["chips"],
            output_names=["embeddings"],
            dynamic_axes={"chips": {0: "n"}, "embeddings": {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    return buffer.getvalue()


def write_card(
    folder: Path,
    sha256: str,
    settings: TrainSettings,
    template: Template,
    said: Mapping[str, str],
    figures: Mapping[str, Figure],
) -> None:
    """Writes the model card of a network of `write_network`.

    Args:
        folder: Where it goes; the model is called as it is.
        sha256: Of the ONNX file.
        settings: How the network was trained.
        template: What the chips that it was trained on are aligned to, at any size.
        said: ``summary``, ``source`` and ``licence``.
        figures: What was measured.
    """
    aligned: dict[str, Any] = {"points": (template.points / template.size).round(9).tolist()}
    if TEMPLATES.get(template.name) is template and template.size == settings.side:
        aligned = {"template": template.name}
    top = {
        "name": folder.name,
        "kind": "embedder",
        "summary": said["summary"],
        "format": "onnx",
        "dimension": settings.dimension,
        **aligned,
        "licence": said["licence"],
        "commercial": "unclear",
        "source": said["source"],
    }
    reads = {
        "size": settings.side,
        "colour": "RGB",
        "mean": [nets.MEAN] * 3,
        "std": [nets.STD] * 3,
    }
    write_card_file(folder, top, reads, figures, sha256)


def write_card_file(
    folder: Path,
    top: Mapping[str, Any],
    reads: Mapping[str, Any],
    figures: Mapping[str, Figure],
    sha256: str,
) -> None:
    """Writes a card of one ONNX file, whole or not at all.

    Args:
        folder: Where it goes.
        top: Its keys.
        reads: The keys of its input.
        figures: What was measured.
        sha256: Of the file ``NAME.onnx``.
    """
    lines = [f"{key} = {_toml(value)}" for key, value in top.items()]
    lines += ["", "[input]", *(f"{key} = {_toml(value)}" for key, value in reads.items())]
    lines += ["", "[figures]"] if figures else []
    for name, figure in figures.items():
        value = f"{{ value = {figure.value!r}, source = {_toml(figure.source)} }}"
        lines.append(f"{_toml(name)} = {value}")
    lines += ["", "[[files]]", f"name = {_toml(folder.name + '.onnx')}"]
    lines.append(f"sha256 = {_toml(sha256)}")
    with whole_file(folder / CARD) as out:
        out.write(("\n".join(lines) + "\n").encode())


def _toml(value: Any) -> str:
    """Returns a string, number or list as TOML writes it; JSON writes these alike."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
