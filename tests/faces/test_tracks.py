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
    Tracker,
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


def followed(refresh_us: int, faces: list[tuple[float, float, npt.NDArray[np.float32]]]):
    """Returns the tracks of single faces (seconds, left edge, embedding), and who was embedded."""
    tracker, numbers, embedded = Tracker(**LIMITS, refresh_us=refresh_us), [], []
    for time, x, vector in faces:

        def embed(rows, time=time, vector=vector):
            embedded.append(time)
            return vector[None]

        boxes = np.array([box(x)], np.float32)
        numbers += [track.number for track in tracker.take(round(time * SECOND), boxes, embed)]
    return numbers, embedded


def test_a_face_in_its_place_is_embedded_at_once_and_then_once_a_second() -> None:
    still = [(tenth / 10, 2.0 * tenth, ADA) for tenth in range(25)]
    assert followed(SECOND, still) == ([0] * 25, [0.0, 1.0, 2.0])
    assert followed(0, still) == ([0] * 25, [time for time, _, _ in still])


def test_what_jumped_or_was_away_is_embedded() -> None:
    numbers, embedded = followed(SECOND, [(0, 0, ADA), (0.1, 200, ADA), (0.9, 200, BO)])
    assert (numbers, embedded) == ([0, 0, 1], [0, 0.1, 0.9])


def test_faces_that_touch_are_embedded() -> None:
    tracker, asked = Tracker(**LIMITS, refresh_us=SECOND), []
    for time, x in ((0, 60), (100_000, 60), (200_000, 40)):

        def embed(rows):
            asked.append(rows.tolist())
            return np.stack([ADA, BO])[rows]

        boxes = np.array([box(0), box(x)], np.float32)
        assert [track.number for track in tracker.take(time, boxes, embed)] == [0, 1]
    assert asked == [[0, 1], [0, 1]]


def test_an_exchange_behind_a_cut_is_noticed_at_the_next_look_at_the_faces() -> None:
    cut = [(tenth / 10, 0, ADA if tenth < 3 else BO) for tenth in range(13)]
    numbers, _ = followed(SECOND, cut)
    assert numbers == [0] * 10 + [1] * 3


def test_tracks_end_after_a_gap() -> None:
    tracker = Tracker(**LIMITS)
    tracker.take(0, np.array([box(0)], np.float32), lambda rows: ADA[None])
    assert tracker.ended(MAX_GAP_US) == []
    assert [track.number for track in tracker.ended(MAX_GAP_US + 1)] == [0]
    assert tracker.open == []
