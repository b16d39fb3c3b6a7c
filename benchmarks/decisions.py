"""What a decision costs: a thousand recorded one by one and regrouped once, against one at a time.

    python benchmarks/decisions.py [--faces 100000] [--decisions 1000] [--single 5]

Makes a collection of invented faces (``generator.py``), one a photo, and clusters it. Then names
people: each decision in a collection that is opened anew, as a command does it, and one regrouping;
as one batch (`facebatch people apply`) and one regrouping; and a few, each with a regrouping of
its own, from which the cost of all is extrapolated. Prints seconds and ratios.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from generator import faces, population
from nightly import commit

from facebatch.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.people.batch import apply_commands
from facebatch.people.edit import People, list_people, name_person
from facebatch.stages import cluster_people


def record(url: str, who: str, name: str) -> float:
    """Returns the seconds that naming somebody takes in a collection that is opened for it."""
    begun = time.perf_counter()
    name_person(People.of(Collection.open(url)), who, name)
    return time.perf_counter() - begun


def regroup(url: str) -> float:
    """Returns the seconds that a regrouping takes."""
    begun = time.perf_counter()
    collection = Collection.open(url)
    cluster_people(collection, collection.snapshot())
    return time.perf_counter() - begun


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--single", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
        url = str(Path(folder) / "collection")
        collection = Collection.create(url, ExtractSettings(tta="none"))
        commit(collection, faces(population(arguments.faces, arguments.seed), arguments.seed), 0)
        regroup(url)
        people = People.of(collection)
        listed = [row["person_id"] for row in list_people(people)][: arguments.decisions]
        print(f"{arguments.faces:,} faces, {len(people.known):,} people")
        record(url, listed[0], "warm"), regroup(url)
        single = [
            (record(url, who, f"single {at}"), regroup(url))
            for at, who in enumerate(listed[: arguments.single])
        ]
        one = median(seconds for seconds, _ in single)
        each = median(sum(seconds) for seconds in single)
        print(f"one decision: recorded in {one:.3f} s, with a regrouping {each:.2f} s")
        recorded = [record(url, who, f"later {at}") for at, who in enumerate(listed)]
        once = regroup(url)
        print(
            f"{len(listed):,} decisions one by one: {sum(recorded):.1f} s (the last "
            f"{median(recorded[-5:]):.3f} s), and one regrouping {once:.1f} s"
        )
        begun = time.perf_counter()
        apply_commands(
            People.of(collection), [f"name {who} 'batch {at}'" for at, who in enumerate(listed)]
        )
        batch, after = time.perf_counter() - begun, regroup(url)
        print(f"as one batch: {batch:.1f} s, and one regrouping {after:.1f} s")
        alone = each * len(listed)
        print(
            f"one at a time about {alone:,.0f} s: {alone / (sum(recorded) + once):.0f} times as "
            f"much as recorded first, {alone / (batch + after):.0f} times a batch"
        )


if __name__ == "__main__":
    main()
