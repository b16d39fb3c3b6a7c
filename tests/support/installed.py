"""Marks for tests of what isn't everywhere: an extra that isn't installed, a CPU that can't."""

from __future__ import annotations

import importlib.util

import pytest

from facebatch.models.engines import cpu_has_bf16

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None,
    reason="OpenVINO isn't installed: pip install 'facebatch[openvino]'",
)
needs_onnxruntime = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None,
    reason="onnxruntime isn't installed: pip install 'facebatch[onnx]'",
)
needs_bfloat16 = pytest.mark.skipif(
    not cpu_has_bf16(), reason="this CPU has neither avx512_bf16 nor amx_bf16"
)
