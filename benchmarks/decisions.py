"""What a decision costs: many recorded one by one and regrouped once, against one at a time.

    python benchmarks/decisions.py [--faces 20000] [--decisions 1000] [--single 3]
        [--earlier 10000] [--keep FOLDER]

Makes a collection of invented faces (``generator.py``), one a photo, and clusters it. Then names
people: a few, each with a regrouping of its own, from which the cost of all is extrapolated; all of
them one after the other, every fiftieth in a collection that is opened anew, as a command does it,
and one regrouping; and as one batch (`facebatch people apply`) and one regrouping. At last it
takes one as a command does where there are many earlier ones, before and after these were
regrouped. Prints seconds, seconds of CPU, and ratios.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from generator import faces, population
from nightly import commit

from facebatch.collection import Collection
from facebatch.collection.generations import name_after
from facebatch.config import ExtractSettings
from facebatch.people import recording
from facebatch.people.batch import apply_commands
from facebatch.people.decisions import Decision
from facebatch.people.edit import People, list_people, name_person
from facebatch.stages import cluster_people

_OPENED = 50
"""Of so many decisions one is taken as a command takes it."""


@dataclass(frozen=True)
class Cost:
    """Seconds that something took, and seconds of CPU."""

    waited: float
    busy: float

    def __str__(self) -> str:
        return f"{self.waited:.3f} s ({self.busy:.3f} s of CPU)"


def timed(call: Callable[[], object]) -> Cost:
    """Returns what a call costs."""
    begun, busy = time.perf_counter(), time.process_time()
    call()
    return Cost(time.perf_counter() - begun, time.process_time() - busy)


def record(url: str, who: str, name: str) -> None:
    """Names somebody in a collection that is opened for it."""
    name_person(People.of(Collection.open(url)), who, name)


def regroup(url: str) -> None:
    """Lets people follow what was decided."""
    collection = Collection.open(url)
    cluster_people(collection, collection.snapshot())


def one_by_one(url: str, listed: Sequence[str]) -> tuple[Cost, Cost]:
    """Names people; returns the costs of the last that were opened for, and of all together."""
    people = People.of(Collection.open(url))
    opened: list[Cost] = []

    def take(who: str, name: str) -> None:
        nonlocal people
        people = people.following(name_person(people, who, name).decision)

    def open_and_take(who: str, name: str) -> None:
        nonlocal people
        people = People.of(Collection.open(url))
        take(who, name)

    def decide() -> None:
        for at, who in enumerate(listed, 1):
            if at % _OPENED:
                take(who, f"later {at}")
            else:
                opened.append(timed(partial(open_and_take, who, f"later {at}")))

    every = timed(decide)
    last = opened[-3:]
    return Cost(median(one.waited for one in last), median(one.busy for one in last)), every


def make(url: str, faces_wanted: int, seed: int) -> None:
    """Makes the collection, and clusters it."""
    collection = Collection.create(url, ExtractSettings(tta="none"))
    commit(collection, faces(population(faces_wanted, seed), seed), 0)
    regroup(url)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=int, default=20_000)
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--single", type=int, default=3)
    parser.add_argument("--earlier", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where the collection is, or is made and kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facebatch-") as folder:
        kept = (arguments.keep or Path(folder)) / "collection"
        if not kept.exists():
            make(str(kept), arguments.faces, arguments.seed)
        # What is decided isn't kept.
        url = str(shutil.copytree(kept, Path(folder) / "decided"))
        measure(url, arguments.decisions, arguments.single)
        shutil.rmtree(url)
        measure_after(str(shutil.copytree(kept, url)), arguments.earlier)


def measure_after(url: str, count: int) -> None:
    """Records many decisions, takes one more as a command does, and prints what it cost."""
    people = People.of(Collection.open(url))
    listed = [row["person_id"] for row in list_people(people)]
    told = [people.known[bytes.fromhex(who)] for who in listed]
    made = [
        (one, people.concerns([(face, one.person_id) for face in people.faces_of(one)]))
        for one in told[:count]
    ]
    decisions: list[Decision] = []
    for at in range(count):
        one, concerns = made[at % len(made)]
        name = name_after(decisions[-1].decision if decisions else None)
        said = Decision("name", one.person_id, f"earlier {at}", concerns=concerns, decision=name)
        decisions.append(said)
    recording.record(people.collection, decisions)
    faces = sum(len(one.concerns) for one in decisions)
    del people, made, decisions

    def cheapest() -> Cost:
        costs = [timed(partial(record, url, listed[at], f"more {at}")) for at in range(5)]
        return min(costs, key=lambda one: one.busy)

    print(f"after {count:,} decisions about {faces:,} faces: {cheapest()};", end=" ")
    regroup(url)
    print(f"{cheapest()} when these\nare regrouped")


def measure(url: str, count: int, single: int) -> None:
    """Decides, and prints what it cost."""
    people = People.of(Collection.open(url))
    listed = [row["person_id"] for row in list_people(people)][:count]
    print(f"{len(people.face_ids):,} faces, {len(people.known):,} people")
    record(url, listed[0], "warm"), regroup(url)
    alone = [
        (timed(partial(record, url, who, f"single {at}")), timed(partial(regroup, url)))
        for at, who in enumerate(listed[:single])
    ]
    recorded, regrouped = (
        min(costs, key=lambda one: one.busy) for costs in zip(*alone, strict=True)
    )
    print(f"one decision: recorded in {recorded}, regrouped in {regrouped}")
    last, every = one_by_one(url, listed)
    once = timed(partial(regroup, url))
    print(f"{len(listed):,} decisions one after the other: {every}; the last ones, in a collection")
    print(f"that is opened for each, {last}; one regrouping {once}")
    print(f"opened when all are regrouped: {timed(partial(record, url, listed[0], 'after'))}")
    lines = [f"name {who} 'batch {at}'" for at, who in enumerate(listed)]
    batch = timed(lambda: apply_commands(People.of(Collection.open(url)), lines))
    print(f"as one batch: {batch}, and one regrouping {timed(partial(regroup, url))}")
    each = (recorded.busy + regrouped.busy) * len(listed)
    print(
        f"each with a regrouping about {each:,.0f} s of CPU: {each / (every.busy + once.busy):.0f}"
    )
    print("times as much as recorded first and regrouped once")


if __name__ == "__main__":
    main()
