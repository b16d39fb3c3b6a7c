"""Galleries: what is enrolled from folders and people, and what a gallery keeps and refuses."""

from __future__ import annotations

import json
import secrets
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rows import content
from support.synthetic import unit

from facebatch import ids, tables
from facebatch.config import ExtractSettings
from facebatch.errors import GalleryError, SpaceMismatch, UsageError
from facebatch.identify import Calibration, Gallery
from facebatch.identify.calibration import Point
from facebatch.identify.gallery import ENTRY_COLUMNS, entry_id
from facebatch.identify.marking import marked

DIMENSION = 128
ONE_PASS = ExtractSettings(tta="none")


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery.create(str(tmp_path / "friends"), ExtractSettings())


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
    names = ["Zo\u00eb M\u00fcller", "de_la_Cruz Ann", "\u5c71\u7530 \u592a\u90ce", "-", "o'Neil"]
    gallery.add(entries(names))
    assert gallery.names() == sorted(names)


def test_a_name_in_two_unicode_forms_is_one_person(gallery: Gallery) -> None:
    name = "Zo\u00eb M\u00fcller"
    apart = unicodedata.normalize("NFD", name)
    gallery.add(entries([name], seed=1))
    gallery.add(entries([f"{apart} "], seed=2))
    assert gallery.people() == [(name, 2)]
    with pytest.raises(GalleryError, match=f"did you mean '{name}'"):
        gallery.remove("Zoe Muller")
    assert gallery.remove(apart.upper()) == 2


def test_an_earlier_gallery_that_kept_both_forms_is_read_as_one_person(gallery: Gallery) -> None:
    both = ["Zo\u00eb", unicodedata.normalize("NFD", "Zo\u00eb")]
    gallery.add(entries(both))
    stored = tables.read(gallery.storage, "entries.parquet", "gallery")
    at = stored.schema.get_field_index("name")
    kept = stored.set_column(at, stored.field(at), pa.array(both))
    tables.write(gallery.storage, "entries.parquet", "gallery", kept, gallery.fingerprint)
    assert gallery.people() == [("Zo\u00eb", 2)]


def test_adding_again_changes_nothing(gallery: Gallery) -> None:
    gallery.add(entries(["a", "b"]))
    before = gallery.entries()
    assert gallery.add(entries(["a", "b"])) == 0
    assert gallery.entries().equals(before)
    # The same face by another name is another entry, and one of both a third.
    assert gallery.add(entries(["a", "c"])) == 1
    assert gallery.people() == [("a", 1), ("b", 1), ("c", 1)]


def test_no_rows_are_added_as_easily(gallery: Gallery) -> None:
    assert gallery.add(entries([])) == 0


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


def test_a_released_gallery_is_read_and_its_stranger_names_nobody(tmp_path: Path) -> None:
    released = Path(__file__).parents[1] / "released" / "gallery_v1"
    gallery = Gallery.open(str(shutil.copytree(released, tmp_path / "gallery")))
    assert gallery.people() == [("Ada", 5), ("Bo Li", 1)]
    rows = gallery.entries()
    unlike = rows.filter(rows["unlike_the_others"])
    assert unlike["source"].to_pylist() == ["known/4.jpg"]
    assert len(gallery.model().entries) == 5
    gallery.remove("Bo Li")
    stored = tables.read(gallery.storage, "entries.parquet", "gallery")["unlike_the_others"]
    assert sorted(stored.to_pylist()) == [False] * 4 + [True]


def test_people_whose_entries_disagree_are_named_and_all_of_them_vote(gallery: Gallery) -> None:
    gallery.add(entries(["Ann", "Ann", "Bob"]))
    assert gallery.doubts().disagree == ("Ann",)
    assert len(gallery.model().entries) == 3


def test_without_a_far_for_the_embedder_nobody_is_unlike_the_others(tmp_path: Path) -> None:
    limit = Gallery.create(str(tmp_path / "one"), ONE_PASS).limit()
    assert limit is not None
    assert marked(tables.schema("gallery", DIMENSION).empty_table(), limit).disagree == ()
    rows = Gallery.create(str(tmp_path / "two"), ONE_PASS)
    rows.add(entries(["Ann", "Ann"]))
    assert marked(rows.entries(), None).rows["unlike_the_others"].null_count == 2
