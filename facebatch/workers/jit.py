"""Compiling the detector's loops with numba, with their types kept.

The loops release the interpreter's lock, and divide as IEEE 754 says instead of raising.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of arrays and numbers at its first call for each set of types.

    The machine code is cached on disk beside the module or in the user's cache folder. Where
    neither can be written, e.g. in a read-only container, every process compiles anew.
    """
    try:
        dispatcher = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba's "no locator available": there is nowhere to write
        dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    return cast("Callable[P, R]", dispatcher)
