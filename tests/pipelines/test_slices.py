"""An archive that is planned in slices, against the same one planned at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.albums import Album
from support.equality import assert_equal_extractions
from support.examples import examples
from support.nights import SETTINGS, Archive, states
from support.pictures import encode
from support.program import facebatch

from facebatch.collection import Collection
from facebatch.demo.render import render_face
from facebatch.errors import Interrupted
from facebatch.extract import pieces
from facebatch.extract.progress import Progress
from facebatch.jobs.run import run_extract
from facebatch.media.sources.roots import parse_roots
from facebatch.pipelines import slices
from facebatch.storage.store import Storage

PATHS = ("a.jpg", "b.jpg", "2019/a.jpg", "2019/b.jpg", "2019/x/a.jpg", "2020/a.jpg")
CONTENTS = 4
"""Two faces, a file that is no photo, and a photo without a face."""

PLANNED_IN_SLICES = """
import sys
from facebatch.cli import main
from facebatch.extract import pieces
from facebatch.pipelines import slices
pieces.PIECE_PLACES, slices.SLICE_ITEMS = 2, 4
main(sys.argv[1:])
"""


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has every two items planned by themselves; counts the slices of each run."""
    return in_slices(monkeypatch)


def in_slices(patch: pytest.MonkeyPatch) -> list[int]:
    patch.setattr(pieces, "PIECE_PLACES", 1)
    patch.setattr(slices, "SLICE_ITEMS", 2)
    counted: list[int] = []
    honest = pieces.slices

    def counting(*given: object) -> object:
        found = list(honest(*given))  # type: ignore[arg-type]
        counted.append(len(found))
        return found

    patch.setattr(pieces, "slices", counting)
    return counted


def slow_writes(patch: pytest.MonkeyPatch, below: str) -> threading.Event:
    """Makes writing below a folder last; the event is set while it does."""
    writing = threading.Event()
    honest = Storage.write

    def slow(storage: Storage, path: str, data: bytes) -> None:
        if not path.startswith(below):
            honest(storage, path, data)
            return
        writing.set()
        time.sleep(1)
        honest(storage, path, data)
        writing.clear()

    patch.setattr(Storage, "write", slow)
    return writing


@cache
def content(number: int) -> bytes:
    if number == 2:
        return b"\xff\xd8 no photo"
    if number == 3:
        return encode(render_face(1, size=200)[:20, :20])
    return encode(render_face(number, size=200), quality=90)


def lay(archive: Archive, files: Mapping[str, int]) -> None:
    """Makes an archive hold these contents at these paths, each with a time of its own."""
    for path in PATHS:
        (archive.folder / path).unlink(missing_ok=True)
    for path, number in files.items():
        place = archive.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content(number))
        os.utime(place, (number, number))


NIGHTS = st.lists(
    st.dictionaries(st.sampled_from(PATHS), st.integers(0, CONTENTS - 1), min_size=1),
    min_size=2,
    max_size=2,
)


@pytest.mark.full
@given(NIGHTS)
@examples(3, 12)
def test_planned_in_slices_or_at_once_the_tables_are_equal(nights: list[dict[str, int]]) -> None:
    """Photos are added, changed, moved, copied, removed and come back between the nights."""
    with tempfile.TemporaryDirectory() as folder:
        made = [Archive(Path(folder, name)) for name in ("sliced", "whole")]
        for files in nights:
            said = []
            for archive in made:
                with pytest.MonkeyPatch.context() as patch:
                    counted = in_slices(patch) if archive is made[0] else [0]
                    lay(archive, files)
                    done = archive.night().as_json()
                if archive is made[0] and files is nights[0]:  # later ones have less work
                    assert counted[0] > 1 or len(files) <= 2
                said.append({k: v for k, v in done.items() if "second" not in k})
            for summary in said:
                summary["plan"].pop("bytes")
            assert said[0] == said[1]
            assert_equal_extractions(made[0].collection, made[1].collection)


def test_nothing_is_lost_and_nothing_done_twice_between_slices(
    tmp_path: Path, sliced: list[int]
) -> None:
    """A copy, a moved and a vanished photo whose other ends lie in other slices."""
    archive = Archive(tmp_path)
    lay(archive, {"a.jpg": 0, "2019/a.jpg": 1, "2019/b.jpg": 2, "2020/a.jpg": 0, "b.jpg": 3})
    first = archive.night()
    assert sliced == [3]
    assert first.plan.to_extract == first.progress.items == 5
    assert sorted(archive.statuses().values()) == ["duplicate", "ok", "ok", "ok", "quarantined"]
    lay(archive, {"2019/x/a.jpg": 1, "2019/b.jpg": 2, "2020/a.jpg": 0, "b.jpg": 3})
    second = archive.night()
    assert sliced[1] > 1
    assert states(second) == {"new": 1, "unchanged": 2, "given_up": 1, "vanished": 2}
    assert (second.progress.moved, second.progress.extracted) == (1, 0)
    assert archive.statuses()["a.jpg"] == archive.statuses()["2019/a.jpg"] == "vanished"
    assert len(archive.faces()["2019/x/a.jpg"]) == 1
    assert archive.collection.storage.folders("attempts") == []
    assert states(archive.night()) == {"unchanged": 3, "given_up": 1}


def test_a_run_stopped_between_slices_goes_on(
    tmp_path: Path, sliced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    lay(archive, dict(zip(PATHS, (0, 1, 2, 3, 0, 1), strict=True)))

    writing = slow_writes(monkeypatch, "planned/")

    def impatient(progress: Progress) -> None:
        if progress.planned and writing.is_set():
            raise KeyboardInterrupt

    roots = parse_roots([str(archive.folder)])
    with pytest.raises(Interrupted):
        run_extract(roots, archive.collection, SETTINGS, impatient)
    assert archive.collection.storage.folders("attempts") == []
    assert archive.collection.snapshot().shards == ()
    done = archive.night()
    assert done.progress.items == 6
    assert sliced == [3, 3]
    assert archive.collection.storage.folders("attempts") == []


def test_a_run_stopped_while_pieces_are_written_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    lay(archive, {"a.jpg": 0})
    writing = slow_writes(monkeypatch, "pieces/")

    def impatient(_: Progress) -> None:
        if writing.is_set():
            raise KeyboardInterrupt

    roots = parse_roots([str(archive.folder)])
    with pytest.raises(Interrupted):
        run_extract(roots, archive.collection, SETTINGS, impatient)
    for thread in threading.enumerate():
        if thread.name == "pipeline":
            thread.join(60)
    assert archive.collection.storage.folders("attempts") == []


@pytest.mark.full
def test_a_launcher_killed_amid_several_slices_work_is_gone_on_with(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "collection")
    words = ["extract", str(album.folder), "--output", url, "--workers", "2"]
    launcher = subprocess.Popen(
        [sys.executable, "-P", "-c", PLANNED_IN_SLICES, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    media = Path(url, "media")
    deadline = time.monotonic() + 300
    while not any(media.glob("*.parquet")) and launcher.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    launcher.send_signal(signal.SIGKILL)
    launcher.communicate(timeout=60)
    before = set(Collection.open(url).snapshot().shards)
    assert before
    done = facebatch(*words[:4])
    assert done.returncode == 0, done.stderr
    collection = Collection.open(url)
    assert before <= set(collection.snapshot().shards)
    assert_equal_extractions(collection, undisturbed)
