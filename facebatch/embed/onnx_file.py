"""A network from an ONNX file in onnxruntime; on a GPU by its CUDA provider (written, not run)."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facebatch.embed.views import Forward
from facebatch.errors import UsageError, WeightsError
from facebatch.models import onnx_runtime
from facebatch.models.card import Input
from facebatch.workers.machine import is_scarcity

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def built(reads: Input, content: bytes, batch: int, device: str) -> Forward:
    """Loads the network for chips uint8 (batch, size, size, 3), RGB, on one thread.

    Raises:
        UsageError: onnxruntime doesn't run on the device.
        WeightsError: The bytes hold no network that reads so many chips.
    """
    session = _session(content, device)
    given = session.get_inputs()
    fixed = given[0].shape[0] if given and given[0].shape else None
    if len(given) != 1 or (isinstance(fixed, int) and fixed != batch):
        raise WeightsError(f"it reads {len(given)} inputs of {fixed} chips each")
    name = given[0].name

    def run(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            outputs = session.run(None, {name: onnx_runtime.prepared(chips, reads)})
        except Exception as error:  # its own errors have no common ancestor
            if is_scarcity(error):
                raise
            raise WeightsError(f"it can't be run: {str(error).splitlines()[0]}") from error
        values: NDArray[np.float32] = np.asarray(outputs[0], np.float32)
        return values

    return run


def _session(content: bytes, device: str) -> Any:
    provider = _PROVIDERS.get(device, "")
    if provider not in onnxruntime.get_available_providers():
        raise UsageError(
            f"this onnxruntime doesn't run on --device {device}: choose --device cpu, or install "
            "onnxruntime-gpu"
        )
    try:
        return onnx_runtime.opened(content, [provider])
    except Exception as error:  # its own errors have no common ancestor
        if is_scarcity(error):
            raise
        raise WeightsError(f"it isn't an ONNX network: {str(error).splitlines()[0]}") from error
