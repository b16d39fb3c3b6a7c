"""`facebatch erase` as a user meets it: what it shows, asks, removes, finds and ends with."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from support.program import command, facebatch

from facebatch.collection import Collection
from facebatch.collection.suppression import FOLDER
from facebatch.demo.render import render_face

ERASE_ADA = ("--media", "album/ada-0.jpg")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of two people in three photos each, one of them twice."""
    folder = tmp_path_factory.mktemp("erase")
    album = folder / "album"
    album.mkdir()
    for name, person in (("ada", 26), ("bo", 12)):
        for shot in range(3):
            image = Image.fromarray(render_face(person, size=240, noise_seed=shot))
            image.save(album / f"{name}-{shot}.jpg", quality=92)
    shutil.copy(album / "ada-0.jpg", album / "copy.jpg")
    done = facebatch("run", str(album), "-o", str(folder / "collection"))
    assert done.returncode == 0, done.stderr
    return folder / "collection"


@pytest.fixture
def collection(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "collection"))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_dry_run_says_what_would_go_and_changes_nothing(collection: Path) -> None:
    before = files(collection)
    done = facebatch("erase", str(collection), *ERASE_ADA, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would erase 2 items, 1 face" in done.stdout
    assert "album/copy.jpg" in done.stdout
    assert files(collection) == before


def test_without_a_terminal_it_wants_yes(collection: Path) -> None:
    before = files(collection)
    done = facebatch("erase", str(collection), *ERASE_ADA)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert files(collection) == before


@pytest.mark.parametrize("answer", ["n", "y"])
def test_on_a_terminal_it_shows_and_asks(collection: Path, answer: str) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    words = command("erase", str(collection), *ERASE_ADA)
    done = subprocess.run(
        words, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, timeout=300, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "would erase 2 items" in shown
    assert "Erase this for good?" in shown
    assert (collection / FOLDER).exists() == (answer == "y")
    assert (b"verified" in done.stdout) == (answer == "y")


def test_it_erases_verifies_and_says_so_the_second_time(collection: Path) -> None:
    done = facebatch("erase", str(collection), *ERASE_ADA, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["items"] == ["album/ada-0.jpg", "album/copy.jpg"]
    assert (summary["faces"], summary["findings"]) == (1, [])
    assert len(Collection.open(str(collection)).snapshot().media) == 5
    again = facebatch("erase", str(collection), *ERASE_ADA, "--yes")
    assert again.returncode == 0, again.stderr
    assert "already erased: album/ada-0.jpg" in again.stdout
    verified = facebatch("erase", str(collection), "--verify")
    assert verified.returncode == 0
    assert "nothing of it is left" in verified.stdout


def test_what_is_left_is_listed_and_ends_with_4(collection: Path) -> None:
    (collection / "notes.txt").write_text("look at album/ada-0.jpg")
    done = facebatch("erase", str(collection), *ERASE_ADA, "--yes")
    assert done.returncode == 4
    assert "notes.txt: path or name in text" in done.stdout
    verified = facebatch("erase", str(collection), "--verify", "--json")
    assert verified.returncode == 4
    found = json.loads(verified.stdout)["findings"]
    assert [finding["path"] for finding in found] == ["notes.txt"]


def test_where_nothing_was_erased_there_is_nothing_to_verify(collection: Path) -> None:
    done = facebatch("erase", str(collection), "--verify")
    assert done.returncode == 0
    assert "nothing was ever erased here" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to erase"),
        (("--media", "album/none.jpg", "--yes"), "there is no item album/none.jpg"),
        (("--person", "Nobody", "--yes"), "nobody called 'Nobody'"),
        (("--verify", *ERASE_ADA), "--verify erases nothing"),
        ((*ERASE_ADA, "--yes", "--gallery", "none"), "is no gallery"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    made: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = facebatch("erase", str(made), *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (made / FOLDER).exists()
