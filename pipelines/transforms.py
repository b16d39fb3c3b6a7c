"""Transforms for pipelines of other people: photos in, faces and embeddings out.

They take elements (key, bytes), where the key is the user's own and the bytes are a photo's file,
from wherever a pipeline has them. They write no collection and read no settings but those given;
a run of facebatch itself is ``facebatch.pipelines.extract``. The models are loaded once a process,
at its first photo.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics

from facebatch.config import ExtractSettings
from facebatch.errors import MediaError
from facebatch.extract.photo import EmbeddedFaces, Faces, checked, detect_faces, embed_faces
from facebatch.models.engines import DEFAULT_DEVICE, DEFAULT_ENGINE


@dataclass(frozen=True, eq=False)
class PhotoOutcome:
    """What came of one photo; plain data.

    Args:
        faces: Its faces, `EmbeddedFaces` after `EmbedFaces`; None where it failed.
        reason: The reason code where it failed (docs/tables.md lists them), else None.
        message: What a person reads beside the code.
    """

    faces: Faces | None = None
    reason: str | None = None
    message: str | None = None

    @property
    def embedded(self) -> EmbeddedFaces | None:
        """The faces with their embeddings; None where the photo failed or before `EmbedFaces`."""
        return self.faces if isinstance(self.faces, EmbeddedFaces) else None


class _WithSettings(beam.PTransform):
    def __init__(
        self,
        settings: ExtractSettings | None = None,
        *,
        engine: str = DEFAULT_ENGINE,
        device: str = DEFAULT_DEVICE,
    ) -> None:
        super().__init__()
        self._settings = checked(settings)
        self._where = {"engine": engine, "device": device}


class DetectFaces(_WithSettings):
    """Finds the faces of photos: (key, bytes) to (key, `PhotoOutcome`).

    A photo that can't be decoded gives an outcome with a reason and never ends the pipeline; one
    without a face is a success with no faces. Decoding isn't guarded here: a file that crashes its
    decoder ends the worker.

    Args:
        settings: The extraction settings; the defaults of a new collection by default.
        engine: What runs the networks: ``torch``, ``openvino`` or ``auto``.
        device: Where they run: ``cpu``, ``cuda``, ``mps`` or ``auto``.
    """

    def expand(self, photos: Any) -> Any:
        """Applies the transform to a collection of (key, bytes)."""
        return photos | beam.ParDo(_Detect(self._settings, self._where))


class EmbedFaces(_WithSettings):
    """Embeds the faces that `DetectFaces` found: (key, `PhotoOutcome`) to the same.

    Outcomes of photos that failed pass as they are.

    Args:
        settings: As for `DetectFaces`, and the same as there.
        engine: As for `DetectFaces`.
        device: As for `DetectFaces`.
    """

    def expand(self, outcomes: Any) -> Any:
        """Applies the transform to what `DetectFaces` gave."""
        return outcomes | beam.ParDo(_Embed(self._settings, self._where))


class _Detect(beam.DoFn):
    def __init__(self, settings: ExtractSettings, where: dict[str, str]) -> None:
        self._settings = settings
        self._where = where
        self._photos = Metrics.counter("facebatch", "photos")
        self._failed = Metrics.counter("facebatch", "failed_photos")
        self._faces = Metrics.counter("facebatch", "faces")

    def process(self, element: tuple[Any, bytes]) -> Iterator[tuple[Any, PhotoOutcome]]:
        key, data = element
        outcome = self._outcome(data)
        self._photos.inc()
        if outcome.faces is None:
            self._failed.inc()
        else:
            self._faces.inc(len(outcome.faces))
        yield key, outcome

    def _outcome(self, data: object) -> PhotoOutcome:
        if not isinstance(data, bytes | bytearray | memoryview):
            # A path would be opened wherever the worker is.
            return PhotoOutcome(reason="not_an_image", message=f"bytes, not {type(data).__name__}")
        try:
            return PhotoOutcome(detect_faces(data, self._settings, **self._where))
        except MediaError as error:
            return PhotoOutcome(reason=error.reason, message=error.message)
        except MemoryError:
            return PhotoOutcome(reason="too_large", message="not enough memory to decode it")


class _Embed(beam.DoFn):
    def __init__(self, settings: ExtractSettings, where: dict[str, str]) -> None:
        self._settings = settings
        self._where = where

    def process(self, element: tuple[Any, PhotoOutcome]) -> Iterator[tuple[Any, PhotoOutcome]]:
        key, outcome = element
        if outcome.faces is not None:
            faces = embed_faces(outcome.faces, self._settings, **self._where)
            outcome = replace(outcome, faces=faces)
        yield key, outcome
