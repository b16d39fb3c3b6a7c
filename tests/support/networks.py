"""ONNX files made by hand: networks that say what a test wants, whatever they see."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


def saying(outputs: Mapping[str, NDArray[np.float32]]) -> bytes:
    """A network of pictures (1, 3, height, width) whose outputs are always these."""
    nodes, constants = [helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0)], []
    constants.append(numpy_helper.from_array(np.float32(0), "zero"))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    for name, values in outputs.items():
        constants.append(numpy_helper.from_array(values, f"{name}_values"))
        nodes.append(helper.make_node("Add", [f"{name}_values", "nothing"], [name]))
    graph = helper.make_graph(
        nodes,
        "saying",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(values.shape))
            for name, values in outputs.items()
        ],
        constants,
    )
    opset = helper.make_opsetid("", 13)
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return model.SerializeToString()
