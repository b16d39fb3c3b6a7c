"""Time left of an extraction as it is told meanwhile, against what it then took.

    python benchmarks/time_left.py FOLDER... [--workers 2]

At a quarter, half and three quarters of the extraction, from the plan to its end, it prints what
was told to be left, and what was; beside it what counting items in place of costs would have told.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facebatch.extract.progress import Progress
    from facebatch.monitor.stages import Step

SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Told:
    """What was told at one moment.

    Args:
        moment: Seconds of the process's clock.
        by_cost: Seconds left, as facebatch tells.
        by_count: Seconds left, if all items took as long; None before the first.
    """

    moment: float
    by_cost: float
    by_count: float | None


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    told, ended, items = extract(arguments.folders, arguments.workers)
    begun = told[0].moment
    print(f"{items:,} items, {ended - begun:.1f} s from the plan to the end")
    print(f"told at first: {told[0].by_cost:.1f} s, {told[0].by_cost / (ended - begun):.2f} of it")
    print("share    left    told  ratio   by count  ratio")
    for share in SHARES:
        moment = begun + share * (ended - begun)
        last = [one for one in told if one.moment <= moment][-1]
        left = ended - moment
        by_cost = max(0.0, last.by_cost - (moment - last.moment))
        line = f"{share:5.0%} {left:7.1f} {by_cost:7.1f} {by_cost / left:6.2f}"
        if last.by_count is not None:
            line += f"{last.by_count:11.1f} {last.by_count / left:6.2f}"
        print(line)


def extract(folders: list[Path], workers: int) -> tuple[list[Told], float, int]:
    """Extracts folders into a collection that isn't kept.

    Returns:
        What was told, when the last item was committed, and how many there were.
    """
    from facebatch.monitor import logs

    logs.configure("text", verbose=False)  # before Beam is imported, which would speak itself
    from facebatch.collection import Collection
    from facebatch.config import ExtractSettings, RunSettings
    from facebatch.jobs.run import run_extract
    from facebatch.media.sources.roots import parse_roots

    told: list[Told] = []
    committed: list[tuple[float, int]] = []

    def report(said: Progress | Step) -> None:
        plan, left = getattr(said, "plan", None), getattr(said, "seconds_left", None)
        if plan is None or left is None:
            return
        now, items = time.monotonic(), said.items
        by_count = said.seconds * (plan.to_extract - items) / items if items else None
        told.append(Told(now, left, by_count))
        if not committed or items > committed[-1][1]:
            committed.append((now, items))

    with tempfile.TemporaryDirectory() as folder:
        collection = Collection.create(str(Path(folder) / "collection"), ExtractSettings())
        roots = parse_roots([str(folder) for folder in folders], [])
        run_extract(roots, collection, RunSettings(workers=workers), report)
    return told, *committed[-1]


if __name__ == "__main__":
    main()
