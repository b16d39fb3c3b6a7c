"""Where a figure was computed: engine, device and precision, as columns of the tables.

Provenance explains a result and never decides whether two results may be compared; that is
the fingerprint's work. This module imports nothing heavy, so that every room may name it.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from facebatch.models.engines import cpu_flags


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


def cpu_class() -> str:
    """Returns the CPU's architecture and, where known, its widest vector extension."""
    widest = [name for flag, name in _EXTENSIONS.items() if flag in cpu_flags()][:1]
    return "-".join([platform.machine(), *widest])


_EXTENSIONS = {"avx512f": "AVX512", "avx2": "AVX2"}  # by Linux's flag, the widest first
