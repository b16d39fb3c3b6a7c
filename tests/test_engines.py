"""An engine is chosen by what is installed, its arithmetic by what the CPU has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from installed import needs_openvino

from facebatch.config import ExtractSettings, resolve_run
from facebatch.detect import load_detector
from facebatch.embed import load_embedder
from facebatch.engines import ENGINES, choose, cpu_has_bf16, embedding_precision, has_bf16
from facebatch.errors import UsageError

FLAGS = "flags\t\t: fpu vme sse4_2 avx512f avx512_vnni"


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # imports of it fail, find_spec gives None


def test_torch_is_what_was_asked_for():
    assert choose("torch") == "torch"


@needs_openvino
@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_openvino_is_taken_where_it_is_installed(engine):
    assert choose(engine) == "openvino"


@needs_openvino
def test_loading_openvino_starts_no_process_and_leaves_nothing_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Imported as it is, OpenVINO does both, to report its use.
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("CI", "TF_BUILD", "JENKINS_URL"):  # under which it reports nothing
        monkeypatch.delenv(variable, raising=False)
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "openvino openvino\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


LOAD = """
import os, sys, time
started = []
started_by = ("os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect")
sys.addaudithook(lambda event, _: started.append(event) if event in started_by else None)
from facebatch.detect import load_detector
from facebatch.embed import load_embedder
loaded = [load_detector("mtcnn", engine="openvino"), load_embedder(engine="openvino")]
time.sleep(0.5)  # the report leaves from a thread
print(*(model.provenance.engine for model in loaded), *started)
"""


@pytest.mark.usefixtures("without_openvino")
def test_auto_is_torch_where_openvino_is_missing():
    assert choose("auto") == "torch"
    assert load_detector("mtcnn").provenance.engine == "torch"
    assert load_embedder().provenance.engine == "torch"


@pytest.mark.usefixtures("without_openvino")
def test_a_missing_openvino_is_refused_with_the_remedy():
    for load in (lambda: load_detector("mtcnn", engine="openvino"), lambda: choose("openvino")):
        with pytest.raises(UsageError, match=r"pip install 'facebatch\[openvino\]'"):
            load()


def test_an_unknown_engine_is_refused_with_the_known_ones():
    for load in (lambda: load_embedder(engine="tpu"), lambda: choose("tpu")):
        with pytest.raises(UsageError, match=", ".join(ENGINES)):
            load()


def test_the_engine_is_a_run_setting_and_leaves_the_fingerprint_alone():
    assert resolve_run({}, environment={}).engine == "auto"
    assert resolve_run({}, environment={"FACEBATCH_ENGINE": "torch"}).engine == "torch"
    with pytest.raises(UsageError, match="tpu"):
        resolve_run({"engine": "tpu"}, environment={})
    assert not hasattr(ExtractSettings(), "engine")


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (f"processor\t: 0\n{FLAGS} avx512_bf16\n", True),
        (f"processor\t: 0\n{FLAGS} amx_tile amx_bf16\n", True),
        (f"processor\t: 0\n{FLAGS}\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", False),
        (f"processor\t: 0\nmodel name\t: avx512_bf16\n{FLAGS}\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_read_from_the_flags_of_the_cpu(cpuinfo, expected):
    assert has_bf16(cpuinfo) is expected


def test_only_openvino_embeds_in_bfloat16_and_only_where_the_cpu_has_it():
    assert embedding_precision("torch") == "float32"
    assert embedding_precision("openvino") == ("bfloat16" if cpu_has_bf16() else "float32")
