"""A video of two people of whom a gallery knows one, and who is in it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from support.shared import made_once
from support.videos import encode_video, walk

from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.extract.pictures import FramePicture
from facebatch.identify import Gallery
from facebatch.live.following import Follower
from facebatch.live.known import Known
from facebatch.probe.probe import Prober
from facebatch.stages import IdentificationQuery

ADA, STRANGER = 26, 35
SIDE = 480
FRAMES, RATE = 26, 10


@pytest.fixture(scope="session")
def prober() -> Prober:
    made = Prober(ExtractSettings(max_side=SIDE))
    made.load()
    return made


@pytest.fixture(scope="session")
def place(prober: Prober, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the video ``two.mp4``, and a gallery that knows Ada."""

    def make(folder: Path) -> None:
        pictures = walk([ADA, STRANGER], FRAMES)
        times = [1000 * number // RATE for number in range(FRAMES)]
        (folder / "two.mp4").write_bytes(encode_video(pictures, times))
        Image.fromarray(pictures[3]).save(folder / "two.png")
        add(Gallery.create(str(folder / "gallery"), ExtractSettings()), prober, "Ada", ADA)

    return made_once("live", make, tmp_path_factory)


def add(gallery: Gallery, prober: Prober, name: str, person: int) -> None:
    """Enrols a person by one portrait."""
    frame = FramePicture(Image.fromarray(render_face(person, size=240)), prober.settings)
    faces, embeddings = prober.embed(frame, prober.detect(frame))
    assert len(faces) == 1
    row = {
        "name": name,
        "face_id": bytes([person] * 16),
        "source": "portrait",
        "embedding": embeddings[0].tolist(),
        "score": float(faces.scores[0]),
        "size": 100.0,
        "sharpness": 1.0,
        "chip": None,
    }
    gallery.add(pa.Table.from_pylist([row]))


@pytest.fixture
def gallery(place: Path) -> Any:
    """A copy of the gallery that may be written."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(place / "gallery", Path(folder) / "gallery")
        yield Gallery.open(str(Path(folder) / "gallery"))


@pytest.fixture
def known(gallery: Gallery) -> Known:
    return Known.of(IdentificationQuery(gallery))


@pytest.fixture
def follower(prober: Prober, known: Known) -> Follower:
    return Follower(prober, known.namer(), 1_000_000)


@pytest.fixture
def picture(place: Path) -> Image.Image:
    return Image.open(place / "two.png").convert("RGB")
