"""Galleries: named embeddings to identify against, and whom they are made of.

A gallery is a folder: ``gallery.json`` says what space its embeddings are of, ``entries.parquet``
holds them, and beside these may lie ``calibration.json`` (thresholds measured for it) and
``classifier.npz`` (a trained method, as arrays). Files are written whole; of two writers at once
the later one wins. Entries come from a collection: from one folder of photos a person, or from
people that were named.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import identify, ids, tables, weights
from facebatch.calibrate import Calibration
from facebatch.collection import Collection
from facebatch.config import ExtractSettings, resolve_extract
from facebatch.errors import CollectionError, GalleryError, SpaceMismatch, UsageError
from facebatch.identify import DEFAULT_METHOD, DEFAULT_NEIGHBORS, Model
from facebatch.snapshot import Snapshot
from facebatch.storage import Storage

FORMAT_VERSION = 1

ENTRY_COLUMNS = (
    "name",
    "face_id",
    "source",
    "embedding",
    "score",
    "size",
    "sharpness",
    "chip",
)
"""Columns that `Gallery.add` wants; the table's others it fills in."""

Rule = Literal["central", "strict"]

_INFO = "gallery.json"
_ENTRIES = "entries.parquet"
_CALIBRATION = "calibration.json"
_CLASSIFIER = "classifier.npz"


@dataclass(frozen=True)
class Gallery:
    """An opened gallery; plain data, so that it may cross a process.

    Args:
        storage: Where it lies.
        name: Its name.
        settings: The extraction settings of the first photos that were enrolled.
        fingerprint: Their fingerprint.
        space: Space of its embeddings.
    """

    storage: Storage
    name: str
    settings: ExtractSettings
    fingerprint: str
    space: str

    @staticmethod
    def exists(url: str) -> bool:
        """Tells whether there is a gallery at a URL, whole or damaged."""
        return Storage(url).exists(_INFO)

    @classmethod
    def open(cls, url: str) -> Gallery:
        """Opens a gallery that exists.

        Raises:
            GalleryError: There is none at the URL, or it is damaged or of another format version.
        """
        storage = Storage(url)
        if not storage.exists(_INFO):
            raise GalleryError(f"{url} is no gallery: there is no {_INFO} in it")
        try:
            info = json.loads(storage.read(_INFO))
            version = info["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise GalleryError(f"{url}/{_INFO} is damaged: {error!r}") from error
        if version != FORMAT_VERSION:
            raise GalleryError(
                f"{url} is of gallery format {version}; this facebatch reads {FORMAT_VERSION}"
            )
        try:
            settings = ExtractSettings(**info["extract"])
            resolve_extract(asdict(settings), environment={})
            gallery = cls(storage, info["name"], settings, info["fingerprint"], info["space"])
        except (KeyError, TypeError, UsageError) as error:
            raise GalleryError(f"{url}/{_INFO} is damaged: {error!r}") from error
        if not storage.exists(_ENTRIES):
            raise GalleryError(f"{url} is damaged: there is no {_ENTRIES} in it")
        return gallery

    @classmethod
    def create(cls, url: str, settings: ExtractSettings) -> Gallery:
        """Opens a gallery to enrol into, and makes it first where there is none.

        One that is there may have been enrolled with another detector or detection size, as long
        as its embeddings are of the same space.

        Args:
            url: Where it lies.
            settings: Extraction settings of the collection that is enrolled from.

        Raises:
            GalleryError: The place holds other files, or a gallery that is damaged.
            SpaceMismatch: The gallery that is there is of another space.
        """
        storage = Storage(url)
        if storage.exists(_INFO):
            gallery = cls.open(url)
            gallery.check_space(settings.space(), settings)
            return gallery
        if storage.folders("") or {file.path.strip("/") for file in storage.files("")} - {_ENTRIES}:
            raise GalleryError(f"{url} holds files but no {_INFO}: choose an empty folder")
        info = {
            "format_version": FORMAT_VERSION,
            "name": url.rstrip("/").rsplit("/", 1)[-1],
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "space": settings.space(),
            "embedder": settings.embedder,
            "tta": settings.tta,
            "extract": asdict(settings),
            "fingerprint": settings.fingerprint(),
        }
        empty = tables.schema("gallery", _dimension(settings)).empty_table()
        tables.write(storage, _ENTRIES, "gallery", empty, settings.fingerprint())
        storage.write(_INFO, json.dumps(info, indent=2).encode())
        return cls.open(url)

    def check_space(self, space: str, settings: ExtractSettings) -> None:
        """Refuses embeddings that can't be compared with this gallery's.

        Args:
            space: Their space.
            settings: The extraction settings of the collection that holds them.

        Raises:
            SpaceMismatch: They are of another space.
        """
        if space != self.space:
            mine, theirs = self.settings, settings
            raise SpaceMismatch(
                f"the gallery {self.storage.url} is of space {self.space} ({mine.embedder}, tta "
                f"{mine.tta}), the other embeddings are of space {space} ({theirs.embedder}, tta "
                f"{theirs.tta}): their distances mean nothing. Extract one of them again with "
                "the settings of the other."
            )

    def entries(self) -> pa.Table:
        """Returns the entries, ordered by name and face id.

        Raises:
            GalleryError: The file is missing or damaged, or doesn't hold what the gallery says.
        """
        try:
            rows = tables.read(self.storage, _ENTRIES, "gallery")
        except (CollectionError, KeyError, ValueError) as error:
            raise GalleryError(f"the gallery {self.storage.url} is damaged: {error}") from error
        found, wanted = rows.schema, tables.schema("gallery", _dimension(self.settings))
        if found.types != wanted.types:
            raise GalleryError(
                f"{self.storage.url}/{_ENTRIES} has columns of other types than a gallery of "
                f"{self.settings.embedder} has"
            )
        return rows

    def add(self, rows: pa.Table) -> int:
        """Adds entries; one that is there already, the same face by the same name, stays.

        Args:
            rows: The columns `ENTRY_COLUMNS` with the types of the table ``gallery``; the
                embeddings of this gallery's space (`check_space`).

        Returns:
            How many are new.

        Raises:
            GalleryError: A name is empty, a value is missing or of another type, or an embedding
                isn't of length 1 or of another dimension. Nothing is written.
        """
        if not len(rows):
            return 0
        known = self.entries()
        found = pa.concat_tables([known, self._completed(rows)])
        found = found.take(ids.first_of_each(ids.from_arrow(found["entry_id"])))
        self._write(found)
        return len(found) - len(known)

    def _completed(self, rows: pa.Table) -> pa.Table:
        schema = tables.schema("gallery", _dimension(self.settings))
        try:
            given = {name: rows[name].cast(schema.field(name).type) for name in ENTRY_COLUMNS}
            for name, column in given.items():
                if column.null_count and not schema.field(name).nullable:
                    raise ValueError(f"a value of {name} is missing")
            pairs = zip(given["name"].to_pylist(), given["face_id"].to_pylist(), strict=True)
            given["entry_id"] = pa.array([entry_id(*pair) for pair in pairs], pa.binary(16))
            moment = pa.scalar(datetime.now(UTC), schema.field("added").type)
            given["added"] = pa.repeat(moment, len(rows))
            identify.check_unit_rows(tables.matrix(given["embedding"]), "entry")
        except (pa.ArrowException, KeyError, ValueError, AttributeError, UsageError) as error:
            raise GalleryError(f"these rows can't be added to a gallery: {error}") from error
        return pa.table([given[name] for name in schema.names], schema=schema)

    def remove(self, name: str) -> int:
        """Removes a person and returns how many entries that were.

        Raises:
            GalleryError: The gallery has nobody of that name.
        """
        rows = self.entries()
        kept = rows.filter(pc.not_equal(rows["name"], name))
        if len(kept) == len(rows):
            raise GalleryError(f"the gallery {self.storage.url} has nobody named {name!r}")
        self._write(kept)
        return len(rows) - len(kept)

    def names(self) -> list[str]:
        """Returns everyone's names, sorted."""
        return [name for name, _ in self.people()]

    def people(self) -> list[tuple[str, int]]:
        """Returns everyone's name and number of entries, sorted by name."""
        counts = self.entries()["name"].value_counts().to_pylist()
        return sorted((row["values"], row["counts"]) for row in counts)

    def model(self, method: str = DEFAULT_METHOD, *, neighbors: int = DEFAULT_NEIGHBORS) -> Model:
        """Returns a method fitted to the entries; nothing is written.

        A trained classifier that `train` kept is taken from its file, as long as the entries are
        those that it was trained on; otherwise it is trained anew.

        Args:
            method: One of `facebatch.identify.METHODS`.
            neighbors: Entries that ``vote`` and ``knn`` ask.

        Raises:
            GalleryError: The gallery is empty, or a file of it is damaged.
            UsageError: There is no such method, or it needs more people or scikit-learn.
        """
        embeddings, names = self._fitted_to()
        if method in identify.TRAINED and self.storage.exists(_CLASSIFIER):
            stored = self._stored(identify.entries_hash(embeddings, names))
            asked = (method, min(neighbors, len(names)))
            if stored is not None and (stored.method, stored.neighbors) == asked:
                return stored
        return identify.fit(method, embeddings, names, neighbors=neighbors)

    def train(self, method: str, *, neighbors: int = DEFAULT_NEIGHBORS) -> Model:
        """Fits a method and keeps it beside the entries, in the place of one kept earlier.

        Args:
            method: One of `facebatch.identify.TRAINED`; the others take no time to fit.
            neighbors: Entries that ``knn`` asks.

        Raises:
            GalleryError, UsageError: As for `model`.
        """
        if method not in identify.TRAINED:
            raise UsageError(f"{method} needs no training; {', '.join(identify.TRAINED)} do")
        embeddings, names = self._fitted_to()
        model = identify.fit(method, embeddings, names, neighbors=neighbors)
        key = identify.entries_hash(embeddings, names).encode()
        arrays: dict[str, Any] = {**model.to_arrays(), "entries_hash": np.frombuffer(key, np.uint8)}
        sink = io.BytesIO()
        np.savez(sink, **arrays)
        self.storage.write(_CLASSIFIER, sink.getvalue())
        return model

    def calibration(self) -> Calibration | None:
        """Returns the thresholds that were measured for this gallery; None where none were.

        Raises:
            GalleryError: The file is damaged.
            SpaceMismatch: It is of another space.
        """
        if not self.storage.exists(_CALIBRATION):
            return None
        try:
            calibration = Calibration.from_json(json.loads(self.storage.read(_CALIBRATION)))
        except ValueError as error:
            raise GalleryError(
                f"{self.storage.url}/{_CALIBRATION} is damaged: {error}. Remove it, and "
                "calibrate again."
            ) from error
        self._check_calibration(calibration)
        return calibration

    def keep_calibration(self, calibration: Calibration) -> None:
        """Writes thresholds beside the entries, in the place of earlier ones.

        Raises:
            SpaceMismatch: They were measured in another space.
        """
        self._check_calibration(calibration)
        data = json.dumps(calibration.as_json(), indent=2).encode()
        self.storage.write(_CALIBRATION, data)

    def _check_calibration(self, calibration: Calibration) -> None:
        if calibration.space != self.space:
            raise SpaceMismatch(
                f"the gallery {self.storage.url} is of space {self.space} "
                f"({self.settings.embedder}, tta {self.settings.tta}), the calibration of space "
                f"{calibration.space} ({calibration.embedder}, tta {calibration.tta}): calibrate "
                "again with embeddings of the gallery's space"
            )

    def _fitted_to(self) -> tuple[npt.NDArray[np.float32], list[str]]:
        rows = self.entries()
        if not len(rows):
            raise GalleryError(f"the gallery {self.storage.url} is empty: enrol somebody first")
        return np.ascontiguousarray(tables.matrix(rows["embedding"])), rows["name"].to_pylist()

    def _stored(self, entries_hash: str) -> Model | None:
        """Returns the classifier that was kept, if it was trained on entries of this hash."""
        damage = (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile)
        try:
            with np.load(io.BytesIO(self.storage.read(_CLASSIFIER)), allow_pickle=False) as arrays:
                if arrays["entries_hash"].tobytes() != entries_hash.encode():
                    return None
                return Model.from_arrays(arrays)
        except damage as error:
            raise GalleryError(
                f"{self.storage.url}/{_CLASSIFIER} is damaged: {error}. Remove it, and the "
                "classifier is trained again."
            ) from error

    def _write(self, rows: pa.Table) -> None:
        ordered = rows.sort_by([("name", "ascending"), ("face_id", "ascending")])
        tables.write(self.storage, _ENTRIES, "gallery", ordered, self.fingerprint)


@dataclass(frozen=True)
class PhotoFaces:
    """The faces of one photo of a person.

    Args:
        source: Where the photo came from.
        boxes: (m, 4) float32, x0, y0, x1, y1 in pixels of the upright full-size picture.
        scores: (m,) float32, the detector's probabilities.
        width: Width of the picture in the same pixels.
        height: Its height.
    """

    source: str
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    width: int
    height: int


@dataclass(frozen=True)
class Choice:
    """A face to enrol: the number of its photo and its row in the photo's boxes."""

    photo: int
    face: int


@dataclass(frozen=True)
class Problem:
    """What a person should look at after an enrolment.

    Args:
        code: ``no_face``; ``several_faces`` (with the rule ``central`` one of them was enrolled);
            ``nobody_enrolled``, of a whole folder; ``no_person``, a photo outside the folders of
            people; ``bad_name``, a folder whose name isn't UTF-8; ``several_people``, a photo
            that lies in the folders of several people; else the reason code of a photo that
            couldn't be read.
        folder: The person's folder; empty where there is none.
        source: The photo; empty where the whole folder is meant.
        message: What a person reads beside it.
    """

    code: str
    folder: str
    source: str
    message: str


def entry_id(name: str, face_id: bytes) -> bytes:
    """Returns the id of a gallery's entry: the blake2b-128 of the name and the face id."""
    if not name:
        raise ValueError("a name is empty")
    return ids.digest(name.encode(), face_id)


def central_face(boxes: npt.NDArray[np.floating], width: float, height: float) -> int:
    """Returns whom a photo shows: the face nearest the centre, weighted by size.

    It is the one with the greatest area - 2 r^2, where r is the distance of its box's centre from
    the picture's, all in pixels: the rule of davidsandberg/facenet's align_dataset_mtcnn.py. Of
    equal ones it is the first.

    Args:
        boxes: (m, 4), x0, y0, x1, y1, at least one.
        width: Width of the picture in the pixels of the boxes.
        height: Its height.

    Raises:
        ValueError: There is no box.
    """
    x0, y0, x1, y1 = boxes.astype(np.float64).T
    offset2 = ((x0 + x1 - width) / 2) ** 2 + ((y0 + y1 - height) / 2) ** 2
    return int(np.argmax((x1 - x0) * (y1 - y0) - 2 * offset2))


def choose_enrolled(
    folder: str, photos: Sequence[PhotoFaces], rule: Rule = "central"
) -> tuple[list[Choice], list[Problem]]:
    """Chooses the faces by which a person is known, from a folder of their photos.

    A photo with one face gives that face. One with several gives its `central_face` (of equally
    central ones that with the greater score) by the rule ``central`` and none by ``strict``.

    Args:
        folder: The person's folder, for the problems.
        photos: The folder's photos that could be read.
        rule: What to do with several faces.

    Returns:
        The choices in the order of the photos, and the problems in the same order; where nothing
        was chosen the last problem is ``nobody_enrolled``.
    """
    chosen, problems = [], []
    for number, photo in enumerate(photos):
        if len(photo.boxes) == 0:
            problems.append(Problem("no_face", folder, photo.source, "no face was found"))
            continue
        face = 0
        if len(photo.boxes) > 1:
            message = f"{len(photo.boxes)} faces: " + (
                "the one nearest the centre was enrolled" if rule == "central" else "none enrolled"
            )
            problems.append(Problem("several_faces", folder, photo.source, message))
            if rule == "strict":
                continue
            by_score = np.argsort(-photo.scores, kind="stable")
            face = by_score[central_face(photo.boxes[by_score], photo.width, photo.height)]
        chosen.append(Choice(number, int(face)))
    if not chosen:
        message = f"none of {len(photos)} readable photos gave a face to enrol"
        problems.append(Problem("nobody_enrolled", folder, "", message))
    return chosen, problems


def enrol_snapshot(snapshot: Snapshot, rule: Rule = "central") -> tuple[pa.Table, list[Problem]]:
    """Chooses entries from a collection that has one folder of photos a person.

    A photo's person is the first folder of its path inside its root, by its name as it is. Photos
    with the same content count in every folder that they lie in.

    Args:
        snapshot: What the collection holds.
        rule: What to do with several faces; see `choose_enrolled`.

    Returns:
        Rows for `Gallery.add`, and the problems, by folder and photo.
    """
    faces = snapshot.faces(
        ["face_id", "media_id", "content_id", "ordinal", "x0", "y0", "x1", "y1", "score"]
    )
    boxes = np.stack([faces[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)
    scores = faces["score"].to_numpy()
    rows_of = _rows_by_content(faces)
    folders, problems = _folders(snapshot)
    problems += _several_people(folders)
    names, sources, chosen_rows = [], [], []
    for folder, media in folders.items():
        rows = [rows_of.get(photo["content_id"], []) for photo in media]
        photos = [
            PhotoFaces(_source(photo), boxes[mine], scores[mine], photo["width"], photo["height"])
            for photo, mine in zip(media, rows, strict=True)
        ]
        chosen, found = choose_enrolled(folder, photos, rule)
        problems += found
        names += [folder] * len(chosen)
        sources += [photos[choice.photo].source for choice in chosen]
        chosen_rows += [rows[choice.photo][choice.face] for choice in chosen]
    entries = _entries(snapshot, faces.take(pa.array(chosen_rows, pa.int64())), names, sources)
    return entries, sorted(problems, key=lambda problem: (problem.folder, problem.source))


def from_people(collection: Collection, snapshot: Snapshot) -> pa.Table:
    """Returns entries for every named active person of a collection, with all of its faces.

    Args:
        collection: The collection, with its people found.
        snapshot: Its faces; those of the people that have vanished from it are left out.

    Returns:
        Rows for `Gallery.add`.

    Raises:
        CollectionError: The collection has no people yet, or lost their clusters.
    """
    from facebatch.stages import read_clusters, read_people

    people = collection.current("people")
    if people is None:
        raise CollectionError(
            f"{collection.storage.url} has no people yet: run `facebatch cluster` first"
        )
    parent = people.manifest["parents"][0]
    clusters = next((g for g in collection.generations("clusters") if g.name == parent), None)
    if clusters is None:
        raise CollectionError(
            f"{collection.storage.url} has people without the clusters/{parent} that they were "
            "found in: run `facebatch cluster` again"
        )
    face_ids, labels = read_clusters(collection, clusters)
    name_of = {
        person.cluster: person.name
        for person in read_people(collection, people)
        if person.status == "active" and person.name
    }
    named = np.flatnonzero(np.isin(labels, [cluster for cluster in name_of if cluster is not None]))
    faces = snapshot.faces(["face_id", "media_id"])
    places = pc.index_in(ids.to_arrow(face_ids[named]), faces["face_id"].combine_chunks())
    present = np.flatnonzero(places.is_valid())
    chosen = faces.take(places.drop_null())
    media = snapshot.media.select(["media_id", "root", "path"])
    holders = media.take(pc.index_in(chosen["media_id"], media["media_id"].combine_chunks()))
    names = [str(name_of[label]) for label in labels[named[present]].tolist()]
    return _entries(snapshot, chosen, names, [_source(row) for row in holders.to_pylist()])


def _rows_by_content(faces: pa.Table) -> Mapping[bytes, list[int]]:
    rows: dict[bytes, list[int]] = defaultdict(list)
    by_ordinal = np.argsort(faces["ordinal"].to_numpy(), kind="stable")
    contents = faces["content_id"].to_pylist()
    for row in by_ordinal.tolist():
        rows[contents[row]].append(row)
    return rows


def _folders(snapshot: Snapshot) -> tuple[dict[str, list[dict[str, Any]]], list[Problem]]:
    """Returns each person's readable photos, by folder and path, and the other photos' problems."""
    columns = ["root", "path", "path_bytes", "content_id", "status", "reason", "message"]
    media = snapshot.media.select([*columns, "width", "height"]).to_pylist()
    folders: dict[str, list[dict[str, Any]]] = {}
    problems = []
    for row in sorted(media, key=lambda row: (row["path"], row["root"])):
        folder, inside, _ = row["path"].partition("/")
        source = _source(row)
        if not inside:
            message = "the photo lies in no person's folder"
            problems.append(Problem("no_person", "", source, message))
            continue
        if not _is_utf8((row["path_bytes"] or b"").partition(b"/")[0]):
            # Two such names may look the same: their people must not become one.
            message = "the folder's name isn't UTF-8: rename it"
            problems.append(Problem("bad_name", folder, source, message))
            continue
        photos = folders.setdefault(folder, [])
        if row["status"] == "quarantined":
            message = row["message"] or ""
            problems.append(Problem(row["reason"], folder, source, message))
        else:
            photos.append(row)
    return dict(sorted(folders.items())), problems


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _several_people(folders: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Problem]:
    people = defaultdict(set)
    for folder, photos in folders.items():
        for photo in photos:
            people[photo["content_id"]].add(folder)
    return [
        Problem(
            "several_people",
            folder,
            _source(photo),
            f"the same photo is in the folders {', '.join(sorted(people[photo['content_id']]))}",
        )
        for folder, photos in folders.items()
        for photo in photos
        if len(people[photo["content_id"]]) > 1
    ]


def _entries(
    snapshot: Snapshot, chosen: pa.Table, names: Sequence[str], sources: Sequence[str]
) -> pa.Table:
    """Returns rows for `Gallery.add` of chosen faces, which may repeat."""
    among = chosen.select(["face_id", "media_id"])
    columns = [name for name in ENTRY_COLUMNS if name not in ("name", "source")]
    faces = snapshot.faces(columns, among=among)
    rows = faces.take(pc.index_in(among["face_id"], faces["face_id"].combine_chunks()))
    rows = rows.append_column("name", pa.array(names, pa.string()))
    rows = rows.append_column("source", pa.array(sources, pa.string()))
    return rows.select(list(ENTRY_COLUMNS))


def _source(media: Mapping[str, Any]) -> str:
    return f"{media['root']}/{media['path']}"


def _dimension(settings: ExtractSettings) -> int:
    return weights.model(settings.embedder).dimension
