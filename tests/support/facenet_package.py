"""The one place that imports the package facenet_pytorch.

The package imports torchvision, which PyPI carries as a CUDA build. Beside a CPU torch its compiled
operators don't load, and ``import torchvision`` then raises "operator torchvision::nms does not
exist", because it describes operators that were never declared. Declaring them is enough for the
import; they can't be called, but of what facenet_pytorch does only its MTCNN calls one. Facebatch
reads the package's weights and never imports it; tests and benchmarks compare with it.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

import torch

_library: Any = torch.library  # without types
_OPERATORS = _library.Library("torchvision", "FRAGMENT")
"""Holds the declarations, which live as long as it does."""

_DESCRIBED = ("nms", "qnms")
"""The operators that torchvision describes while it is imported."""


def import_facenet_pytorch() -> ModuleType:
    """Imports facenet_pytorch, also beside a torchvision whose compiled operators don't load.

    Raises:
        ImportError: facenet_pytorch or torchvision isn't installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision warns of what it can't load
        try:
            importlib.import_module("torchvision")
        except RuntimeError:
            _declare_operators()
        return importlib.import_module("facenet_pytorch")


def _declare_operators() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what a failed import left behind
    for operator in _DESCRIBED:
        _OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
