"""A search among many faces, against one among few: what the number of faces costs.

    python benchmarks/search.py [--sizes 1000 1000000] [--rounds 3]

The collections hold invented faces (generator.py), one to a photo, with an index. Each round starts
a process that opens the collection and searches for one of its faces; what finding the face in a
probe photo takes, which is the same for both, isn't in it.
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
from facebatch.stages import build_index

_SEARCH = """
import time
begun = time.perf_counter()
import sys
import numpy as np
from facebatch.collection.collection import Collection
from facebatch.probe.search import search_collection
imported = time.perf_counter()

class Probe:
    path, central, others = "probe.jpg", 0, 0
    embeddings = np.load(sys.argv[2])

found = search_collection(Collection.open(sys.argv[1]), Probe, 20)
assert found["results"][0]["d2"] < 1e-4
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
            manifest = build_index(collection, collection.snapshot()).generation.manifest
            np.save(place / "probe.npy", embeddings[:1])
            rounds = [_timed(place) for _ in range(arguments.rounds)]
        imported, searched = (statistics.median(times) for times in zip(*rounds, strict=True))
        medians.append(searched)
        kind, recall = manifest.config["kind"], manifest.recall
        print(f"{size:>9,} faces, {kind}: import {imported:.2f} s, search {searched:.2f} s", end="")
        print(f", recall@1 {recall['at_1']:.3f}, @10 {recall['at_10']:.3f}")
    print(f"the larger takes {medians[1] / medians[0]:.1f} times as long")


def _timed(folder: Path) -> tuple[float, float]:
    words = [sys.executable, "-c", _SEARCH, "collection", "probe.npy"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    imported, searched = map(float, done.stdout.split())
    return imported, searched


if __name__ == "__main__":
    main()
