"""Workers that search for the stages give what the launcher alone would give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import faiss
import numpy as np
import pytest
from support.synthetic import TAU, people

from facebatch import neighbors
from facebatch.config import RunSettings
from facebatch.jobs import distributed
from facebatch.jobs.distributed import Searching
from facebatch.neighbors import index
from facebatch.stages.index import build_here
from facebatch.stages.trees import find_here
from facebatch.storage.store import Storage

PLENTY = 1 << 34


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Searching:
    monkeypatch.setattr(distributed, "LEAST_FACES", 100)
    return Searching(
        Storage(str(tmp_path / "collection")), RunSettings(workers=2).with_resolved_workers()
    )


def test_neighbours_found_by_workers_are_those_found_here(work: Searching) -> None:
    embeddings, _ = people([8] * 30, seed=1)
    plan = replace(neighbors.choose(100_000, 128, PLENTY), rows=240, lists=16, probes=4)
    theirs, ours = (find(embeddings, 10, TAU, plan, 3) for find in (work.find, find_here))
    np.testing.assert_array_equal(theirs.starts, ours.starts)
    np.testing.assert_array_equal(theirs.indices, ours.indices)
    np.testing.assert_allclose(theirs.distances, ours.distances, atol=1e-6)


def test_an_index_built_by_workers_is_that_built_here(work: Searching) -> None:
    embeddings, _ = people([8] * 30, seed=2)
    plan = index.choose(*embeddings.shape, PLENTY)
    theirs, ours = work.build(embeddings, plan, 3), build_here(embeddings, plan, 3)
    assert faiss.serialize_index(theirs).tolist() == faiss.serialize_index(ours).tolist()


def test_what_lies_between_machines_lies_in_the_collection_and_is_gone_afterwards(
    work: Searching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def find_neighbors(
        _embeddings: np.ndarray, _k: int, _reach: float, _plan: object, _seed: int, *rest: object
    ) -> None:
        cast(Storage, rest[0]).write("centroids.npy", b"")
        seen.extend((tmp_path / "collection").rglob("*.npy"))

    monkeypatch.setattr(distributed.neighbors, "find_neighbors", find_neighbors)
    embeddings, _ = people([8] * 30, seed=3)
    elsewhere = replace(work, settings=RunSettings(runner="spark", workers=2))
    elsewhere.find(embeddings, 5, 0.1, neighbors.choose(*embeddings.shape, PLENTY), 3)
    assert len(seen) == 1
    assert not list((tmp_path / "collection").rglob("*.npy"))
