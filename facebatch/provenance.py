"""Where a figure was computed: engine, device and precision, as columns of the tables.

Provenance explains a result and never decides whether two results may be compared; that is
the fingerprint's work. This module imports nothing heavy, so that every room may name it.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """What ran a model.

    Args:
        engine: The runtime, e.g. ``"torch"``.
        device: Where it ran, e.g. ``"cpu"``.
        precision: The arithmetic of its layers, e.g. ``"float32"``.
    """

    engine: str
    device: str
    precision: str


TORCH_CPU = Provenance(engine="torch", device="cpu", precision="float32")


def cpu_class() -> str:
    """Returns the CPU's architecture and the widest vector extension that torch uses on it."""
    import torch

    return f"{platform.machine()}-{torch.backends.cpu.get_cpu_capability()}"
