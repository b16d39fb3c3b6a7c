"""Beam's reflection, remembered: what it finds out by itself again for every transform.

To build and run a pipeline of a hundred transforms, Beam takes 20,000 signatures of a few hundred
methods and makes 600 parsers for the same options, which is more than half of what a pipeline over
four photos costs; the tests run hundreds. A method's signature depends on its function alone, and
how options are read on their class and the flags. A program that a test
starts, unless it is forked, does without.
"""

from __future__ import annotations

import copy
import functools
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core

_Arguments = tuple[list[str], list[Any]]


@functools.cache
def remember_reflection() -> None:
    """Has Beam remember, in this process and those that are forked from it."""
    core.get_function_args_defaults = _remembering_arguments(core.get_function_args_defaults)
    PipelineOptions.__init__ = _remembering_options(PipelineOptions.__init__)


def _remembering_arguments(find: Callable[[Any], _Arguments]) -> Callable[[Any], _Arguments]:
    known: dict[Any, _Arguments] = {}

    def arguments(function: Any) -> _Arguments:
        plain = getattr(function, "__func__", None)
        if plain is None:
            return find(function)
        if plain not in known:
            known[plain] = find(function)
        names, defaults = known[plain]
        return names.copy(), defaults.copy()

    return arguments


def _remembering_options(initialize: Callable[..., None]) -> Callable[..., None]:
    known: dict[tuple[type, tuple[str, ...]], Namespace] = {}

    def init(self: Any, flags: Sequence[str] | None = None, **overrides: Any) -> None:
        if flags is None or isinstance(flags, str) or overrides:
            initialize(self, flags, **overrides)
            return
        key = type(self), tuple(flags)
        if key not in known:
            initialize(self, flags)
            known[key] = copy.deepcopy(self._visible_options)
            return
        self._flags = flags
        self._visible_options = copy.deepcopy(known[key])
        self._all_options = dict(vars(self._visible_options))

    return init
