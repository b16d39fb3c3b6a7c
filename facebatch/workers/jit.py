"""Compiling loops with numba, with their types kept: the only place that calls numba's decorators.

The loops release the interpreter's lock, and divide as IEEE 754 says instead of raising.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compiles a function of arrays and numbers at its first call for each set of types.

    The machine code is cached on disk beside the module or in the user's cache folder. Where
    neither can be written, e.g. in a read-only container, every process compiles anew.
    """
    return compiled_with()(function)


def compiled_with(**options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compiles as `compiled` does, with further options of ``numba.njit``."""

    def compile_it(function: Callable[P, R]) -> Callable[P, R]:
        common = {"nogil": True, "error_model": "numpy", **options}
        try:
            dispatcher = numba.njit(cache=True, **common)(function)
        except RuntimeError:  # numba's "no locator available": there is nowhere to write
            dispatcher = numba.njit(**common)(function)
        return cast("Callable[P, R]", dispatcher)

    return compile_it
