"""A search among many faces, against one among few: what the number of faces costs.

    python benchmarks/search.py [--sizes 1000 1000000] [--rounds 3]

The collections hold invented faces (generator.py), one to a photo, with an index, which a process
of its own builds; what that takes is printed as well. Each round starts a process that opens the
collection and searches for one of its faces; what finding the face in a probe photo takes, which is
the same for both, isn't in it.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import generator
import numpy as np
from nightly import commit

from facebatch.collection import Collection
from facebatch.config import ExtractSettings

_BUILD = """
import sys, time
from facebatch.collection import Collection
from facebatch.stages import build_index

collection = Collection.open(sys.argv[1])
build_index(collection, collection.snapshot())
spent = time.process_time()
sys.path.append(sys.argv[2])
from common import own_peak

print(spent, own_peak())
"""

_SEARCH = """
import time
begun = time.perf_counter()
import sys
import numpy as np
from facebatch.collection.collection import Collection
from facebatch.probe.search import search_embedding
imported = time.perf_counter()

_, found = search_embedding(Collection.open(sys.argv[1]), np.load(sys.argv[2])[0], 20)
assert found[0]["d2"] < 1e-4
print(imported - begun, time.perf_counter() - imported)
"""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs=2, default=[1_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    medians = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            embeddings = generator.faces(generator.population(size, 1), seed=1)
            collection = Collection.create(str(place / "collection"), ExtractSettings())
            commit(collection, embeddings, 0)
            np.save(place / "probe.npy", embeddings[:1])
            del embeddings
            processor, peak = _built(place)
            manifest = collection.current("index").manifest
            rounds = [_timed(place) for _ in range(arguments.rounds)]
        imported, searched = (statistics.median(times) for times in zip(*rounds, strict=True))
        medians.append(searched)
        kind, recall = manifest.config["kind"], manifest.recall
        print(f"{size:>9,} faces, {kind}: import {imported:.2f} s, search {searched:.2f} s", end="")
        print(f", recall@1 {recall['at_1']:.3f}, @10 {recall['at_10']:.3f}; ", end="")
        print(f"building it {processor:.1f} s of processor, {peak / 1e6:,.0f} MB at most")
    print(f"the larger takes {medians[1] / medians[0]:.1f} times as long")


def _built(folder: Path) -> tuple[float, float]:
    """Builds the index; returns the processor's seconds and the largest resident size, in bytes."""
    here = str(Path(__file__).resolve().parent)
    words = [sys.executable, "-P", "-c", _BUILD, "collection", here]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    processor, peak = map(float, done.stdout.split())
    return processor, peak


def _timed(folder: Path) -> tuple[float, float]:
    words = [sys.executable, "-P", "-c", _SEARCH, "collection", "probe.npy"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    imported, searched = map(float, done.stdout.split())
    return imported, searched


if __name__ == "__main__":
    main()
