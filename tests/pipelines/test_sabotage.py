"""Each end-to-end assertion, shown to fail when what it guards is broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import album_checks
from support.albums import Album

from facebatch.collection import Collection
from facebatch.config import ExtractSettings, RunSettings
from facebatch.detect.mtcnn import MtcnnDetector
from facebatch.faces import align
from facebatch.jobs.run import run_all
from facebatch.media.photo import decode
from facebatch.media.sources.roots import Root
from facebatch.stages import cluster_people

Check = Callable[[Collection, Album], None]

# Sabotage reaches into the code, so these runs stay in this process.
IN_THIS_PROCESS = RunSettings(guard=False, beam_options=("--direct_running_mode=in_memory",))


def run_sabotaged(album: Album, folder: Path) -> Collection:
    collection = Collection.create(str(folder / "collection"), ExtractSettings())
    root = Root(album.folder.name, str(album.folder))
    run_all([root], collection, IN_THIS_PROCESS, lambda progress: None)
    return collection


def copied(collection: Collection, folder: Path) -> Collection:
    shutil.copytree(collection.storage.url, folder / "collection")
    return Collection.open(str(folder / "collection"))


def assert_noticed(check: Check, collection: Collection, album: Album) -> None:
    with pytest.raises(AssertionError):
        check(collection, album)


def test_an_honest_run_in_this_process_passes(album: Album, tmp_path: Path) -> None:
    album_checks.check_album(run_sabotaged(album, tmp_path), album)


def test_chips_in_bgr_are_noticed(
    album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = align.cut_chip
    monkeypatch.setattr(align, "cut_chip", lambda *given: honest(*given)[..., ::-1].copy())
    collection = run_sabotaged(album, tmp_path)
    assert_noticed(album_checks.check_embeddings_are_dlibs, collection, album)


@pytest.mark.full
def test_swapped_eyes_are_noticed(
    album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = MtcnnDetector.detect

    def swapped(self: MtcnnDetector, image: decode.npt.NDArray[decode.np.uint8]) -> object:
        found = honest(self, image)
        return replace(found, landmarks=found.landmarks[:, [1, 0, 2, 3, 4]])

    monkeypatch.setattr(MtcnnDetector, "detect", swapped)
    collection = run_sabotaged(album, tmp_path)
    assert_noticed(album_checks.check_faces_lie_where_they_were_painted, collection, album)


@pytest.mark.full
def test_ignored_exif_is_noticed(
    album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = decode.read_exif
    monkeypatch.setattr(decode, "read_exif", lambda image: replace(honest(image), orientation=1))
    collection = run_sabotaged(album, tmp_path)
    assert_noticed(album_checks.check_faces_lie_where_they_were_painted, collection, album)


def test_a_doubled_tau_is_noticed(album: Album, undisturbed: Collection, tmp_path: Path) -> None:
    collection = copied(undisturbed, tmp_path)
    clusters = collection.current("clusters")
    assert clusters is not None
    tau = clusters.manifest.tau
    cluster_people(collection, collection.snapshot(), tau=2 * tau)
    assert_noticed(album_checks.check_people, collection, album)


def test_a_dropped_shard_is_noticed(album: Album, undisturbed: Collection, tmp_path: Path) -> None:
    collection = copied(undisturbed, tmp_path)
    collection.storage.remove(f"media/{collection.snapshot().shards[0]}.parquet")
    assert_noticed(album_checks.check_every_file_has_its_outcome, collection, album)


def test_a_shard_committed_twice_is_noticed(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    collection = copied(undisturbed, tmp_path)
    shard = collection.snapshot().shards[0]
    for table in ("faces", "media"):
        data = collection.storage.read(f"{table}/{shard}.parquet")
        collection.storage.write(f"{table}/{'0' * 32}.parquet", data)
    # Readers count its rows once; that it was extracted twice is what must not go unnoticed.
    assert collection.snapshot().faces_hash == undisturbed.snapshot().faces_hash
    assert_noticed(
        lambda given, _: album_checks.check_nothing_was_extracted_twice(given), collection, album
    )
