"""Each shard's rows are found once, not among all rows again for every shard."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commits import commit_photos
from support.rows import memory_collection

from facebatch.collection import Collection, rewrite
from facebatch.collection.by_shard import places_by_shard
from facebatch.config import ExtractSettings
from facebatch.extract.seen_small import SeenSmall, seen_small

SHARDS = 20


@pytest.fixture
def collection() -> Collection:
    """One photo of one face in each shard."""
    made = memory_collection()
    embedding = np.eye(4, dtype=np.float32)[:1]
    for number in range(SHARDS):
        commit_photos(made, f"{number:02}", [embedding], number, x1=[24.0], y1=[24.0])
    return made


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the rows that Arrow looks through: those compared, and those looked up among."""
    counts: list[int] = []

    def counting(name: str, which: int) -> None:
        honest: Callable[..., pa.Array] = getattr(pc, name)

        def counted(*given: pa.Array, **options: bool) -> pa.Array:
            counts.append(len(given[which]))
            return honest(*given, **options)

        monkeypatch.setattr(pc, name, counted)

    counting("equal", 0)
    counting("index_in", 1)
    return counts


@given(st.lists(st.lists(st.sampled_from("abc"))), st.booleans())
def test_the_places_of_each_shard_are_its_rows_in_their_order(
    chunks: list[list[str]], coded: bool
) -> None:
    arrays = [pa.array(chunk, pa.string()) for chunk in chunks]
    parts = [one.dictionary_encode() for one in arrays] if coded else arrays
    kind = pa.dictionary(pa.int32(), pa.string()) if coded else pa.string()
    names = [name for chunk in chunks for name in chunk]
    found = places_by_shard(pa.chunked_array(parts, kind))
    assert {name: places.tolist() for name, places in found.items()} == {
        name: [at for at, other in enumerate(names) if other == name] for name in names
    }


def test_faces_are_looked_up_among_the_contents_of_their_shard(
    collection: Collection, compared: list[int]
) -> None:
    snapshot = collection.snapshot()
    snapshot.n_shots, snapshot.listed  # noqa: B018 (what is kept of the media)
    compared.clear()
    assert len(snapshot.faces(["face_id", "media_id"])) == SHARDS
    assert sum(compared) <= 2 * SHARDS


def test_faces_that_are_rewritten_are_looked_up_so_too(
    collection: Collection, compared: list[int]
) -> None:
    snapshot = collection.snapshot()
    done = rewrite.rewrite(collection, snapshot, snapshot.shards)
    assert len(done.replaced) == SHARDS
    assert sum(compared) <= 15 * SHARDS
    assert len(collection.snapshot().face_ids) == SHARDS


def test_small_faces_are_looked_up_among_the_photos_of_their_shard(
    collection: Collection, compared: list[int]
) -> None:
    snapshot, settings = collection.snapshot(), ExtractSettings(max_side=600)
    snapshot.item_rows  # noqa: B018 (it is kept)
    compared.clear()
    assert seen_small(snapshot, (), settings) == SeenSmall(SHARDS, 0, 0)
    assert sum(compared) <= 2 * SHARDS
