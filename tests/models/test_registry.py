"""Weights are verified before use, and what is missing is named with its remedy."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys

import pytest

from facebatch.errors import WeightsError
from facebatch.faces.align import TEMPLATES
from facebatch.models import registry
from facebatch.models.registry import DETECTORS, EMBEDDERS

FILES = [file for model in registry.MODELS.values() for file in model.files]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A package of weights on the import path, whose import would fail the test."""
    package = tmp_path / "some_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('packages are not imported')")
    (package / "models" / "net.dat").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    digest = hashlib.sha256(b"weights").hexdigest()
    return registry.WeightFile("net.dat", "some_models", "models", "some-models==1.0", digest)


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


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(WeightsError, match="dlib-resnet"):
        registry.model("arcface")


def test_the_registry_and_the_factories_know_the_same_models():
    by_kind = {"detector": DETECTORS, "embedder": EMBEDDERS}
    for kind, names in by_kind.items():
        assert {m.name for m in registry.MODELS.values() if m.kind == kind} == set(names)
    for name, model in registry.MODELS.items():
        assert name == model.name
        assert registry.model(name) is model
        if model.kind == "embedder":
            assert TEMPLATES[model.template].size == model.chip_size
            assert model.dimension > 0


def test_light_modules_import_neither_torch_nor_numba():
    light = "config, detect, embed, faces.align, faces.quality"
    light += ", models.provenance, models.registry, models.torch_file"
    names = ", ".join(f"facebatch.{name}" for name in light.split(", "))
    code = f"import sys, {names}; print({{'torch', 'numba'}} & {{*sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
