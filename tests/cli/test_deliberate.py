"""What the system refuses is said in one line."""

from __future__ import annotations

import pytest

from facebatch.cli.deliberate import deliberate, limits_met
from facebatch.errors import FacebatchError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "MemoryError"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (RuntimeError("core.cpp:117:\nplugin.cpp:54:\nCannot allocate memory\n\n"), "Cannot alloc"),
    ],
)
def test_a_refusal_of_memory_or_threads_is_one_line(error: Exception, said: str) -> None:
    told = deliberate(error)
    assert isinstance(told, FacebatchError)
    [line] = str(told).splitlines()
    assert line.startswith(f"the system gave no more memory or threads: {said}")
    assert line.endswith(limits_met())


def test_a_bug_stays_what_it_is() -> None:
    bug = KeyError("x")
    assert deliberate(bug) is bug
