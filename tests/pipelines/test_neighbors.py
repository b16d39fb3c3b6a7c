from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.synthetic import people

from facebatch.config import RunSettings
from facebatch.errors import CollectionError
from facebatch.neighbors import choose, exact_neighbors
from facebatch.neighbors import find_neighbors as in_one_process
from facebatch.pipelines import neighbors as module
from facebatch.pipelines.neighbors import find_neighbors
from facebatch.storage.store import Storage

TWO_WORKERS = RunSettings(workers=2)
IN_MEMORY = RunSettings(workers=1, beam_options=("--direct_running_mode=in_memory",))
PLAN = replace(choose(100_000, 128, 1 << 30), rows=9_000, lists=32, probes=4)


def test_workers_find_the_graph_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD_BLOCKS", 1)
    embeddings, _ = people([6] * 1500, seed=1)
    storage = Storage(str(tmp_path))
    found = find_neighbors(embeddings, 10, PLAN, 7, storage, TWO_WORKERS)
    alone = in_one_process(embeddings, 10, PLAN, 7, threads=2)
    np.testing.assert_array_equal(found.indices, alone.indices)
    np.testing.assert_array_equal(found.distances, alone.distances)
    edges = [pq.read_table(path) for path in sorted((tmp_path / "edges").iterdir())]
    assert len(edges) == 3
    rows = np.concatenate([table["row"].to_numpy() for table in edges])
    assert sorted(rows.tolist()) == list(range(9_000))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_faces_need_no_lists(n, tmp_path):
    embeddings = people([5], seed=1)[0][:n].reshape(n, 128)
    plan = choose(n, 128, 1 << 30)
    found = find_neighbors(embeddings, 64, plan, 0, Storage(str(tmp_path)), IN_MEMORY)
    np.testing.assert_array_equal(found.indices, exact_neighbors(embeddings, 64).indices)


def test_an_embedding_without_unit_length_is_named_before_any_worker_begins(tmp_path):
    embeddings = np.zeros((5, 128), np.float32)
    with pytest.raises(CollectionError, match="embedding 0 has length"):
        find_neighbors(embeddings, 3, choose(5, 128, 1 << 30), 0, Storage(str(tmp_path)), IN_MEMORY)
    assert not list(tmp_path.iterdir())
