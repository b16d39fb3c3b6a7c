"""What planning costs: invented listings of a million files and more, real tables.

    python benchmarks/planning.py [--sizes 1000000] [--slices 250000] [--steps new known]

A filesystem of its own invents the folders, 500 photos in each; no file of them is ever opened.
``new`` plans them for an empty collection, as `facebatch extract` does: lists the roots, decides in
slices of so many files each (``--slices``, several for a comparison; 0 for all at once), cuts
shards and writes them out. ``known`` does so for a collection whose media tables hold them all, and
then reads these tables. A row for each step: seconds, the processor's seconds, and the peak of the
memory of this process and its workers, in which what they share counts once (PSS). Python keeps
memory that it had: peaks are compared by calls of their own, one for each of ``--slices``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from scale import measured

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.collection.lease import Lease
from facebatch.config import ExtractSettings, RunSettings
from facebatch.extract.progress import Tally
from facebatch.jobs.plan import known_of, plan_job
from facebatch.media.sources.roots import Root
from facebatch.pipelines import slices
from facebatch.pipelines.extract import ExtractShard, write_shards
from facebatch.storage.store import Storage

IN_FOLDER = 500
IN_SHARD = 250
ROOT = "photos"


class Invented(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A filesystem whose folders are numbers below years, each with the same number of photos."""

    protocol = "invented"
    files = 0

    def ls(self, path: str, **_: Any) -> list[dict[str, Any]]:
        """Lists the root, a year or a folder."""
        parts = [part for part in path.strip("/").split("/")[1:] if part]
        folders = -(-self.files // IN_FOLDER)
        if not parts:
            years = range(-(-folders // 1_000))
            return [{"name": f"{path}/{n:04}", "size": 0, "type": "directory"} for n in years]
        first = int(parts[0]) * 1_000
        if len(parts) == 1:
            there = range(first, min(first + 1_000, folders))
            return [{"name": f"{path}/{n:06}", "size": 0, "type": "directory"} for n in there]
        begin = int(parts[1]) * IN_FOLDER
        return [photo(n) for n in range(begin, min(begin + IN_FOLDER, self.files))]


def photo(number: int) -> dict[str, Any]:
    """Returns one photo as its store lists it; 2 to 5 MB, each of another size and time."""
    folder = number // IN_FOLDER
    path = f"archive/{folder // 1_000:04}/{folder:06}/IMG_{number:08}.JPG"
    size = 2_000_000 + number * 7_919 % 3_000_000
    return {"name": path, "size": size, "type": "file", "mtime": 1_500_000_000.0 + number}


def media_rows(numbers: range) -> pa.Table:
    """Returns the media rows of some photos, extracted and without a face."""
    rows = []
    for number in numbers:
        found = photo(number)
        path = found["name"].removeprefix("archive/")
        of = ids.media_id(ROOT, path)
        rows.append(
            {
                "media_id": of,
                "root": ROOT,
                "path": path,
                "segment": 0,
                "size": found["size"],
                "marker": str(int(found["mtime"])),
                "content_id": of,
                "status": "ok",
                "attempts": 1,
                "format": "JPEG",
                "width": 4_000,
                "height": 3_000,
                "orientation": 1,
                "faces": 0,
                "engine": "openvino",
            }
        )
    return tables.from_rows("media", rows)


def commit_all(collection: Collection, size: int) -> None:
    """Fills a collection with the rows of all photos."""
    nothing = tables.schema("faces", 128).empty_table()
    for number, begin in enumerate(range(0, size, IN_SHARD)):
        media = media_rows(range(begin, min(begin + IN_SHARD, size)))
        collection.commit_shard(f"{number:032x}", media, nothing)


def plan(collection: Collection, size: int, workers: int, most: int) -> Iterator[str]:
    """Plans all photos, and yields what each step cost."""
    slices.SLICE_ITEMS = most or size
    settings = RunSettings(workers=workers)
    storage, tally = collection.storage, Tally()
    lease = Lease(storage, collection.settings)
    between = Storage(f"{storage.url}/attempts/shards-{lease.run}")
    with measured() as cost:
        known = known_of(storage)
        root = Root(ROOT, "invented://archive")
        job = plan_job(
            [root], known, collection.settings, settings, storage, "attempts/plan-1.json"
        )
        parts = slices.list_slices(job, known, between, tally, lambda: None)
    yield f"listing    {cost}  {tally.listed:,} files, {len(parts)} slices"
    work = ExtractShard(collection, settings.execution(), lease, None, job.shards)
    with lease.held(), measured() as cost:
        shards = write_shards(job, parts, work, settings, tally, lambda: None)
    yield f"planning   {cost}  {len(shards):,} shards"
    storage.remove("attempts")


def main() -> None:
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--slices", type=int, nargs="+", default=[slices.SLICE_ITEMS])
    parser.add_argument("--steps", choices=("new", "known"), nargs="+", default=["new"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the collections lie; is made")
    given = parser.parse_args()
    fsspec.register_implementation("invented", Invented, clobber=True)
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
    print(f"{'':<41}{'seconds':>11}  processor  peak; load {os.getloadavg()[0]:.1f}")
    for size in given.sizes:
        Invented.files = size
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            for step in given.steps:
                collection = Collection.create(f"{name}/{step}", ExtractSettings())
                if step == "known":
                    commit_all(collection, size)
                for most in given.slices:
                    for row in plan(collection, size, given.workers, most):
                        print(f"{size:>11,} {step:<6} in {most or size:>9,} {row}", flush=True)
            if "known" in given.steps:
                with measured() as cost:
                    rows = len(collection.snapshot().items)
                print(f"{size:>11,} known  {'':>12} reading    {cost}  {rows:,} rows", flush=True)


if __name__ == "__main__":
    main()
