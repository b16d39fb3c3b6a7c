"""A collection of hand-made rows, and a reader of the page that is made of it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support.synthetic import at_angles

from facebatch import ids, tables
from facebatch.cluster import ClusterSettings
from facebatch.collection import (
    ClustersManifest,
    Collection,
    Generation,
    MatchesManifest,
    PeopleManifest,
    generation_name,
)
from facebatch.config import ExtractSettings
from facebatch.report import collect, render
from facebatch.stages import likely_pairs

VOID = {"img", "meta"}


class Archive:
    """Builds a collection shard by shard; each photo may hold faces at angles on a circle."""

    def __init__(self, url: str, *, chips: bool = True) -> None:
        self.collection = Collection.create(url, ExtractSettings(chips=chips))
        self._chips = chips
        self._media: list[dict[str, Any]] = []
        self._faces: list[dict[str, Any]] = []
        self._shards = 0

    def photo(
        self,
        path: str,
        *degrees: float,
        root: str = "photos",
        content: str | None = None,
        **values: Any,
    ) -> list[bytes]:
        """Adds a photo and returns the ids of its faces."""
        content_id = ids.content_id((content or f"{root}/{path}").encode())
        media_id = ids.media_id(root, path)
        self._media.append(
            {
                "media_id": media_id,
                "root": root,
                "path": path,
                "segment": 0,
                "size": 1000,
                "marker": "1",
                "content_id": content_id,
                "status": "ok",
                "attempts": 1,
                "faces": len(degrees),
                **values,
            }
        )
        made = [ids.face_id(content_id, 0, 0, place) for place in range(len(degrees))]
        for place, (face_id, angle) in enumerate(zip(made, degrees, strict=True)):
            self._faces.append(
                {
                    "face_id": face_id,
                    "media_id": media_id,
                    "content_id": content_id,
                    "ordinal": place,
                    "embedding": angle,
                    "chip": _chip(face_id) if self._chips else None,
                }
            )
        return made

    def failure(self, path: str, reason: str, message: str = "broken", **values: Any) -> None:
        """Adds a quarantined photo."""
        self.photo(path, status="quarantined", reason=reason, message=message, **values)
        self._media[-1]["content_id"] = None

    def commit(self) -> Archive:
        """Commits what was added as one shard."""
        self._shards += 1
        self.collection.commit_shard(
            f"shard{self._shards}", tables.from_rows("media", self._media), self._face_table()
        )
        self._media, self._faces = [], []
        return self

    def _face_table(self) -> pa.Table:
        n = len(self._faces)
        given = {
            "landmarks": tables.vectors(np.zeros((n, 10), np.float32)),
            "chip_to_picture": tables.vectors(np.zeros((n, 6))),
            "embedding": tables.vectors(at_angles(*(row["embedding"] for row in self._faces))),
        }
        schema = tables.schema("faces", 2)
        return pa.table(
            [
                given.get(field.name)
                if field.name in given
                else pa.array([row.get(field.name, 0) for row in self._faces], field.type)
                for field in schema
            ],
            schema=schema,
        )

    def group(
        self, people: Sequence[Sequence[bytes]], rows: Mapping[int, Mapping[str, Any]] | None = None
    ) -> Archive:
        """Groups face ids into people; ``rows`` overrides columns of single people's rows."""
        snapshot = self.collection.snapshot()
        cluster_of = {face: number for number, group in enumerate(people) for face in group}
        labels = [cluster_of.get(face.tobytes()) for face in snapshot.face_ids]
        clusters = Generation(
            generation_name(),
            ClustersManifest(
                config=dataclasses.asdict(ClusterSettings(tau=0.0925)),
                faces=len(labels),
                unclustered=labels.count(None),
            ),
        )
        columns = {
            "face_id": ids.to_arrow(snapshot.face_ids),
            "cluster": pa.array(labels),
            "gate": pa.array(["found"] * len(labels)),
        }
        self._write(clusters, pa.table(columns))
        described = [
            {
                "person_id": hashlib.blake2b(b"%d" % number, digest_size=16).digest(),
                "status": "active",
                "cluster": number,
                "faces": len(group),
                "media": len(group),
                "cover_face_id": min(group, default=None),
                "spread": 0.05,
                "founded": clusters.name,
                **(rows or {}).get(number, {}),
            }
            for number, group in enumerate(people)
        ]
        generation = Generation(generation_name(), PeopleManifest(parents=(clusters.name,)))
        self._write(generation, tables.from_rows("people", described))
        return self

    def identify(
        self, matches: Mapping[bytes, Mapping[str, Any]], config: Mapping[str, Any] | None = None
    ) -> Archive:
        """Says of face ids who they are; what isn't given is of an unknown face."""
        made = Generation(generation_name(), MatchesManifest(config=config or {}))
        unknown = {"nearest": "Nobody", "score": 0.5}
        rows = [{"face_id": face, **unknown, **matches[face]} for face in sorted(matches)]
        self._write(made, tables.from_rows("matches", rows))
        return self

    def _write(self, generation: Generation, rows: pa.Table) -> None:
        path = f"{generation.folder}/{generation.stage}.parquet"
        tables.write(self.collection.storage, path, generation.stage, rows, "fingerprint")
        self.collection.finish(generation)

    def page(self) -> Page:
        """Returns the report of the collection as it stands, parsed."""
        return Page(render(collect(self.collection, self.collection.snapshot(), likely_pairs)))


def _chip(face_id: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (150, 150), tuple(face_id[:3])).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Page(HTMLParser):
    """A page's elements and text; anything unbalanced is an error."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, without the style sheet."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, class_: str | None = None) -> list[dict[str, str | None]]:
        """Returns the attributes of all elements of a name and class."""
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and (class_ is None or class_ in (attributes.get("class") or "").split())
        ]

    def figure(self, label: str) -> str:
        """Returns one of the headline numbers."""
        return dict(re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", self.source))[label]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "faces"))


@pytest.fixture
def archive_without_chips(tmp_path: Path) -> Archive:
    return Archive(str(tmp_path / "faces"), chips=False)


@pytest.fixture
def archive_at() -> type[Archive]:
    return Archive


@pytest.fixture(scope="session")
def parsed() -> type[Page]:
    return Page
