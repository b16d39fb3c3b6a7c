"""How long the report takes and how large it is, at many faces.

    python benchmarks/report.py [--faces 10000 100000] [--faces-per-person 10] [--keep FOLDER]

Makes collections of invented embeddings in real tables, as ``review.py`` does, and writes the
report of each in this process twice: anew, and when nothing changed. Prints the CPU time of both,
the size of the page, and time and size in relation to those of the first collection.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from review import make

from facebatch.collection import Collection
from facebatch.report import REPORT, collect, made_from, render, write_report
from facebatch.stages import likely_pairs


def main() -> None:
    """Prints a line for each number of faces."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--faces", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--faces-per-person", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="where collections are, or are made and kept")
    arguments = parser.parse_args()
    print(f"{'faces':>9} {'tables':>8} {'page':>8} {'in all':>8} {'unchanged':>10} {'size':>9}")
    with tempfile.TemporaryDirectory() as folder:
        warm_up = Path(folder) / "few"
        make(str(warm_up), 1000, 100)
        measure(warm_up)
        first: tuple[float, float] | None = None
        for faces in arguments.faces:
            place = (arguments.keep or Path(folder)) / f"faces-{faces}"
            if not place.exists():
                make(str(place), faces, faces // arguments.faces_per_person)
            read, drawn, unchanged, size = measure(place)
            cpu = read + drawn
            first = first or (cpu, size)
            print(
                f"{faces:>9,} {read:>6.2f} s {drawn:>6.2f} s {cpu:>6.2f} s {unchanged:>8.2f} s "
                f"{size / 1e6:>6.2f} MB   {cpu / first[0]:.2f} times, {size / first[1]:.2f} times"
            )


def measure(place: Path) -> tuple[float, float, float, float]:
    """Returns CPU seconds of reading and of drawing, of finding it unchanged, and the bytes."""
    collection = Collection.open(str(place))
    begun = time.process_time()
    snapshot = collection.snapshot()
    data = collect(collection, snapshot, likely_pairs)
    read = time.process_time() - begun
    page = render(data, made_from(collection, snapshot))
    drawn = time.process_time() - begun - read
    collection.storage.write(REPORT, page.encode())
    begun = time.process_time()
    write_report(collection, collection.snapshot(), likely_pairs)
    return read, drawn, time.process_time() - begun, len(page.encode())


if __name__ == "__main__":
    main()
