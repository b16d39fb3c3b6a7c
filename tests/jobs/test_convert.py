"""A collection of another embedder, made from the chips of the first."""

from __future__ import annotations

import errno
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from support.albums import Album
from support.convertible import HERE, NAME, convert
from support.equality import DISCRETE_FACES, DISCRETE_MEDIA

from facebatch import tables
from facebatch.cluster.tau import choose_tau
from facebatch.collection import Collection, Suppression, integrity
from facebatch.collection.summary import inspect_collection
from facebatch.collection.suppression import suppress
from facebatch.errors import CollectionError, StageFailed, UsageError, WeightsError
from facebatch.jobs.convert import planned
from facebatch.jobs.plan import make_plan
from facebatch.media.sources.roots import parse_roots
from facebatch.people import PeopleView
from facebatch.people.recording import recorded_places
from facebatch.stages import cluster_people


def test_faces_keep_everything_but_what_the_embedder_gives(
    converted: Collection, undisturbed: Collection
) -> None:
    mine, theirs = converted.snapshot(), undisturbed.snapshot()
    assert mine.shards == theirs.shards
    for column in (*DISCRETE_MEDIA, "committed_at"):
        assert mine.media[column].to_pylist() == theirs.media[column].to_pylist(), column
    kept = [*DISCRETE_FACES, "x0", "y0", "x1", "y1", "landmarks", "score", "track"]
    assert mine.faces(kept) == theirs.faces(kept)
    assert converted.space == undisturbed.space
    columns = ["embedding", "chip_to_picture", "chip"]
    faces, fresh = mine.faces(columns), theirs.faces(columns)
    assert np.allclose(*(tables.matrix(each["chip_to_picture"]) for each in (faces, fresh)))
    cosines = np.multiply(*(tables.matrix(each["embedding"]) for each in (faces, fresh))).sum(1)
    assert np.median(cosines) > 0.98  # twice through JPEG, and without the chin's surroundings
    assert Image.open(io.BytesIO(faces["chip"][0].as_py())).size == (150, 150)
    assert integrity.check(converted.storage.url, deep=True).problems == ()
    summary = inspect_collection(converted)
    assert summary["converted_from"]["embedder"] == "mobilefacenet"


def test_people_keep_their_ids_and_names_when_the_faces_are_grouped_anew(
    converted: Collection, made: Path, tmp_path: Path
) -> None:
    target = Collection.open(str(shutil.copytree(converted.storage.url, tmp_path / "target")))
    before, carried = (PeopleView.of(each) for each in (Collection.open(str(made)), target))
    assert carried.owner == before.owner
    clusters, people = cluster_people(target, target.snapshot())
    assert people.generation.manifest.reason == "another embedder"
    assert clusters.generation.manifest.space == target.space
    chosen = choose_tau(len(target.snapshot().face_ids), target.settings.thresholds().links)
    assert clusters.generation.manifest.tau == chosen
    now = PeopleView.of(target)
    assert set(now.known) >= set(before.known)
    assert [one.name for one in now.by_name(NAME)] == [NAME]
    ada = before.by_name(NAME)[0].person_id
    assert now.faces[ada] >= before.faces[ada]
    assert cluster_people(target, target.snapshot())[1].unchanged
    assert integrity.check(target.storage.url).problems == ()


def test_what_decisions_say_of_a_look_is_said_in_the_new_space(
    converted: Collection, made: Path
) -> None:
    before = PeopleView.of(Collection.open(str(made)))
    faces = before.faces[before.by_name(NAME)[0].person_id]
    _, looks = recorded_places(converted, faces)
    assert set(looks) == faces
    rows = converted.snapshot().faces(["face_id", "embedding"])
    today = dict(zip(rows["face_id"].to_pylist(), tables.matrix(rows["embedding"]), strict=True))
    assert all(np.array_equal(looks[face], today[face]) for face in faces)


def test_the_next_night_extracts_new_photos_alone(
    converted: Collection, album: Album, tmp_path: Path
) -> None:
    photos = shutil.copytree(album.folder, tmp_path / album.folder.name)
    first = next(path for path in sorted(photos.rglob("*.jpg")) if path.stat().st_size)
    (photos / "another.jpg").write_bytes(first.read_bytes() + b"\0")
    flags = {"moved_root": (photos.name,)}
    settings = replace(HERE, **flags)
    plan = make_plan(parse_roots([str(photos)], []), converted.storage.url, {}, None, settings)
    assert plan["to_extract"] == 1


def test_a_conversion_that_was_cut_off_is_no_collection_and_goes_on(
    source: Collection, tmp_path: Path, faults: dict[tuple[str, str], OSError]
) -> None:
    url = f"faulty://{tmp_path}/target"
    last = source.snapshot().shards[-1]
    full = OSError(errno.ENOSPC, "No space left on device")
    faults["put", f"media/{last}.parquet"] = full
    with pytest.raises(StageFailed, match="No space left"):
        convert(source, url)
    with pytest.raises(CollectionError, match="is no collection"):
        Collection.open(url)
    faults.clear()
    faults["put", "collection.json"] = full
    with pytest.raises(CollectionError):
        convert(source, url)
    with pytest.raises(CollectionError, match="another conversion"):
        planned(Collection.open(source.storage.url), url, "retail-0095", HERE)
    faults.clear()
    done = convert(source, url)
    assert done.shards == 0
    assert done.snapshot.faces_hash == source.snapshot().faces_hash
    assert not done.target.storage.exists("conversion.json")
    assert source.storage.files("attempts") == []


def test_a_chip_that_cannot_be_read_ends_it_until_the_collection_is_repaired(
    source: Collection, tmp_path: Path
) -> None:
    url, shard = str(tmp_path / "target"), source.snapshot().shards[0]
    media, faces = (
        tables.read(source.storage, f"{table}/{shard}.parquet", table)
        for table in ("media", "faces")
    )
    chips = pa.array([b"no JPEG", *faces["chip"].to_pylist()[1:]], pa.binary())
    faces = faces.set_column(faces.schema.get_field_index("chip"), "chip", chips)
    source.commit_shard(shard, media, faces, keep_times=True)
    with pytest.raises(CollectionError, match=f"{shard} for one.*--repair"):
        convert(source, url)
    integrity.repair(source.storage.url, deep=True)
    done = convert(source, url)
    assert shard not in done.snapshot.shards
    assert done.snapshot.faces_hash == source.snapshot().faces_hash


def test_what_was_erased_stays_so(source: Collection, tmp_path: Path) -> None:
    gone = b"\7" * 16
    suppress(source.storage, faces=[gone])
    done = convert(source, str(tmp_path / "target"))
    assert Suppression.load(done.target.storage).hides_face(gone)


def test_what_cannot_be_converted_is_refused_before_anything_is_written(
    source: Collection, tmp_path: Path
) -> None:
    url = str(tmp_path / "target")
    refused = {
        "mobilefacenet already": (source, url, "mobilefacenet", UsageError),
        "models fetch sface": (source, url, "sface", WeightsError),
        "is a collection already": (source, source.storage.url, "dlib-resnet", CollectionError),
        "holds files": (source, str(tmp_path), "dlib-resnet", CollectionError),
    }
    without = replace(source.settings, chips=False)
    bare = Collection.create(str(tmp_path / "bare"), without)
    refused["--no-chips"] = (bare, url, "dlib-resnet", CollectionError)
    for said, (collection, place, embedder, error) in refused.items():
        with pytest.raises(error, match=said):
            planned(collection, place, embedder, HERE)
    assert not Path(url).exists()
