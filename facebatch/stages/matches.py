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
from facebatch.identify import Calibration, false_discovery
from facebatch.identify.archive_calibration import (
    LEAST_FACES,
    ArchiveTail,
    archive_tail,
)
from facebatch.identify.classifier import Best, accept, entries_hash
from facebatch.identify.distances import Doubles
from facebatch.identify.query import IdentificationQuery
from facebatch.identify.thresholds import threshold_for
from facebatch.stages.common import StageResult, embeddings_of, good_faces


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
    current = collection.current("matches")
    gate = Gate()
    probes = _Probes(collection, snapshot, query, gate)
    threshold, source = probes.decided_by() if query.is_by_archive else query.decided_by()
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
    faces, best, good = probes.faces, probes.best, probes.good
    decided = accept(best, threshold)
    wrong = np.full(len(faces), np.nan)
    known = good & (decided.person >= 0)
    rates = probes.rates()
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
            archive=probes.tail.at(threshold) if probes.tail else None,
            people=len(np.unique(decided.person[known])),
        ),
    )
    write_table(collection, generation, "matches", pa.table(columns))
    return StageResult(collection.finish(generation), unchanged=False)


@dataclass(frozen=True)
class _Probes:
    """A snapshot's faces against a gallery; read when asked for."""

    collection: Collection
    snapshot: Snapshot
    query: IdentificationQuery
    gate: Gate

    @cached_property
    def faces(self) -> pa.Table:
        """Their columns face_id, media_id and embedding."""
        return self.snapshot.faces(["face_id", "media_id", "embedding"])

    @cached_property
    def best(self) -> Best:
        """Their two nearest people."""
        return self.query.model.best(embeddings_of(self.collection, self.faces), 2)

    @cached_property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which of them pass the gate."""
        return good_faces(self.collection, self.snapshot, self.gate)

    @cached_property
    def tail(self) -> ArchiveTail | None:
        """How near impostors come among the good ones, where these are enough to tell."""
        media = self.faces["media_id"].combine_chunks().dictionary_encode().indices
        people = len(self.query.model.people)
        photos = media.to_numpy()[self.good]
        return archive_tail(self.best.scores[self.good], photos, self.query.method, people)

    def _calibration(self) -> Calibration | None:
        if not self.query.is_by_archive:
            try:
                return self.query.calibration()
            except UsageError:
                return None
        if self.tail is None:
            return None
        about = self.collection.settings
        method, space = self.query.method, self.collection.space
        return self.tail.calibration(method, about.embedder, about.tta, space)

    def decided_by(self) -> tuple[float, str]:
        """Returns the threshold that the archive itself tells, and where it comes from.

        Raises:
            UsageError: It tells none.
        """
        calibration, query = self._calibration(), self.query
        if calibration is None:
            raise UsageError(
                f"{self.collection.storage.public} has {int(self.good.sum())} good faces, too few "
                f"to tell how near impostors come ({LEAST_FACES}): calibrate with labelled "
                "photos, or state the threshold itself"
            )
        return threshold_for(calibration, query.method, len(query.model.people), fpir=query.fpir)

    def rates(self) -> Doubles | None:
        """Returns the FPIR at each good face's score; None where nothing tells."""
        calibration, query = self._calibration(), self.query
        if calibration is None:
            return None
        scores, people = self.best.scores[self.good, 0], len(query.model.people)
        return false_discovery.rates_of(scores, calibration, query.method, people)


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
