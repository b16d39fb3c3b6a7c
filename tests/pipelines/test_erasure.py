"""After an erasure nothing comes back with the next night's run, under whatever name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support.program import facebatch

from facebatch.collection import Collection
from facebatch.demo.render import render_face
from facebatch.people import PeopleView


def night(album: Path, url: Path, command: str = "extract") -> dict[str, int]:
    """A run, or the part of it that could bring back what was erased."""
    done = facebatch(command, str(album), "-o", str(url), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return dict(said["extract"]["plan"] if command == "run" else said["plan"])


def state(url: Path) -> tuple[set[str], int]:
    snapshot = Collection.open(str(url)).snapshot()
    return set(snapshot.media["path"].to_pylist()), len(snapshot.face_ids)


def people_of(url: Path, path: str) -> list[bytes]:
    """Returns the ids of the people in a photo."""
    collection = Collection.open(str(url))
    snapshot = collection.snapshot()
    media = {row["path"]: row["media_id"] for row in snapshot.media.to_pylist()}
    rows = snapshot.faces(["face_id", "media_id"]).to_pylist()
    faces = {row["face_id"] for row in rows if row["media_id"] == media[path]}
    return [who for who, theirs in PeopleView.of(collection).faces.items() if faces & set(theirs)]


def erase(url: Path, *what: str) -> None:
    done = facebatch("erase", str(url), *what, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr


def verify(url: Path) -> None:
    done = facebatch("erase", str(url), "--verify")
    assert done.returncode == 0, done.stdout


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for shot, person in enumerate((26, 26, 12, 12)):
        image = Image.fromarray(render_face(person, size=240, noise_seed=shot))
        image.save(folder / f"{shot}.jpg", quality=92)
    return folder


def test_an_erased_photo_does_not_come_back_nor_does_a_copy_of_it(
    album: Path, tmp_path: Path
) -> None:
    url = tmp_path / "collection"
    night(album, url, "run")
    erase(url, "--media", "album/0.jpg")
    assert state(url) == ({"1.jpg", "2.jpg", "3.jpg"}, 3)
    plan = night(album, url)
    assert plan["to_extract"] == 0
    shutil.copy(album / "0.jpg", album / "copy of 0.jpg")
    for _ in range(2):
        plan = night(album, url)
        assert state(url) == ({"1.jpg", "2.jpg", "3.jpg"}, 3)
        verify(url)
    assert plan["to_extract"] == 0, "the copy was looked into once"


def test_another_photo_under_an_erased_path_is_read_and_takes_nothing_over(
    album: Path, tmp_path: Path
) -> None:
    url = tmp_path / "collection"
    night(album, url, "run")
    for person in people_of(url, "0.jpg"):
        done = facebatch("people", "name", str(url), person.hex(), "Ada")
        assert done.returncode == 0, done.stderr
    erase(url, "--media", "album/0.jpg")
    other = Image.fromarray(render_face(5, size=240, noise_seed=7))
    other.save(album / "0.jpg", quality=92)
    assert night(album, url, "run")["new"] == 1
    assert state(url) == ({"0.jpg", "1.jpg", "2.jpg", "3.jpg"}, 4)
    ada = PeopleView.of(Collection.open(str(url))).by_name("Ada")
    assert [one.person_id for one in ada] == list(people_of(url, "1.jpg"))
    assert not {one.person_id for one in ada} & set(people_of(url, "0.jpg"))
    verify(url)
    assert night(album, url)["to_extract"] == 0


@pytest.mark.full
def test_an_erased_face_does_not_come_back_when_its_photo_is_extracted_again(
    album: Path, tmp_path: Path
) -> None:
    url = tmp_path / "collection"
    night(album, url, "run")
    snapshot = Collection.open(str(url)).snapshot()
    rows = snapshot.faces(["face_id", "media_id"]).to_pylist()
    paths = {row["media_id"]: row["path"] for row in snapshot.media.to_pylist()}
    face = next(row["face_id"] for row in rows if paths[row["media_id"]] == "2.jpg")
    erase(url, "--face", face.hex())
    assert state(url) == ({"0.jpg", "1.jpg", "2.jpg", "3.jpg"}, 3)
    (album / "2.jpg").touch()
    (album / "2.jpg").rename(album / "moved.jpg")
    night(album, url)
    assert state(url)[1] == 3
    verify(url)
