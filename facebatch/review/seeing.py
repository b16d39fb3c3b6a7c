"""Searching with a photo: its faces, and whom each resembles. The photo is kept nowhere."""

from __future__ import annotations

import io
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from facebatch.collection import Collection
from facebatch.detect import Detector, load_detector
from facebatch.embed import Embedder, load_embedder
from facebatch.errors import FacebatchError, MediaError
from facebatch.extract.detect_and_crop import faces_of
from facebatch.extract.guarded_decoder import DecoderPool
from facebatch.media.limits import Limits
from facebatch.review.pages import Notice, Visit
from facebatch.review.security import checked_form
from facebatch.review.texts import table

_LIMITS = Limits(max_pixels=150_000_000, max_bytes=60_000_000, max_seconds=20.0)
_FACES, _PEOPLE, _NEAREST = 12, 5, 12
"""Faces of a photo that are looked up; people and faces shown for each."""

_LOOKED_UP = 200
_CHUNK = 100_000
_CHIPS_KEPT = 64


@dataclass(frozen=True, eq=False)
class Found:
    """The faces of a photo, from the left.

    Args:
        chips: Their chips as JPEGs.
        embeddings: (n, d) float32, rows of length 1.
    """

    chips: list[bytes]
    embeddings: npt.NDArray[np.float32]


class Eye:
    """Finds and embeds the faces of photos, under a collection's settings.

    Args:
        collection: The collection.
    """

    def __init__(self, collection: Collection) -> None:
        self._settings = collection.settings
        self._decoders = DecoderPool(collection.settings, _LIMITS)
        self._lock = Lock()
        self.chips: OrderedDict[bytes, bytes] = OrderedDict()

    def close(self) -> None:
        """Ends the decoding processes."""
        self._decoders.close()

    @cached_property
    def _detector(self) -> Detector:
        return load_detector(self._settings.detector, min_face=self._settings.min_face)

    @cached_property
    def _embedder(self) -> Embedder:
        return load_embedder(self._settings.embedder, self._settings.tta)

    def look(self, data: bytes) -> Found:
        """Returns a photo's faces.

        Args:
            data: The photo's bytes, which nobody vouches for: they are decoded in a process of its
                own, within limits.

        Raises:
            MediaError: It is no photo, or can't be decoded within the limits.
            WeightsError: A model isn't there.
        """
        if len(data) > _LIMITS.max_bytes:
            raise MediaError("too_large", f"{len(data):,} bytes")
        with self._lock, self._decoders.acquire() as decoder:
            _, picture = decoder.photo(data)
            faces = faces_of(picture, self._detector, self._settings)
            order = np.argsort(faces.boxes[:, 0], kind="stable")[:_FACES]
            views = faces.views[order]
            embeddings = self._embedder.embed(views)
        chips = [_jpeg(each[each.shape[0] // 2]) for each in views]
        return Found(chips, embeddings)

    def keep(self, name: bytes, chip: bytes) -> None:
        """Remembers a chip for the page that shows it."""
        self.chips[name] = chip
        while len(self.chips) > _CHIPS_KEPT:
            self.chips.popitem(last=False)


def _jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=85)
    return sink.getvalue()


async def search(request: Request) -> Response:
    """Asks for a photo, or shows whom the faces of one resemble."""
    if request.method != "POST":
        return Visit.of(request).render("search.html.j2", faces=None)
    async with checked_form(request) as form:
        photo = form.get("photo")
        data = await photo.read() if isinstance(photo, UploadFile) else b""
    return await run_in_threadpool(_searched, request, data)


def _searched(request: Request, data: bytes) -> Response:
    visit = Visit.of(request)
    eye: Eye = visit.site.eye
    try:
        if not data:
            raise MediaError("empty", visit.t("search.nothing"))
        found = eye.look(data)
    except FacebatchError as error:
        why = str(error)
        if data and isinstance(error, MediaError) and f"reason.{error.reason}" in table():
            why = visit.t(f"reason.{error.reason}")
        said = visit.t("search.not_read", why=why)
        visit = Visit.of(request, Notice(said, is_warning=True), 422)
        return visit.render("search.html.j2", faces=None)
    faces = [
        _resembling(visit, chip, vector)
        for chip, vector in zip(found.chips, found.embeddings, strict=True)
    ]
    return visit.render("search.html.j2", faces=faces)


def _resembling(visit: Visit, chip: bytes, vector: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Returns the people and faces that a face resembles, the nearest first."""
    name = secrets.token_bytes(16)
    visit.site.eye.keep(name, chip)
    rows, similarity = _nearest(visit.state.store.embeddings, vector)
    people, by_cluster = visit.state.people, visit.state.people.by_cluster
    cards: dict[bytes, dict[str, Any]] = {}
    for row, cosine in zip(rows.tolist(), similarity.tolist(), strict=True):
        person = people.known.get(by_cluster.get(int(people.labels[row]), b""))
        if person is not None and not person.hidden and person.person_id not in cards:
            cards[person.person_id] = {**visit.card(person), "d2": 2 - 2 * cosine}
    return {
        "chip": name.hex(),
        "cards": list(cards.values())[:_PEOPLE],
        "nearest": visit.faces(rows[:_NEAREST]),
    }


def _nearest(
    embeddings: npt.NDArray[np.float32], vector: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Returns the rows of the faces nearest to an embedding, and their cosines."""
    similarity = np.concatenate(
        [embeddings[begin : begin + _CHUNK] @ vector for begin in range(0, len(embeddings), _CHUNK)]
        or [np.zeros(0, np.float32)]
    )
    count = min(_LOOKED_UP, len(similarity))
    rows = np.argpartition(-similarity, count - 1)[:count] if count else np.zeros(0, np.int64)
    rows = rows[np.argsort(-similarity[rows], kind="stable")]
    return rows, similarity[rows]
