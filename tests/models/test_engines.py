"""An engine is chosen by what is installed, a device by what torch has, arithmetic by the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.installed import needs_openvino

from facebatch.config import ExtractSettings, resolve_run
from facebatch.detect import load_detector
from facebatch.embed import load_embedder
from facebatch.errors import UsageError
from facebatch.models import engines, provenance
from facebatch.models.engines import (
    DEVICES,
    ENGINES,
    choose,
    cpu_has_bf16,
    flags_in,
    signs_of,
)
from facebatch.models.provenance import Provenance, cpu_class

FLAGS = "flags\t\t: fpu vme sse4_2 avx512f avx512_vnni"


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # imports of it fail, find_spec gives None


@pytest.fixture(autouse=True)
def gpus(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The GPUs that torch seems to have; none until a test adds one."""
    found: set[str] = set()
    monkeypatch.setattr(engines, "signs_of", found.__contains__)
    monkeypatch.setattr(engines, "available", found.__contains__)
    return found


def test_torch_is_what_was_asked_for():
    assert choose("torch") == ("torch", "cpu")


@needs_openvino
@pytest.mark.parametrize("engine", ["auto", "openvino"])
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_openvino_is_taken_where_it_is_installed(engine, device):
    assert choose(engine) == choose(engine, device) == ("openvino", "cpu")


@pytest.mark.parametrize("gpu", ["cuda", "mps"])
@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_torch_runs_on_a_gpu_that_it_has(gpus, engine, gpu):
    gpus.add(gpu)
    assert choose(engine) == choose(engine, "auto") == choose(engine, gpu) == ("torch", gpu)
    assert choose("torch", "cpu") == ("torch", "cpu")


@needs_openvino
@pytest.mark.parametrize("gpu", ["cuda", "mps"])
def test_openvino_leaves_a_gpu_alone(gpus, gpu):
    gpus.add(gpu)
    assert choose("openvino") == choose("auto", "cpu") == ("openvino", "cpu")
    with pytest.raises(UsageError, match=rf"--engine openvino .* --device {gpu}"):
        choose("openvino", gpu)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused(device):
    for load in (
        lambda: choose("auto", device),
        lambda: choose("torch", device),
        lambda: load_detector("mtcnn", device=device),
        lambda: load_embedder(engine="torch", device=device),
    ):
        with pytest.raises(UsageError, match=f"--device {device}: torch has no such device") as no:
            load()
        assert "\n" not in str(no.value)


def test_an_unknown_device_is_refused_with_the_known_ones():
    for load in (lambda: load_detector("mtcnn", device="tpu"), lambda: choose("auto", "tpu")):
        with pytest.raises(UsageError, match=", ".join(DEVICES)):
            load()


def test_torch_is_asked_for_a_gpu_only_where_there_are_signs_of_one(monkeypatch):
    asked = []
    monkeypatch.setattr(engines, "available", asked.append)
    assert choose("torch") == ("torch", "cpu")
    assert asked == []
    monkeypatch.setattr(engines, "signs_of", {"cuda"}.__contains__)
    assert choose("torch") == ("torch", "cpu")
    assert asked == ["cuda"]


def test_the_signs_of_a_gpu_are_its_driver_or_an_apple_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_SIGNS_OF_CUDA", [tmp_path / "nvidia0"])
    assert not signs_of("cuda")
    (tmp_path / "nvidia0").touch()
    assert signs_of("cuda")
    for system, machine in (("linux", "arm64"), ("darwin", "x86_64"), ("darwin", "arm64")):
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(engines.platform, "machine", lambda machine=machine: machine)
        assert signs_of("mps") == (system == "darwin" and machine == "arm64")


@pytest.mark.parametrize("engine", ["torch", pytest.param("openvino", marks=needs_openvino)])
def test_models_run_on_the_cpu_that_was_asked_for(engine):
    found = load_detector("mtcnn", engine=engine, device="cpu").provenance
    assert found == Provenance(engine, "cpu", "float32")
    found = load_embedder(engine=engine, device="cpu").provenance
    assert (found.engine, found.device) == (engine, "cpu")


@needs_openvino
def test_openvino_works_without_torch():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "openvino 1 (1, 128) False\n"), done.stderr


WORK = """
import sys
from facebatch.faces.align import TEMPLATES
from facebatch.demo.render import render_face
from facebatch.detect import load_detector
from facebatch.embed import load_embedder
from facebatch.models.provenance import cpu_class
face = render_face(1, size=150)
detector, embedder = load_detector("mtcnn", engine="openvino"), load_embedder(engine="openvino")
faces, embeddings = detector.detect(face), embedder.embed(face[None, None])
assert cpu_class()
print(detector.provenance.engine, len(faces), embeddings.shape, "torch" in sys.modules)
"""


@needs_openvino
def test_loading_openvino_starts_no_process_and_leaves_nothing_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Imported as it is, OpenVINO does both, to report its use.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")  # facebatch's own may keep a timing
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
    assert choose("auto") == ("torch", "cpu")
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
    ("cpuinfo", "bf16", "cpu"),
    [
        (f"processor\t: 0\n{FLAGS} avx512_bf16\n", True, "x86_64-AVX512"),
        (f"processor\t: 0\n{FLAGS} amx_tile amx_bf16\n", True, "x86_64-AVX512"),
        (f"processor\t: 0\n{FLAGS}\n", False, "x86_64-AVX512"),
        ("processor\t: 0\nflags\t\t: fpu avx avx2 fma\n", False, "x86_64-AVX2"),
        ("processor\t: 0\nflags\t\t: fpu sse4_2\n", False, "x86_64"),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", False, "x86_64"),
        (f"processor\t: 0\nmodel name\t: avx512_bf16\n{FLAGS}\n", False, "x86_64-AVX512"),
        ("", False, "x86_64"),
    ],
)
def test_arithmetic_and_class_of_the_cpu_are_read_from_its_flags(monkeypatch, cpuinfo, bf16, cpu):
    for module in (engines, provenance):
        monkeypatch.setattr(module, "cpu_flags", lambda: flags_in(cpuinfo))
        monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    assert cpu_has_bf16() is bf16
    assert cpu_class() == cpu
