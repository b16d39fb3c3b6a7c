"""Which runtime runs the networks, and how exact its arithmetic is.

``torch`` is always there; ``openvino`` is an extra that is faster on CPUs. The choice changes no
result beyond rounding, so it is a run setting and a provenance column, never part of a
fingerprint. This module imports neither runtime, so that every room may name an engine.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from facebatch.errors import UsageError

Engine = Literal["auto", "torch", "openvino"]
"""A runtime, or ``auto``: OpenVINO where it is installed, else torch."""

Precision = Literal["float32", "bfloat16"]

ENGINES: tuple[Engine, ...] = get_args(Engine)
DEFAULT_ENGINE: Engine = "auto"

# Without these the processor computes bfloat16 by way of float32, slower than float32 itself.
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_CPUINFO = Path("/proc/cpuinfo")


def choose(engine: str) -> Literal["torch", "openvino"]:
    """Returns the runtime to use.

    Args:
        engine: One of ``ENGINES``.

    Raises:
        UsageError: There is no such engine, or it isn't installed.
    """
    if engine not in ENGINES:
        raise UsageError(f"no engine named {engine!r}; there are {', '.join(ENGINES)}")
    if engine == "torch":
        return "torch"
    if importlib.util.find_spec("openvino") is not None:
        return "openvino"
    if engine == "auto":
        return "torch"
    raise UsageError(
        "--engine openvino needs OpenVINO, which isn't installed: "
        "pip install 'facebatch[openvino]', or choose --engine torch"
    )


def embedding_precision(engine: Literal["torch", "openvino"]) -> Precision:
    """Returns the arithmetic that an embedder uses; detection is always float32.

    Under OpenVINO it is bfloat16 where the CPU computes in it, which doubles the speed and keeps
    every embedding's cosine to float32 above 0.9999 (a test holds it).
    """
    return "bfloat16" if engine == "openvino" and cpu_has_bf16() else "float32"


@cache
def cpu_has_bf16() -> bool:
    """Tells whether this CPU multiplies in bfloat16; known on Linux only, elsewhere denied."""
    try:
        return has_bf16(_CPUINFO.read_text("ascii", "replace"))
    except OSError:
        return False


def has_bf16(cpuinfo: str) -> bool:
    """Tells whether the first processor that a ``/proc/cpuinfo`` lists multiplies in bfloat16."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return not _BF16_FLAGS.isdisjoint(value.split())
    return False
