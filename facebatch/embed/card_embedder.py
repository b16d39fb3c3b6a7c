"""Embedders that a card describes: ONNX files and OpenVINO's IR, with whatever input they have.

The card says what the network reads (size, colours, mean, deviation, layout, type) and where the
five landmarks belong in its chips; the file itself may have a batch of any or of a fixed size.
OpenVINO runs both formats; onnxruntime runs ONNX where OpenVINO isn't there or isn't asked for. The
arithmetic is float32, or what the card says instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from facebatch.embed.averaging import TTA
from facebatch.embed.views import Forward, ViewsEmbedder, in_batches
from facebatch.errors import UsageError, WeightsError
from facebatch.models import onnx_runtime
from facebatch.models.card import Card
from facebatch.models.engines import Choice, choose
from facebatch.models.precision import check_runs
from facebatch.models.provenance import Provenance

# Chips a call. Two leave a network's layers in a processor's own cache, eight don't: mobilefacenet
# takes 1.15 to 1.2 times as long then (docs/performance.md), and no longer with one alone.
_ON_CPU = 2
_MANY = 8


def load_card_embedder(
    card: Card, contents: list[bytes], tta: TTA, engine: str, device: str
) -> ViewsEmbedder:
    """Loads the embedder that a card describes.

    Args:
        card: Its card, of format ``onnx`` or ``openvino``.
        contents: Bytes of its files, in the card's order: one ONNX file, or IR's XML and weights.
        tta: Which views of a face are averaged.
        engine: One of ``facebatch.models.engines.ENGINES``.
        device: One of ``facebatch.models.engines.DEVICES``.

    Raises:
        UsageError: No runtime that can be used here runs it.
        WeightsError: The files don't hold a network as the card describes it.
    """
    runtime, where = runtime_of(card, choose(engine, device))
    build = _openvino if runtime == "openvino" else _onnxruntime
    return ViewsEmbedder(
        card.name,
        card.dimension,
        card.chip_template(),
        tta,
        Provenance(runtime, where, card.precision),
        _forward(card, lambda batch: build(card, contents, batch, where), _batches(where)),
    )


def runtime_of(card: Card, chosen: Choice) -> tuple[str, str]:
    """Returns what runs a card's network, ``openvino`` or ``onnxruntime``, and its device.

    Raises:
        UsageError: Neither is there that could, or the processor can't.
    """
    check_runs(card, chosen.device)
    is_openvinos = card.format == "openvino" or card.precision == "bfloat16"
    if chosen.engine == "openvino" or (is_openvinos and chosen.device == "cpu"):
        choose("openvino", "cpu")  # says how to install it
        return "openvino", "cpu"
    if card.format == "onnx" and onnx_runtime.has_onnxruntime():
        return "onnxruntime", chosen.device
    if card.format == "onnx":
        raise UsageError(
            f"{card.name} needs OpenVINO or onnxruntime: pip install 'facebatch[openvino]' "
            "or 'facebatch[onnx]'"
        )
    raise UsageError(
        f"{card.name} runs in OpenVINO, on the CPU only: choose --device cpu and --engine auto"
    )


def _openvino(card: Card, contents: list[bytes], batch: int, _device: str) -> Forward:
    from facebatch.models.openvino_runtime import read_network

    network = read_network(contents, batch, card.input, card.precision)
    return lambda chips: network(chips)[0]


def _onnxruntime(card: Card, contents: list[bytes], batch: int, device: str) -> Forward:
    from facebatch.embed.onnx_file import built

    return built(card.input, contents[0], batch, device)


def _batches(device: str) -> tuple[int, ...]:
    """Chips a call, the fastest first; a file may take only the number that it was written with."""
    return (_ON_CPU, _MANY, 1) if device == "cpu" else (_MANY, 1)


def _forward(card: Card, build: Callable[[int], Forward], batches: Sequence[int]) -> Forward:
    """The network at the first batch at which each row stands for itself.

    A file whose batch is fixed at 1 may take more as well, all values in one row or not, and may
    also mix its rows then, or refuse.
    """
    side, dimension = card.input.size, card.dimension
    chips = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    wrong = ""
    for batch in batches:
        try:
            run = build(batch)
            rows = _rows(run, batch, dimension, np.resize(chips, (batch, side, side, 3))).copy()
            same = _rows(run, batch, dimension, np.repeat(chips[:1], batch, axis=0))
        except WeightsError as error:
            wrong = wrong or str(error)
            continue
        if np.isfinite(rows).all() and np.allclose(rows[::2], same[::2], rtol=1e-3, atol=1e-4):
            known = partial(_rows, run, batch, dimension)
            single = partial(_single, build, dimension, chips[:1], rows[0])
            return in_batches(known, batch, side, dimension, single)
        wrong = wrong or "its rows depend on each other"
    raise WeightsError(f"{card.name}: its file isn't as its card says: {wrong}")


def _single(
    build: Callable[[int], Forward],
    dimension: int,
    chip: NDArray[np.uint8],
    expected: NDArray[np.float32],
) -> Forward | None:
    """The network that reads one chip; None where the file can't, or gives something else then."""
    try:
        run = partial(_rows, build(1), 1, dimension)
        found = run(chip)[0]
    except WeightsError:
        return None
    return run if np.allclose(found, expected, rtol=1e-3, atol=1e-4) else None


def _rows(
    run: Forward, batch: int, dimension: int, chips: NDArray[np.uint8]
) -> NDArray[np.float32]:
    values = run(chips)
    if values.size != batch * dimension:
        raise WeightsError(
            f"it gives {values.size} values for {batch} chips, the card says {dimension} each"
        )
    return values.reshape(batch, dimension)
