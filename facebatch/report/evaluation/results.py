"""What an evaluation leaves behind: its figures with all that they depend on, curves and plots."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.collection import Collection
from facebatch.evaluate.photos import Photos
from facebatch.report.evaluation.model import Kind, Scores
from facebatch.report.evaluation.page import write_evaluation
from facebatch.storage.store import Storage

_VERSIONS_OF = ("facebatch", "numpy", "torch", "apache-beam")

Arrays = Mapping[str, npt.NDArray[Any]]


def summarise(
    kind: Kind, scores: Scores, inputs: Mapping[str, Any], collection: Collection, photos: Photos
) -> dict[str, Any]:
    """Returns an evaluation's figures and all that they depend on, as plain data.

    Args:
        kind: Which evaluation it is.
        scores: Its scores.
        inputs: What the command was given.
        collection: Where the faces were read from.
        photos: Its photos.
    """
    return {
        "kind": kind,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": dict(inputs),
        "figures": scores.as_json(),
        "settings": asdict(collection.settings),
        "space": collection.space,
        "fingerprint": collection.fingerprint,
        "ran_on": photos.ran_on(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONS_OF},
        },
    }


def write(
    folder: str,
    scores: Scores,
    summary: Mapping[str, Any],
    arrays: Arrays,
    details: Mapping[str, Any],
) -> list[str]:
    """Writes ``<kind>.json``, ``<kind>.npz`` and what shows them.

    Args:
        folder: Where they go, a path or fsspec URL.
        scores: The scores.
        summary: Of `summarise`, with what was added to it.
        arrays: Curves and scores of single faces or pairs, for the ``.npz`` file.
        details: What `facebatch.report.evaluation.write_evaluation` needs beside the scores.

    Returns:
        The paths written.

    Raises:
        CollectionError: The folder can't be written.
    """
    kind: Kind = summary["kind"]
    storage = Storage(folder)
    curves = io.BytesIO()
    np.savez_compressed(curves, **arrays)  # type: ignore[arg-type]
    storage.write(f"{kind}.npz", curves.getvalue())
    storage.write(f"{kind}.json", json.dumps(summary, indent=2).encode())
    own = [storage.full_path(f"{kind}.{ending}") for ending in ("json", "npz")]
    return [*own, *write_evaluation(folder, kind, scores, details)]
