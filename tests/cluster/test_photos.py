import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.synthetic import at_angles, unit

from facebatch.cluster.photos import (
    SAME_FACE_IOU,
    conflicts,
    iou,
    join_tracks,
    part_photos,
    part_tracks,
)


def box(x, side=10.0):
    return [x, 0.0, x + side, side]


def numbered(frames, boxes, scores=None):
    scores = np.ones(len(frames)) if scores is None else np.array(scores)
    return conflicts(
        np.array(frames), np.array(boxes, np.float32).reshape(-1, 4), scores.astype(np.float32)
    ).tolist()


def parted(labels, conflict, angles, pinned=None):
    held = None if pinned is None else np.array(pinned, bool)
    found, broken = part_photos(
        np.array(labels, np.int32), np.array(conflict, np.int32), at_angles(*angles), held
    )
    return found.tolist(), broken


def test_faces_of_one_picture_are_different_people_and_those_of_two_are_not():
    assert numbered([7, 3, 7, 5, 3], [box(0), box(0), box(20), box(0), box(20)]) == [1, 0, 1, -1, 0]


def test_a_face_found_twice_is_one_face_and_the_surer_box_counts():
    boxes = [box(0), box(1), box(30)]
    assert numbered([0, 0, 0], boxes, [0.9, 0.99, 1.0]) == [-1, 0, 0]
    assert numbered([0, 0], boxes[:2]) == [-1, -1]


def test_iou_of_boxes_reckoned_by_hand():
    one, other = np.array([box(0)]), np.array([box(5), box(10), box(0)])
    np.testing.assert_allclose(iou(np.repeat(one, 3, axis=0), other), [1 / 3, 0, 1])


def test_the_face_that_is_like_the_rest_of_its_cluster_stays():
    labels, broken = parted([0, 0, 0, 0], [-1, 4, 4, -1], [0, 3, 25, 2])
    assert (labels, broken) == ([0, 0, -1, 0], 1)


def test_clusters_that_keep_to_the_rule_are_left_alone():
    assert parted([0, 0, 1, 1], [2, -1, 2, -1], [0, 1, 50, 51]) == ([0, 0, 1, 1], 0)


def test_what_a_user_fixed_stays_and_the_others_go():
    fixed = [False, False, True, True, False]
    labels, broken = parted([0] * 5, [1, 1, 1, 1, -1], [0, 1, 30, 40, 0], fixed)
    assert (labels, broken) == ([-1, -1, 0, 0, 0], 1)


def test_without_faces_nothing_breaks():
    nothing = np.zeros(0, np.int32)
    labels, broken = part_photos(nothing, nothing, np.zeros((0, 2), np.float32))
    assert len(labels) == broken == 0
    assert conflicts(nothing, np.zeros((0, 4), np.float32), np.zeros(0, np.float32)).tolist() == []


def tracked(labels, tracks):
    return join_tracks(np.array(labels, np.int32), np.array(tracks, np.int32)).tolist()


def test_a_track_goes_where_most_of_it_is():
    assert tracked([0, 0, 1, -1, 1], [5, 5, 5, 5, -1]) == [0, 0, 0, 0, 1]


def test_a_track_of_faces_on_their_own_is_somebody():
    assert tracked([0, -1, -1, -1, 0], [-1, 2, 2, 3, -1]) == [0, 1, 1, -1, 0]


def test_a_track_never_joins_two_clusters():
    assert tracked([0, 0, 0, 1, 1, 1], [-1, 4, 4, 4, -1, -1]) == [0, 0, 0, 0, 1, 1]


def test_two_tracks_through_the_same_frames_are_two_people():
    # The second track shares one of its two frames with the first, and leaves as a whole.
    labels = part_tracks(
        np.array([0, 0, 0, 0, 0], np.int32),
        np.array([3, -1, 3, -1, -1], np.int32),
        np.array([0, 0, 1, 1, -1], np.int32),
        at_angles(0, 1, 20, 21, 2),
        np.zeros(5, bool),
    )
    assert labels.tolist() == [0, 0, 1, 1, 0]


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int32, n, elements=st.integers(-1, 3)),
            hnp.arrays(np.int32, n, elements=st.integers(-1, 4)),
            hnp.arrays(np.int8, (n, 3), elements=st.integers(1, 9)),
        )
    )
)
def test_no_cluster_holds_two_faces_of_a_picture_afterwards(case):
    labels, conflict, raw = case
    result, broken = part_photos(labels, conflict, unit(raw.astype(float)))
    held = (result >= 0) & (conflict >= 0)
    pairs = list(zip(result[held].tolist(), conflict[held].tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    # Every cluster and picture that had a face keeps one, and only clusters that broke lose any.
    before = (labels >= 0) & (conflict >= 0)
    assert set(zip(labels[before].tolist(), conflict[before].tolist(), strict=True)) == set(pairs)
    assert len(set(labels[labels != result].tolist())) == broken


def test_the_limit_for_one_face_lies_above_what_neighbours_overlap_by():
    neighbours = iou(np.array([box(0)]), np.array([box(6)]))
    assert neighbours[0] < SAME_FACE_IOU
