"""What is minimised, of pytorch-metric-learning's losses and miners."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning import distances, losses, miners
from torch import nn

from facebatch.train.settings import Loss, Mining

MARGIN = 0.2
"""In d2: FaceNet's (Schroff et al., 2015, section 3.1)."""

_TEMPERATURE = 0.1
_ARC_SCALE, _ARC_MARGIN = 32.0, 28.6
"""Of ArcFace (Deng et al., 2019): half its scale, for far fewer people; its margin in degrees."""

Triplets = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Rows of anchors, positives and negatives, each (t,) int64."""


def squared() -> Any:
    """Returns d2 between unit vectors, as pytorch-metric-learning computes it."""
    return distances.LpDistance(normalize_embeddings=True, p=2, power=2)


def miner_of(mining: Mining) -> Any:
    """Returns what chooses the triplets of a batch, called with embeddings and labels.

    ``batch-hard`` takes for every anchor the farthest positive and the nearest negative (Hermans et
    al., 2017); ``semi-hard`` all triplets whose negative is farther than the positive, by less than
    `MARGIN` (Schroff et al., 2015).
    """
    if mining == "batch-hard":
        return miners.BatchHardMiner(distance=squared())
    return miners.TripletMarginMiner(MARGIN, type_of_triplets="semihard", distance=squared())


class Objective(nn.Module):
    """The loss of a batch, with the parameters that classification needs.

    Args:
        loss: Which.
        mining: Which triplets count.
        dimension: Length of an embedding.
        people: People who are trained on.
    """

    def __init__(self, loss: Loss, mining: Mining, dimension: int, people: int) -> None:
        super().__init__()
        self.classes: Any = None
        if loss == "arcface":
            self.classes = losses.ArcFaceLoss(people, dimension, _ARC_MARGIN, _ARC_SCALE)
        elif "ce" in loss:
            self.classes = losses.NormalizedSoftmaxLoss(people, dimension, _TEMPERATURE)
        self._miner = miner_of(mining) if "triplet" in loss else None
        self._triplets = losses.TripletMarginLoss(MARGIN, distance=squared())

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns the parts of the loss by name; their sum is minimised.

        Args:
            embeddings: float32 (n, dimension), of any length.
            labels: (n,) int64, the person of each.
        """
        parts: dict[str, torch.Tensor] = {}
        if self.classes is not None:
            parts["classification"] = self.classes(embeddings, labels)
        if self._miner is not None:
            chosen = self._miner(embeddings, labels)
            parts["triplet"] = self._triplets(embeddings, labels, chosen)
        return parts
