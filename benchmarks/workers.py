"""Extraction with one worker and with two, over the same photos, in turns: rates, ratio, memory.

    python benchmarks/workers.py [--photos FOLDER] [--rounds 3]

Without a folder it renders the demo's album. A first extraction, which compiles what is compiled
once, isn't counted.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

FACEBATCH = str(Path(sys.executable).with_name("facebatch"))
WORKERS = (1, 2)
_POLL_SECONDS = 0.1


def extract(photos: Path, workers: int) -> tuple[float, int]:
    """Extracts a folder into a new collection.

    Returns:
        The seconds that the whole command took and the largest resident size, in bytes, of any
        one worker process.
    """
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        command = [FACEBATCH, "extract", str(photos), "--output", f"{folder}/collection"]
        process = subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            peak = max([peak, *_worker_sizes(process.pid)])
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return seconds, peak


def _worker_sizes(launcher: int) -> list[int]:
    try:
        children = psutil.Process(launcher).children(recursive=True)
        return [child.memory_info().rss for child in children]
    except psutil.Error:
        return []


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as rendered:
        photos = arguments.photos
        if photos is None:
            from facebatch.demo.album import write_album

            photos = Path(rendered) / "album"
            write_album(photos)
        count = sum(1 for path in photos.rglob("*") if path.is_file())
        extract(photos, 1)
        taken: dict[int, list[tuple[float, int]]] = {workers: [] for workers in WORKERS}
        for _ in range(arguments.rounds):
            for workers in WORKERS:
                taken[workers].append(extract(photos, workers))
    print(f"{count} files, {arguments.rounds} rounds, whole commands, median")
    print("workers  seconds  files/s  largest worker")
    medians: dict[int, float] = {}
    for workers, samples in taken.items():
        medians[workers] = statistics.median(seconds for seconds, _ in samples)
        size = max(peak for _, peak in samples) / 1e6
        rate = count / medians[workers]
        print(f"{workers:>7}  {medians[workers]:7.1f}  {rate:7.1f}  {size:8.0f} MB")
    ratios = [one / two for (one, _), (two, _) in zip(*taken.values(), strict=True)]
    print(f"two workers are {statistics.median(ratios):.2f} times as fast as one")


if __name__ == "__main__":
    main()
