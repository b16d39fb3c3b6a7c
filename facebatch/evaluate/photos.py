"""A snapshot's photos by name, and the face that stands for each; videos aren't among them.

Truths and lists of pairs name photos, while tables know items and contents. A photo that lies
twice in the collection is two names for the same faces.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import tables
from facebatch.collection import Snapshot
from facebatch.faces.central import central_face

_MEDIA = ("root", "path", "content_id", "status", "reason", "width", "height", "segments")
_RAN_ON = ("engine", "device", "precision", "cpu")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos and their faces.

    A photo's name is its path inside its root, or root/path where several roots hold the path.
    Whoever asks for a photo may always put the root before the path.

    Args:
        snapshot: Where the faces are read from.
        rows: The photos' media rows by name.
    """

    snapshot: Snapshot
    rows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, snapshot: Snapshot, only: Mapping[str, frozenset[str]] | None = None) -> Photos:
        """Returns a snapshot's photos.

        Args:
            snapshot: What a collection holds.
            only: The paths wanted of each root that is wanted; all of all roots by default.
        """
        media = [
            row
            for row in snapshot.media.select(list(_MEDIA)).to_pylist()
            if row["segments"] is None
            and (only is None or row["path"] in only.get(row["root"], ()))
        ]
        holders = Counter(row["path"] for row in media)
        named = {row["path"] if holders[row["path"]] == 1 else _full(row): row for row in media}
        return cls(snapshot, dict(sorted(named.items())))

    @cached_property
    def names(self) -> list[str]:
        """The photos' names, sorted; those that couldn't be read are among them."""
        return list(self.rows)

    @cached_property
    def _name_of(self) -> dict[str, str]:
        return {
            **{_full(row): name for name, row in self.rows.items()},
            **{n: n for n in self.rows},
        }

    @cached_property
    def _name_of_composed(self) -> dict[str, str]:
        return {unicodedata.normalize("NFC", path): name for path, name in self._name_of.items()}

    def _known(self, name: str) -> str | None:
        """Returns a photo's name, in whatever Unicode form it is asked for; None for no photo."""
        path = posixpath.normpath(name)
        return self._name_of.get(path) or self._name_of_composed.get(
            unicodedata.normalize("NFC", path)
        )

    def _row(self, name: str) -> Mapping[str, Any] | None:
        known = self._known(name)
        return None if known is None else self.rows[known]

    def has(self, name: str) -> bool:
        """Tells whether there is such a photo."""
        return self._row(name) is not None

    def was_searched(self, name: str) -> bool:
        """Tells whether there is such a photo and it could be read."""
        row = self._row(name)
        return row is not None and row["status"] != "quarantined"

    def without(self, names: Sequence[str]) -> list[str]:
        """Returns the names of all photos but these."""
        asked = {self._known(name) for name in names}
        return [name for name in self.names if name not in asked]

    @cached_property
    def _faces(self) -> pa.Table:
        sides = ["x0", "y0", "x1", "y1"]
        faces = self.snapshot.faces(
            ["face_id", "media_id", "content_id", "ordinal", *sides, "score"]
        )
        return faces.take(pc.sort_indices(faces, sort_keys=[("ordinal", "ascending")]))

    @cached_property
    def _boxes(self) -> Floats:
        return np.stack([self._faces[side].to_numpy() for side in ("x0", "y0", "x1", "y1")], axis=1)

    @cached_property
    def _scores(self) -> Floats:
        return np.asarray(self._faces["score"].to_numpy())

    @cached_property
    def _faces_of(self) -> Mapping[bytes, list[int]]:
        found: dict[bytes, list[int]] = defaultdict(list)
        for number, content in enumerate(self._faces["content_id"].to_pylist()):
            found[content].append(number)
        return found

    def _face_rows(self, name: str) -> list[int]:
        """Rows of a photo's faces, the surest first."""
        row = self._row(name)
        return [] if row is None else self._faces_of.get(row["content_id"], [])

    @property
    def faces(self) -> int:
        """Number of faces in these photos, each counted once."""
        contents = {row["content_id"] for row in self.rows.values()}
        return sum(len(faces) for content, faces in self._faces_of.items() if content in contents)

    def boxes(self, name: str) -> tuple[Floats, Floats]:
        """Returns a photo's boxes (n, 4), in pixels of the upright picture, and scores (n,)."""
        rows = self._face_rows(name)
        return self._boxes[rows], self._scores[rows]

    def _central_row(self, name: str) -> int | None:
        rows, photo = self._face_rows(name), self._row(name)
        if not rows or photo is None:
            return None
        return rows[central_face(self._boxes[rows], photo["width"], photo["height"])]

    def central(self, name: str) -> bytes | None:
        """Returns the id of a photo's `central_face`; None where it has no face."""
        row = self._central_row(name)
        return None if row is None else bytes(self._faces["face_id"][row].as_py())

    def embeddings(self, names: Sequence[str]) -> Floats:
        """Returns the embeddings (n, d) of photos' central faces, NaN where there is no face."""
        present, column = self._of_central(names, "embedding")
        vectors = tables.matrix(column) if len(column) else np.empty((0, 1), np.float32)
        found = np.full((len(names), vectors.shape[1]), np.nan, np.float32)
        found[present] = vectors
        return found

    def chips(self, names: Sequence[str]) -> dict[str, bytes]:
        """Returns the chips of photos' central faces as JPEG, of those that have one."""
        present, column = self._of_central(names, "chip")
        chips = zip(present, column.to_pylist(), strict=True)
        return {names[place]: chip for place, chip in chips if chip is not None}

    def _of_central(self, names: Sequence[str], column: str) -> tuple[list[int], Any]:
        """Returns which of these photos have a face, and a column's values for those faces."""
        rows = [self._central_row(name) for name in names]
        present = [place for place, row in enumerate(rows) if row is not None]
        chosen = self._faces.select(["face_id", "media_id"])
        chosen = chosen.take(pa.array([rows[place] for place in present], pa.int64()))
        read = self.snapshot.faces(["face_id", column], among=chosen)
        places = pc.index_in(chosen["face_id"], read["face_id"].combine_chunks())
        return present, read[column].take(places)

    def outcomes(self, names: Sequence[str]) -> dict[str, Any]:
        """Returns what became of photos, as plain data.

        Returns:
            ``named``, how many these are; ``there``, how many exist; ``with_face``; ``copies``,
            how many have the content of one named before; and the names ``not_there``,
            ``no_face`` and ``failed`` (by reason).
        """
        rows = {name: self._row(name) for name in names}
        there = {name: row for name, row in rows.items() if row is not None}
        failed = defaultdict(list)
        for name, row in there.items():
            if row["status"] == "quarantined":
                failed[row["reason"]].append(name)
        searched = [row["content_id"] for row in there.values() if row["status"] != "quarantined"]
        no_face = [name for name in there if self.was_searched(name) and not self._face_rows(name)]
        return {
            "named": len(rows),
            "there": len(there),
            "with_face": len(searched) - len(no_face),
            "copies": len(searched) - len(set(searched)),
            "not_there": [name for name in rows if name not in there],
            "failed": dict(sorted(failed.items())),
            "no_face": no_face,
        }

    def ran_on(self) -> list[dict[str, str]]:
        """Returns what ran the networks: each engine, device, precision and class of CPU."""
        kinds = self.snapshot.media.group_by(list(_RAN_ON)).aggregate([])
        rows = kinds.select(list(_RAN_ON)).to_pylist()
        return sorted((row for row in rows if row["engine"]), key=lambda row: tuple(row.values()))


def _full(row: Mapping[str, Any]) -> str:
    return f"{row['root']}/{row['path']}"
