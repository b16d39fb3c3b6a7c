"""The rules of the house, read from the imports: what docs/architecture.md says holds."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
AT_THE_ROOT = {"__init__", "errors", "ids", "config"}
MOST_ROOMS, MOST_FLOORS = 42, 10
LONGEST_FILE, LONGEST_TEST = 400, 500


class Import(NamedTuple):
    """One name that a module takes from another."""

    module: str
    source: str
    name: str


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("the rules are about a checkout")
    return [ROOT / name for name in listed.stdout.split() if (ROOT / name).exists()]


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in [*tracked("facebatch/*.py"), *tracked("pipelines/*.py")]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = ("facebatch", *parts) if parts[0] == "pipelines" else parts
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def imports() -> tuple[Import, ...]:
    return tuple(
        Import(module, source, name)
        for module, path in modules().items()
        for source, name in _imports(ast.parse(path.read_text("utf-8")))
        if source != module
    )


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.name, a.name) for a in node.names if a.name in modules())
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("facebatch"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole if whole in modules() else node.module or "", alias.name)


def room_of(module: str) -> str:
    """The folder that a module lies in; modules at the root are rooms of their own."""
    if modules()[module].name == "__init__.py" or module.count(".") == 1:
        return module
    return module.rpartition(".")[0]


def graph(nodes: Iterator[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one, other in nodes:
        if one != other:
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set())
    return found


def floors(edges: Mapping[str, set[str]]) -> dict[str, int]:
    """The floor of each node: one above the highest that it stands on.

    Raises:
        AssertionError: There is a circle, which it names.
    """
    found: dict[str, int] = {}

    def floor(node: str, below: tuple[str, ...]) -> int:
        assert node not in below, " -> ".join([*below[below.index(node) :], node])
        if node not in found:
            found[node] = 1 + max((floor(to, (*below, node)) for to in edges[node]), default=0)
        return found[node]

    for node in sorted(edges):
        floor(node, ())
    return found


def test_only_what_every_room_needs_lies_at_the_root() -> None:
    loose = {path.stem for path in modules().values() if path.parent == ROOT / "facebatch"}
    assert loose <= AT_THE_ROOT


def test_no_files_import_each_other_in_a_circle() -> None:
    floors(graph((one.module, one.source) for one in imports()))


def test_rooms_stand_on_few_floors_without_a_circle() -> None:
    # The root gives public names, lazily: who takes the version from it stands on none of them.
    taken = [one for one in imports() if one.module != "facebatch"]
    found = floors(graph((room_of(one.module), room_of(one.source)) for one in taken))
    assert len(found) <= MOST_ROOMS
    assert max(found.values()) <= MOST_FLOORS


def test_every_room_says_what_it_is_for() -> None:
    silent = [
        name
        for name, path in modules().items()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent


def test_only_jobs_and_the_command_line_use_pipelines() -> None:
    allowed = ("facebatch.jobs", "facebatch.cli", "facebatch.pipelines")
    wrong = [
        one
        for one in imports()
        if one.source.startswith("facebatch.pipelines") and not one.module.startswith(allowed)
    ]
    assert not wrong


def test_only_pipelines_know_who_hands_out_the_work() -> None:
    engines = re.compile(r"^\s*(?:import|from) (?:apache_beam|pyspark)", re.MULTILINE)
    knowing = [
        path.name
        for path in tracked("facebatch/*.py")
        if engines.search(path.read_text("utf-8")) and "pipelines" not in path.parts
    ]
    assert not knowing


def test_nobody_takes_a_private_name_of_another_module() -> None:
    assert not [one for one in imports() if one.name.startswith("_") and one.name != "__version__"]


def test_what_a_room_offers_is_taken_from_the_room_itself() -> None:
    offered = {name: _offered(path) for name, path in modules().items()}
    wrong = [
        one
        for one in imports()
        if (room := room_of(one.source)) != one.source
        and not one.module.startswith(room)
        and one.name in offered.get(room, ())
    ]
    assert not wrong


def _offered(path: Path) -> set[str]:
    if path.name != "__init__.py":
        return set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def test_no_file_is_too_long_to_be_read_at_a_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if (lines := len(path.read_text("utf-8").splitlines()))
        > (LONGEST_TEST if "tests" in path.parts else LONGEST_FILE)
    }
    assert not long
