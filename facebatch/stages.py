"""The stages after extraction, from tables to tables: index, matches, then clusters and people.

Each reads one snapshot and writes one generation around a pure function of another module. A
stage whose faces and settings are those of its current generation does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables, weights
from facebatch.calibration import DISTANCE_METHODS, Calibration
from facebatch.cluster import ClusterSettings, cluster_faces
from facebatch.cluster.constraints import join_named
from facebatch.cluster.people import Clustering, Person, carry_over
from facebatch.cluster.tau import choose_tau
from facebatch.collection import Collection, Generation, generation_name
from facebatch.gallery import Gallery
from facebatch.identify import DEFAULT_METHOD, Model, accept, entries_hash
from facebatch.quality import Gate, inside_picture
from facebatch.snapshot import Snapshot
from facebatch.thresholds import DEFAULTS, default_for, threshold_for

DEFAULT_FPIR = 0.01
"""One stranger in a hundred may be taken for somebody of the gallery."""

SCRATCH_ADVICE_GROWTH = 2.0
"""Growth since tau was chosen from which on choosing it anew is advised."""


@dataclass(frozen=True)
class StageResult:
    """What a stage did.

    Args:
        generation: Its current generation now.
        unchanged: Whether that was there before, for the same faces and settings.
    """

    generation: Generation
    unchanged: bool

    def as_json(self) -> dict[str, Any]:
        """Returns the manifest as plain data, and whether it is new."""
        return {
            "generation": self.generation.name,
            "unchanged": self.unchanged,
            **self.generation.manifest,
        }


def build_index(collection: Collection, snapshot: Snapshot) -> StageResult:
    """Builds the search index of a snapshot's faces: FAISS ids are row numbers of ids.parquet."""
    current = collection.current("index")
    if current and current.manifest["faces_hash"] == snapshot.faces_hash:
        return StageResult(current, unchanged=True)
    from facebatch import index

    faces = snapshot.faces(["face_id", "embedding"])
    embeddings = _embeddings(collection, faces)
    generation = Generation(
        "index",
        generation_name(current),
        {
            "faces_hash": snapshot.faces_hash,
            "parents": [],
            "config": {"kind": "flat", "metric": "inner product"},
            "space": collection.space,
            "faces": len(faces),
            "dimension": embeddings.shape[1],
        },
    )
    data = index.to_bytes(index.build(embeddings))
    collection.storage.write(f"{generation.folder}/faces.index", data)
    _write(collection, generation, "ids", faces.select(["face_id"]))
    return StageResult(collection.finish(generation), unchanged=False)


@dataclass(frozen=True)
class Question:
    """Who of a gallery is looked for, and how sure an answer must be.

    Args:
        gallery: The gallery.
        method: One of `facebatch.identify.METHODS`.
        fpir: Share of strangers that may be taken for somebody, above 0 and below 1.
        threshold: Instead of it, the largest score that is accepted.
    """

    gallery: Gallery
    method: str = DEFAULT_METHOD
    fpir: float = DEFAULT_FPIR
    threshold: float | None = None

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
        return self.gallery.calibration() or default_for(settings.embedder, settings.tta)


def identify_faces(collection: Collection, snapshot: Snapshot, question: Question) -> StageResult:
    """Says of every face who of a gallery it is, or nobody.

    Faces that aren't good enough to be grouped (`facebatch.quality.Gate`) are nobody: cut off or
    blurred, they look like one another whoever they are.

    Args:
        collection: The collection.
        snapshot: The faces.
        question: Gallery, method and certainty.

    Returns:
        The result of the stage ``matches``.

    Raises:
        GalleryError: The gallery is empty or damaged.
        SpaceMismatch: It is of another space.
        UsageError: There is no such method, or no threshold for it.
    """
    gallery = question.gallery
    gallery.check_space(collection.space, collection.settings)
    model = question.model
    names = np.array(model.people, dtype=object)
    threshold, source = question.decided_by()
    current = collection.current("matches")
    gate = Gate()
    inputs = {
        "faces_hash": snapshot.faces_hash,
        "gate": asdict(gate),
        "config": {
            "gallery": gallery.storage.public_path,
            "entries_hash": entries_hash(model.entries, [names[number] for number in model.person]),
            "method": question.method,
            "threshold": threshold,
            "threshold_source": source,
        },
    }
    if current and all(current.manifest.get(name) == value for name, value in inputs.items()):
        return StageResult(current, unchanged=True)
    faces = snapshot.faces(["face_id", "embedding"])
    best = model.best(_embeddings(collection, faces), 2)
    decided = accept(best, threshold)
    good = _good_faces(collection, snapshot, gate)
    known = good & (decided.person >= 0)
    columns = {
        "face_id": faces["face_id"],
        "person": pa.array(names[decided.person], pa.string(), mask=~known),
        "nearest": pa.array(names[best.people[:, 0]], pa.string()),
        "score": pa.array(decided.score),
        "runner_up": pa.array(decided.runner_up, mask=~np.isfinite(decided.runner_up)),
        "probability": _probabilities(question, decided.score, good),
    }
    generation = Generation(
        "matches",
        generation_name(current),
        {
            **inputs,
            "parents": [],
            "space": collection.space,
            "gallery_people": len(model.people),
            "faces": len(faces),
            "below_gate": int((~good).sum()),
            "matched": int(known.sum()),
            "people": len(np.unique(decided.person[known])),
        },
    )
    _write(collection, generation, "matches", pa.table(columns))
    return StageResult(collection.finish(generation), unchanged=False)


def _probabilities(
    question: Question, scores: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]
) -> pa.Array:
    """Returns how likely each face is its nearest person; nulls where that isn't known."""
    if question.method in DISTANCE_METHODS:
        settings = question.gallery.settings
        measured = (question.gallery.calibration(), DEFAULTS.get((settings.embedder, settings.tta)))
        for calibration in measured:
            if calibration is not None and calibration.curve is not None:
                likely = calibration.probability(scores).astype(np.float32)
                return pa.array(likely, mask=~good)
    return pa.nulls(len(scores), pa.float32())


def cluster_people(
    collection: Collection,
    snapshot: Snapshot,
    *,
    tau: float | None = None,
    from_scratch: bool = False,
) -> tuple[StageResult, StageResult]:
    """Clusters a snapshot's faces and carries the people's identities over.

    Where the snapshot's faces were identified against a gallery, the faces of one name become one
    person of that name, whatever their neighbours say.

    Args:
        collection: The collection.
        snapshot: The faces.
        tau: Longest link, as d2. By default that of the current generation, so that new photos
            don't move the cut; for the first one that of the number of faces.
        from_scratch: Choose tau anew, whatever the current generation's.

    Returns:
        The results of the stages ``clusters`` and ``people``.
    """
    settings, chosen_at = _cluster_settings(collection, snapshot, tau, from_scratch)
    clusters = _cluster(collection, snapshot, settings, chosen_at)
    return clusters, _people(collection, snapshot, clusters.generation)


def _cluster_settings(
    collection: Collection, snapshot: Snapshot, tau: float | None, from_scratch: bool
) -> tuple[ClusterSettings, int]:
    """Returns the settings, and the number of faces at which their tau was chosen."""
    n_faces = len(snapshot.face_ids)
    current = collection.current("clusters")
    if tau is not None:
        return ClusterSettings(tau=tau), n_faces
    if current and not from_scratch:
        settings = ClusterSettings(**current.manifest["config"])
        return settings, int(current.manifest["tau_chosen_at_faces"])
    return ClusterSettings(tau=choose_tau(n_faces, collection.settings.tta)), n_faces


def _cluster(
    collection: Collection, snapshot: Snapshot, settings: ClusterSettings, chosen_at: int
) -> StageResult:
    current = collection.current("clusters")
    matches = _current_matches(collection, snapshot)
    gate = Gate()
    inputs = {
        "faces_hash": snapshot.faces_hash,
        "config": asdict(settings),
        "gate": asdict(gate),
        "tau_chosen_at_faces": chosen_at,
        "matches": matches.name if matches else None,
    }
    if current and all(current.manifest.get(name) == value for name, value in inputs.items()):
        return StageResult(current, unchanged=True)
    from facebatch.neighbors import exact_neighbors

    faces = snapshot.faces(["face_id", "embedding"])
    good = _good_faces(collection, snapshot, gate)
    embeddings = _embeddings(collection, faces)
    seed = int(snapshot.faces_hash[:8], 16)
    neighbors = exact_neighbors(embeddings[good], settings.neighbors)
    labels = np.full(len(faces), -1, np.int32)
    labels[good] = cluster_faces(embeddings[good], neighbors, settings, seed)
    if matches is not None:
        labels = join_named(labels, _named(collection, matches)[0], embeddings)
    sizes = np.bincount(labels[labels >= 0])
    generation = Generation(
        "clusters",
        generation_name(current),
        {
            **inputs,
            "parents": [made.name for made in (current, matches) if made],
            "space": collection.space,
            "faces": len(labels),
            "clusters": len(sizes),
            "alone": int((labels < 0).sum()),
            "below_gate": int((~good).sum()),
            "largest": int(sizes.max(initial=0)),
            "from_scratch_advised": len(labels) >= SCRATCH_ADVICE_GROWTH * max(1, chosen_at),
        },
    )
    numbers = pa.array(labels, pa.int32(), mask=labels < 0)
    rows = pa.table({"face_id": faces["face_id"], "cluster": numbers})
    _write(collection, generation, "clusters", rows)
    return StageResult(collection.finish(generation), unchanged=False)


def _current_matches(collection: Collection, snapshot: Snapshot) -> Generation | None:
    """Returns the current matches, if they are of exactly this snapshot's faces."""
    current = collection.current("matches")
    return current if current and current.manifest["faces_hash"] == snapshot.faces_hash else None


def _named(collection: Collection, matches: Generation) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Returns the number of each face's name (n,), -1 for none, and the names."""
    people = read_matches(collection, matches, ["person"])["person"].combine_chunks()
    encoded = people.dictionary_encode()
    numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return numbers, encoded.dictionary.to_pylist()


def read_matches(
    collection: Collection, generation: Generation, columns: Sequence[str] | None = None
) -> pa.Table:
    """Returns a generation's matches, sorted by face id; all columns by default."""
    path = f"{generation.folder}/matches.parquet"
    return tables.read(collection.storage, path, "matches", columns)


def _good_faces(collection: Collection, snapshot: Snapshot, gate: Gate) -> npt.NDArray[np.bool_]:
    """Returns which of a snapshot's faces are good enough to be grouped."""
    faces = snapshot.faces(["media_id", "size", "score", "chip_to_picture"])
    media = snapshot.media.select(["media_id", "width", "height"])
    photo = pc.index_in(faces["media_id"], media["media_id"].combine_chunks()).to_numpy()
    sides = np.stack([media[side].to_numpy()[photo] for side in ("width", "height")], axis=1)
    chip_size = weights.model(collection.settings.embedder).chip_size
    matrices = tables.matrix(faces["chip_to_picture"]).reshape(-1, 2, 3)
    inside = inside_picture(matrices, chip_size, sides)
    return gate.passes(faces["size"].to_numpy(), faces["score"].to_numpy(), inside)


def _people(collection: Collection, snapshot: Snapshot, clusters: Generation) -> StageResult:
    current = collection.current("people")
    if current and current.manifest["parents"][0] == clusters.name:
        return StageResult(current, unchanged=True)
    name = generation_name(current)
    face_ids, labels = read_clusters(collection, clusters)
    people = carry_over(face_ids, labels, _previous(collection, current), name)
    names = _names_of_clusters(collection, clusters, labels)
    people = tuple(replace(one, name=names.get(one.cluster, one.name)) for one in people)
    generation = Generation(
        "people",
        name,
        {
            "faces_hash": clusters.manifest["faces_hash"],
            "parents": [clusters.name, *([current.name] if current else [])],
            "config": {},
            "space": collection.space,
            **{
                status: sum(person.status == status for person in people)
                for status in ("active", "merged", "dissolved")
            },
        },
    )
    rows = tables.from_rows("people", _describe(collection, snapshot, labels, people))
    _write(collection, generation, "people", rows)
    return StageResult(collection.finish(generation), unchanged=False)


def _names_of_clusters(
    collection: Collection, clusters: Generation, labels: npt.NDArray[np.int32]
) -> dict[int | None, str]:
    """Returns the names that the matches, which a clustering was made with, give its clusters."""
    matches = collection.generation("matches", clusters.manifest.get("matches"))
    if matches is None:
        return {}
    named, names = _named(collection, matches)
    return {int(labels[row]): names[named[row]] for row in np.flatnonzero(named >= 0)}


def _previous(collection: Collection, people: Generation | None) -> Clustering | None:
    """Returns the clustering that a people generation was made from, with its people."""
    if people is None:
        return None
    parent = people.manifest["parents"][0]
    clusters = collection.generation("clusters", parent)
    if clusters is None:
        return None
    return Clustering(*read_clusters(collection, clusters), read_people(collection, people))


def read_clusters(
    collection: Collection, generation: Generation
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int32]]:
    """Returns a clustering generation's face ids, (n,) V16 sorted, and labels, (n,) int32.

    A face on its own has the label -1.
    """
    rows = tables.read(collection.storage, f"{generation.folder}/clusters.parquet", "clusters")
    labels = rows["cluster"].fill_null(-1).to_numpy().astype(np.int32)
    return ids.from_arrow(rows["face_id"]), labels


def read_people(collection: Collection, generation: Generation) -> list[Person]:
    """Returns everyone whom a people generation knows."""
    columns = ["person_id", "founded", "status", "cluster", "merged_into", "name"]
    rows = tables.read(collection.storage, f"{generation.folder}/people.parquet", "people", columns)
    return [Person(**row) for row in rows.to_pylist()]


def _describe(
    collection: Collection,
    snapshot: Snapshot,
    labels: npt.NDArray[np.int32],
    people: Sequence[Person],
) -> list[dict[str, Any]]:
    """Returns the people's rows, with what their faces tell of them."""
    faces = snapshot.faces(["face_id", "media_id", "embedding"])
    embeddings = _embeddings(collection, faces)
    face_ids, media_ids = ids.from_arrow(faces["face_id"]), ids.from_arrow(faces["media_id"])
    by_label = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[by_label], np.arange(labels.max(initial=-1) + 2))
    rows = []
    for person in people:
        row: dict[str, Any] = {**asdict(person), "faces": 0, "media": 0}
        if person.cluster is not None:
            members = by_label[starts[person.cluster] : starts[person.cluster + 1]]
            mine = embeddings[members].astype(np.float64)
            mean = mine.mean(axis=0)
            row["faces"] = len(members)
            row["media"] = len(ids.first_of_each(media_ids[members]))
            row["cover_face_id"] = face_ids[members[np.argmax(mine @ mean)]].tobytes()
            row["spread"] = _mean_pairwise_d2(mean, len(members))
        rows.append(row)
    return rows


def _mean_pairwise_d2(mean: npt.NDArray[np.float64], n: int) -> float | None:
    """Returns the mean d2 over pairs of n unit vectors: n/(n-1) times twice their variance."""
    return None if n < 2 else float(2 * (1 - mean @ mean) * n / (n - 1))


def _embeddings(collection: Collection, faces: pa.Table) -> npt.NDArray[np.float32]:
    if not len(faces):
        dimension = weights.model(collection.settings.embedder).dimension
        return np.zeros((0, dimension), np.float32)
    return np.ascontiguousarray(tables.matrix(faces["embedding"]))


def _write(collection: Collection, generation: Generation, table: str, rows: pa.Table) -> None:
    path = f"{generation.folder}/{table}.parquet"
    tables.write(collection.storage, path, table, rows, collection.fingerprint)
