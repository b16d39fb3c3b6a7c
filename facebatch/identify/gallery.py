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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids, tables
from facebatch.config import ExtractSettings, resolve_extract
from facebatch.errors import CollectionError, GalleryError, SpaceMismatch, UsageError
from facebatch.faces.embeddings import check_unit_rows
from facebatch.identify import classifier
from facebatch.identify.calibration import Calibration
from facebatch.identify.classifier import DEFAULT_METHOD, DEFAULT_NEIGHBORS, Model
from facebatch.identify.consensus import Limit, limit_by
from facebatch.identify.marking import UNLIKE, Marked, marked, voting
from facebatch.identify.thresholds import known_for
from facebatch.models import registry
from facebatch.people.names import hint, meant, written
from facebatch.storage.store import Storage, missing
from facebatch.storage.urls import public_url

FORMAT_VERSION = 1

ENTRY_COLUMNS = (
    *("name", "face_id", "source", "embedding"),
    *("score", "size", "sharpness", "chip"),
)
"""Columns that `Gallery.add` wants; the table's others it fills in."""

_INFO = "gallery.json"
_ENTRIES = "entries.parquet"
_CALIBRATION = "calibration.json"
_CLASSIFIER = "classifier.npz"
_ORDER = [("name", "ascending"), ("face_id", "ascending")]


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
            raise GalleryError(missing(url, _INFO, "gallery"))
        try:
            info = json.loads(storage.read(_INFO))
            version = info["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise GalleryError(f"{public_url(url)}/{_INFO} is damaged: {error!r}") from error
        if version != FORMAT_VERSION:
            raise GalleryError(
                f"{public_url(url)} is of gallery format {version}; this facebatch reads "
                f"{FORMAT_VERSION}"
            )
        try:
            settings = ExtractSettings(**info["extract"])
            resolve_extract(asdict(settings), environment={})
            gallery = cls(storage, info["name"], settings, info["fingerprint"], info["space"])
        except (KeyError, TypeError, UsageError) as error:
            raise GalleryError(f"{public_url(url)}/{_INFO} is damaged: {error!r}") from error
        if not storage.exists(_ENTRIES):
            raise GalleryError(f"{public_url(url)} is damaged: there is no {_ENTRIES} in it")
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
            raise GalleryError(
                f"{public_url(url)} holds files but no {_INFO}: choose an empty folder"
            )
        info = {
            "format_version": FORMAT_VERSION,
            "name": public_url(url).rstrip("/").rsplit("/", 1)[-1],
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
                f"the gallery {self.storage.public} is of space {self.space} ({mine.embedder}, tta "
                f"{mine.tta}), the other embeddings are of space {space} ({theirs.embedder}, tta "
                f"{theirs.tta}): their distances mean nothing. Extract one of them again with "
                "the settings of the other."
            )

    def entries(self) -> pa.Table:
        """Returns the entries, ordered by name and face id.

        Those unlike the others of their person are marked, also in galleries of earlier versions,
        whose files don't say it.

        Raises:
            GalleryError: The file is missing or damaged, or doesn't hold what the gallery says.
        """
        try:
            rows = tables.read(self.storage, _ENTRIES, "gallery")
        except (CollectionError, KeyError, ValueError) as error:
            raise GalleryError(f"the gallery {self.storage.public} is damaged: {error}") from error
        found, wanted = rows.schema, tables.schema("gallery", _dimension(self.settings))
        if found.types != wanted.types:
            raise GalleryError(
                f"{self.storage.public}/{_ENTRIES} has columns of other types than a gallery of "
                f"{self.settings.embedder} has"
            )
        rows = _renamed(rows)
        return marked(rows, self.limit()).rows if rows[UNLIKE].null_count else rows

    def limit(self) -> Limit | None:
        """Returns how near two faces must lie to agree; None where no FAR is known.

        Raises:
            GalleryError, SpaceMismatch: As for `calibration`.
        """
        settings, mine = self.settings, self.calibration()
        return limit_by(mine) or limit_by(known_for(settings.embedder, settings.tta, self.space))

    def known(self) -> dict[str, npt.NDArray[np.float32]]:
        """Returns the embeddings (k, d) that name each person."""
        rows = voting(self.entries())
        names, embeddings = np.array(rows["name"].to_pylist()), tables.matrix(rows["embedding"])
        return {str(name): embeddings[names == name] for name in np.unique(names)}

    def doubts(self) -> Marked:
        """Returns the entries with whom they make doubtful."""
        return marked(self.entries(), self.limit())

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
            given["name"] = pa.array(map(written, given["name"].to_pylist()), pa.string())
            pairs = zip(given["name"].to_pylist(), given["face_id"].to_pylist(), strict=True)
            given["entry_id"] = pa.array([entry_id(*pair) for pair in pairs], pa.binary(16))
            moment = pa.scalar(datetime.now(UTC), schema.field("added").type)
            given["added"] = pa.repeat(moment, len(rows))
            given[UNLIKE] = pa.nulls(len(rows), pa.bool_())
            check_unit_rows(tables.matrix(given["embedding"]), "entry", UsageError)
        except (pa.ArrowException, KeyError, ValueError, AttributeError, UsageError) as error:
            raise GalleryError(f"these rows can't be added to a gallery: {error}") from error
        return pa.table([given[name] for name in schema.names], schema=schema)

    def remove(self, name: str) -> int:
        """Removes a person and returns how many entries that were; case doesn't matter.

        Raises:
            GalleryError: The gallery has nobody of that name.
        """
        rows = self.entries()
        names = rows["name"].unique().to_pylist()
        called = meant(name, names)
        if called is None:
            raise GalleryError(
                f"the gallery {self.storage.public} has nobody named {name!r}{hint(name, names)}"
            )
        kept = rows.filter(pc.not_equal(rows["name"], called))
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
        """Returns a method fitted to the entries that agree; nothing is written.

        Entries unlike the others of their person are left out.

        A trained classifier that `train` kept is taken from its file, as long as the entries are
        those that it was trained on; otherwise it is trained anew.

        Args:
            method: One of `facebatch.identify.classifier.METHODS`.
            neighbors: Entries that ``vote`` and ``knn`` ask.

        Raises:
            GalleryError: The gallery is empty, or a file of it is damaged.
            UsageError: There is no such method, or it needs more people or scikit-learn.
        """
        embeddings, names = self._fitted_to()
        if method in classifier.TRAINED and self.storage.exists(_CLASSIFIER):
            stored = self._stored(classifier.entries_hash(embeddings, names))
            asked = (method, min(neighbors, len(names)))
            if stored is not None and (stored.method, stored.neighbors) == asked:
                return stored
        return classifier.fit(method, embeddings, names, neighbors=neighbors)

    def train(self, method: str, *, neighbors: int = DEFAULT_NEIGHBORS) -> Model:
        """Fits a method and keeps it beside the entries, in the place of one kept earlier.

        Args:
            method: One of `facebatch.identify.classifier.TRAINED`; the others take no time to fit.
            neighbors: Entries that ``knn`` asks.

        Raises:
            GalleryError, UsageError: As for `model`.
        """
        if method not in classifier.TRAINED:
            raise UsageError(f"{method} needs no training; {', '.join(classifier.TRAINED)} do")
        embeddings, names = self._fitted_to()
        model = classifier.fit(method, embeddings, names, neighbors=neighbors)
        key = classifier.entries_hash(embeddings, names).encode()
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
                f"{self.storage.public}/{_CALIBRATION} is damaged: {error}. Remove it, and "
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
        self._write(self.entries())

    def _check_calibration(self, calibration: Calibration) -> None:
        if calibration.space != self.space:
            raise SpaceMismatch(
                f"the gallery {self.storage.public} is of space {self.space} "
                f"({self.settings.embedder}, tta {self.settings.tta}), the calibration of space "
                f"{calibration.space} ({calibration.embedder}, tta {calibration.tta}): calibrate "
                "again with embeddings of the gallery's space"
            )

    def _fitted_to(self) -> tuple[npt.NDArray[np.float32], list[str]]:
        rows = voting(self.entries())
        if not len(rows):
            raise GalleryError(f"the gallery {self.storage.public} is empty: enrol somebody first")
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
                f"{self.storage.public}/{_CLASSIFIER} is damaged: {error}. Remove it, and the "
                "classifier is trained again."
            ) from error

    def _write(self, rows: pa.Table) -> None:
        looked_at = marked(rows.sort_by(_ORDER), self.limit()).rows
        tables.write(self.storage, _ENTRIES, "gallery", looked_at, self.fingerprint)


def entry_id(name: str, face_id: bytes) -> bytes:
    """Returns the id of a gallery's entry: the blake2b-128 of the name and the face id."""
    if not name:
        raise ValueError("a name is empty")
    return ids.digest(name.encode(), face_id)


def _dimension(settings: ExtractSettings) -> int:
    return registry.card(settings.embedder).dimension


def _renamed(rows: pa.Table) -> pa.Table:
    """Returns entries under names as they are kept now; earlier versions kept accents apart."""
    names = [written(name) or name for name in rows["name"].to_pylist()]
    at = rows.schema.get_field_index("name")
    return rows.set_column(at, rows.field(at), pa.array(names, pa.string())).sort_by(_ORDER)
