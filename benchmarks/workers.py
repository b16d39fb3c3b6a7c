"""Extraction with one worker and with two, over the same photos, in turns: rates, ratio, memory.

    python benchmarks/workers.py [--photos FOLDER] [--rounds 3]

Without a folder it renders the demo's album. A first extraction, which compiles what is compiled
once, isn't counted.
"""

from __future__ import annotations

import argparse
import statistics
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
        count = len(photos_in(photos))
        extract(photos, 1)
        taken: dict[int, list[tuple[float, int]]] = {workers: [] for workers in WORKERS}
        for _ in range(arguments.rounds):
            for workers in WORKERS:
                taken[workers].append(extract(photos, workers))
    print(f"{count} photos, {arguments.rounds} rounds, whole commands, median")
    print("workers  seconds  photos/s  largest worker")
    for workers, samples in taken.items():
        seconds = statistics.median(seconds for seconds, _ in samples)
        size = max(peak for _, peak in samples) / 1e6
        print(f"{workers:>7}  {seconds:7.1f}  {count / seconds:8.1f}  {size:8.0f} MB")
    ratios = [one / two for (one, _), (two, _) in zip(*taken.values(), strict=True)]
    print(f"two workers are {statistics.median(ratios):.2f} times as fast as one")


if __name__ == "__main__":
    main()
