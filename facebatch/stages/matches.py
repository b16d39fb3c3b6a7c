"""The stage ``matches``: who of a gallery each face is, or nobody."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from facebatch.collection import (
    Collection,
    Generation,
    MatchesManifest,
    Snapshot,
    generation_name,
    read_matches,
    write_table,
)
from facebatch.errors import UsageError
from facebatch.faces.quality import Gate
from facebatch.identify import Calibration, Gallery, false_discovery
from facebatch.identify.classifier import DEFAULT_METHOD, Model, accept, entries_hash
from facebatch.identify.distances import Doubles
from facebatch.identify.thresholds import check_threshold, default_for, threshold_for
from facebatch.stages.common import StageResult, embeddings_of, good_faces

DEFAULT_FPIR = 0.01
"""One impostor in a hundred may be taken for somebody of the gallery."""


DEFAULT_FDR = 0.01
"""One name in a hundred that are given may be wrong."""


@dataclass(frozen=True)
class IdentificationQuery:
    """Who of a gallery is looked for, and how sure an answer must be.

    Args:
        gallery: The gallery.
        method: One of `facebatch.identify.classifier.METHODS`.
        fpir: Share of impostors that may be taken for somebody, above 0 and below 1.
        threshold: Instead of both rates, the largest score that is accepted.
        fdr: Share of the names given that may be wrong, above 0; 1 leaves it to the FPIR alone.

    Raises:
        UsageError: The threshold is none that the method's scores can be compared with, or the FDR
            is none.
    """

    gallery: Gallery
    method: str = DEFAULT_METHOD
    fpir: float = DEFAULT_FPIR
    threshold: float | None = None
    fdr: float = DEFAULT_FDR

    def __post_init__(self) -> None:
        if self.threshold is not None:
            check_threshold(self.method, self.threshold)
        if not 0 < self.fdr <= 1:
            raise UsageError(f"--fdr lies above 0 and up to 1, not at {self.fdr}")

    @cached_property
    def model(self) -> Model:
        """The method fitted to the gallery, once.

        Raises:
            GalleryError: The gallery is empty or damaged.
            UsageError: There is no such method, or it needs more than is there.
        """
        return self.gallery.model(self.method)

    def decided_by(self) -> tuple[float, str]:
        """Returns the threshold and where it comes from.

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


def identify_faces(
    collection: Collection, snapshot: Snapshot, query: IdentificationQuery
) -> StageResult[MatchesManifest]:
    """Says of every face who of a gallery it is, or nobody.

    A face is its nearest person where an impostor is so near rarely enough (FPIR) and, of all names
    that are given, few enough are wrong (FDR, see `facebatch.identify.false_discovery`). Faces that
    aren't good enough to be grouped (`facebatch.faces.quality.Gate`) are nobody: cut off or
    blurred, they look like one another whoever they are.

    Args:
        collection: The collection.
        snapshot: The faces.
        query: Gallery, method and certainty.

    Returns:
        The result of the stage ``matches``.

    Raises:
        GalleryError: The gallery is empty or damaged.
        SpaceMismatch: It is of another space.
        UsageError: There is no such method, or no threshold for it.
    """
    gallery = query.gallery
    gallery.check_space(collection.space, collection.settings)
    model = query.model
    names = np.array(model.people, dtype=object)
    threshold, source = query.decided_by()
    current = collection.current("matches")
    gate = Gate()
    inputs = MatchesManifest(
        faces_hash=snapshot.faces_hash,
        space=collection.space,
        gate=asdict(gate),
        config={
            "gallery": gallery.storage.public_path,
            "entries_hash": entries_hash(model.entries, [names[number] for number in model.person]),
            "method": query.method,
            "threshold": threshold,
            "threshold_source": source,
            "fdr": query.fdr if query.threshold is None else None,
        },
    )
    if current and current.manifest.inputs == inputs.inputs:
        return StageResult(current, unchanged=True)
    faces = snapshot.faces(["face_id", "embedding"])
    best = model.best(embeddings_of(collection, faces), 2)
    decided = accept(best, threshold)
    good = good_faces(collection, snapshot, gate)
    wrong = np.full(len(faces), np.nan)
    known = good & (decided.person >= 0)
    rates = _rates(query, decided.score[good])
    if rates is not None:
        wrong[good] = false_discovery.impostor_probabilities(rates)
        if query.threshold is None:
            known[good] &= false_discovery.q_values(rates) <= query.fdr
    columns = {
        "face_id": faces["face_id"],
        "person": pa.array(names[decided.person], pa.string(), mask=~known),
        "nearest": pa.array(names[best.people[:, 0]], pa.string()),
        "score": pa.array(decided.score),
        "runner_up": pa.array(decided.runner_up, mask=~np.isfinite(decided.runner_up)),
        "probability": pa.array((1 - wrong).astype(np.float32), mask=np.isnan(wrong)),
    }
    generation = Generation(
        generation_name(current),
        replace(
            inputs,
            gallery_people=len(model.people),
            faces=len(faces),
            below_gate=int((~good).sum()),
            matched=int(known.sum()),
            expected_wrong=None if rates is None else round(float(wrong[known].sum()), 2),
            people=len(np.unique(decided.person[known])),
        ),
    )
    write_table(collection, generation, "matches", pa.table(columns))
    return StageResult(collection.finish(generation), unchanged=False)


def _rates(query: IdentificationQuery, scores: npt.NDArray[np.float32]) -> Doubles | None:
    """Returns the FPIR at each score; None where nothing was measured that would tell."""
    try:
        calibration = query.calibration()
    except UsageError:
        return None
    return false_discovery.rates_of(scores, calibration, query.method, len(query.model.people))


def current_matches(
    collection: Collection, snapshot: Snapshot
) -> Generation[MatchesManifest] | None:
    """Returns the current matches, if they are of exactly this snapshot's faces."""
    current = collection.current("matches")
    return current if current and current.manifest.faces_hash == snapshot.faces_hash else None


def named_by(
    collection: Collection, matches: Generation[MatchesManifest]
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Returns the number of each face's name (n,), -1 for none, and the names."""
    people = read_matches(collection, matches, ["person"])["person"].combine_chunks()
    encoded = people.dictionary_encode()
    numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return numbers, encoded.dictionary.to_pylist()
