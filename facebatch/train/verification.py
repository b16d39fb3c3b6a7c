"""How well embeddings tell held-out people apart, scored as `facebatch evaluate pairs` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from facebatch.evaluate.pairs import PairScore, score_pairs
from facebatch.train.people import NamedChips, VerificationPairs

Floats = npt.NDArray[np.float32]
Embed = Callable[[npt.NDArray[np.uint8]], Floats]
"""From chips uint8 (n, side, side, 3) to embeddings (n, d), of any length or of length 1."""

_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Pairs of held-out people, with the chips that they are of.

    Args:
        pairs: The pairs.
        rows: The rows of the chips, sorted; each is embedded once.
        pixels: Their chips, uint8 (n, side, side, 3).
    """

    pairs: VerificationPairs
    rows: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, chips: NamedChips, pairs: VerificationPairs, side: int) -> HeldOut:
        """Returns the pairs with their chips."""
        rows = np.unique(np.concatenate([pairs.left, pairs.right]))
        return cls(pairs, rows, chips.pixels(rows, side))

    def score(self, embed: Embed) -> PairScore:
        """Scores embeddings of length 1."""
        embeddings = dict(zip(self.rows.tolist(), embed(self.pixels), strict=True))
        left, right = (
            np.stack([embeddings[row] for row in side.tolist()]).astype(np.float64)
            for side in (self.pairs.left, self.pairs.right)
        )
        distances = np.square(left - right).sum(axis=1)
        return score_pairs(distances, self.pairs.same, self.pairs.folds)


def mirrored(forward: Embed, pixels: npt.NDArray[np.uint8]) -> Floats:
    """Returns unit embeddings (n, d) averaged with the mirror image's, as ``--tta mirror`` does."""
    parts = []
    for start in range(0, len(pixels), _AT_ONCE):
        chips = pixels[start : start + _AT_ONCE]
        parts.append(forward(chips) + forward(chips[:, :, ::-1]))
    raw = np.concatenate(parts)
    found: Floats = raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)
    return found


def figures(score: PairScore) -> dict[str, Any]:
    """Returns the figures of an evaluation as plain data: accuracy, EER, AUC, TAR by FAR."""
    return {
        "accuracy": round(score.accuracy.mean, 6),
        "accuracy_std": round(score.accuracy.std, 6),
        "eer": score.eer,
        "auc": score.auc,
        "tar_at_far": {f"{rate.far:g}": rate.tar for rate in score.tar_at_far},
    }
