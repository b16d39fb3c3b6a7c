"""The stage's own parts, without Beam: what a worker keeps between shards."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pictures import encode

from facebatch.collection import Collection
from facebatch.collection.lease import Lease
from facebatch.config import Execution, ExtractSettings
from facebatch.demo.render import render_face
from facebatch.extract.items import Item
from facebatch.extract.plan import cut
from facebatch.media.sources.listing import MediaFile, list_root
from facebatch.media.sources.roots import parse_root
from facebatch.pipelines import extract
from facebatch.pipelines import work as work_module


def test_a_worker_loads_each_model_once_however_many_shards_it_works_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    for module, name in ((extract, "load_detector"), (work_module, "load_embedder")):
        load = getattr(module, name)

        def counted(*arguments, name=name, load=load, **named):
            loaded.append(name)
            return load(*arguments, **named)

        monkeypatch.setattr(module, name, counted)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        (photos / f"{number}.jpg").write_bytes(encode(render_face(number)))
    files = [entry for entry in list_root(parse_root(str(photos))) if isinstance(entry, MediaFile)]
    collection = Collection.create(str(tmp_path / "collection"), ExtractSettings())
    lease = Lease(collection.storage, collection.settings)
    work = extract.ExtractShard(collection, Execution(), lease)
    with lease.held():
        for file in files:
            for shard in cut([Item(file)], 1_000):
                work(shard)
    assert len(collection.snapshot().face_ids) == 3
    assert sorted(loaded) == ["load_detector", "load_embedder"]
