from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.synthetic import people, unit

from facebatch.faces.tracks import (
    BEST_OF_TRACK,
    MAX_GAP_US,
    SPREAD_US,
    best,
    goodness,
    link,
    summary,
)

SECOND = 1_000_000
LIMITS = {"near_d2": 0.08, "overlapping_d2": 0.12}

Boxes = npt.NDArray[np.float32]
Times = npt.NDArray[np.int64]


def box(x: float, y: float = 0.0, side: float = 50.0) -> list[float]:
    return [x, y, x + side, y + side]


def linked(faces: list[tuple[float, float, npt.NDArray[np.float32]]], **options: int) -> list[int]:
    """Links faces given as (seconds, left edge, embedding)."""
    return link(
        np.array([box(x) for _, x, _ in faces], np.float32).reshape(-1, 4),
        np.array([round(time * SECOND) for time, _, _ in faces], np.int64),
        np.array([one for _, _, one in faces], np.float32),
        **LIMITS,
        **options,
    ).tolist()


def at_d2(d2: float, axis: int = 1) -> npt.NDArray[np.float32]:
    """Returns a unit vector at a d2 from the first axis."""
    vector = np.zeros(4, np.float32)
    vector[0] = 1 - d2 / 2
    vector[axis] = np.sqrt(1 - vector[0] ** 2)
    return vector


ADA = at_d2(0.0)
BO = at_d2(0.33, 2)


def test_the_same_face_is_one_track_however_far_it_moves() -> None:
    assert linked([(0, 0, ADA), (1, 400, at_d2(0.05)), (2, 900, ADA)]) == [0, 0, 0]


def test_strangers_in_one_place_are_two_tracks() -> None:
    assert linked([(0, 0, ADA), (1, 0, BO), (2, 0, ADA)]) == [0, 1, 0]


def test_a_face_that_changed_stays_in_its_track_only_where_it_was() -> None:
    turned = at_d2(0.1)
    assert linked([(0, 0, ADA), (0.1, 5, turned)]) == [0, 0]
    assert linked([(0, 0, ADA), (0.1, 400, turned)]) == [0, 1]


def test_without_limits_every_face_is_a_track_of_its_own() -> None:
    boxes, times = np.array([box(0)] * 3, np.float32), np.arange(3)
    embeddings = np.array([ADA] * 3)
    alone = link(boxes, times, embeddings, near_d2=0, overlapping_d2=0)
    assert alone.tolist() == [0, 1, 2]


def test_look_alikes_are_told_apart_by_where_they_are() -> None:
    twin = at_d2(0.01)
    faces = [(0, 0, ADA), (0, 300, twin), (1, 5, twin), (1, 305, ADA)]
    assert linked(faces) == [0, 1, 0, 1]


def test_a_face_that_was_away_for_long_begins_a_new_track() -> None:
    gap = MAX_GAP_US / SECOND
    assert linked([(0, 0, ADA), (gap, 0, ADA), (2 * gap + 0.1, 0, ADA)]) == [0, 0, 1]
    assert linked([(0, 0, ADA), (60, 0, ADA)], max_gap_us=60 * SECOND) == [0, 0]


def test_tracks_are_numbered_by_time_then_from_left_to_right() -> None:
    assert linked([(1, 0, BO), (0, 300, ADA), (0, 10, at_d2(0.4, 3))]) == [2, 1, 0]


def test_nothing_gives_nothing() -> None:
    none = np.zeros(0, np.int64)
    boxes, embeddings = np.zeros((0, 4), np.float32), np.zeros((0, 128), np.float32)
    tracks = link(boxes, none, embeddings, **LIMITS)
    assert (tracks.shape, tracks.dtype) == ((0,), np.int32)
    assert best(tracks, none, np.zeros(0, np.float32)).shape == (0,)
    assert summary(tracks, none).faces.shape == (0,)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Boxes, Times, npt.NDArray[np.float32]]:
    """Faces of a few people at random places and times, several a frame."""
    count = draw(st.integers(0, 30))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    embeddings, _ = people([max(1, count // 3)] * 3, draw(st.integers(0, 50)))
    rows = generator.integers(0, len(embeddings), count)
    noise = 0.02 * generator.standard_normal((count, embeddings.shape[1]))
    corners = generator.uniform(0, 300, (count, 2)).round()
    boxes = np.concatenate([corners, corners + generator.uniform(20, 90, (count, 1))], axis=1)
    times = generator.integers(0, 8, count) * draw(st.sampled_from([SECOND // 25, 3 * SECOND]))
    return boxes.astype(np.float32), times, unit(embeddings[rows] + noise)


@given(scene=scenes(), seed=st.integers(0, 1000))
def test_the_order_of_faces_makes_no_difference(
    scene: tuple[Boxes, Times, npt.NDArray[np.float32]], seed: int
) -> None:
    boxes, times, embeddings = scene
    shuffled = np.random.default_rng(seed).permutation(len(boxes))
    tracks = link(boxes, times, embeddings, **LIMITS)
    again = link(boxes[shuffled], times[shuffled], embeddings[shuffled], **LIMITS)
    assert again.tolist() == tracks[shuffled].tolist()


@given(scene=scenes())
def test_two_faces_of_one_frame_are_never_one_track(
    scene: tuple[Boxes, Times, npt.NDArray[np.float32]],
) -> None:
    tracks = link(*scene, **LIMITS)
    places = list(zip(tracks.tolist(), scene[1].tolist(), strict=True))
    assert len(set(places)) == len(places)
    assert set(tracks.tolist()) == set(range(tracks.max(initial=-1) + 1))
    firsts = [scene[1][tracks == track].min() for track in range(tracks.max(initial=-1) + 1)]
    assert firsts == sorted(firsts)


@given(data=st.data(), count=st.integers(1, 40))
def test_every_track_keeps_its_best_face_and_a_few_well_apart(
    data: st.DataObject, count: int
) -> None:
    tracks = data.draw(hnp.arrays(np.int32, count, elements=st.integers(0, 4)))
    times = data.draw(hnp.arrays(np.int64, count, elements=st.integers(0, 20))) * SECOND
    worth = data.draw(hnp.arrays(np.float32, count, elements=st.floats(0, 1, width=32)))
    keep = best(tracks, times, worth)
    for track in set(tracks.tolist()):
        mine = tracks == track
        kept = np.sort(times[mine & keep])
        assert 1 <= len(kept) <= BEST_OF_TRACK
        assert (np.diff(kept) >= SPREAD_US).all()
        assert worth[mine & keep].max() == worth[mine].max()
    said = summary(tracks, times)
    for face in range(count):
        mine = tracks == tracks[face]
        assert said.faces[face] == mine.sum()
        assert (said.begin_us[face], said.end_us[face]) == (times[mine].min(), times[mine].max())


def test_best_spreads_over_the_track() -> None:
    times = np.arange(10) * SECOND
    worth = np.array([0, 0, 0, 8, 9, 7, 0, 1, 0, 6], np.float32)
    keep = best(np.zeros(10, np.int32), times, worth)
    assert np.flatnonzero(keep).tolist() == [4, 7, 9]


def test_large_sharp_frontal_sure_faces_are_better() -> None:
    usual = {"size": 60.0, "score": 0.99, "sharpness": 0.05, "yaw": 0.1}
    worse = [{"size": 30.0}, {"score": 0.8}, {"sharpness": 0.005}, {"yaw": -1.2}, {"yaw": np.nan}]
    rows = [usual, *({**usual, **change} for change in worse)]
    columns = {name: np.array([row[name] for row in rows], np.float32) for name in usual}
    worth = goodness(**columns)
    assert (worth[0] > worth[1:]).all()
    assert ((worth >= 0) & (worth <= 1)).all()
