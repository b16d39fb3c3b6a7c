"""Which runtime runs the networks, on which device, and how exact its arithmetic is.

``torch`` is always there; ``openvino`` is an extra that is faster on CPUs. The choice changes no
result beyond rounding, so it is a run setting and a provenance column, never part of a
fingerprint. This module imports no runtime, so that every room may name an engine; ``choose`` asks
torch for its devices only where there are signs of one.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from facebatch.errors import UsageError

Engine = Literal["auto", "torch", "openvino"]
"""A runtime, or ``auto``: OpenVINO where it is installed and the device is the CPU, else torch."""

Device = Literal["auto", "cpu", "cuda", "mps"]
"""Where networks run, or ``auto``: on a GPU that torch can use, else on the CPU.

CUDA and MPS (Apple's GPUs) are written, not run: no such machine was at hand.
"""

Precision = Literal["float32", "bfloat16"]

ENGINES: tuple[Engine, ...] = get_args(Engine)
DEFAULT_ENGINE: Engine = "auto"

DEVICES: tuple[Device, ...] = get_args(Device)
DEFAULT_DEVICE: Device = "auto"

_GPUS: tuple[Literal["cuda", "mps"], ...] = ("cuda", "mps")

# What the drivers of NVIDIA's GPUs leave, on Linux and on Windows' Linux, and AMD's, which torch
# calls CUDA as well. Importing torch only to hear that there is none costs most of a second.
_SIGNS_OF_CUDA = ("/proc/driver/nvidia", "/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")

AMX = frozenset({"amx_bf16"})
# Without these the processor computes bfloat16 by way of float32, slower than float32 itself.
_BF16_FLAGS = AMX | {"avx512_bf16"}
_CPUINFO = Path("/proc/cpuinfo")


class Choice(NamedTuple):
    """What runs the networks, and where."""

    engine: Literal["torch", "openvino"]
    device: Literal["cpu", "cuda", "mps"]


def choose(engine: str, device: str = DEFAULT_DEVICE) -> Choice:
    """Returns the runtime and the device to use.

    Args:
        engine: One of ``ENGINES``.
        device: One of ``DEVICES``.

    Raises:
        UsageError: There is no such engine or device, it isn't installed or available, or the
            engine doesn't run on the device.
    """
    if engine not in ENGINES:
        raise UsageError(f"no engine named {engine!r}; there are {', '.join(ENGINES)}")
    if device not in DEVICES:
        raise UsageError(f"no device named {device!r}; there are {', '.join(DEVICES)}")
    if engine == "openvino" and device in _GPUS:
        raise UsageError(
            f"--engine openvino runs on the CPU only, not with --device {device}: "
            "choose --engine torch, or --device cpu"
        )
    gpu = None if engine == "openvino" else _gpu(device)
    if gpu is not None:
        return Choice("torch", gpu)
    if engine == "torch":
        return Choice("torch", "cpu")
    if importlib.util.find_spec("openvino") is not None:
        return Choice("openvino", "cpu")
    if engine == "auto":
        return Choice("torch", "cpu")
    raise UsageError(
        "--engine openvino needs OpenVINO, which isn't installed: "
        "pip install 'facebatch[openvino]', or choose --engine torch"
    )


def _gpu(device: str) -> Literal["cuda", "mps"] | None:
    """The GPU that was asked for; for ``auto`` the first that torch can use, if any."""
    for gpu in _GPUS:
        if device == gpu:
            if available(gpu):
                return gpu
            raise UsageError(f"--device {gpu}: torch has no such device here; choose --device cpu")
        if device == "auto" and signs_of(gpu) and available(gpu):
            return gpu
    return None


def signs_of(gpu: Literal["cuda", "mps"]) -> bool:
    """Tells, without asking torch, whether this machine may have such a GPU and its driver."""
    if gpu == "mps":
        return sys.platform == "darwin" and platform.machine() == "arm64"
    return any(Path(sign).exists() for sign in _SIGNS_OF_CUDA)


def available(gpu: Literal["cuda", "mps"]) -> bool:
    """Tells whether torch can use such a GPU; imports torch."""
    import torch

    return torch.cuda.is_available() if gpu == "cuda" else torch.backends.mps.is_available()


def cpu_has_bf16(any_of: frozenset[str] = _BF16_FLAGS) -> bool:
    """Tells whether this CPU multiplies in bfloat16; known on Linux only, elsewhere denied.

    Args:
        any_of: The instruction sets that count, as Linux names them.
    """
    return not any_of.isdisjoint(cpu_flags())


@cache
def cpu_flags() -> frozenset[str]:
    """The instruction sets of this CPU as Linux names them; elsewhere none."""
    return flags_in(_cpuinfo())


def cpu_name() -> str:
    """The model of this CPU as Linux names it, with its numbers; elsewhere the architecture."""
    names = [_line(_cpuinfo(), key) for key in ("vendor_id", "cpu family", "model", "model name")]
    return " ".join([platform.machine(), *filter(None, names)])


@cache
def _cpuinfo() -> str:
    try:
        return _CPUINFO.read_text("ascii", "replace")
    except OSError:
        return ""


def flags_in(cpuinfo: str) -> frozenset[str]:
    """The flags of the first processor that a ``/proc/cpuinfo`` lists; only x86 has such a line."""
    return frozenset(_line(cpuinfo, "flags").split())


def _line(cpuinfo: str, key: str) -> str:
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")
