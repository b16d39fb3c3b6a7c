"""Galleries: what is enrolled from folders and people, and what a gallery keeps and refuses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generations import read_people
from support.rows import content, media, media_row, memory_collection
from support.synthetic import people, unit

from facebatch import ids, tables
from facebatch.collection.collection import Collection
from facebatch.config import ExtractSettings
from facebatch.errors import CollectionError, GalleryError, SpaceMismatch, UsageError
from facebatch.faces.central import central_face
from facebatch.identify.calibration import Calibration, Point
from facebatch.identify.enrol import (
    PhotoFaces,
    choose_enrolled,
    enrol_snapshot,
    from_people,
)
from facebatch.identify.gallery import ENTRY_COLUMNS, Gallery, entry_id
from facebatch.stages import cluster_people

DIMENSION = 128
WIDTH, HEIGHT = 200, 100
MIDDLE = (80.0, 30.0, 120.0, 70.0)
CORNER = (0.0, 0.0, 30.0, 30.0)
ONE_PASS = ExtractSettings(tta="none")


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery.create(str(tmp_path / "friends"), ExtractSettings())


@pytest.fixture
def collection() -> Collection:
    return memory_collection()


def entries(names: Sequence[str], seed: int = 0, **columns: Any) -> pa.Table:
    """Returns rows for `Gallery.add`, one a name, with faces numbered from the seed."""
    n = len(names)
    schema = tables.schema("gallery", DIMENSION)
    generator = np.random.default_rng(seed)
    given: dict[str, Any] = {
        "name": list(names),
        "face_id": [ids.face_id(content(seed), 0, 0, number) for number in range(n)],
        "source": [f"photos/{number}.jpg" for number in range(n)],
        "embedding": unit(generator.standard_normal((n, DIMENSION))).tolist(),
        "score": [0.99] * n,
        "size": [80.0] * n,
        "sharpness": [1.0] * n,
        "chip": [b"JPEG", *[None] * (n - 1)][:n],
        **columns,
    }
    arrays = [pa.array(given[name], schema.field(name).type) for name in ENTRY_COLUMNS]
    return pa.table(arrays, names=list(ENTRY_COLUMNS))


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


def enrolled(collection: Collection, rule: str = "central") -> tuple[list[Any], list[Any]]:
    """Returns (name, source, ordinal) of entries, and (code, folder, source) of problems."""
    snapshot = collection.snapshot()
    rows, problems = enrol_snapshot(snapshot, rule)  # type: ignore[arg-type]
    faces = snapshot.faces(["face_id", "ordinal"]).to_pylist()
    ordinals = {face["face_id"]: face["ordinal"] for face in faces}
    found = [(row["name"], row["source"], ordinals[row["face_id"]]) for row in rows.to_pylist()]
    return found, [(problem.code, problem.folder, problem.source) for problem in problems]


def photo(*boxes: tuple[float, float, float, float], scores: Sequence[float] = ()) -> PhotoFaces:
    values = np.array(boxes, np.float32).reshape(-1, 4)
    return PhotoFaces("a.jpg", values, np.array(scores or [1.0] * len(values)), WIDTH, HEIGHT)


def test_a_new_gallery_is_empty_and_says_what_it_is_for(gallery: Gallery) -> None:
    assert gallery.people() == []
    assert len(gallery.entries()) == 0
    info = json.loads(gallery.storage.read("gallery.json"))
    assert info["space"] == gallery.space == ExtractSettings().space()
    assert (info["embedder"], info["tta"]) == ("dlib-resnet", "mirror")
    assert info["fingerprint"] == ExtractSettings().fingerprint()
    assert info["name"] == gallery.name == "friends"


def test_entries_read_as_they_were_added_in_the_order_of_names(gallery: Gallery) -> None:
    rows = entries(["Zoë", "Ann", "Zoë"])
    assert gallery.add(rows) == 3
    stored = Gallery.open(gallery.storage.url).entries()
    assert stored["name"].to_pylist() == ["Ann", "Zoë", "Zoë"]
    back = stored.select(list(ENTRY_COLUMNS)).sort_by("face_id")
    assert back.equals(rows.sort_by("face_id").cast(back.schema))
    for row in stored.to_pylist():
        assert row["entry_id"] == entry_id(row["name"], row["face_id"])
        assert row["added"].tzinfo is not None


def test_names_are_kept_as_they_are(gallery: Gallery) -> None:
    names = ["Zoë Müller", "Zoe\u0308 Müller", "de_la_Cruz Ann ", "山田 太郎", "-", "o'Neil"]
    gallery.add(entries(names))
    assert gallery.names() == sorted(names)


def test_adding_again_changes_nothing(gallery: Gallery) -> None:
    gallery.add(entries(["a", "b"]))
    before = gallery.entries()
    assert gallery.add(entries(["a", "b"])) == 0
    assert gallery.entries().equals(before)
    # The same face by another name is another entry, and one of both a third.
    assert gallery.add(entries(["a", "c"])) == 1
    assert gallery.people() == [("a", 1), ("b", 1), ("c", 1)]


def test_no_rows_are_added_as_easily(gallery: Gallery, collection: Collection) -> None:
    assert gallery.add(entries([])) == 0
    rows, problems = enrol_snapshot(collection.snapshot())
    assert gallery.add(rows) == 0
    assert problems == []


def test_a_person_is_removed_with_all_entries(gallery: Gallery) -> None:
    gallery.add(entries(["a", "b", "a"]))
    assert gallery.remove("a") == 2
    assert gallery.people() == [("b", 1)]
    with pytest.raises(GalleryError, match="nobody named 'a'"):
        gallery.remove("a")


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_people_are_counted_over_all_that_was_added(first: list[str], second: list[str]) -> None:
    gallery = Gallery.create(f"memory://{secrets.token_hex(8)}", ExtractSettings())
    gallery.add(entries(first, seed=1))
    gallery.add(entries(second, seed=2))
    both = first + second
    assert gallery.people() == sorted((name, both.count(name)) for name in set(both))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ["", "b"]},
        {"name": [None, "b"]},
        {"face_id": [None, b"b" * 16]},
        {"score": [None, 0.5]},
        {"embedding": [[0.0] * DIMENSION] * 2},
        {"embedding": [[np.nan] * DIMENSION] * 2},
        {"embedding": [[2.0, *[0.0] * (DIMENSION - 1)]] * 2},
    ],
)
def test_rows_that_make_no_entry_are_refused_whole(gallery: Gallery, wrong: dict[str, Any]) -> None:
    with pytest.raises(GalleryError, match="can't be added"):
        gallery.add(entries(["a", "b"], **wrong))
    assert gallery.people() == []


def test_rows_of_another_shape_are_refused(gallery: Gallery) -> None:
    rows = entries(["a", "b"])
    short = tables.vectors(unit(np.ones((2, 3))))
    at = rows.schema.get_field_index("embedding")
    for wrong in (rows.drop_columns(["source"]), rows.set_column(at, "embedding", short)):
        with pytest.raises(GalleryError, match="can't be added"):
            gallery.add(wrong)


def test_a_place_without_a_gallery_is_no_gallery(tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="no gallery"):
        Gallery.open(str(tmp_path))
    assert GalleryError.exit_code == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b"", "is damaged"),
        (b"{}", "is damaged"),
        (b"[]", "is damaged"),
        (b'{"format_version": 1}', "is damaged"),
        (b'{"format_version": 1, "extract": {"tta": "much"}}', "is damaged"),
        (b'{"format_version": 99}', "gallery format 99; this facebatch reads 1"),
    ],
)
def test_a_damaged_gallery_is_named(gallery: Gallery, damage: bytes, message: str) -> None:
    gallery.storage.write("gallery.json", damage)
    with pytest.raises(GalleryError, match=message):
        Gallery.open(gallery.storage.url)


@pytest.mark.parametrize("damage", [b"", b"x" * 99, None])
def test_damaged_entries_are_named(gallery: Gallery, damage: bytes | None) -> None:
    gallery.add(entries(["a"]))
    whole = gallery.storage.read("entries.parquet")
    gallery.storage.write("entries.parquet", whole[:-50] if damage is None else damage)
    with pytest.raises(GalleryError, match=r"entries\.parquet"):
        gallery.entries()
    with pytest.raises(GalleryError, match=r"entries\.parquet"):
        gallery.add(entries(["b"]))


def test_entries_that_are_gone_are_named(gallery: Gallery) -> None:
    gallery.storage.remove("entries.parquet")
    with pytest.raises(GalleryError, match=r"no entries\.parquet"):
        Gallery.open(gallery.storage.url)


def test_entries_of_another_embedder_are_refused(gallery: Gallery) -> None:
    short = tables.schema("gallery", 3).empty_table()
    tables.write(gallery.storage, "entries.parquet", "gallery", short, "f")
    with pytest.raises(GalleryError, match="other types"):
        gallery.entries()


def test_creating_opens_what_is_there(gallery: Gallery) -> None:
    gallery.add(entries(["a"]))
    # Another detection size finds other faces, but their embeddings can be compared.
    again = Gallery.create(gallery.storage.url, ExtractSettings(max_side=500))
    assert again == gallery
    assert again.names() == ["a"]


def test_a_gallery_cut_off_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    gallery = Gallery.create(str(tmp_path / "g"), ExtractSettings())
    gallery.storage.remove("gallery.json")
    assert Gallery.create(str(tmp_path / "g"), ExtractSettings()).people() == []


def test_a_folder_of_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(GalleryError, match="choose an empty folder"):
        Gallery.create(str(tmp_path), ExtractSettings())


def test_another_space_is_refused_by_name(gallery: Gallery) -> None:
    gallery.check_space(ExtractSettings(max_side=500).space(), ExtractSettings())
    with pytest.raises(SpaceMismatch) as caught:
        gallery.check_space(ONE_PASS.space(), ONE_PASS)
    for named in (gallery.space, ONE_PASS.space(), "dlib-resnet, tta mirror", "tta none"):
        assert named in str(caught.value)
    with pytest.raises(SpaceMismatch):
        Gallery.create(gallery.storage.url, ONE_PASS)


@pytest.mark.parametrize("method", ["svm", "knn"])
def test_a_kept_classifier_gives_the_scores_it_was_trained_with(
    gallery: Gallery, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.add(entries(["a", "a", "b", "b", "c"]))
    trained = gallery.train(method)
    probes = tables.matrix(entries(["x"] * 7, seed=3)["embedding"])
    monkeypatch.setattr("facebatch.identify.classifier.fit", None)  # nothing is fitted from here on
    stored = Gallery.open(gallery.storage.url).model(method)
    np.testing.assert_array_equal(stored.scores(probes), trained.scores(probes))


@pytest.mark.parametrize("method", ["svm", "knn"])
def test_a_classifier_of_other_entries_is_trained_anew(gallery: Gallery, method: str) -> None:
    gallery.add(entries(["a", "a", "b", "b", "c", "c"]))
    gallery.train(method)
    gallery.add(entries(["d"], seed=2))
    assert gallery.model(method).people == ("a", "b", "c", "d")
    gallery.remove("a")
    assert gallery.model(method).people == ("b", "c", "d")


def test_a_classifier_of_another_method_is_not_taken(gallery: Gallery) -> None:
    gallery.add(entries(["a", "b", "c"]))
    gallery.train("svm")
    assert gallery.model("knn").method == "knn"
    gallery.train("knn", neighbors=2)
    assert gallery.model("knn", neighbors=2).neighbors == 2
    assert gallery.model("knn", neighbors=3).neighbors == 3
    with pytest.raises(UsageError, match="needs no training"):
        gallery.train("centroid")


@pytest.mark.parametrize("damage", ["empty", "no archive", "cut short", "pickled"])
def test_a_damaged_classifier_is_named(gallery: Gallery, damage: str) -> None:
    gallery.add(entries(["a", "b"]))
    gallery.train("svm")
    whole = gallery.storage.read("classifier.npz")
    broken = {
        "empty": b"",
        "no archive": b"x" * 99,
        "cut short": whole[: len(whole) // 2],
        "pickled": np.array([object()], dtype=object).dumps(),
    }
    gallery.storage.write("classifier.npz", broken[damage])
    with pytest.raises(GalleryError, match=r"classifier\.npz is damaged"):
        gallery.model("svm")
    assert gallery.model("centroid").people == ("a", "b")


def test_an_empty_gallery_has_nothing_to_fit(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="empty"):
        gallery.model()


def test_a_calibration_is_kept_with_the_gallery(gallery: Gallery) -> None:
    assert gallery.calibration() is None
    calibration = Calibration(
        "dlib-resnet", "mirror", gallery.space, far=(Point(1e-2, 0.18, "the test"),)
    )
    gallery.keep_calibration(calibration)
    assert Gallery.open(gallery.storage.url).calibration() == calibration


def test_a_calibration_of_another_space_is_refused(gallery: Gallery) -> None:
    other = Calibration("dlib-resnet", "none", ONE_PASS.space())
    with pytest.raises(SpaceMismatch, match=r"tta mirror.*tta none"):
        gallery.keep_calibration(other)
    mine = replace(other, space=gallery.space)
    gallery.keep_calibration(mine)
    data = gallery.storage.read("calibration.json").decode()
    gallery.storage.write(
        "calibration.json", data.replace(gallery.space, other.space or "").encode()
    )
    with pytest.raises(SpaceMismatch):
        gallery.calibration()


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"format_version": 9}'])
def test_a_damaged_calibration_is_named(gallery: Gallery, damage: bytes) -> None:
    gallery.storage.write("calibration.json", damage)
    with pytest.raises(GalleryError, match=r"calibration\.json is damaged"):
        gallery.calibration()


def test_the_central_face_is_near_the_centre_and_large() -> None:
    assert central_face(np.array([CORNER, MIDDLE]), WIDTH, HEIGHT) == 1
    # Area 1600 in the middle; area 10,000 at 30 pixels from it: 10,000 - 1,800 is more.
    large = (80.0, 0.0, 180.0, 100.0)
    assert central_face(np.array([MIDDLE, large]), WIDTH, HEIGHT) == 1
    # The same at 80 pixels from it: 10,000 - 12,800 is less.
    aside = (130.0, 0.0, 230.0, 100.0)
    assert central_face(np.array([MIDDLE, aside]), WIDTH, HEIGHT) == 0
    assert central_face(np.array([MIDDLE, MIDDLE]), WIDTH, HEIGHT) == 0


boxes = st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(51, 100)] * 2)


@given(st.lists(boxes, min_size=1, max_size=5), st.integers(1, 8))
def test_the_central_face_is_the_same_at_any_size_of_the_picture(
    found: list[tuple[int, ...]], scale: int
) -> None:
    values = np.array(found, np.float32)
    chosen = central_face(values, WIDTH, HEIGHT)
    assert central_face(values * scale, WIDTH * scale, HEIGHT * scale) == chosen


def test_no_box_has_no_central_face() -> None:
    with pytest.raises(ValueError, match="empty"):
        central_face(np.zeros((0, 4)), WIDTH, HEIGHT)


@pytest.mark.parametrize(("rule", "faces"), [("central", [(0, 0), (2, 1)]), ("strict", [(0, 0)])])
def test_several_faces_are_a_problem_and_the_rule_decides(rule: Any, faces: list[Any]) -> None:
    photos = [photo(CORNER), photo(), photo(CORNER, MIDDLE)]
    chosen, problems = choose_enrolled("Ann", photos, rule)
    assert [(choice.photo, choice.face) for choice in chosen] == faces
    assert [problem.code for problem in problems] == ["no_face", "several_faces"]


def test_of_equally_central_faces_the_surer_one_is_enrolled() -> None:
    [choice], _ = choose_enrolled("Ann", [photo(MIDDLE, MIDDLE, scores=[0.9, 0.99])])
    assert choice.face == 1


@pytest.mark.parametrize("photos", [[], [photo()], [photo(CORNER, MIDDLE)]])
def test_a_folder_that_gives_nobody_is_a_problem(photos: list[PhotoFaces]) -> None:
    chosen, problems = choose_enrolled("Ann", photos, "strict")
    assert chosen == []
    assert (problems[-1].code, problems[-1].folder) == ("nobody_enrolled", "Ann")


def test_folders_are_people(collection: Collection) -> None:
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
    commit(collection, {"A/1.jpg": [MIDDLE], "B/1.jpg": [CORNER, MIDDLE], "B/2.jpg": [CORNER]})
    snapshot = collection.snapshot()
    rows, _ = enrol_snapshot(snapshot)
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
    rows, problems = enrol_snapshot(collection.snapshot())
    assert problems == []
    gallery = Gallery.create("memory://copies", collection.settings)
    assert gallery.add(rows) == 1


def test_a_copy_in_another_folder_counts_there_and_is_a_problem(collection: Collection) -> None:
    commit(collection, {"A/1.jpg": [MIDDLE], "B/1.jpg": [MIDDLE]}, {"A/1.jpg": 0, "B/1.jpg": 0})
    found, problems = enrolled(collection)
    assert found == [("A", "photos/A/1.jpg", 0), ("B", "photos/B/1.jpg", 0)]
    assert problems == [
        ("several_people", "A", "photos/A/1.jpg"),
        ("several_people", "B", "photos/B/1.jpg"),
    ]


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
