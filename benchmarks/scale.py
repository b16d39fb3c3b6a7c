"""What size costs: clustering a million faces and more, step by step.

    python benchmarks/scale.py [--sizes 1000000 3000000] [--spread mobilefacenet] [--workers 2]

Finds the neighbours of invented people's faces (generator.py) in worker processes, grows the tree
and cuts it, as `facebatch cluster` does; the embeddings lie in a file that is mapped. A row for
each step: seconds, the processor's seconds, and the peak of the memory of this process and all
below it, in which what they share counts once (PSS; elsewhere than on Linux RSS). ``--out FILE``
adds them to a file as soon as they are known, and a size that it holds isn't measured again.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from generator import SPREADS, faces, links_of, population

from facebatch import neighbors
from facebatch.cluster import ClusterSettings
from facebatch.cluster.tau import choose_tau
from facebatch.cluster.tree import cut, grow
from facebatch.config import RunSettings
from facebatch.evaluate.clustering import bcubed_scores, pairwise_scores
from facebatch.pipelines.neighbors import find_neighbors
from facebatch.storage.store import Storage

_SEED = 1
_POLL_SECONDS = 0.5
_POLL_SHARE = 0.02
"""What looking may take of the time: the kernel goes through all pages that are mapped."""


@dataclass
class Cost:
    """What something took: seconds, the processor's seconds, bytes at most."""

    seconds: float = 0.0
    processor: float = 0.0
    peak: int = 0

    def __str__(self) -> str:
        return f"{self.seconds:9.1f}  {self.processor:9.1f}  {self.peak / 1e6:7,.0f} MB"


@contextmanager
def measured() -> Iterator[Cost]:
    """Measures what is done within: this process and all below it."""
    cost, done = Cost(), threading.Event()
    ended: dict[int, float] = {}

    def watch() -> None:
        pause = _POLL_SECONDS
        while not done.wait(pause):
            looked = time.perf_counter()
            cost.peak = max(cost.peak, _memory(ended))
            pause = max(_POLL_SECONDS, (time.perf_counter() - looked) / _POLL_SHARE)

    watcher = threading.Thread(target=watch, daemon=True)
    begun, before = time.perf_counter(), time.process_time()
    watcher.start()
    try:
        yield cost
    finally:
        done.set()
        watcher.join()
        cost.seconds = time.perf_counter() - begun
        cost.processor = time.process_time() - before + sum(ended.values())


def _memory(ended: dict[int, float]) -> int:
    """Returns the bytes of the process and its children, whose processor's seconds it notes."""
    own, total = psutil.Process(), 0
    for process in (own, *own.children(recursive=True)):
        try:
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
            if process.pid != own.pid:
                times = process.cpu_times()
                ended[process.pid] = times.user + times.system
        except psutil.Error:
            continue
    return total


def cluster(size: int, spread: str, workers: int, folder: Path, say: Callable[[str], None]) -> None:
    """Clusters so many invented faces, and says what each step cost."""
    people = population(size, _SEED)
    np.save(folder / "faces.npy", faces(people, _SEED, spread))
    embeddings = np.load(folder / "faces.npy", mmap_mode="r")
    tau = choose_tau(size, links_of(spread))
    settings = ClusterSettings(tau)
    plan = neighbors.choose(size, embeddings.shape[1], psutil.virtual_memory().available)
    k = settings.neighbors

    def row(step: str, cost: Cost, words: str = "") -> None:
        say(f"{_of(size, spread)} {step:<10} {cost}  {words}")

    with measured() as whole:
        with measured() as cost:
            between = folder / "between"
            between.mkdir()
            storage, settled = Storage(str(between)), RunSettings(workers=workers)
            found = find_neighbors(embeddings, k, tau, plan, _SEED, storage, settled)
        row("neighbours", cost, f"{len(found.indices) / size:.1f} a face within tau {tau:.4f}")
        with measured() as cost:
            tree = grow(embeddings, found, settings)
        row("tree", cost)
        with measured() as cost:
            labels = cut(tree, settings, _SEED).labels
        row("cut", cost)
    recall = neighbors.recall(embeddings, found, tau, seed=_SEED).within_reach
    pairs, bcubed = pairwise_scores(people, labels), bcubed_scores(people, labels)
    words = f"P {pairs.precision:.4f} R {pairs.recall:.4f} F {pairs.f:.4f} BCubed F {bcubed.f:.4f}"
    row("all", whole, f"{words} links found {recall:.4f}")


def _of(size: int, spread: str) -> str:
    return f"{size:>11,} faces like {spread}'s "


def main() -> None:
    """Prints the rows, and adds them to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--spread", choices=SPREADS, default="mobilefacenet")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where what lies between lies; is made")
    parser.add_argument("--out", type=Path, help="rows are added to it")
    given = parser.parse_args()

    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)

    def say(row: str) -> None:
        print(row, flush=True)
        if given.out:
            with given.out.open("a", encoding="utf-8") as out:
                out.write(f"{row}\n")

    print(f"{'':<39}{'seconds':>17}  processor  peak; load {os.getloadavg()[0]:.1f}")
    done = given.out.read_text("utf-8") if given.out and given.out.exists() else ""
    for size in given.sizes:
        if f"{_of(size, given.spread)} all " in done:
            continue
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            cluster(size, given.spread, given.workers, Path(name), say)


if __name__ == "__main__":
    main()
