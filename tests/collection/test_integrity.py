from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from facebatch import ids, tables
from facebatch.collection import Collection, Generation, IndexManifest
from facebatch.collection.integrity import check, repair
from facebatch.collection.snapshot import with_column
from facebatch.errors import CollectionError
from facebatch.storage.local import TEMPORARY_MARK

RELEASED = Path(__file__).parents[1] / "released" / "v1"


@pytest.fixture
def copied(undisturbed: Collection, tmp_path: Path) -> Collection:
    """A copy of a real collection, extracted by two workers."""
    return Collection.open(str(shutil.copytree(undisturbed.storage.url, tmp_path / "copy")))


def shard_with_faces(collection: Collection) -> str:
    return max(
        collection.snapshot().shards,
        key=lambda shard: (
            Path(collection.storage.full_path(f"faces/{shard}.parquet")).stat().st_size
        ),
    )


def place(collection: Collection, table: str) -> Path:
    return Path(collection.storage.full_path(f"{table}/{shard_with_faces(collection)}.parquet"))


def rewritten(
    collection: Collection, table: str, change: Callable[[pa.Table], pa.Table], **metadata: str
) -> None:
    """Writes a shard's table with other rows, as its writer does."""
    path = f"{table}/{shard_with_faces(collection)}.parquet"
    rows = change(tables.read(collection.storage, path, table))
    stated = {"fingerprint": collection.fingerprint, **metadata}
    tables.write(collection.storage, path, table, rows, **stated)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(255 - byte for byte in data[middle : middle + 64])
    path.write_bytes(data)


def current_folder(collection: Collection, stage: str) -> Path:
    generation = collection.current(stage)
    assert generation is not None
    return Path(collection.storage.full_path(generation.folder))


def values(name: str, change: Callable[[Any], Any]) -> Callable[[pa.Table], pa.Table]:
    """Returns a change of a column's first value."""

    def changed(rows: pa.Table) -> pa.Table:
        column = rows[name].to_pylist()
        return with_column(rows, name, pa.array([change(column[0]), *column[1:]], rows[name].type))

    return changed


def other_id(_: bytes) -> bytes:
    return ids.content_id(b"other")


def on(table: str, name: str, change: Callable[[Any], Any]) -> Callable[[Collection], None]:
    return lambda collection: rewritten(collection, table, values(name, change))


def nowhere(vector: list[float]) -> list[float]:
    return [float("nan"), *vector[1:]]


SHARD_DAMAGES: dict[str, tuple[Callable[[Collection], None], str]] = {
    "truncated media": (lambda c: truncate(place(c, "media")), "media_unreadable"),
    "truncated faces": (lambda c: truncate(place(c, "faces")), "faces_unreadable"),
    "empty media": (lambda c: os.truncate(place(c, "media"), 0), "media_unreadable"),
    "flipped media": (lambda c: flip(place(c, "media")), "media_unreadable"),
    "faces gone": (lambda c: place(c, "faces").unlink(), "faces_missing"),
    "another table": (
        lambda c: shutil.copy(place(c, "media"), place(c, "faces")) and None,
        "faces_unreadable",
    ),
    "another collection": (
        lambda c: rewritten(c, "faces", lambda rows: rows, fingerprint="0" * 32),
        "faces_wrong",
    ),
    "another collection's items": (
        lambda c: rewritten(c, "media", lambda rows: rows, fingerprint="0" * 32),
        "media_wrong",
    ),
    "faces cut off": (
        lambda c: rewritten(c, "faces", lambda rows: rows.slice(1)),
        "count_wrong",
    ),
    "items cut off": (
        lambda c: rewritten(c, "media", lambda rows: rows.filter(pc.equal(rows["faces"], 0))),
        "item_missing",
    ),
    "item of another id": (on("media", "media_id", other_id), "media_id_wrong"),
    "unknown status": (on("media", "status", lambda _: "lost"), "status_wrong"),
    "face of another id": (on("faces", "face_id", other_id), "face_id_wrong"),
    "face twice": (
        lambda c: rewritten(c, "faces", lambda rows: pa.concat_tables([rows, rows.slice(0, 1)])),
        "face_twice",
    ),
    "face of another content": (on("faces", "content_id", other_id), "item_missing"),
    "face of another item": (on("faces", "media_id", other_id), "item_missing"),
    "NaN in an embedding": (on("faces", "embedding", nowhere), "embedding_wrong"),
    "long embedding": (
        on("faces", "embedding", lambda v: [2 * x for x in v]),
        "embedding_wrong",
    ),
    "short embeddings": (
        lambda c: rewritten(
            c,
            "faces",
            lambda rows: rows.drop_columns(["embedding"]).append_column(
                "embedding", tables.vectors(np.eye(4, dtype=np.float32)[[0] * len(rows)])
            ),
        ),
        "embedding_wrong",
    ),
    "infinite box": (on("faces", "x1", lambda _: float("inf")), "box_wrong"),
    "empty box": (on("faces", "x1", lambda _: -1e6), "box_wrong"),
    "NaN landmark": (on("faces", "landmarks", nowhere), "box_wrong"),
    "broken chip": (on("faces", "chip", lambda data: data[: len(data) // 2]), "chip_wrong"),
    "no chip": (on("faces", "chip", lambda _: None), "chip_wrong"),
}


def test_a_collection_that_a_run_made_is_sound(copied: Collection) -> None:
    snapshot = copied.snapshot()
    found = check(copied.storage.url, deep=True)
    assert found.problems == ()
    assert found.is_sound
    counts = (len(snapshot.shards), len(snapshot.media), len(snapshot.face_ids))
    assert (found.shards, found.items, found.faces) == counts
    assert repair(copied.storage.url).repaired == ()


@pytest.mark.parametrize("damage", SHARD_DAMAGES)
def test_a_damaged_shard_is_told_and_its_removal_repairs(copied: Collection, damage: str) -> None:
    harm, code = SHARD_DAMAGES[damage]
    shard = shard_with_faces(copied)
    harm(copied)
    done = repair(copied.storage.url, deep=True)
    assert not done.is_sound
    told = [problem for problem in done.problems if problem.shard == shard]
    assert code in {problem.code for problem in told}, told
    assert all(f"media/{shard}.parquet" in problem.repair for problem in told)
    assert f"media/{shard}.parquet" in done.repaired
    assert {problem.code for problem in check(copied.storage.url).problems} == set()
    assert shard not in copied.snapshot().shards


def test_items_whose_faces_went_with_a_damaged_shard_are_extracted_again_too(
    copied: Collection,
) -> None:
    shard = shard_with_faces(copied)
    snapshot = copied.snapshot()
    mine = snapshot.rows.filter(pc.equal(snapshot.rows["shard"], shard))
    contents = snapshot.rows["content_id"].to_pylist()
    row = next(
        row
        for row in mine.drop_columns(["shard"]).to_pylist()
        if row["faces"] and contents.count(row["content_id"]) == 1
    )
    row |= {"path": "copy.jpg", "media_id": ids.media_id(row["root"], "copy.jpg")}
    row |= {"status": "duplicate", "path_bytes": None}
    nothing = tables.read(copied.storage, f"faces/{shard}.parquet", "faces").slice(0, 0)
    copied.commit_shard("copy", tables.from_rows("media", [row]), nothing)
    assert check(copied.storage.url).is_sound
    copied.storage.remove(f"media/{shard}.parquet")
    [problem] = [p for p in check(copied.storage.url).problems if p.code == "faces_lost"]
    assert "copy.jpg" in problem.message
    assert "copy" in repair(copied.storage.url).repaired
    assert "copy.jpg" not in copied.snapshot().media["path"].to_pylist()
    assert check(copied.storage.url).is_sound


def cut_table(collection: Collection, stage: str, table: str) -> None:
    path = (
        f"{current_folder(collection, stage).relative_to(collection.storage.url)}/{table}.parquet"
    )
    rows = tables.read(collection.storage, path, table).slice(1)
    tables.write(collection.storage, path, table, rows, collection.fingerprint)


def strange_rows(collection: Collection) -> None:
    path = f"clusters/{current_folder(collection, 'clusters').name}/clusters.parquet"
    rows = tables.read(collection.storage, path, "clusters")
    rows = values("face_id", lambda _: bytes(16))(rows)
    tables.write(collection.storage, path, "clusters", rows, collection.fingerprint)


GENERATION_DAMAGES: dict[str, tuple[str, Callable[[Collection], None], str]] = {
    "manifest": (
        "index",
        lambda c: (current_folder(c, "index") / "manifest.json").write_text("{") and None,
        "",
    ),
    "no index": ("index", lambda c: (current_folder(c, "index") / "faces.index").unlink(), ""),
    "half an index": ("index", lambda c: truncate(current_folder(c, "index") / "faces.index"), ""),
    "no ids": ("index", lambda c: (current_folder(c, "index") / "ids.parquet").unlink(), ""),
    "fewer ids": ("index", lambda c: cut_table(c, "index", "ids"), "rows of"),
    "fewer clusters": ("clusters", lambda c: cut_table(c, "clusters", "clusters"), "rows of"),
    "strange faces": ("clusters", strange_rows, "1 row of faces that don't exist"),
    "truncated people": (
        "people",
        lambda c: truncate(current_folder(c, "people") / "people.parquet"),
        "",
    ),
}


@pytest.mark.parametrize("damage", GENERATION_DAMAGES)
def test_a_damaged_generation_is_told_and_its_removal_repairs(
    copied: Collection, damage: str
) -> None:
    stage, harm, said = GENERATION_DAMAGES[damage]
    folder = current_folder(copied, stage).relative_to(copied.storage.url)
    harm(copied)
    done = repair(copied.storage.url)
    [problem] = [problem for problem in done.problems if problem.code == "generation_damaged"]
    assert problem.path == str(folder)
    assert said in problem.message
    assert done.repaired == (str(folder),)
    assert {problem.code for problem in check(copied.storage.url).problems} <= {"parent_missing"}


def test_a_generation_whose_parent_is_gone_is_told(copied: Collection) -> None:
    copied.storage.remove(str(current_folder(copied, "clusters").relative_to(copied.storage.url)))
    [problem] = check(copied.storage.url).problems
    assert (problem.code, problem.repair) == ("parent_missing", "run `facebatch cluster`")


def test_an_index_of_other_faces_than_today_s_is_no_damage(copied: Collection) -> None:
    snapshot = copied.snapshot()
    [row] = snapshot.media.filter(pc.greater(snapshot.media["faces"], 0)).slice(0, 1).to_pylist()
    row.pop("shard")
    changed = tables.from_rows("media", [{**row, "status": "quarantined", "reason": "truncated"}])
    nothing = tables.read(copied.storage, f"faces/{snapshot.shards[0]}.parquet", "faces")
    copied.commit_shard("changed", changed, nothing.slice(0, 0))
    assert len(copied.snapshot().face_ids) <= len(snapshot.face_ids)
    assert check(copied.storage.url).problems == ()


def test_leftovers_are_told_removed_and_no_damage(copied: Collection) -> None:
    storage = copied.storage
    shard = shard_with_faces(copied)
    faces = tables.read(storage, f"faces/{shard}.parquet", "faces")
    tables.write(storage, "faces/orphan.parquet", "faces", faces, copied.fingerprint)
    half = f"media/{TEMPORARY_MARK}1-x.parquet"
    unfinished = Generation("20200101T000000.000000Z-aaaaaa", IndexManifest())
    for path in (half, "attempts/plan-1.json", f"{unfinished.folder}/ids.parquet"):
        storage.write(path, b"")
    assert [p.path for p in check(storage.url).problems] == [unfinished.folder]
    for path in ("faces/orphan.parquet", half, "attempts/plan-1.json"):
        os.utime(storage.full_path(path), (time.time() - 90_000,) * 2)
    found = check(storage.url)
    assert found.is_sound
    paths = {"faces/orphan.parquet", half, "attempts/plan-1.json", unfinished.folder}
    assert {problem.path for problem in found.problems} == paths
    assert set(repair(storage.url).repaired) == paths
    assert check(storage.url).problems == ()


def test_replaced_shards_are_left_to_their_readers_for_a_day(copied: Collection) -> None:
    from facebatch.collection.maintenance import compact

    old = copied.snapshot().shards
    compact(copied)
    assert check(copied.storage.url).problems == ()
    [new] = copied.snapshot().shards
    os.utime(copied.storage.full_path(f"media/{new}.parquet"), (time.time() - 90_000,) * 2)
    found = check(copied.storage.url)
    assert found.is_sound
    assert {problem.path for problem in found.problems} == {f"media/{name}.parquet" for name in old}
    repair(copied.storage.url)
    assert [file.path for file in copied.storage.files("faces")] == [f"faces/{new}.parquet"]


def test_a_damaged_collection_file_can_t_be_repaired_and_is_told(copied: Collection) -> None:
    copied.storage.write("collection.json", b"{")
    done = repair(copied.storage.url)
    [problem] = done.problems
    assert (problem.code, problem.remove, done.is_sound) == ("collection_unreadable", (), False)


def test_a_place_without_a_collection_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="is no collection"):
        check(str(tmp_path))


def test_settings_that_give_another_fingerprint_today_are_told(tmp_path: Path) -> None:
    url = str(shutil.copytree(RELEASED, tmp_path / "v1"))
    text = (tmp_path / "v1" / "collection.json").read_text("utf-8")
    collection = Collection.open(url)
    (tmp_path / "v1" / "collection.json").write_text(
        text.replace(collection.fingerprint, "0" * 32), "utf-8"
    )
    assert "other_settings" in {problem.code for problem in check(url).problems}


def test_a_released_collection_is_sound(tmp_path: Path) -> None:
    url = str(shutil.copytree(RELEASED, tmp_path / "v1"))
    codes = {problem.code for problem in check(url, deep=True).problems}
    assert codes <= {"other_settings"}


@pytest.mark.parametrize("folder", ["decisions", "events"])
def test_what_is_kept_for_good_is_verified_too(copied: Collection, folder: str) -> None:
    path = f"{folder}/20240101T000000.000000Z-abcdef.parquet"
    copied.storage.write(path, b"garbage")
    [problem] = [found for found in check(copied.storage.url).problems if not found.is_leftover]
    assert (problem.code, problem.path) == (f"{folder}_damaged", path)
    repair(copied.storage.url)
    assert check(copied.storage.url).is_sound


def test_a_damaged_tree_is_told(copied: Collection) -> None:
    clusters = copied.current("clusters")
    assert clusters is not None
    copied.storage.write(f"{clusters.folder}/tree.parquet", b"garbage")
    codes = {found.code for found in check(copied.storage.url).problems}
    assert "generation_damaged" in codes
