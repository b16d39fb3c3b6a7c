"""A run over an archive of which nothing changed, against a bare walk over its directory entries.

    python benchmarks/unchanged.py [--items 100000] [--folders 1000] [--rounds 3] [--keep FOLDER]

The archive is made of hard links to rendered photos, and its tables are those that extraction
writes: the first run finds the faces of the photos, and reads every other entry to know it for a
copy. With --keep the archive and its collection stay in a folder, and are taken from there when
they are there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import facebatch_command

FIRST = "originals"
PHOTOS = 200
"""Distinct photos that the entries are links to."""


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--items", type=int, default=100_200)
    parser.add_argument("--folders", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = arguments.keep or Path(temporary)
        archive, collection = place / "archive", place / "collection"
        if not collection.exists():
            make_photos(archive)
            run(archive, collection, "extract")
            make_links(archive, arguments.items, arguments.folders)
        first, done = run(archive, collection)
        print(f"first run: {done['items']:,} items in {first:.1f} s")
        measured: dict[str, list[float]] = {"walk": [], "run": [], "extract alone": []}
        for _ in range(arguments.rounds):
            measured["walk"].append(walk(archive))
            measured["run"].append(run(archive, collection)[0])
            measured["extract alone"].append(run(archive, collection, "extract")[0])
    print(f"{arguments.items:,} unchanged entries, {arguments.rounds} rounds, median seconds")
    for name, seconds in measured.items():
        print(f"{name:<14} {statistics.median(seconds):7.2f}")
    ratios = [run / walk for run, walk in zip(measured["run"], measured["walk"], strict=True)]
    print(f"a run takes {statistics.median(ratios):.0f} times as long as the walk")


def make_photos(archive: Path) -> None:
    """Renders the photos into the archive's first folder."""
    from PIL import Image

    from facebatch.demo.render import render_face

    place = archive / FIRST
    place.mkdir(parents=True)
    for number in range(PHOTOS):
        photo = Image.fromarray(render_face(number, size=160))
        photo.save(place / f"IMG_{number:05}.jpg", quality=90)


def make_links(archive: Path, items: int, folders: int) -> None:
    """Fills further folders with hard links to the photos."""
    for folder in range(folders):
        place = archive / f"{folder // 100:02}" / f"{folder:04}"
        place.mkdir(parents=True)
        for number in range((items - PHOTOS) // folders):
            photo = archive / FIRST / f"IMG_{(folder + number) % PHOTOS:05}.jpg"
            os.link(photo, place / f"IMG_{number:05}.jpg")


def walk(archive: Path) -> float:
    """Returns the seconds that visiting every entry takes, with its size and time."""
    begun = time.monotonic()
    pending = [str(archive)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    entry.stat()
    return time.monotonic() - begun


def run(archive: Path, collection: Path, command: str = "run") -> tuple[float, dict[str, int]]:
    """Returns the seconds of a whole command, and the number of items that it went over."""
    begun = time.monotonic()
    words = [facebatch_command(), command, str(archive), "-o", str(collection), "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=False)
    seconds = time.monotonic() - begun
    if done.returncode:
        sys.exit(f"facebatch {command} ended with {done.returncode}")
    summary = json.loads(done.stdout)
    plan = summary.get("extract", summary)["plan"]
    return seconds, {"items": plan["to_extract"] + plan["unchanged"]}


if __name__ == "__main__":
    main()
