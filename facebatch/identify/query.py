"""What is asked of a gallery: who its people are among some faces, and how sure it must be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from facebatch.errors import UsageError
from facebatch.identify.archive_calibration import check_people
from facebatch.identify.calibration import DISTANCE_METHODS, Calibration
from facebatch.identify.classifier import DEFAULT_METHOD, Model
from facebatch.identify.gallery import Gallery
from facebatch.identify.thresholds import check_threshold, default_for, threshold_for

DEFAULT_FPIR = 0.01
"""One impostor in a hundred may be taken for somebody of the gallery."""


DEFAULT_FDR = 0.01
"""One name in a hundred that are given may be wrong."""

THRESHOLD_SOURCES = ("measured", "archive")
"""Where a threshold for a stated rate may be asked to come from."""


@dataclass(frozen=True)
class IdentificationQuery:
    """Who of a gallery is looked for, and how sure an answer must be.

    Args:
        gallery: The gallery.
        method: One of `facebatch.identify.classifier.METHODS`.
        fpir: Share of impostors that may be taken for somebody, above 0 and below 1.
        threshold: Instead of both rates, the largest score that is accepted.
        fdr: Share of the names given that may be wrong, above 0; 1 leaves it to the FPIR alone.
        threshold_from: ``measured`` takes what was measured for the gallery or its embedder,
            ``archive`` what the archive's own faces tell (`archive_tail`); None takes the former
            where there is any.

    Raises:
        UsageError: The threshold is none that the method's scores can be compared with, or the FDR
            or where the threshold is to come from is none.
    """

    gallery: Gallery
    method: str = DEFAULT_METHOD
    fpir: float = DEFAULT_FPIR
    threshold: float | None = None
    fdr: float = DEFAULT_FDR
    threshold_from: str | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None:
            check_threshold(self.method, self.threshold)
        if not 0 < self.fdr <= 1:
            raise UsageError(f"--fdr lies above 0 and up to 1, not at {self.fdr}")
        if self.threshold_from not in (None, *THRESHOLD_SOURCES):
            raise UsageError(
                f"--threshold-from is {' or '.join(THRESHOLD_SOURCES)}, not {self.threshold_from}"
            )
        if self.threshold is not None and self.threshold_from is not None:
            raise UsageError("the threshold is stated already: leave --threshold-from out")
        if self.is_by_archive and self.method not in DISTANCE_METHODS:
            raise UsageError(
                f"the archive's own faces tell nothing of {self.method}: use one of "
                f"{', '.join(DISTANCE_METHODS)}, or state the threshold"
            )

    @cached_property
    def model(self) -> Model:
        """The method fitted to the gallery, once.

        Raises:
            GalleryError: The gallery is empty or damaged.
            UsageError: There is no such method, or it needs more than is there.
        """
        return self.gallery.model(self.method)

    @cached_property
    def is_by_archive(self) -> bool:
        """Whether the archive's own faces say what is near enough."""
        if self.threshold is not None or self.threshold_from is not None:
            return self.threshold_from == "archive"
        try:
            self.calibration()
        except UsageError:
            return self.method in DISTANCE_METHODS
        return False

    def check(self) -> None:
        """Refuses what can't be decided, as far as that is known before there are faces.

        Raises:
            GalleryError, UsageError: As for `decided_by`.
        """
        if self.is_by_archive:
            check_people(len(self.model.people))
        else:
            self.decided_by()

    def decided_by(self) -> tuple[float, str]:
        """Returns the threshold that was stated or measured, and where it comes from.

        Raises:
            GalleryError, UsageError: As for `model`; or nothing was measured for the embedder.
        """
        people = len(self.model.people)
        if self.threshold is not None:
            return self.threshold, "stated"
        return threshold_for(self.calibration(), self.method, people, fpir=self.fpir)

    def calibration(self) -> Calibration:
        """Returns what was measured for the gallery, else for its embedder.

        Raises:
            UsageError: Nothing was.
        """
        settings = self.gallery.settings
        return self.gallery.calibration() or default_for(
            settings.embedder, settings.tta, self.gallery.space
        )
