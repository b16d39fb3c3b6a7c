"""What every embedder promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from facebatch.models.provenance import Provenance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns aligned chips into embeddings."""

    @property
    def name(self) -> str:
        """The name in the model registry."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    @property
    def template(self) -> str:
        """Name of the template that chips are aligned to (``facebatch.faces.align.TEMPLATES``)."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Template scales at which the chips of a face are cut, in the order ``embed`` expects."""

    @property
    def provenance(self) -> Provenance:
        """What runs the model."""

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the chips of n faces.

        Args:
            chips: uint8 (n, len(scales), size, size, 3), RGB, where size is the template's;
                n may be 0.

        Returns:
            float32 (n, dimension) with rows of unit length.

        Raises:
            ValueError: The array has another shape or dtype.
        """
