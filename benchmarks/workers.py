"""Extraction with one worker and with two, over the same photos, in turns: rates, ratio, memory.

    python benchmarks/workers.py [--photos FOLDER] [--rounds 3]

Without a folder it renders the demo's album. A first extraction, which compiles what is compiled
once, isn't counted. What starting takes is measured on one photo and told apart.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from common import extract, photo_folder, photos_in

WORKERS = (1, 2)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with photo_folder(arguments.photos) as photos:
        files = photos_in(photos)
        extract(photos, 1)
        taken: dict[int, list[tuple[float, int]]] = {workers: [] for workers in WORKERS}
        starts: dict[int, list[float]] = {workers: [] for workers in WORKERS}
        with tempfile.TemporaryDirectory() as single:
            shutil.copy(files[len(files) // 2], single)
            for _ in range(arguments.rounds):
                for workers in WORKERS:
                    taken[workers].append(extract(photos, workers))
                    starts[workers].append(extract(Path(single), workers)[0])
    count = len(files)
    print(f"{count} photos, {arguments.rounds} rounds, whole commands, median")
    print("workers  seconds  photos/s  largest worker")
    for workers, samples in taken.items():
        seconds = statistics.median(seconds for seconds, _ in samples)
        size = max(peak for _, peak in samples) / 1e6
        print(f"{workers:>7}  {seconds:7.1f}  {count / seconds:8.1f}  {size:8.0f} MB")
    ratios = [one / two for (one, _), (two, _) in zip(*taken.values(), strict=True)]
    print(f"two workers are {statistics.median(ratios):.2f} times as fast as one", end=", ")
    after = {
        workers: statistics.median(seconds for seconds, _ in taken[workers])
        - statistics.median(starts[workers])
        for workers in WORKERS
    }
    print(f"{after[1] / after[2]:.2f} times without what starting takes")


if __name__ == "__main__":
    main()
