"""Embedders run in bfloat16 exactly where that is faster, which is timed once a machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.installed import needs_openvino

from facebatch.detect.onnx_nets import loaded
from facebatch.embed.card_embedder import runtime_of
from facebatch.errors import UsageError
from facebatch.models import engines
from facebatch.models.engines import Choice, flags_in
from facebatch.models.folder import cache_folder
from facebatch.models.precision import check_runs, embedding_precision
from facebatch.models.registry import CARDS

CPU = Choice("torch", "cpu")
AVX512_ALONE = "model name : Some EPYC\nflags : avx512f avx512_bf16"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_folder()


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this machine's processor another one, by what Linux says of it."""

    def become(cpuinfo: str) -> None:
        monkeypatch.setattr(engines, "_cpuinfo", lambda: cpuinfo)
        monkeypatch.setattr(engines, "cpu_flags", lambda: flags_in(cpuinfo))

    return become


class Network:
    """Runs that take so many seconds; counts how often it was loaded."""

    def __init__(self, float32: float, bfloat16: float) -> None:
        self.seconds = {"float32": float32, "bfloat16": bfloat16}
        self.loaded = 0

    def __call__(self, precision):
        self.loaded += 1
        return lambda: time.sleep(self.seconds[precision])


@pytest.mark.parametrize(
    ("chosen", "flags", "precision"),
    [
        (CPU, "avx512f amx_tile amx_bf16 avx512_bf16", "bfloat16"),
        (CPU, "avx512f", "float32"),
        (Choice("torch", "cuda"), "amx_bf16 avx512_bf16", "float32"),
        (Choice("torch", "mps"), "avx512_bf16", "float32"),
    ],
)
def test_where_the_processor_decides_nothing_is_timed(processor, chosen, flags, precision):
    processor(f"flags : {flags}")
    network = Network(0, 0)
    assert embedding_precision(chosen, "net", network) == precision
    assert network.loaded == 0


@pytest.mark.parametrize("faster", ["float32", "bfloat16"])
def test_with_avx512_alone_the_faster_one_is_taken_and_timed_once(processor, cache, faster):
    processor(AVX512_ALONE)
    network = Network(**{"float32": 0.004, "bfloat16": 0.004, faster: 0.0})
    assert embedding_precision(CPU, "net", network) == faster
    assert embedding_precision(CPU, "net", network) == faster
    assert network.loaded == 2
    embedding_precision(CPU, "another net", network)
    processor(AVX512_ALONE.replace("Some", "Other"))
    embedding_precision(CPU, "net", network)
    assert network.loaded == 6
    assert len(list(cache.iterdir())) == 3


def test_without_a_cache_nothing_is_timed(processor, cache):
    processor(AVX512_ALONE)
    cache.write_text("a file where the folder should be")
    network = Network(0.004, 0)
    assert embedding_precision(CPU, "net", network) == "float32"
    assert network.loaded == 0


def test_a_damaged_result_is_timed_anew(processor, cache):
    processor(AVX512_ALONE)
    network = Network(0.004, 0)
    embedding_precision(CPU, "net", network)
    next(cache.iterdir()).write_bytes(b"bf\xff")
    assert embedding_precision(CPU, "net", network) == "bfloat16"
    assert network.loaded == 4


BFLOAT16 = [CARDS["mobilefacenet-bf16"], CARDS["yunet-bf16"]]


@pytest.mark.parametrize("card", BFLOAT16, ids=lambda card: card.name)
def test_a_model_of_bfloat16_is_refused_where_nothing_computes_in_it(processor, card):
    processor("flags : avx512f avx512_vnni")
    check_runs(CARDS["mobilefacenet"], "cpu")
    with pytest.raises(UsageError, match=f"{card.name} computes in bfloat16, for which this proc"):
        check_runs(card, "cpu")
    processor(AVX512_ALONE)
    check_runs(card, "cpu")
    for device in ("cuda", "mps"):
        with pytest.raises(UsageError, match=f"{card.name} runs in OpenVINO.* --device cpu"):
            check_runs(card, device)


@needs_openvino
def test_openvino_alone_runs_a_model_of_bfloat16_whatever_engine_is_asked_for(processor):
    embedder, detector = BFLOAT16
    processor(AVX512_ALONE)
    for chosen in (CPU, Choice("openvino", "cpu")):
        assert runtime_of(embedder, chosen) == ("openvino", "cpu")
    processor("flags : avx2")
    for chosen in (CPU, Choice("openvino", "cpu")):
        with pytest.raises(UsageError, match="no instructions"):
            runtime_of(embedder, chosen)
        with pytest.raises(UsageError, match="no instructions"):
            loaded(b"never read", detector, chosen)
