"""A real cluster: what it gives is what this machine gives, whatever dies meanwhile."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import cluster as clusters
from support.cluster import Cluster, Host
from support.equality import assert_equal_extractions
from support.pictures import encode
from support.poisoned import CRASHES
from support.program import command
from support.synthetic import people

from facebatch import neighbors
from facebatch.collection import Collection
from facebatch.config import RunSettings
from facebatch.demo.render import render_face
from facebatch.neighbors import index
from facebatch.pipelines import index as index_stage
from facebatch.pipelines import neighbors as graph_stage
from facebatch.storage.store import Storage

LACKING = clusters.lacking()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(LACKING), reason=f"a cluster needs {LACKING}"),
    pytest.mark.filterwarnings("ignore"),
]
PHOTOS = 96


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that every host mounts."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def photos(shared: Path) -> Path:
    folder = shared / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        (folder / f"{number:03}.jpg").write_bytes(encode(render_face(number)))
    return folder


@pytest.fixture(scope="module")
def expected(photos: Path, shared: Path) -> Collection:
    """What this machine extracts."""
    url = str(shared / "expected")
    done = subprocess.run(command("extract", str(photos), "-o", url), capture_output=True)
    assert done.returncode == 0, done.stderr
    return Collection.open(url)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    logs = tmp_path_factory.mktemp("logs")
    with clusters.started(logs, [Host(1, logs), Host(2, logs)]) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """The cluster, whole."""
    running.mend()
    return running


def launched(photos: Path, url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("extract", str(photos), "-o", url, *words, *clusters.options()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_shards(launcher: subprocess.Popen[str], url: str, number: int) -> None:
    while len(list(Path(url, "media").glob("*.parquet"))) < number:
        assert launcher.poll() is None, launcher.communicate()[0]
        time.sleep(0.1)


def ended(launcher: subprocess.Popen[str]) -> tuple[int, str]:
    words, _ = launcher.communicate(timeout=240)
    return launcher.returncode, words


def test_a_cluster_extracts_what_this_machine_extracts(
    cluster: Cluster, photos: Path, expected: Collection, shared: Path
) -> None:
    url = str(shared / "undisturbed")
    code, words = ended(launched(photos, url))
    assert code == 0, words
    assert f"extracted {PHOTOS} items" in words
    assert_equal_extractions(Collection.open(url), expected)
    assert not list(Path(url, "attempts").rglob("*.*"))


@pytest.mark.parametrize("victim", ["python worker", "executor", "host", "cable"])
def test_nothing_is_lost_and_nothing_twice_whatever_dies(
    victim: str, cluster: Cluster, photos: Path, expected: Collection, shared: Path
) -> None:
    url = str(shared / victim.replace(" ", "-"))
    launcher = launched(photos, url)
    wait_for_shards(launcher, url, 1)
    host = cluster.hosts[0]
    if victim == "cable":
        host.pull_cable()
    elif victim == "host":
        host.kill()
    else:
        word = "pyspark.daemon" if victim == "python worker" else "CoarseGrainedExecutorBackend"
        for process in host.processes(word):
            process.kill()
    code, words = ended(launcher)
    assert code == 0, words
    assert_equal_extractions(Collection.open(url), expected)


def test_who_stops_a_run_stops_its_commits(
    cluster: Cluster, photos: Path, expected: Collection, shared: Path
) -> None:
    url = str(shared / "stopped")
    launcher = launched(photos, url)
    wait_for_shards(launcher, url, 2)
    launcher.send_signal(signal.SIGINT)
    code, words = ended(launcher)
    assert code == 130, words
    assert "stopped" in words
    shards = set(Path(url, "media").glob("*.parquet"))
    time.sleep(8)
    assert set(Path(url, "media").glob("*.parquet")) == shards
    assert not list(Path(url, "attempts").rglob("*.*"))
    code, words = ended(launched(photos, url))
    assert code == 0, words
    assert_equal_extractions(Collection.open(url), expected)


def test_a_photo_that_always_kills_its_worker_costs_itself_only(
    cluster: Cluster, photos: Path, shared: Path
) -> None:
    folder = shared / "poisoned"
    folder.mkdir()
    (folder / "crashes.jpg").write_bytes(CRASHES)
    (folder / "good.jpg").write_bytes((photos / "000.jpg").read_bytes())
    url = str(shared / "survived")
    code, words = ended(launched(folder, url, "--no-guard"))
    assert (code, "a worker process of the cluster died" in words) == (1, True), words
    code, words = ended(launched(folder, url, "--no-guard"))
    assert code == 0, words
    rows = Collection.open(url).snapshot().media
    assert sorted(rows["status"].to_pylist()) == ["ok", "quarantined"]


def test_index_and_graph_are_those_of_one_process(
    cluster: Cluster, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings, _ = people([6] * 3_000, seed=1)
    words = clusters.options()
    settings = RunSettings(runner="spark", workers=2, beam_options=tuple(words[5:]))
    monkeypatch.setattr(index_stage, "SHARD_ROWS", 4_000)
    plan = index.choose(*embeddings.shape, 1 << 30, kind="ivf")
    theirs = index_stage.build(embeddings, plan, 3, Storage(str(shared / "index")), settings)
    ours = index.build(embeddings, plan, 3)
    assert index.to_bytes(theirs) == index.to_bytes(ours)
    how = neighbors.choose(100_000, 128, 1 << 30)
    storage = Storage(str(shared / "graph"))
    found = graph_stage.find_neighbors(embeddings, 10, 0.1, how, 7, storage, settings)
    alone = neighbors.find_neighbors(embeddings, 10, 0.1, how, 7)
    np.testing.assert_array_equal(found.starts, alone.starts)
    np.testing.assert_array_equal(found.indices, alone.indices)
    np.testing.assert_array_equal(found.distances, alone.distances)


def test_hosts_with_disks_of_their_own_are_refused(
    cluster: Cluster, photos: Path, shared: Path
) -> None:
    target = shared / "apart"
    target.mkdir()
    for host in cluster.hosts:
        host.kill()
        host.own_disk = target
    cluster.mend()
    code, words = ended(launched(photos, str(target / "collection")))
    assert (code, "every worker has to reach the same store" in words) == (2, True), words
    assert not list(target.glob("collection/media/*"))
