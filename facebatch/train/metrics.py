"""What a training says of itself while it goes on: JSON lines, TensorBoard, and who watches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebatch.train.settings import need


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Args:
        step: Batches that were learned from.
        steps: Batches in all, if it isn't stopped early.
        loss: Of the latest batch.
        accuracy: Of the latest evaluation, None before the first one.
        best: The best accuracy so far.
        evaluated: Whether the evaluation was made just now.
    """

    step: int
    steps: int
    loss: float
    accuracy: float | None = None
    best: float | None = None
    evaluated: bool = False


class Metrics:
    """Writes ``metrics.jsonl`` (docs/training.md says what is in it), and TensorBoard's files.

    Args:
        folder: Where they go.
        tensorboard: Whether TensorBoard's files are written, to the folder of that name.
        step: Where the training goes on: lines of later steps, whose work was lost, are removed.

    Raises:
        UsageError: TensorBoard is asked for and isn't installed.
    """

    def __init__(self, folder: Path, tensorboard: bool, step: int) -> None:
        self._file = folder / "metrics.jsonl"
        self._board: Any = None
        kept = [line for line in read(self._file) if line["step"] <= step] if step else []
        self._file.write_text("".join(map(_line, kept)), "utf-8")
        if tensorboard:
            need("tensorboard", "tensorboard")
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Writes a line: a batch (``train``) or an evaluation (``evaluation``)."""
        with self._file.open("a", encoding="utf-8") as out:
            out.write(_line({"kind": kind, "step": step, **values}))
        if self._board is not None:
            for name, value in _flat(values):
                self._board.add_scalar(f"{kind}/{name}", value, step)
            self._board.flush()


def read(file: Path) -> list[dict[str, Any]]:
    """Returns the lines of a metrics file; one that was cut off in the middle is left out."""
    found = []
    if file.exists():
        for line in file.read_text("utf-8").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return found


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values) + "\n"


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            found.append((prefix + name, float(value)))
    return found
