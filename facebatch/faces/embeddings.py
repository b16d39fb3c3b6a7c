"""What every embedding promises: length 1."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

UNIT_TOLERANCE = 1e-3
"""How far a length may be from 1: float16 keeps eleven bits of each component."""


def wrong_lengths(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Says which embeddings aren't of length 1, or not finite: their distances mean nothing.

    Args:
        embeddings: (n, d) float32.

    Returns:
        (n,) bool.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    # Not "> tolerance", which a NaN would pass.
    return np.asarray(~(np.abs(lengths - 1) <= UNIT_TOLERANCE))


def check_unit_rows(
    embeddings: npt.NDArray[np.float32], what: str, error: type[Exception], first: int = 0
) -> None:
    """Refuses embeddings that aren't of length 1.

    Args:
        embeddings: (n, d) float32.
        what: What a row is called in the message.
        error: What is raised.
        first: Number of the first of them among all rows.

    Raises:
        Exception: The error, which names the first such row.
    """
    wrong = wrong_lengths(embeddings)
    if wrong.any():
        row = int(wrong.argmax())
        length = float(np.linalg.norm(embeddings[row]))
        raise error(f"{what} {first + row} has length {length:g}, not 1; extract its photo again")


class EmbeddingRows(Protocol):
    """Embeddings (n, d), of which rows may be asked for: an array, or what reads them then."""

    def __len__(self) -> int:
        """Returns n."""

    def __getitem__(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Returns the embeddings (m, d) of rows (m,)."""
