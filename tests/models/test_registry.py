"""Weights are verified before use, and what is missing is named with its remedy."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys

import pytest

from facebatch.errors import WeightsError
from facebatch.models import registry
from facebatch.models.card import WeightFile
from facebatch.models.detectors import known_detectors
from facebatch.models.embedders import known_embedders

FILES = [*registry.card("mtcnn").files, *registry.card("dlib-resnet").files]
DIGEST = hashlib.sha256(b"weights").hexdigest()
NET = WeightFile(name="net.onnx", model="some", sha256=DIGEST)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A package of weights on the import path, whose import would fail the test."""
    package = tmp_path / "some_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('packages are not imported')")
    (package / "models" / "net.dat").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    return WeightFile(
        name="net.dat",
        model="some",
        sha256=DIGEST,
        package="some_models",
        folder="models",
        requirement="some-models==1.0",
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The models folder, empty."""
    monkeypatch.setenv("FACEBATCH_MODELS", str(tmp_path))
    return tmp_path


def put(path, content=b"weights"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_registered_files_are_installed_and_verified(file):
    content = registry.read(file)
    assert hashlib.sha256(content).hexdigest() == file.sha256
    assert registry.path(file).read_bytes() == content


def test_a_file_is_found_without_importing_its_package(published):
    assert registry.read(published) == b"weights"
    assert registry.path(published).name == "net.dat"


def test_a_file_with_another_hash_is_refused_and_its_hash_named(published):
    other = dataclasses.replace(published, sha256="0" * 64)
    for use in (registry.read, registry.path):
        with pytest.raises(WeightsError) as refused:
            use(other)
        assert published.sha256 in str(refused.value)
        assert "some-models==1.0" in str(refused.value)


def test_a_missing_package_or_file_names_what_to_install(published):
    for missing in (
        dataclasses.replace(published, package="no_such_models"),
        dataclasses.replace(published, name="other.dat"),
    ):
        with pytest.raises(WeightsError, match=r"not installed; run: pip install some-models==1.0"):
            registry.read(missing)


@pytest.mark.parametrize("place", ["some/net.onnx", "net.onnx", "elsewhere/net.onnx"])
def test_a_file_is_found_in_the_models_folder_and_its_subfolders(folder, place):
    there = put(folder / place)
    assert registry.path(NET) == there
    assert registry.read(NET) == b"weights"


def test_a_file_of_the_name_with_other_content_is_passed_over_for_the_right_one(folder):
    put(folder / "net.onnx", b"another model's")
    there = put(folder / "elsewhere" / "net.onnx")
    assert registry.path(NET) == there


def test_a_wrong_file_in_the_models_folder_is_refused_with_both_hashes(folder):
    put(folder / "net.onnx", b"other")
    with pytest.raises(WeightsError) as refused:
        registry.read(dataclasses.replace(NET, model="mobilefacenet"))
    assert NET.sha256 in str(refused.value)
    assert hashlib.sha256(b"other").hexdigest() in str(refused.value)


def test_a_file_may_be_known_by_its_sha384_alone(folder):
    digest = hashlib.sha384(b"weights").hexdigest()
    file = WeightFile(name="net.bin", model="retail-0095", sha384=digest)
    put(folder / "net.bin")
    assert registry.read(file) == b"weights"
    put(folder / "net.bin", b"other")
    with pytest.raises(WeightsError, match=f"sha384 .*, expected {digest}"):
        registry.read(file)


def test_a_file_that_is_missing_says_where_it_would_lie_and_how_it_comes(folder):
    (file,) = registry.card("mobilefacenet").files
    assert not registry.is_installed(file)
    with pytest.raises(WeightsError) as refused:
        registry.path(file)
    assert str(folder) in str(refused.value)
    assert "facebatch models fetch mobilefacenet" in str(refused.value)


def test_without_a_named_folder_weights_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("FACEBATCH_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert registry.models_folder() == tmp_path / "facebatch" / "models"


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(WeightsError, match="dlib-resnet"):
        registry.card("no-such-model")


def test_detectors_and_embedders_are_models_of_their_kind():
    for kind, names in {"detector": known_detectors(), "embedder": known_embedders()}.items():
        assert names
        assert {registry.card(name).kind for name in names} == {kind}


def test_light_modules_import_neither_torch_nor_numba():
    light = "config, detect, embed, faces.align, faces.quality"
    light += ", models.provenance, models.registry, models.torch_file"
    names = ", ".join(f"facebatch.{name}" for name in light.split(", "))
    code = f"import sys, {names}; print({{'torch', 'numba'}} & {{*sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
