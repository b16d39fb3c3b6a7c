"""Enrolment: whom a folder of photos shows, and what named people become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.generations import read_people
from support.rows import content, media, media_row, memory_collection
from support.synthetic import people

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.errors import CollectionError
from facebatch.identify import Gallery
from facebatch.identify.choosing import Rule
from facebatch.identify.consensus import limit_by
from facebatch.identify.enrol import Enrolling, enrol_named, enrol_snapshot, from_people
from facebatch.identify.thresholds import default_for
from facebatch.stages import cluster_people

DIMENSION = 128
LIMIT = limit_by(default_for("dlib-resnet", "mirror"))
WIDTH, HEIGHT = 200, 100
MIDDLE = (80.0, 30.0, 120.0, 70.0)
CORNER = (0.0, 0.0, 30.0, 30.0)


@pytest.fixture
def collection() -> Collection:
    return memory_collection()


def commit(
    collection: Collection,
    photos: Mapping[str, Sequence[tuple[float, float, float, float]] | str],
    contents: Mapping[str, int] | None = None,
    embeddings: np.ndarray | None = None,
) -> None:
    """Commits photos with faces in these boxes, or the reason that they couldn't be read."""
    contents = contents or {}
    media_rows, faces = [], []
    seen: set[int] = set()
    for number, (path, found) in enumerate(photos.items()):
        of = contents.get(path, number)
        if isinstance(found, str):
            message = {"reason": found, "message": f"it is {found}"}
            media_rows.append(media_row(path, "quarantined", None, **message))
            continue
        status = "duplicate" if of in seen else "ok"
        row = media_row(path, status, of, faces=len(found), width=WIDTH, height=HEIGHT)
        media_rows.append(row)
        if of not in seen:
            faces += [(row["media_id"], of, place, box) for place, box in enumerate(found)]
        seen.add(of)
    n = len(faces)
    if embeddings is None:
        embeddings, _ = people([1] * n, seed=1) if n else (np.zeros((0, DIMENSION)), None)
    given = {
        "face_id": [ids.face_id(content(of), 0, 0, place) for _, of, place, _ in faces],
        "media_id": [item for item, _, _, _ in faces],
        "content_id": [content(of) for _, of, _, _ in faces],
        "ordinal": [place for _, _, place, _ in faces],
        "landmarks": [[0.0] * 10] * n,
        "chip_to_picture": [[0.5, 0.0, 0.0, 0.0, 0.5, 0.0]] * n,
        "score": [1.0] * n,
        "size": [100.0] * n,
        "chip": [b"JPEG"] * n,
        "embedding": embeddings.tolist(),
        **{
            side: [box[place] for _, _, _, box in faces]
            for place, side in enumerate(("x0", "y0", "x1", "y1"))
        },
    }
    schema = tables.schema("faces", DIMENSION)
    columns = [pa.array(given.get(field.name, [0] * n), field.type) for field in schema]
    rows = pa.Table.from_arrays(columns, schema=schema)
    collection.commit_shard("shard", media(*media_rows), rows)


def choose(collection: Collection, rule: Rule = "consensus") -> tuple[pa.Table, list[Any]]:
    """Chooses entries, with all faces taken for good ones."""
    snapshot = collection.snapshot()
    good = np.ones(len(snapshot.faces(["face_id"])), np.bool_)
    return enrol_snapshot(snapshot, good, Enrolling(rule, limit=LIMIT))


def enrolled(collection: Collection, rule: Rule = "consensus") -> tuple[list[Any], list[Any]]:
    """Returns (name, source, ordinal) of entries, and (code, folder, source) of problems."""
    rows, problems = choose(collection, rule)
    faces = collection.snapshot().faces(["face_id", "ordinal"]).to_pylist()
    ordinals = {face["face_id"]: face["ordinal"] for face in faces}
    found = [(row["name"], row["source"], ordinals[row["face_id"]]) for row in rows.to_pylist()]
    return found, [(problem.code, problem.folder, problem.source) for problem in problems]


def test_nobody_enrolled_is_added_as_easily(collection: Collection) -> None:
    rows, problems = choose(collection)
    assert Gallery.create("memory://nobody", collection.settings).add(rows) == 0
    assert problems == []


def test_folders_are_people(collection: Collection) -> None:
    # Zoë, a bystander and Zoë again; two others and whoever stands before one of them.
    zoe, others = people([2], seed=1)[0], people([1] * 4, seed=5)[0]
    commit(
        collection,
        {
            "Zoë Müller/1.jpg": [MIDDLE],
            "Zoë Müller/2001/2.jpg": [CORNER, MIDDLE],
            "de_la Cruz/1.jpg": [CORNER],
            "loose.jpg": [MIDDLE],
            "Nobody/1.jpg": [],
            "Bad/1.jpg": "truncated",
            "Bad/2.jpg": [MIDDLE],
        },
        embeddings=np.stack([zoe[0], others[0], zoe[1], *others[1:4]]),
    )
    found, problems = enrolled(collection)
    assert found == [
        ("Bad", "photos/Bad/2.jpg", 0),
        ("Zoë Müller", "photos/Zoë Müller/1.jpg", 0),
        ("Zoë Müller", "photos/Zoë Müller/2001/2.jpg", 1),
        ("de_la Cruz", "photos/de_la Cruz/1.jpg", 0),
    ]
    assert problems == [
        ("no_person", "", "photos/loose.jpg"),
        ("truncated", "Bad", "photos/Bad/1.jpg"),
        ("nobody_enrolled", "Nobody", ""),
        ("no_face", "Nobody", "photos/Nobody/1.jpg"),
        ("several_faces", "Zoë Müller", "photos/Zoë Müller/2001/2.jpg"),
    ]


def test_what_was_enrolled_has_its_own_embedding_and_chip(collection: Collection) -> None:
    ann, bob, other = (people([number], seed)[0] for number, seed in ((1, 1), (2, 5), (1, 9)))
    photos = {"A/1.jpg": [MIDDLE], "B/1.jpg": [CORNER, MIDDLE], "B/2.jpg": [CORNER]}
    commit(collection, photos, embeddings=np.stack([ann[0], bob[0], other[0], bob[1]]))
    snapshot = collection.snapshot()
    rows, _ = choose(collection)
    faces = snapshot.faces(["face_id", "embedding"]).to_pylist()
    embeddings = {face["face_id"]: face["embedding"] for face in faces}
    for row in rows.to_pylist():
        assert row["embedding"] == embeddings[row["face_id"]]
        assert row["chip"] == b"JPEG"
    gallery = Gallery.create("memory://enrolled", collection.settings)
    assert gallery.add(rows) == 3
    assert gallery.people() == [("A", 1), ("B", 2)]


def test_a_copy_in_the_same_folder_counts_once(collection: Collection) -> None:
    commit(collection, {"A/1.jpg": [MIDDLE], "A/2.jpg": [MIDDLE]}, {"A/1.jpg": 0, "A/2.jpg": 0})
    rows, problems = choose(collection)
    assert problems == []
    gallery = Gallery.create("memory://copies", collection.settings)
    assert gallery.add(rows) == 1


def test_a_face_of_two_folders_is_neithers_unless_one_agrees(collection: Collection) -> None:
    same = {"A/1.jpg": 0, "B/1.jpg": 0}
    commit(collection, {path: [MIDDLE] for path in same}, same)
    found, problems = enrolled(collection)
    assert found == []
    assert problems == [
        ("nobody_enrolled", "A", ""),
        ("several_people", "A", "photos/A/1.jpg"),
        ("nobody_enrolled", "B", ""),
        ("several_people", "B", "photos/B/1.jpg"),
    ]
    more = memory_collection()
    photos = {path: [MIDDLE] for path in ("A/1.jpg", "A/2.jpg", "B/1.jpg")}
    commit(more, photos, {**same, "A/2.jpg": 1}, embeddings=people([2], seed=1)[0])
    found, problems = enrolled(more)
    assert found == [("A", "photos/A/1.jpg", 0), ("A", "photos/A/2.jpg", 0)]
    assert ("several_people", "B", "photos/B/1.jpg") in problems


def test_who_is_known_decides_about_new_photos(collection: Collection) -> None:
    ann, other = people([3], seed=1)[0], people([2], seed=5)[0]
    commit(
        collection,
        {"A/1.jpg": [MIDDLE, CORNER], "A/2.jpg": [MIDDLE]},
        embeddings=np.stack([other[0], ann[2], other[1]]),
    )
    snapshot = collection.snapshot()
    good = np.ones(3, np.bool_)
    how = Enrolling("consensus", limit=LIMIT, known={"A": ann[:2]})
    rows, problems = enrol_snapshot(snapshot, good, how)
    np.testing.assert_array_equal(tables.matrix(rows["embedding"]), ann[2:])
    assert [problem.code for problem in problems] == ["several_faces", "none_agrees"]


def test_a_folder_whose_name_is_not_utf8_makes_no_person(collection: Collection) -> None:
    shown = ["a\ufffd/1.jpg", "b/\ufffd.jpg"]
    raw = [b"a\xff/1.jpg", b"b/\xff.jpg"]
    rows = [
        media_row(path, of=number, faces=0, width=WIDTH, height=HEIGHT, path_bytes=name)
        for number, (path, name) in enumerate(zip(shown, raw, strict=True))
    ]
    nothing = tables.schema("faces", DIMENSION).empty_table()
    collection.commit_shard("shard", media(*rows), nothing)
    found, problems = enrolled(collection)
    assert found == []
    assert ("bad_name", "a\ufffd", "photos/a\ufffd/1.jpg") in problems
    assert ("no_face", "b", "photos/b/\ufffd.jpg") in problems


def test_named_people_become_entries_with_all_their_faces(collection: Collection) -> None:
    embeddings, truth = people([9, 7, 5], seed=3)
    commit(collection, {f"{n}.jpg": [MIDDLE] for n in range(21)}, embeddings=embeddings)
    _, made = cluster_people(collection, collection.snapshot())
    generation = made.generation
    known = sorted(read_people(collection, generation), key=lambda person: person.cluster or 0)
    assert len(known) == 3
    path = f"{generation.folder}/people.parquet"
    rows = tables.read(collection.storage, path, "people").to_pylist()
    names = {known[0].person_id: "Ann", known[1].person_id: "Bob"}
    named = tables.from_rows("people", [{**r, "name": names.get(r["person_id"])} for r in rows])
    tables.write(collection.storage, path, "people", named, collection.fingerprint)

    found = from_people(collection, collection.snapshot())
    counts = {row["person_id"]: row["faces"] for row in rows}
    by_name = found["name"].to_pylist()
    assert {name: by_name.count(name) for name in set(by_name)} == {
        name: counts[identity] for identity, name in names.items()
    }
    numbers = [int(source.split("/")[1].split(".")[0]) for source in found["source"].to_pylist()]
    np.testing.assert_array_equal(tables.matrix(found["embedding"]), embeddings[numbers])
    for name in ("Ann", "Bob"):
        own = [truth[n] for n, whose in zip(numbers, by_name, strict=True) if whose == name]
        assert len(set(own)) == 1
    assert Gallery.create("memory://people", collection.settings).add(found) == len(found)


def test_without_people_there_is_nobody_to_take_over(collection: Collection) -> None:
    with pytest.raises(CollectionError, match="no people yet"):
        from_people(collection, collection.snapshot())


def test_unnamed_people_give_no_entries(collection: Collection) -> None:
    embeddings, _ = people([9], seed=3)
    commit(collection, {f"{n}.jpg": [MIDDLE] for n in range(9)}, embeddings=embeddings)
    cluster_people(collection, collection.snapshot())
    rows = from_people(collection, collection.snapshot())
    assert len(rows) == 0
    assert Gallery.create("memory://unnamed", collection.settings).add(rows) == 0


def test_nobody_is_enrolled_from_a_video(collection: Collection) -> None:
    commit(collection, {"A/1.jpg": [MIDDLE]}, {"A/1.jpg": 0})
    parts = [
        media_row("A/film.mp4", of=9, faces=0, width=WIDTH, height=HEIGHT, segment=n, segments=2)
        for n in range(2)
    ]
    nothing = tables.schema("faces", DIMENSION).empty_table()
    collection.commit_shard("film", media(*parts), nothing)
    found, problems = enrolled(collection)
    assert found == [("A", "photos/A/1.jpg", 0)]
    assert problems == [("video", "A", "photos/A/film.mp4")]


def test_faces_that_regions_name_are_enrolled_where_they_agree(collection: Collection) -> None:
    # Zoë three times, once beside another who is called Zoë too; a stranger called Zoë; Bo.
    zoe, others = people([3], seed=1)[0], people([1] * 3, seed=5)[0]
    commit(
        collection,
        {
            "1.jpg": [MIDDLE],
            "2.jpg": [CORNER, MIDDLE],
            "3.jpg": [MIDDLE],
            "4.jpg": [MIDDLE, CORNER],
        },
        embeddings=np.stack([zoe[0], others[0], zoe[1], others[1], zoe[2], others[2]]),
    )
    snapshot = collection.snapshot()
    faces = snapshot.faces(["face_id", "content_id", "ordinal"]).to_pylist()
    by_place = {(row["content_id"], row["ordinal"]): row["face_id"] for row in faces}
    said = {
        (0, 0): "Zoë",
        (1, 0): "zoë",
        (1, 1): "Zoë",
        (2, 0): "Zoë",
        (3, 0): "ZOË ",
        (3, 1): "Bo",
    }
    names = {by_place[content(of), place]: name for (of, place), name in said.items()}
    how = Enrolling("consensus", limit=LIMIT)
    rows, problems = enrol_named(snapshot, np.ones(len(faces), bool), names, how)
    chosen = {(row["name"], row["source"], row["face_id"]) for row in rows.to_pylist()}
    assert chosen == {
        ("Zoë", "photos/1.jpg", by_place[content(0), 0]),
        ("Zoë", "photos/2.jpg", by_place[content(1), 1]),
        ("Zoë", "photos/4.jpg", by_place[content(3), 0]),
        ("Bo", "photos/4.jpg", by_place[content(3), 1]),
    }
    assert [(one.code, one.folder, one.source) for one in problems] == [
        ("several_faces", "Zoë", "photos/2.jpg"),
        ("none_agrees", "Zoë", "photos/3.jpg"),
    ]
    assert not len(enrol_named(snapshot, np.ones(len(faces), bool), {}, how)[0])
