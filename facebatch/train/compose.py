"""An embedder with a head behind it, as one ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper

from facebatch.errors import UsageError, WeightsError
from facebatch.models.card import Card, Input
from facebatch.train.heads import Floats

FORMATS = ("onnx", "dlib")


def check_composable(card: Card) -> None:
    """Refuses embedders that no head can be put behind.

    Raises:
        UsageError: The embedder is neither an ONNX file nor dlib's.
    """
    if card.format not in FORMATS:
        raise UsageError(
            "a head can be put behind embedders from ONNX files and behind dlib-resnet, not "
            f"behind {card.name}"
        )


def composed(card: Card, contents: Sequence[bytes], head: Floats) -> tuple[bytes, Input]:
    """Returns an embedder's ONNX file with a head behind it, and what the file reads.

    Args:
        card: The embedder's card.
        contents: Its files.
        head: float32 (d, k).

    Raises:
        UsageError: As `check_composable`.
        WeightsError: The file isn't an ONNX network of one output.
    """
    check_composable(card)
    reads = card.input
    content = contents[0]
    if card.format == "dlib":
        from facebatch.embed.dlib_resnet import load_network
        from facebatch.embed.torch_resnet import AsModule
        from facebatch.train.export import onnx_bytes

        content = onnx_bytes(AsModule(load_network(content)), card.input.size)
        # Its mean and scale are part of its first layer.
        reads = replace(reads, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    try:
        network = onnx.load_from_string(content)
        (raw,) = (each.name for each in network.graph.output)
    except Exception as error:  # of protobuf and onnx, which have no common ancestor
        raise WeightsError(f"{card.name}: its file isn't an ONNX network of one output") from error
    whole = compose.merge_models(
        network, _head(network, head), io_map=[(raw, "raw")], prefix2="head/"
    )
    return whole.SerializeToString(), reads


def _head(network: Any, head: Floats) -> Any:
    """Returns a network that takes raw embeddings in rows or one after the other."""
    dimension, directions = head.shape
    nodes = [
        helper.make_node("Reshape", ["raw", "rows"], ["each"]),
        helper.make_node("MatMul", ["each", "matrix"], ["embeddings"]),
    ]
    kept = [
        numpy_helper.from_array(np.array([-1, dimension], np.int64), "rows"),
        numpy_helper.from_array(np.ascontiguousarray(head), "matrix"),
    ]
    given = helper.make_tensor_value_info("raw", onnx.TensorProto.FLOAT, None)
    gives = helper.make_tensor_value_info("embeddings", onnx.TensorProto.FLOAT, [None, directions])
    graph = helper.make_graph(nodes, "head", [given], [gives], kept)
    return helper.make_model(
        graph, opset_imports=network.opset_import, ir_version=network.ir_version
    )
