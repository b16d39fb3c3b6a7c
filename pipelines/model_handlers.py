"""Detector and embedder as model handlers of Beam's RunInference.

For users whose pipelines decode pictures themselves, or run several models over them:
`DetectorHandler` takes RGB pixels, `EmbedderHandler` takes aligned chips. From a photo's bytes to
embeddings in one step is ``facebatch.pipelines.transforms``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from facebatch.config import ExtractSettings
from facebatch.detect import Detector, load_detector
from facebatch.embed import Embedder, load_embedder
from facebatch.extract.photo import checked
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE

Pixels = npt.NDArray[np.uint8]


class DetectorHandler(ModelHandler):
    """Finds faces in pixels.

    Examples are uint8 (height, width, 3), RGB, C-contiguous; inferences are
    `facebatch.detect.Detections`, in pixels of the example.

    Args:
        settings: Their ``detector`` and ``min_face`` count; pixels are taken at the size they have.
        engine: What runs the networks: ``torch``, ``openvino`` or ``auto``.
        device: Where they run: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        max_batch_size: Most pictures in memory at once; they are looked at one by one.
    """

    def __init__(
        self,
        settings: ExtractSettings | None = None,
        *,
        engine: str = DEFAULT_ENGINE,
        device: str = DEFAULT_DEVICE,
        max_batch_size: int = 8,
    ) -> None:
        super().__init__(max_batch_size=max_batch_size)
        self._settings = checked(settings)
        self._engine, self._device = engine, device

    def load_model(self) -> Detector:
        """Loads the detector."""
        return load_detector(
            self._settings.detector,
            min_face=self._settings.min_face,
            engine=self._engine,
            device=self._device,
        )

    def run_inference(
        self,
        batch: Sequence[Pixels],
        model: Detector,
        inference_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - Beam's signature
    ) -> Iterable[PredictionResult]:
        """Finds the faces of a batch of pictures.

        Raises:
            ValueError: An example isn't such a picture.
        """
        return [PredictionResult(image, model.detect(image)) for image in batch]

    def get_num_bytes(self, batch: Sequence[Pixels]) -> int:
        """Returns the pixels' bytes."""
        return sum(image.nbytes for image in batch)

    def get_metrics_namespace(self) -> str:
        """Returns where Beam counts this model's work."""
        return "facebatch_detector"


class EmbedderHandler(ModelHandler):
    """Embeds aligned faces.

    Examples are chips: uint8 (size, size, 3), or (v, size, size, 3) where the averaging asks for v
    scales, RGB, as `facebatch.Faces` has them. Inferences are float32 (d,) of length 1.

    Args:
        settings: Their ``embedder`` and ``tta`` count.
        engine: What runs the network: ``torch``, ``openvino`` or ``auto``.
        device: Where it runs: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        max_batch_size: Most faces in a batch.
    """

    def __init__(
        self,
        settings: ExtractSettings | None = None,
        *,
        engine: str = DEFAULT_ENGINE,
        device: str = DEFAULT_DEVICE,
        max_batch_size: int = 64,
    ) -> None:
        super().__init__(max_batch_size=max_batch_size)
        self._settings = checked(settings)
        self._engine, self._device = engine, device

    def load_model(self) -> Embedder:
        """Loads the embedder."""
        settings = self._settings
        return load_embedder(settings.embedder, settings.tta, self._engine, self._device)

    def run_inference(
        self,
        batch: Sequence[Pixels],
        model: Embedder,
        inference_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - Beam's signature
    ) -> Iterable[PredictionResult]:
        """Embeds a batch of faces.

        Raises:
            ValueError: An example is of another shape or dtype than the embedder reads.
        """
        views = np.stack([chip[None] if chip.ndim == 3 else chip for chip in batch])
        return [PredictionResult(*pair) for pair in zip(batch, model.embed(views), strict=True)]

    def get_num_bytes(self, batch: Sequence[Pixels]) -> int:
        """Returns the pixels' bytes."""
        return sum(chip.nbytes for chip in batch)

    def get_metrics_namespace(self) -> str:
        """Returns where Beam counts this model's work."""
        return "facebatch_embedder"
