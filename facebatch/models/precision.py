"""In which arithmetic an embedder runs on this machine.

bfloat16 is several times as fast on a processor with AMX, whose matrix unit computes in it. With
AVX-512's instructions for it alone that differs: dlib's ResNet ran 1.9 times as fast as in float32
on one such processor, and 1.6 times slower on another. There both are timed, once for each
processor, network and version of the engine.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
import typing
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from facebatch.errors import UsageError
from facebatch.models.card import Card
from facebatch.models.engines import AMX, Choice, Precision, cpu_has_bf16, cpu_name
from facebatch.models.folder import cache_folder

Load = Callable[[Precision], Callable[[], object]]
"""Gives, for an arithmetic, what runs a batch in it."""

_ROUNDS = 5
_PRECISIONS: tuple[Precision, ...] = typing.get_args(Precision)


def embedding_precision(chosen: Choice, network: str, load: Load) -> Precision:
    """Returns the arithmetic in which an embedder is fastest.

    It is float32 on GPUs and where the processor has no bfloat16. Either keeps every embedding's
    cosine to float32 above 0.9999 (a test holds it). Where both would have to be timed and the
    user's cache folder can't keep the result, it is float32, since every process would time anew.

    Args:
        chosen: What runs the network, and where.
        network: The network's name, for which the result is kept.
        load: Called for both arithmetics where they have to be timed.
    """
    if chosen.device != "cpu" or not cpu_has_bf16():
        return "float32"
    if cpu_has_bf16(AMX):
        return "bfloat16"
    known = _kept_in(network, chosen.engine)
    return _read(known) or _timed(known, load)


def check_runs(card: Card, device: str) -> None:
    """Refuses a model of bfloat16 where nothing computes in it.

    Without instructions for it OpenVINO takes float32 or detours: the model would be another one,
    or slower than the one of float32.

    Args:
        card: The model's card.
        device: Where networks run.

    Raises:
        UsageError: It runs in OpenVINO, on a CPU that multiplies in bfloat16 and says so (Linux).
    """
    if card.precision != "bfloat16":
        return
    if device != "cpu":
        raise UsageError(f"{card.name} runs in OpenVINO, on the CPU only: choose --device cpu")
    if not cpu_has_bf16():
        raise UsageError(
            f"{card.name} computes in bfloat16, for which this processor has no instructions "
            "(avx512_bf16 or amx_bf16): choose a model of float32"
        )


def _kept_in(network: str, engine: str) -> Path:
    about = (cpu_name(), network, engine, metadata.version(engine))
    return (
        cache_folder()
        / f"precision-{hashlib.blake2b(repr(about).encode(), digest_size=8).hexdigest()}"
    )


def _read(kept: Path) -> Precision | None:
    try:
        text = kept.read_text("ascii", "replace")
    except OSError:
        return None
    return next((precision for precision in _PRECISIONS if precision == text), None)


def _timed(kept: Path, load: Load) -> Precision:
    """Times both and keeps which is faster; workers that start together may each do so."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as beside:
            faster = _faster(load)
            written = Path(beside) / kept.name
            written.write_text(faster, "ascii")
            written.replace(kept)
    except OSError:
        return "float32"
    return faster


def _faster(load: Load) -> Precision:
    """Returns the arithmetic whose fastest of a few turns, taken alternately, is faster."""
    runs = {precision: load(precision) for precision in _PRECISIONS}
    times: dict[Precision, list[float]] = {precision: [] for precision in runs}
    for _ in range(1 + _ROUNDS):
        for precision, run in runs.items():
            start = time.perf_counter()
            run()
            times[precision].append(time.perf_counter() - start)
    return min(times, key=lambda precision: min(times[precision][1:]))
