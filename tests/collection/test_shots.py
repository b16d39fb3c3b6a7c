"""Shots of several files: who is one with whom, and whose faces count."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rows import content, faces, media, media_row, memory_collection

from facebatch.collection import Collection
from facebatch.collection.shots import shots
from facebatch.collection.snapshot import held_contents, is_live

TAKEN = datetime(2003, 5, 1, 14, 3, 20)
MINUTE = timedelta(minutes=1)


def photo(path: str, of: int, after: float = 0.0, **values: Any) -> dict[str, Any]:
    """Returns the row of a photo with a face, taken so many seconds after `TAKEN`."""
    moment = TAKEN + timedelta(seconds=after)
    size = {"width": 100, "height": 80, "faces": 1}
    return media_row(path, of=of, **{"captured_at": moment, **size, **values})


def video(path: str, of: int, after: float = 0.0, seconds: float = 3.0, **values: Any) -> Any:
    parts = {"segments": 1, "begin_us": 0, "end_us": round(seconds * 1e6)}
    return photo(path, of, after, **{**parts, **values})


def standing(*rows: dict[str, Any]) -> dict[int, int]:
    """Returns which content stands for each of a shot of several, by number."""
    table = media(*rows)
    found = shots(table, held_contents(table), is_live(table))
    numbers = {content(number): number for number in range(10)}
    pairs = zip(found["content"].to_pylist(), found["standing"].to_pylist(), strict=True)
    return {numbers[one]: numbers[other] for one, other in pairs}


@pytest.mark.parametrize(
    "names",
    [
        ("IMG_1.CR2", "IMG_1.JPG"),
        ("a/dsc1.nef", "a/DSC1.jpg"),
        ("x.DNG", "x.HEIC"),
        ("x.HEIC", "x.jpg"),
        ("x.arw", "x.ARW.jpg"),
        ("x.jpg", "x.jpg~2"),
    ],
)
def test_two_pictures_of_one_name_and_moment_are_one_shot(names: tuple[str, str]) -> None:
    first, second = names
    assert standing(photo(first, 1), photo(second, 2, after=0.97)).keys() == {1, 2}
    assert standing(photo(first, 1), photo(second, 2, after=3)) == {}
    assert standing(photo(first, 1), photo(f"other/{second}", 2)) == {}
    assert standing(photo(first, 1), photo(second, 2, root="other")) == {}
    assert standing(photo(first, 1), photo(second, 2, captured_at=None)) == {}
    assert standing(photo(first, 1), photo(f"1{second}", 2)) == {}


@pytest.mark.parametrize(
    "names",
    [("IMG_1.HEIC", "IMG_1.MOV"), ("x.jpg", "x.mp4"), ("PXL_1.MP.jpg", "PXL_1.MP")],
)
def test_a_short_video_beside_its_photo_is_one_shot_with_it(names: tuple[str, str]) -> None:
    first, second = names
    assert standing(photo(first, 1), video(second, 2, after=-1.5)) == {1: 1, 2: 1}
    assert standing(photo(first, 1), video(second, 2, seconds=5.2)) == {}
    assert standing(photo(first, 1), video(second, 2, after=8)) == {}
    parts = {"segments": 2, "segment": 1}
    assert standing(photo(first, 1), video(second, 2, **parts)) == {}
    assert standing(video(first, 1), video(second, 2)) == {}, "there is no photo"


@pytest.mark.parametrize(
    ("of_photo", "of_video", "hours", "is_one"),
    [
        (None, 0, -2, True),  # the camera's clock, without a zone, and UTC
        (None, 0, 5.75, True),  # Nepal
        (None, 0, 0.5, True),
        (None, 0, 0.1, False),
        (None, 0, 20, False),
        (120, 0, -2, True),
        (120, 0, -3, False),
        (120, 120, 0, True),
        (120, None, -2, True),
    ],
)
def test_a_videos_time_may_be_of_another_zone(
    of_photo: int | None, of_video: int | None, hours: float, is_one: bool
) -> None:
    still = photo("x.jpg", 1, captured_utc_offset=of_photo)
    moving = video("x.mov", 2, after=hours * 3600 + 2, captured_utc_offset=of_video)
    assert bool(standing(still, moving)) == is_one


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (photo("x.cr2", 1, width=101), photo("x.jpg", 2)),
        (photo("x.jpg", 1), photo("x.cr2", 2)),
        (photo("x.jpg", 1), photo("x.heic", 2, width=90, height=80)),
        (photo("x.jpg", 1), photo("x.cr2", 2, width=900, faces=0)),
        (photo("x.jpg", 1), video("x.mov", 2, width=900)),
        (video("x.mov", 1), photo("x.jpg", 2, faces=0)),
        (photo("x.jpg", 1), photo("x.cr2", 2, width=900, status="vanished")),
    ],
)
def test_the_best_file_stands_for_the_shot(better: dict[str, Any], worse: dict[str, Any]) -> None:
    assert standing(better, worse) == standing(worse, better) == {1: 1, 2: 1}


def test_three_files_may_be_one_shot_and_a_stranger_of_their_name_is_none() -> None:
    rows = photo("x.cr2", 1, width=90), photo("x.jpg", 2), video("x.mov", 3)
    assert standing(*rows) == {1: 2, 2: 2, 3: 2}
    assert standing(*rows, photo("x.png", 4, after=60)) == {1: 2, 2: 2, 3: 2}


def test_a_copy_is_of_the_shot_of_its_original() -> None:
    rows = photo("a/x.cr2", 1), photo("a/x.jpg", 2), photo("b/y.jpg", 2)
    assert standing(*rows) == {1: 2, 2: 2}
    assert standing(photo("a/x.cr2", 1), photo("a/x.jpg", 1)) == {}
    chained = photo("b/y.jpg", 2), photo("b/y.dng", 3, width=200)
    assert standing(*rows[:2], *chained) == {1: 3, 2: 3, 3: 3}


def test_what_could_not_be_decoded_is_no_part_of_a_shot() -> None:
    assert standing(photo("x.cr2", 1, status="quarantined"), photo("x.jpg", 2)) == {}


ROWS = st.lists(
    st.builds(
        lambda stem, ending, of, after, width: (video if ending == "mov" else photo)(
            f"{stem}.{ending}", of, after, width=width
        ),
        st.sampled_from(["a/x", "b/x", "b/y"]),
        st.sampled_from(["jpg", "cr2", "heic", "mov"]),
        st.integers(0, 9),
        st.sampled_from([0, 1, 60]),
        st.integers(1, 3),
    ),
    unique_by=lambda row: row["path"],
    max_size=8,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_a_shot_has_one_standing_content_whatever_the_order(rows: Any, random: Any) -> None:
    found = standing(*rows)
    assert all(found[other] == other for other in found.values())
    assert set(found.values()) == {other for one, other in found.items() if one != other}
    shuffled = random.sample(rows, len(rows))
    assert standing(*shuffled).keys() == found.keys()


@pytest.fixture
def collection() -> Collection:
    made = memory_collection()
    rows = photo("x.jpg", 1, faces=2), photo("x.cr2", 2, width=90), photo("y.jpg", 3)
    found = faces([("x.jpg", 1, 0), ("x.jpg", 1, 1), ("x.cr2", 2, 0), ("y.jpg", 3, 0)])
    made.commit_shard("one", media(*rows), found)
    return made


def seen(collection: Collection) -> list[bytes]:
    return collection.snapshot().faces(["content_id"])["content_id"].to_pylist()


def test_people_of_a_shot_count_once_and_both_rows_stay(collection: Collection) -> None:
    snapshot = collection.snapshot()
    assert sorted(seen(collection)) == sorted([content(1), content(1), content(3)])
    assert len(snapshot.face_ids) == 3
    counts = {row["path"]: (row["status"], row["faces"]) for row in snapshot.media.to_pylist()}
    assert counts == {"x.jpg": ("ok", 2), "x.cr2": ("ok", 1), "y.jpg": ("ok", 1)}


def test_when_the_better_file_goes_the_other_ones_faces_count(collection: Collection) -> None:
    gone = photo("x.jpg", 1, faces=2, status="vanished")
    collection.commit_shard("two", media(gone, minute=9), faces([]))
    assert sorted(seen(collection)) == sorted([content(2), content(3)])


def test_faces_that_are_left_out_survive_a_rewriting(collection: Collection) -> None:
    from facebatch.collection.rewrite import rewrite

    before = collection.snapshot()
    rewrite(collection, before, before.shards)
    after = collection.snapshot()
    assert after.faces_hash == before.faces_hash
    assert after.shots.equals(before.shots)
    gone = photo("x.jpg", 1, faces=2, status="vanished")
    collection.commit_shard("two", media(gone, minute=9), faces([]))
    assert content(2) in seen(collection)


def test_names_of_any_bytes_are_grouped() -> None:
    odd = "caf\ufffd/\u0130mg.%d"
    rows = [photo(odd % one, one, path_bytes=b"caf\xe9/x") for one in range(3)]
    assert standing(*rows) == {}
    assert np.unique(list(standing(photo("É.JPG", 1), photo("é.cr2", 2)).values())).size == 1


ONE, OTHER = "7E1C-A", "7E1C-B"


def test_a_live_photo_is_one_shot_whatever_its_files_are_called() -> None:
    still = photo("a/IMG_1.HEIC", 1, live_photo_id=ONE)
    assert standing(still, video("b/export 2.MOV", 2, 900, live_photo_id=ONE)) == {1: 1, 2: 1}
    undated = video("b/x.MOV", 2, captured_at=None, live_photo_id=ONE)
    assert standing(still, undated) == {1: 1, 2: 1}
    assert standing(still, video("b/x.MOV", 2, live_photo_id=OTHER)) == {}
    assert standing(still, video("b/x.MOV", 2, root="other", live_photo_id=ONE)) == {}
    assert standing(still, video("b/x.MOV", 2, seconds=60, live_photo_id=ONE)) == {}
    moving = video("a/x.MOV", 1, live_photo_id=ONE)
    assert standing(moving, video("b/x.MOV", 2, live_photo_id=ONE)) == {}, "there is no photo"


def test_files_of_one_name_whose_identifiers_differ_are_no_shot() -> None:
    still, moving = photo("x.HEIC", 1, live_photo_id=ONE), video("x.MOV", 2, live_photo_id=OTHER)
    assert standing(still, moving) == {}
    assert standing(still, video("x.MOV", 2)) == {1: 1, 2: 1}, "one that says nothing agrees"
    assert standing(photo("x.HEIC", 1), moving) == {1: 1, 2: 1}
    edited = photo("x.JPG", 3, live_photo_id=None, width=50)
    assert standing(still, moving, edited) == {1: 1, 3: 1}
    other = photo("y.HEIC", 4, live_photo_id=OTHER)
    assert standing(still, moving, edited, other) == {1: 1, 3: 1, 2: 4, 4: 4}


@given(st.lists(st.sampled_from([None, ONE, OTHER]), min_size=2, max_size=6))
def test_no_shot_has_two_identifiers(identifiers: list[str | None]) -> None:
    rows = [
        photo(f"x.{kind}", n, live_photo_id=identifier)
        for n, (kind, identifier) in enumerate(
            zip(("jpg", "heic", "dng", "png", "cr2", "tif"), identifiers, strict=False)
        )
    ]
    found = standing(*rows)
    shown: dict[int, set[str]] = {}
    for one, stands in found.items():
        if (identifier := identifiers[one]) is not None:
            shown.setdefault(stands, set()).add(identifier)
    assert all(len(some) == 1 for some in shown.values())
    ours = [n for n, one in enumerate(identifiers) if one == ONE]
    assert len({found.get(n) for n in ours}) <= 1
