from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from support.child_work import prepare_arithmetic, prepare_nothing

from facebatch.errors import WorkerDied
from facebatch.workers.isolation import Crashed, run_isolated


def run(items: Sequence[object], offset: int = 100) -> list[object]:
    return list(run_isolated(prepare_arithmetic, (offset,), items))


@pytest.fixture(name="before")
def children_before() -> set[psutil.Process]:
    """What earlier tests and the suite itself left running beside the test."""
    return set(psutil.Process().children(recursive=True))


def children(before: set[psutil.Process]) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child not in before
        and child.status() != psutil.STATUS_ZOMBIE
        and "resource_tracker" not in _command(child)
    ]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_results_come_in_the_order_of_the_items() -> None:
    assert run([3, 1, 2]) == [103, 101, 102]


def test_nothing_to_do_starts_nothing() -> None:
    assert run([]) == []


def test_healthy_items_share_one_child_that_is_not_this_process() -> None:
    first, second = run(["pid", "pid"])
    assert first == second != os.getpid()


@pytest.mark.parametrize(
    ("deadly", "ending"),
    [("kill", "killed by SIGKILL"), ("exit", "exit code 7"), ("raise", "exit code 1")],
)
def test_an_item_that_ends_its_process_costs_itself_only(
    deadly: str, ending: str, capfd: pytest.CaptureFixture[str]
) -> None:
    first, crashed, last = run([1, deadly, 2])
    assert (first, last) == (101, 102)
    assert isinstance(crashed, Crashed)
    assert crashed.item == deadly
    assert crashed.message.endswith(ending)


def test_deadly_items_in_a_row_and_at_both_ends_are_each_found() -> None:
    found = run(["kill", "kill", 1, "kill"])
    assert [isinstance(result, Crashed) for result in found] == [True, True, False, True]
    assert found[2] == 101


def test_no_child_is_left_behind(before: set[psutil.Process]) -> None:
    run([1, "kill", 2])
    assert children(before) == []


def test_no_child_is_left_behind_when_the_rest_isnt_wanted(before: set[psutil.Process]) -> None:
    results = run_isolated(prepare_arithmetic, (0,), [1, 2, 3])
    assert next(results) == 1
    assert len(children(before)) == 1
    results.close()
    assert children(before) == []


def test_a_child_that_cant_even_begin_is_blamed_on_no_item(before: set[psutil.Process]) -> None:
    with pytest.raises(WorkerDied, match=r"could not begin.*exit code 3"):
        list(run_isolated(prepare_nothing, (), [1, 2]))
    assert children(before) == []


_PARENT = """
from support.child_work import prepare_arithmetic
from facebatch.workers.isolation import run_isolated

if __name__ == "__main__":
    list(run_isolated(prepare_arithmetic, (0,), ["sleep"]))
"""


def test_a_child_at_work_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)
