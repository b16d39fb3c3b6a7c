"""Which face of today a decision is about: the same content, or the place while it looks alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.commits import LATER_RUNS, face_of, follow, listed
from support.rows import NOON, content, media_row, memory_collection
from support.synthetic import at_angles

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.erasure import Request, erase, select, verify
from facebatch.people.decisions import Concern
from facebatch.people.edit import People, name_person, reject_faces, split_person, undo
from facebatch.people.effective import effective_decisions
from facebatch.people.ledger import list_decisions
from facebatch.people.locating import locate, longest_d2
from facebatch.people.recording import read

BOX = (0.0, 0.0, 10.0, 10.0)
STRANGER = 90.0
"""Degrees between two people; d2 is 2."""


class Archive:
    """A collection of photos with one face each, which are written, replaced and taken away."""

    def __init__(self) -> None:
        self.collection = memory_collection()
        self._commits = 0

    def put(
        self, photos: dict[str, tuple[int, float]], box: Sequence[float] = BOX, gone: str = ""
    ) -> None:
        """Commits photos by path: the number of each content, and the angle of its face."""
        self._commits += 1
        moment = NOON + timedelta(minutes=self._commits)
        items = [
            {**media_row(path, of=of, faces=1, width=100, height=100), "committed_at": moment}
            for path, (of, _) in photos.items()
        ]
        held = set(self.collection.snapshot().contents.to_pylist())
        fresh = {path: face for path, face in photos.items() if content(face[0]) not in held}
        for item in items:
            if item["path"] not in fresh:
                item["status"] = "duplicate"
        if gone:
            items.append(
                {**media_row(gone, "vanished", of=None), "committed_at": moment, "reason": "gone"}
            )
        self.collection.commit_shard(
            f"{self._commits}",
            tables.from_rows("media", items),
            face_rows(fresh, box),
            keep_times=True,
        )


def vector(angle: float) -> npt.NDArray[np.float32]:
    """Returns a face's embedding (128,) at an angle in degrees."""
    embedding = np.zeros(128, np.float32)
    embedding[:2] = at_angles(angle)[0]
    return embedding


def face_rows(photos: dict[str, tuple[int, float]], box: Sequence[float]) -> pa.Table:
    schema = tables.schema("faces", 128)
    n = len(photos)
    given: dict[str, Any] = {
        "face_id": [face_of(of) for of, _ in photos.values()],
        "media_id": [ids.media_id("photos", path) for path in photos],
        "content_id": [content(of) for of, _ in photos.values()],
        "landmarks": [[0.0] * 10] * n,
        "chip_to_picture": [[0.5, 0.0, 0.0, 0.0, 0.5, 0.0]] * n,
        "chip": [None] * n,
        "track": [None] * n,
        "size": [100.0] * n,
        "score": [1.0] * n,
        "embedding": [vector(angle).tolist() for _, angle in photos.values()],
        **{side: [value] * n for side, value in zip(("x0", "y0", "x1", "y1"), box, strict=True)},
    }
    columns = [pa.array(given.get(field.name, [0] * n), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


@pytest.fixture
def archive() -> Archive:
    """Three photos of Ada, who has her name."""
    archive = Archive()
    archive.put({"1.jpg": (1, 0), "2.jpg": (2, 1), "3.jpg": (3, 2)})
    people = follow(archive.collection)
    name_person(people, listed(people)[0], "Ada")
    follow(archive.collection)
    return archive


def faces_of_ada(collection: Collection, **how: object) -> set[bytes]:
    people = follow(collection, **how)
    return set(people.faces_of(people.find("Ada")))


def test_a_stranger_who_takes_a_photos_path_does_not_take_the_name(archive: Archive) -> None:
    archive.put({"3.jpg": (4, STRANGER)})
    for how in LATER_RUNS:
        assert faces_of_ada(archive.collection, **how) == {face_of(1), face_of(2)}
    people = People.of(archive.collection)
    assert people.generation is not None
    assert people.generation.manifest.resting == 1
    (told,) = list_decisions(people, people.find("Ada"))
    assert (told["found"], told["resting"], told["resting_faces"]) == (2, 1, [face_of(3).hex()])


def test_a_decision_that_rested_holds_again_when_its_photo_is_back(archive: Archive) -> None:
    archive.put({"3.jpg": (4, STRANGER)})
    follow(archive.collection)
    archive.put({"3.jpg": (3, 2)})
    assert faces_of_ada(archive.collection) == {face_of(1), face_of(2), face_of(3)}
    assert list_decisions(People.of(archive.collection))[0]["resting"] == 0


def test_an_edited_photo_keeps_its_decisions(archive: Archive) -> None:
    wrong = face_of(3).hex()
    split_person(People.of(archive.collection), "Ada", [wrong])
    follow(archive.collection)
    archive.put({"3.jpg": (4, 6)})  # as near to Ada's other faces as before
    for how in LATER_RUNS:
        people = follow(archive.collection, **how)
        assert people.owner[face_of(4)] not in {people.owner[face_of(1)], people.owner[face_of(2)]}


@pytest.mark.parametrize(("share", "alike"), [(0.99, True), (1.01, False)])
def test_resembling_ends_where_the_space_takes_strangers_for_one(
    archive: Archive, share: float, alike: bool
) -> None:
    # Of two points on the unit circle: d2 = 2 - 2 cos(angle).
    angle = np.rad2deg(np.arccos(1 - share * longest_d2(archive.collection) / 2))
    archive.put({"3.jpg": (4, 2 + angle)})
    effective = effective_decisions(archive.collection, archive.collection.snapshot())
    assert (face_of(3) in effective.located.rows) is alike
    assert (face_of(3) in effective.resting) is not alike


def test_files_that_swap_names_keep_their_own_decisions(archive: Archive) -> None:
    archive.put({"4.jpg": (4, STRANGER), "5.jpg": (5, STRANGER + 1)})
    people = follow(archive.collection)
    name_person(people, people.owner[face_of(4)].hex(), "Bo")
    follow(archive.collection)
    archive.put({"1.jpg": (4, STRANGER), "4.jpg": (1, 0)})
    people = follow(archive.collection, from_scratch=True)
    assert set(people.faces_of(people.find("Ada"))) == {face_of(1), face_of(2), face_of(3)}
    assert set(people.faces_of(people.find("Bo"))) == {face_of(4), face_of(5)}


def test_a_renumbered_folder_passes_no_decision_on(archive: Archive) -> None:
    # 1.jpg was deleted and 2.jpg, which isn't Ada after all, has taken its name.
    reject_faces(People.of(archive.collection), "Ada", [face_of(2).hex()], no_face=False)
    follow(archive.collection)
    archive.put({"1.jpg": (2, 1)}, gone="2.jpg")
    assert faces_of_ada(archive.collection) == {face_of(3)}


def test_a_second_memory_card_takes_no_names(archive: Archive) -> None:
    archive.put({f"{n}.jpg": (10 + n, STRANGER + n) for n in (1, 2, 3)})
    people = follow(archive.collection)
    assert len(listed(people)) == 1
    assert people.known[people.owner[face_of(11)]].name is None
    assert people.generation is not None
    assert people.generation.manifest.resting == 3


def test_a_face_that_comes_where_none_was_is_a_face(archive: Archive) -> None:
    reject_faces(People.of(archive.collection), "Ada", [face_of(3).hex()], no_face=True)
    follow(archive.collection)
    archive.put({"3.jpg": (4, STRANGER), "6.jpg": (6, STRANGER + 1)})
    people = follow(archive.collection)
    assert people.owner[face_of(4)] == people.owner[face_of(6)]


def test_a_webcam_keeps_the_person_it_still_shows(archive: Archive) -> None:
    archive.put({"3.jpg": (4, 3)})
    assert faces_of_ada(archive.collection) == {face_of(1), face_of(2), face_of(4)}
    archive.put({"3.jpg": (5, STRANGER)})
    assert faces_of_ada(archive.collection) == {face_of(1), face_of(2)}


def test_a_decision_about_a_resting_face_can_be_undone(archive: Archive) -> None:
    archive.put({"3.jpg": (4, STRANGER)})
    undo(follow(archive.collection))
    people = follow(archive.collection)
    assert all(person.name is None for person in people.known.values())
    assert people.generation is not None
    # The undo says of the face where it belongs, and rests with it.
    assert list_decisions(people)[0]["cancelled_by"] == list_decisions(people)[1]["decision"]


def test_erasing_a_face_takes_along_what_was_recorded_of_it_before_it_was_edited(
    archive: Archive,
) -> None:
    archive.put({"3.jpg": (4, 3)})
    follow(archive.collection)
    request = Request(faces=(face_of(4).hex(),))
    erase(archive.collection, select(archive.collection, archive.collection.snapshot(), request))
    (name,) = read(archive.collection)
    assert {one.face_id for one in name.concerns} == {face_of(1), face_of(2)}
    assert verify(archive.collection) == []


def without_embeddings(collection: Collection) -> None:
    """Makes decisions those of a version that recorded no embeddings."""
    for file in collection.storage.files("decisions"):
        rows = tables.read(collection.storage, file.path, "decisions")
        sink = pa.BufferOutputStream()
        with collection.storage.open(file.path) as source:
            metadata = pq.read_schema(source).metadata
        old = rows.drop_columns(["embedding"]).replace_schema_metadata(
            {**metadata, b"facebatch.schema_version": b"1"}
        )
        pq.write_table(old, sink)
        collection.storage.write(file.path, sink.getvalue().to_pybytes())


@pytest.mark.parametrize("shard_is_there", [True, False])
@pytest.mark.parametrize(("angle", "alike"), [(4.0, True), (STRANGER, False)])
def test_old_decisions_look_into_old_shards_or_at_the_persons_other_faces(
    archive: Archive, angle: float, alike: bool, shard_is_there: bool
) -> None:
    without_embeddings(archive.collection)
    archive.put({"3.jpg": (4, angle)})
    if not shard_is_there:
        storage = archive.collection.storage
        rows = tables.read(storage, "faces/1.parquet", "faces")
        left = rows.filter(pa.array([one != face_of(3) for one in rows["face_id"].to_pylist()]))
        tables.write(storage, "faces/1.parquet", "faces", left, archive.collection.fingerprint)
    assert (face_of(4) in faces_of_ada(archive.collection)) is alike


@pytest.mark.parametrize(
    ("box", "path", "of", "angle", "found"),
    [
        ([1, 1, 11, 11], "1.jpg", 1, STRANGER, True),
        ([1, 1, 11, 11], "moved/1.jpg", 1, STRANGER, True),
        ([1, 1, 11, 11], "1.jpg", 2, 0, True),
        ([1, 1, 11, 11], "1.jpg", 2, STRANGER, False),
        ([1, 1, 11, 11], "moved/1.jpg", 2, 0, False),
        ([20, 20, 30, 30], "1.jpg", 1, 0, False),
    ],
)
def test_the_same_content_is_enough_and_the_item_only_with_the_look(
    box: list[float], path: str, of: int, angle: float, found: bool
) -> None:
    archive = Archive()
    archive.put({path: (of, angle)}, box)
    sides = dict(zip(("x0", "y0", "x1", "y1"), BOX, strict=True))
    place = {
        "media_id": ids.media_id("photos", "1.jpg"),
        "content_id": content(1),
        "segment": 0,
        "timestamp_us": 0,
        **sides,
    }
    # An ordinal that nobody has any more, as other settings give.
    old = b"\1" * 16
    row = {"decision": "1", "kind": "not_a_face", "face_id": old, "embedding": vector(0)}
    rows = tables.from_rows("decisions", [{**row, **place}])
    storage, fingerprint = archive.collection.storage, archive.collection.fingerprint
    tables.write(storage, "decisions/1.parquet", "decisions", rows, fingerprint)
    concern = Concern(old, None, None)
    located = locate([concern], archive.collection, archive.collection.snapshot())
    assert located.rows == ({old: 0} if found else {})
