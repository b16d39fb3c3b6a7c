"""Turns results into plain data: what `json.dumps` writes as it is, without curves."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass

import numpy as np


def plain_data(result: object) -> dict[str, object]:
    """Turns a result dataclass into a dictionary of plain values.

    Arrays, and dataclasses that hold nothing else, are curves and left out. Numbers that JSON
    doesn't know (NaN and the infinities) become None.

    Args:
        result: A dataclass instance; its fields may be dataclasses and tuples in turn.

    Raises:
        TypeError: It isn't a dataclass instance.
    """
    if not is_dataclass(result) or isinstance(result, type):
        raise TypeError(f"{type(result).__name__} is no result dataclass")
    named = {field.name: getattr(result, field.name) for field in fields(result)}
    return {name: _plain(value) for name, value in named.items() if not _is_curve(value)}


def _plain(value: object) -> object:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return plain_data(value) if is_dataclass(value) else value


def _is_curve(value: object) -> bool:
    if is_dataclass(value):
        return all(isinstance(getattr(value, field.name), np.ndarray) for field in fields(value))
    return isinstance(value, np.ndarray)
