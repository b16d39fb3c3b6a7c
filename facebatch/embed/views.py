"""What embedders have in common: views averaged, unit rows given, over a network's raw outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from facebatch.embed.averaging import MIRRORED, SCALES, TTA
from facebatch.faces.align import Template
from facebatch.models.provenance import Provenance

Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""A network: from RGB chips uint8 (n, size, size, 3), of any strides, to raw outputs (n, d)."""

_BATCH = 32  # chips a call; larger batches are no faster on a CPU


class ViewsEmbedder:
    """An embedder over a network that reads one chip at a time.

    Args:
        name: The name in the model registry.
        dimension: Length of an embedding.
        template: What the chips are aligned to.
        tta: Which views of a face are averaged, before normalisation.
        provenance: What runs the network.
        forward: The network.
    """

    def __init__(
        self,
        name: str,
        dimension: int,
        template: Template,
        tta: TTA,
        provenance: Provenance,
        forward: Forward,
    ) -> None:
        self.name = name
        self.dimension = dimension
        self.template = template.name
        self.scales = SCALES[tta]
        self.provenance = provenance
        self._mirrored = MIRRORED[tta]
        self._side = template.size
        self._forward = forward

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the chips of n faces; see ``facebatch.embed.Embedder.embed``.

        Raises:
            ValueError: The array has another shape or dtype.
        """
        raw = self.raw(chips)
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        embeddings: NDArray[np.float32] = raw / lengths
        return embeddings

    def raw(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The network's outputs averaged over each face's views, of any length.

        Args:
            chips: uint8 (n, len(scales), size, size, 3), RGB.

        Returns:
            float32 (n, dimension).

        Raises:
            ValueError: The array has another shape or dtype.
        """
        expected = (len(self.scales), self._side, self._side, 3)
        if chips.dtype != np.uint8 or chips.shape[1:] != expected:
            raise ValueError(
                f"chips are uint8 (n, {', '.join(map(str, expected))}), "
                f"not {chips.dtype} {chips.shape}"
            )
        outputs = np.empty((len(chips), self.dimension), np.float32)
        together = max(1, _BATCH // (len(self.scales) * (1 + self._mirrored)))
        for start in range(0, len(chips), together):
            part = slice(start, start + together)
            outputs[part] = self._mean_over_views(chips[part])
        return outputs

    def _mean_over_views(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """All views go in together, so that a single face fills a batch of two."""
        views = list(self._views(chips))
        outputs = self._forward(np.concatenate(views)).reshape(len(views), len(chips), -1)
        total: NDArray[np.float32] = outputs.sum(axis=0)
        return total / np.float32(len(views))

    def _views(self, chips: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        for scale in range(chips.shape[1]):
            view = chips[:, scale]
            yield view
            if self._mirrored:
                yield view[:, :, ::-1]


def in_batches(
    run: Forward,
    batch: int,
    side: int,
    dimension: int,
    single: Callable[[], Forward | None] = lambda: None,
) -> Forward:
    """Gives a network that reads exactly so many chips as one that reads any number.

    A batch that would be half empty goes chip by chip: on a CPU a chip takes about as long alone
    as in company, so that one face waits for itself only.

    Args:
        run: From contiguous chips uint8 (batch, side, side, 3) to float32 (batch, dimension).
        batch: Chips a call.
        side: Side of the chips in pixels.
        dimension: Length of an output.
        single: Gives the same network for one chip a call, or None where there is none; asked once,
            at the first call with few chips.
    """
    alone = cache(single)

    def forward(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs = np.empty((len(chips), dimension), np.float32)
        for start in range(0, len(chips), batch):
            part = chips[start : start + batch]
            one = alone() if len(part) <= batch // 2 else None
            if one is not None:
                for row in range(len(part)):
                    outputs[start + row] = one(np.ascontiguousarray(part[row : row + 1]))[0]
                continue
            given = np.zeros((batch, side, side, 3), np.uint8)
            given[: len(part)] = part
            outputs[start : start + batch] = run(given)[: len(part)]
        return outputs

    return forward
