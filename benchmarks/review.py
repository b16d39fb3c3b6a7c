"""How long the review application makes its user wait, at many faces and people.

    python benchmarks/review.py [--faces 1000000] [--people 50000] [--rounds 30] [--keep FOLDER]

Makes a collection of invented embeddings (``generator.py``) in real tables: chips, photos' rows,
and a clustering as if every group were right, with a tenth of the faces loose. Then it opens the
application in this process and asks for each page of other people every round, as a browser that
was let in. Prints how long the start took, the median and the 95th percentile of every page and of
saving a decision, and how much memory the process has beside what is mapped from files.
"""

from __future__ import annotations

import argparse
import io
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import generator
import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
from nightly import face_table, media_rows
from PIL import Image
from starlette.testclient import TestClient

from facebatch import ids, tables
from facebatch.cluster.settings import ClusterSettings
from facebatch.collection import (
    ClustersManifest,
    Collection,
    Generation,
    PeopleManifest,
    generation_name,
    write_table,
)
from facebatch.config import ExtractSettings, GroupingSettings
from facebatch.review.app import make_app
from facebatch.review.desk import Desk
from facebatch.review.originals import Originals
from facebatch.review.pages import Site
from facebatch.review.security import Access
from facebatch.review.seeing import Eye

_SHARD = 10_000
_CHIPS = 512
_PORT = 8765
_ORIGIN = f"http://127.0.0.1:{_PORT}"
_TAU = 0.094


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--keep", type=Path, help="where the collection is, or is made and kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = arguments.keep or Path(folder)
        place = kept / "collection"
        if not place.exists():
            make(str(kept / "unfinished"), arguments.faces, arguments.people)
            (kept / "unfinished").rename(place)
        collection = Collection.open(str(place))
        collection.storage.remove("decisions")
        measure(collection, arguments.rounds)


def make(place: str, faces: int, people: int) -> None:
    """Makes the collection."""
    drawn = np.random.default_rng(1)
    share = 1 / np.arange(1, people + 1) ** 0.6
    loose = faces // 10
    sizes = 2 + drawn.multinomial(faces - loose - 2 * people, share / share.sum())
    truth = np.repeat(np.arange(people, dtype=np.int32), sizes)
    alone = np.arange(people, people + loose, dtype=np.int32)
    truth = drawn.permutation(np.concatenate([truth, alone]))
    embeddings = generator.faces(truth, seed=1)
    collection = Collection.create(place, ExtractSettings())
    chips = [_chip(number) for number in range(_CHIPS)]
    made: list[bytes] = []
    for start in range(0, faces, _SHARD):
        part = embeddings[start : start + _SHARD]
        media, face_ids = media_rows(start, len(part))
        table = face_table(media, face_ids, part)
        at = table.schema.get_field_index("chip")
        shown = [chips[hash(face) % _CHIPS] for face in face_ids]
        table = table.set_column(at, table.field(at), pa.array(shown, pa.binary()))
        rows = tables.from_rows("media", media)
        collection.commit_shard(f"{start:032x}", rows, table)
        made += face_ids
    _group(collection, made, np.where(truth < people, truth, -1).astype(np.int32), embeddings)


def _chip(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (14, 14, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).resize((112, 112), Image.Resampling.BICUBIC).save(sink, "JPEG")
    return sink.getvalue()


def _group(
    collection: Collection,
    face_ids: list[bytes],
    labels: npt.NDArray[np.int32],
    embeddings: npt.NDArray[np.float32],
) -> None:
    """Writes the clustering and its people."""
    order = ids.order(ids.as_array(face_ids))
    labels, embeddings = labels[order], embeddings[order]
    listed = ids.to_arrow(ids.as_array(face_ids)[order])
    name = generation_name()
    common = {"faces_hash": collection.snapshot().faces_hash, "space": collection.space}
    gate = {name: str(value) for name, value in asdict(GroupingSettings()).items()}
    clusters = Generation(
        name,
        ClustersManifest(
            **common, parents=(), config=asdict(ClusterSettings(_TAU)), gate=gate, faces=len(labels)
        ),
    )
    rows = {
        "face_id": listed,
        "cluster": pa.array(labels, mask=labels < 0),
        "gate": pa.array(["found"] * len(labels)),
    }
    write_table(collection, clusters, "clusters", pa.table(rows))
    collection.finish(clusters)
    sums = np.zeros((labels.max() + 1, embeddings.shape[1]), np.float64)
    np.add.at(sums, labels[labels >= 0], embeddings[labels >= 0])
    sizes = np.bincount(labels[labels >= 0])
    covers = np.full(len(sizes), -1)
    covers[labels[labels >= 0]] = np.flatnonzero(labels >= 0)
    alike = ((sums**2).sum(axis=1) - sizes) / (sizes * (sizes - 1.0))
    people = [
        {
            "person_id": ids.digest(b"person", number.to_bytes(8, "big")),
            "status": "active",
            "cluster": number,
            "faces": size,
            "media": size,
            "cover_face_id": listed[cover].as_py(),
            "spread": 2 - 2 * mean,
            "founded": name,
            "hidden": False,
        }
        for number, (size, cover, mean) in enumerate(
            zip(sizes.tolist(), covers.tolist(), alike.tolist(), strict=True)
        )
    ]
    generation = Generation(
        generation_name(clusters), PeopleManifest(**common, parents=(clusters.name,))
    )
    write_table(collection, generation, "people", tables.from_rows("people", people))
    collection.finish(generation)


def measure(collection: Collection, rounds: int) -> None:
    """Opens the application, asks for its pages, decides, and prints how long each took."""
    begun, busy = time.perf_counter(), time.process_time()
    desk = Desk(collection)
    started, busy = time.perf_counter() - begun, time.process_time() - busy
    begun = time.perf_counter()
    desk.asker.catch_up(desk.state.people, desk.state.store)
    print(f"suggestions are there {time.perf_counter() - begun:.1f} s later, beside the pages")
    site = Site(desk, Originals(collection), Eye(collection), Access("127.0.0.1", _PORT), "en")
    state = desk.state
    print(
        f"{len(state.store):,} faces, {len(state.roster.ids):,} people; start {started:.1f} s, "
        f"{busy:.1f} s of CPU; "
        f"{_anonymous_mb():,.0f} MB"
    )
    with TestClient(make_app(site), base_url=_ORIGIN) as browser:
        browser.get(f"/?token={site.access.token}")
        told: dict[str, list[tuple[float, float]]] = {}
        for number in range(rounds):
            person = state.roster.ids[state.roster.by_size[number * 37]].tobytes().hex()
            other = state.roster.ids[state.roster.by_size[number * 37 + 1]].tobytes().hex()
            row = int(state.roster.rows(state.people.known[bytes.fromhex(person)])[0])
            face = state.store.id_of(row).hex()
            item = state.store.media["media_id"][int(state.store.media_rows[row])].as_py().hex()
            for page, path in (
                ("/who", f"/who?person={person}"),
                ("/same", "/same"),
                ("/fit", f"/fit/{person}"),
                ("/odd", f"/odd/{person}"),
                ("/people", f"/people?from={60 * number}"),
                ("/people?q", f"/people?q={person[:6]}"),
                ("/person", f"/person/{person}"),
                ("/compare", f"/compare?a={person}&b={other}"),
                ("/media", f"/media/{item}"),
                ("/when", "/when"),
                ("/where", "/where"),
                ("/failures", "/failures"),
                ("/evaluation", "/evaluation"),
                ("/decisions", "/decisions"),
                ("/names", "/names?q=a"),
                ("a chip", f"/chip/{face}"),
            ):
                _timed(told, page, partial(browser.get, path), 200)
            _decide(browser, told, number)
    print(f"after {rounds} rounds {_anonymous_mb():,.0f} MB")
    print(f"{'':<14}  median    of CPU    95th percentile")
    for page, measured in told.items():
        waited, busy = (sorted(each) for each in zip(*measured, strict=True))
        late = waited[min(len(waited) - 1, int(0.95 * len(waited)))]
        medians = (1000 * statistics.median(each) for each in (waited, busy))
        print(f"{page:<14}", *(f"{each:7.1f} ms" for each in (*medians, 1000 * late)))


def _decide(browser: TestClient, told: dict[str, list[tuple[float, float]]], number: int) -> None:
    """Names whoever is asked about, and says that the next is the same as a suggested one."""
    page = browser.get("/who").text
    for name, action, changes in (
        ("save a name", "name", {"name": f"Person {number}"}),
        ("save the same", "same", {}),
        ("save hidden", "hide", {}),
    ):
        page = browser.get("/who").text
        form = _form(page, action)
        if form is None:
            continue
        sent = partial(
            browser.post,
            "/decide",
            data={**form, **changes},
            headers={"origin": _ORIGIN},
            follow_redirects=False,
        )
        _timed(told, name, sent, 303)


def _form(page: str, action: str) -> dict[str, str] | None:
    """Returns the fields of the first form of a page that asks for something."""
    for form in re.findall(r"<form method=.post.*?</form>", page, re.DOTALL):
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        if fields.get("action") == action:
            return fields
    return None


def _timed(
    told: dict[str, list[tuple[float, float]]], name: str, call: Callable[[], Any], expected: int
) -> None:
    begun, busy = time.perf_counter(), time.process_time()
    answer = call()
    took = time.perf_counter() - begun, time.process_time() - busy
    told.setdefault(name, []).append(took)
    if answer.status_code != expected:
        raise SystemExit(f"{name}: {answer.status_code} {answer.text[:1000]}")


def _anonymous_mb() -> float:
    """Returns the memory that is the process's own, without files that are mapped."""
    if sys.platform != "linux":
        return float(psutil.Process().memory_info().rss) / 1e6
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"RssAnon:\s+(\d+)", status)[0]) / 1000


if __name__ == "__main__":
    main()
