"""Raw and JPEG, photo and live video: files as cameras write them, from the folder to the faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from support.pictures import dng, encode, heif
from support.videos import encode_video

from facebatch.cli.inspection_lines import inspection_lines
from facebatch.cli.output import extraction_lines
from facebatch.collection import Collection
from facebatch.collection.summary import inspect_collection
from facebatch.config import ExtractSettings, RunSettings
from facebatch.demo.render import render_face
from facebatch.erasure import Request, erase, select, verify
from facebatch.jobs.run import Extraction, run_extract
from facebatch.media.sources.roots import parse_roots

SETTINGS = RunSettings(guard=False, beam_options=("--direct_running_mode=in_memory",))
SIDE = 320


def dated(date: str) -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = date
    return exif


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Three shots in five files; their cameras' clocks say no zone, the video's time is UTC."""
    folder = tmp_path / "album"
    folder.mkdir()
    ada, bo, cy = (render_face(person, size=SIDE) for person in (3, 8, 26))
    preview = encode(Image.fromarray(ada).resize((240, 240)), quality=90)
    (folder / "IMG_1.DNG").write_bytes(dng(ada, preview=preview, date="2021:03:04 05:06:07"))
    (folder / "IMG_1.JPG").write_bytes(encode(ada, exif=dated("2021:03:04 05:06:07")))
    (folder / "IMG_2.HEIC").write_bytes(heif(bo, exif=dated("2021:03:04 15:00:00").tobytes()))
    film = encode_video(
        [np.ascontiguousarray(np.roll(bo, shift, 1)) for shift in range(3)],
        [0, 1000, 2000],
        container="mov",
        metadata={"creation_time": "2021-03-04T14:00:01Z"},
    )
    (folder / "IMG_2.MOV").write_bytes(film)
    (folder / "IMG_3.JPG").write_bytes(encode(cy, exif=dated("2021:03:04 05:06:07")))
    return folder


def night(album: Path, collection: Collection) -> Extraction:
    return run_extract(parse_roots([str(album)], []), collection, SETTINGS, lambda progress: None)


def seen(collection: Collection) -> list[str]:
    """Returns the path of each face's photo."""
    snapshot = collection.snapshot()
    paths = {row["media_id"]: row["path"] for row in snapshot.media.to_pylist()}
    return sorted(paths[row["media_id"]] for row in snapshot.faces(["media_id"]).to_pylist())


def test_the_people_of_a_shot_count_once_and_go_together(album: Path, tmp_path: Path) -> None:
    collection = Collection.create(str(tmp_path / "collection"), ExtractSettings())
    done = night(album, collection).as_json()
    counts = {row["path"]: row["faces"] for row in collection.snapshot().media.to_pylist()}
    assert min(counts.values()) >= 1, "there are faces in all five files"
    assert len(counts) == 5
    assert seen(collection) == ["IMG_1.JPG", "IMG_2.HEIC", "IMG_3.JPG"]
    said = "2 pairs of one shot"
    assert said in "\n".join(extraction_lines(done, []))
    assert said in "\n".join(inspection_lines(inspect_collection(collection)))

    (album / "IMG_3.JPG").unlink()
    chosen = select(collection, collection.snapshot(), Request(media=("album/IMG_1.JPG",)))
    assert {path for _, path in chosen.places} == {"IMG_1.JPG", "IMG_1.DNG"}
    assert erase(collection, chosen).findings == ()
    night(album, collection)
    assert seen(collection) == ["IMG_2.HEIC", "IMG_3.JPG"], "what vanished counts until pruned"
    assert verify(collection) == []
