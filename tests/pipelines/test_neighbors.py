import io
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.synthetic import TAU, people

from facebatch.config import RunSettings
from facebatch.errors import CollectionError
from facebatch.neighbors import choose, exact_neighbors, graph_search
from facebatch.neighbors import find_neighbors as in_one_process
from facebatch.pipelines import neighbors as module
from facebatch.pipelines.neighbors import GraphJob, OpenCells, find_neighbors
from facebatch.storage.store import Storage

TWO_WORKERS = RunSettings(workers=2)
IN_MEMORY = RunSettings(workers=1, beam_options=("--direct_running_mode=in_memory",))
PLAN = replace(choose(100_000, 128, 1 << 30), rows=9_000, lists=32, probes=4)


def test_workers_find_the_graph_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_ROWS", 3000)
    monkeypatch.setattr(graph_search, "BLOCK_ROWS", 3000)
    monkeypatch.setattr(module, "PART_ROWS", 4000)
    embeddings, _ = people([6] * 1500, seed=1)
    storage = Storage(str(tmp_path))
    found = find_neighbors(embeddings, 10, TAU, PLAN, 7, storage, TWO_WORKERS)
    alone = in_one_process(embeddings, 10, TAU, PLAN, 7, threads=2)
    np.testing.assert_array_equal(found.starts, alone.starts)
    np.testing.assert_array_equal(found.indices, alone.indices)
    np.testing.assert_array_equal(found.distances, alone.distances)
    assert len(found.indices) > 9_000
    edges = [pq.read_table(path) for path in sorted((tmp_path / "edges").iterdir())]
    assert [len(table) for table in edges] == [3000, 3000, 3000]
    assert len(list((tmp_path / "cells").iterdir())) == 3


def test_cells_of_another_store_are_read_file_by_file_and_few_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_HELD_PARTS", 2)
    monkeypatch.setattr(Storage, "is_local", False)
    storage = Storage(f"memory://{tmp_path.name}")
    embeddings = people([5] * 9, seed=1)[0].astype(np.float16)
    job = GraphJob(storage, 3, TAU, 1, part_rows=10)
    for number in range(5):
        sink = io.BytesIO()
        np.save(sink, embeddings[10 * number : 10 * number + 10])
        storage.write(job.part(number), sink.getvalue())
    for array, path in ((embeddings[:1], job.centroids), (np.array([0, 45]), job.starts)):
        sink = io.BytesIO()
        np.save(sink, array)
        storage.write(path, sink.getvalue())
    opened = OpenCells(job)
    for start, stop in ((0, 10), (3, 27), (19, 20), (39, 45), (0, 45), (12, 13)):
        np.testing.assert_array_equal(opened.read(start, stop), embeddings[start:stop])


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_faces_need_no_lists(n, tmp_path):
    embeddings = people([5], seed=1)[0][:n].reshape(n, 128)
    plan = choose(n, 128, 1 << 30)
    found = find_neighbors(embeddings, 64, 4.0, plan, 0, Storage(str(tmp_path)), IN_MEMORY)
    np.testing.assert_array_equal(found.indices, exact_neighbors(embeddings, 64).indices)


def test_an_embedding_without_unit_length_is_named_before_any_worker_begins(tmp_path):
    embeddings = np.zeros((5, 128), np.float32)
    plan = replace(PLAN, rows=5, lists=2)
    with pytest.raises(CollectionError, match="embedding 0 has length"):
        find_neighbors(embeddings, 3, TAU, plan, 0, Storage(str(tmp_path)), IN_MEMORY)
    assert not list(tmp_path.iterdir())
