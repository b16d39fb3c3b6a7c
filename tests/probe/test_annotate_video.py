from __future__ import annotations

import numpy as np

from facebatch.probe.annotate_video import Followed, Look

ADA = {"name": "Ada", "probability": 0.9}


def looks(*places: tuple[int, float]) -> list[Look]:
    return [Look(time, np.array([x, 0, x + 10, 10], np.float32)) for time, x in places]


def left_edge(followed: Followed, time: int) -> float | None:
    boxes, labels = followed.at(time)
    assert len(boxes) == len(labels)
    return boxes[0][0] if boxes else None


def test_boxes_move_evenly_between_two_looks() -> None:
    followed = Followed([looks((0, 0), (100, 10), (200, 10))], [ADA], 100)
    assert [left_edge(followed, time) for time in (0, 25, 50, 100, 150)] == [0, 2.5, 5, 10, 10]


def test_a_face_that_was_missed_once_is_drawn_on_and_one_that_left_is_not() -> None:
    missed = Followed([looks((0, 0), (200, 20))], [ADA], 100)
    assert left_edge(missed, 150) == 15
    away = Followed([looks((0, 0), (1000, 20))], [ADA], 100)
    assert [left_edge(away, time) for time in (50, 99, 100, 999)] == [0, 0, None, None]


def test_a_face_is_drawn_from_its_first_look_to_a_step_after_its_last() -> None:
    followed = Followed([looks((300, 7))], [ADA], 100)
    times = (0, 299, 300, 399, 400)
    assert [left_edge(followed, time) for time in times] == [None, None, 7, 7, None]


def test_every_track_is_described() -> None:
    followed = Followed([looks((0, 0), (100, 1))], [ADA], 100)
    assert followed.described() == [
        {**ADA, "begin_us": 0, "end_us": 100, "detections": 2},
    ]
