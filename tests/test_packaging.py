"""What stands around the code agrees with it: version, extras, targets, image, workflows."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import facebatch
from facebatch.cli import app

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_version_is_a_string_that_a_build_reads_without_importing() -> None:
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "facebatch.__version__"}
    module = ast.parse((ROOT / "facebatch" / "__init__.py").read_text("utf-8"))
    values = [
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]
    assert values == [facebatch.__version__]


def test_every_package_is_installed() -> None:
    folders = [path.parent for path in (ROOT / "facebatch").rglob("__init__.py")]
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    packages |= {"facebatch.pipelines", "facebatch.schemas"}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages


def test_the_image_is_made_of_what_is_there() -> None:
    image = (ROOT / "Dockerfile").read_text("utf-8")
    extras = re.search(r"^ARG EXTRAS=(.+)$", image, re.MULTILINE)
    assert extras
    assert set(extras[1].split(",")) <= set(PROJECT["project"]["optional-dependencies"])
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", image, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_the_nightly_container_gives_options_that_there_are() -> None:
    service = yaml.safe_load((ROOT / "docker" / "compose.yml").read_text("utf-8"))
    command, *given = service["services"]["facebatch"]["command"]
    known = get_command(app).commands[command].params
    assert {flag.partition("=")[0] for flag in given} <= {
        flag for parameter in known for flag in parameter.opts
    }


def test_the_pythons_of_the_workflow_begin_with_the_oldest_supported() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    pythons = workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"


def test_only_the_demos_own_job_imports_the_demo() -> None:
    importing = set()
    for path in (*ROOT.glob("facebatch/**/*.py"), *ROOT.glob("pipelines/*.py")):
        room = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith("facebatch.demo") for name in names):
                importing.add(room)
    outside = {room for room in importing if not room.startswith("facebatch/demo/")}
    assert outside == {"facebatch/jobs/demo.py"}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", WORKFLOW])
def test_targets_that_pages_and_workflows_name_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    there = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?:^ +|run: |`)make ([a-z-]+)", text, re.MULTILINE))
    assert named
    assert named <= there
