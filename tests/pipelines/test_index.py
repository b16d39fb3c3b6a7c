import numpy as np
import pytest
from support.synthetic import people

from facebatch.config import RunSettings
from facebatch.errors import CollectionError
from facebatch.neighbors import index
from facebatch.pipelines import index as module
from facebatch.storage.store import Storage

TWO_WORKERS = RunSettings(workers=2)
IN_MEMORY = RunSettings(workers=1, beam_options=("--direct_running_mode=in_memory",))


@pytest.fixture(scope="module")
def faces():
    return people([4] * 300, seed=1)[0]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("ivf", TWO_WORKERS), ("ivfpq", IN_MEMORY), ("flat", IN_MEMORY), ("hnsw", IN_MEMORY)],
)
def test_workers_build_the_index_of_one_process(faces, kind, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SHARD_ROWS", 500)
    plan = index.choose(len(faces), 128, 1 << 30, kind=kind)
    built = module.build(faces, plan, 3, Storage(str(tmp_path)), settings)
    assert built.ntotal == len(faces)
    alone = index.build(faces, plan, 3)
    for one, other in zip(
        index.search(built, faces, 5), index.search(alone, faces, 5), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert (tmp_path / "shards").is_dir() == plan.divisible


def test_an_embedding_without_unit_length_is_named_before_any_worker_begins(
    faces, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "SHARD_ROWS", 500)
    broken = faces.copy()
    broken[700] = np.nan
    plan = index.choose(len(faces), 128, 1 << 30, kind="ivf")
    with pytest.raises(CollectionError, match="embedding 700 has length nan"):
        module.build(broken, plan, 0, Storage(str(tmp_path)), IN_MEMORY)
    assert not list(tmp_path.iterdir())
