"""What decoding in a process of its own costs: extraction with --guard and without, in turns.

    python benchmarks/guard.py [--photos FOLDER] [--rounds 3] [--workers 2]

Without a folder it renders the demo's album. A first extraction, which compiles what is compiled
once, isn't counted.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from common import extract, photo_folder, photos_in

WAYS = ("--no-guard", "--guard")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with photo_folder(arguments.photos) as photos:
        count = len(photos_in(photos))
        extract(photos, arguments.workers)
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(arguments.rounds):
            for way in WAYS:
                taken[way].append(extract(photos, arguments.workers, way)[0])
    print(f"{count} photos, {arguments.workers} workers, {arguments.rounds} rounds, whole commands")
    for way, seconds in taken.items():
        print(f"{way:<11} {statistics.median(seconds):7.2f} s")
    ratios = [guarded / bare for bare, guarded in zip(*taken.values(), strict=True)]
    print(f"with the guard it takes {statistics.median(ratios):.3f} times as long")


if __name__ == "__main__":
    main()
