"""The suppression list: what it hides, what it reveals, and what it refuses."""

from __future__ import annotations

import json
import os
import pickle
import secrets

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rows import memory_collection

from facebatch import ids
from facebatch.collection import Suppression
from facebatch.collection.suppression import FOLDER, KEY_VARIABLE, suppress, version_id
from facebatch.errors import CollectionError, UsageError
from facebatch.storage.store import Storage

IDS = st.sets(st.binary(min_size=16, max_size=16), max_size=8)


@pytest.fixture
def storage() -> Storage:
    return memory_collection().storage


def test_where_nothing_was_erased_nothing_is_hidden_and_nothing_is_written(
    storage: Storage,
) -> None:
    suppress(storage)
    loaded = Suppression.load(storage)
    assert not loaded
    assert not loaded.hides_media(bytes(16))
    assert storage.files(FOLDER) == []


@given(erased=IDS, others=IDS)
def test_exactly_what_was_erased_is_hidden(erased: set[bytes], others: set[bytes]) -> None:
    storage = memory_collection().storage
    first = sorted(erased)[::2]
    suppress(storage, media=first)
    suppress(storage, media=erased)
    loaded = Suppression.load(storage)
    assert bool(loaded) == bool(erased)
    assert all(loaded.hides_media(one) for one in erased)
    assert not any(loaded.hides_media(one) for one in others - erased)
    everything = ids.as_array(sorted(erased | others))
    assert loaded.hidden(everything).tolist() == [one in erased for one in sorted(erased | others)]


def test_media_contents_and_faces_are_hidden_apart(storage: Storage) -> None:
    item, content, face = (bytes([number]) * 16 for number in range(3))
    suppress(storage, media=[item], contents=[content], faces=[face])
    loaded = Suppression.load(storage)
    hides = (loaded.hides_media, loaded.hides_content, loaded.hides_face)
    assert [[hides_one(one) for one in (item, content, face)] for hides_one in hides] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def test_a_version_is_hidden_alone_and_a_path_only_where_it_is_blocked(storage: Storage) -> None:
    item, other = b"i" * 16, b"o" * 16
    version = version_id(item, 7, "etag")
    suppress(storage, media=[item, other], versions=[version], blocked=[other])
    loaded = Suppression.load(storage)
    assert loaded.hides_version(version)
    assert not loaded.hides_version(version_id(item, 7, "other"))
    assert not loaded.hides_version(version_id(other, 7, "etag"))
    assert [loaded.blocks(one) for one in (item, other)] == [False, True]
    assert not loaded.hidden(ids.as_array([version])).any(), "no file holds such an id"


def test_a_list_of_version_0_1_blocks_the_paths_it_names(storage: Storage) -> None:
    suppress(storage, media=[b"i" * 16], contents=[b"c" * 16])
    for file in storage.files(FOLDER):
        entry = json.loads(storage.read(file.path))
        entry.pop("versions", None)
        entry.pop("blocked", None)
        storage.write(file.path, json.dumps(entry).encode())
    suppress(storage, media=[b"j" * 16])
    loaded = Suppression.load(storage)
    assert loaded.hides_content(b"c" * 16)
    assert [loaded.blocks(one * 16) for one in (b"i", b"j")] == [True, False]


def test_what_is_hidden_already_is_not_written_again(storage: Storage) -> None:
    suppress(storage, faces=[b"f" * 16])
    before = storage.files(FOLDER)
    suppress(storage, faces=[b"f" * 16])
    assert storage.files(FOLDER) == before


def test_the_list_crosses_a_process(storage: Storage) -> None:
    suppress(storage, faces=[b"f" * 16])
    copy = pickle.loads(pickle.dumps(Suppression.load(storage)))
    assert copy.hides_face(b"f" * 16)
    assert not copy.hides_face(b"g" * 16)
    assert repr(copy.key) not in repr(copy)


def test_the_list_holds_no_id_and_two_collections_lists_have_nothing_in_common() -> None:
    found = []
    for _ in range(2):
        storage = memory_collection().storage
        suppress(storage, media=[b"m" * 16])
        texts = {file.path: storage.read(file.path) for file in storage.files(FOLDER)}
        assert all((b"m" * 16).hex().encode() not in text for text in texts.values())
        entries = [json.loads(text) for path, text in texts.items() if "key" not in path]
        found += [entry["media"] for entry in entries]
    assert len(found) == 2
    assert found[0] != found[1]


def test_a_key_kept_elsewhere_is_not_stored_and_is_needed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = secrets.token_hex(32)
    monkeypatch.setenv(KEY_VARIABLE, key)
    suppress(storage, media=[b"m" * 16])
    assert all(key.encode() not in storage.read(file.path) for file in storage.files(FOLDER))
    assert Suppression.load(storage).hides_media(b"m" * 16)
    monkeypatch.setenv(KEY_VARIABLE, secrets.token_hex(32))
    with pytest.raises(UsageError, match="isn't the key"):
        Suppression.load(storage)
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(UsageError, match=KEY_VARIABLE):
        suppress(storage, media=[b"n" * 16])


@pytest.mark.parametrize("key", ["", "short", "zz" * 32])
def test_a_key_that_is_none_is_refused(
    storage: Storage, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(UsageError, match="64 hex digits"):
        suppress(storage, media=[b"m" * 16])


def test_a_given_key_does_not_replace_one_that_lies_beside_the_list(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    suppress(storage, media=[b"m" * 16])
    monkeypatch.setenv(KEY_VARIABLE, secrets.token_hex(32))
    with pytest.raises(UsageError, match="isn't the key"):
        Suppression.load(storage)


@pytest.mark.parametrize(
    "damage", [b"", b"[1]", b"{}", b'{"check": "00", "key": "00"}', b'{"key": 1}']
)
def test_a_damaged_file_is_named_and_never_taken_for_an_empty_list(
    storage: Storage, damage: bytes
) -> None:
    suppress(storage, media=[b"m" * 16])
    for file in storage.files(FOLDER):
        whole = storage.read(file.path)
        storage.write(file.path, damage)
        with pytest.raises(CollectionError, match=file.path):
            Suppression.load(storage)
        storage.write(file.path, whole)
    storage.remove(f"{FOLDER}/key.json")
    with pytest.raises(CollectionError, match="is missing"):
        Suppression.load(storage)


def test_a_long_list_is_searched_for_many_ids_at_once(storage: Storage) -> None:
    erased = ids.as_array([os.urandom(16) for _ in range(20_000)])
    suppress(storage, faces=erased.tolist())
    loaded = Suppression.load(storage)
    others = ids.as_array([os.urandom(16) for _ in range(1_000)])
    assert loaded.hidden_faces(erased).all()
    assert not loaded.hidden_faces(others).any()
    assert np.array_equal(loaded.faces, np.sort(loaded.faces))
