import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score

from facebatch.evaluate.detection import TruthFaces, score_detection

SIDE = st.integers(1, 6)
PLACE = st.integers(0, 8)


def truth_of(boxes, ignore=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return TruthFaces(boxes, np.array([False] * len(boxes) if ignore is None else ignore, bool))


def points_of(points):
    points = np.array(points, np.float32).reshape(-1, 2)
    n = len(points)
    return TruthFaces(np.full((n, 4), np.nan, np.float32), np.zeros(n, bool), points)


def found_of(*detections):
    rows = np.array(detections, np.float64).reshape(-1, 5)
    return rows[:, :4], rows[:, 4]


@st.composite
def boxes(draw, smallest=0):
    n = draw(st.integers(smallest, 8))
    corners = draw(hnp.arrays(np.float64, (n, 2), elements=PLACE))
    return np.hstack((corners, corners + draw(hnp.arrays(np.float64, (n, 2), elements=SIDE))))


@st.composite
def album(draw):
    truth, found = {}, {}
    for photo in range(draw(st.integers(1, 4))):
        known = draw(boxes())
        ignore = draw(hnp.arrays(np.bool_, len(known)))
        truth[f"{photo}.jpg"] = TruthFaces(known.astype(np.float32), ignore)
        seen = draw(boxes())
        scores = draw(hnp.arrays(np.float64, len(seen), elements=st.integers(0, 5)))
        found[f"{photo}.jpg"] = (seen, scores / 5)
    return truth, found


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (area - width * height)


def voc_step_by_step(truth, found, iou):
    """Detections one by one, highest score first: (score, right) of each that counts."""
    every = sorted(
        (
            (score, file, box)
            for file, (rows, scores) in found.items()
            for box, score in zip(rows, scores, strict=True)
        ),
        key=lambda row: -row[0],
    )
    taken, outcome = set(), []
    for score, file, box in every:
        overlaps = [overlap(box, other) for other in truth[file].boxes]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] < iou:
            outcome.append((score, False))
        elif not truth[file].ignore[best]:
            outcome.append((score, (file, best) not in taken))
            taken.add((file, best))
    return outcome, taken


def area_under_envelope(outcome, faces):
    """AP by its definition: each face found adds the best precision at its recall or beyond."""
    thresholds = sorted({score for score, _ in outcome}, reverse=True)
    points = [(0, 1.0)]
    for threshold in thresholds:
        kept = [right for score, right in outcome if score >= threshold]
        points.append((sum(kept), sum(kept) / len(kept)))
    total = 0.0
    for hit in range(1, faces + 1):
        total += max((precision for hits, precision in points[1:] if hits >= hit), default=0.0)
    return total / faces


@given(album(), st.sampled_from([0.3, 0.5, 0.75]))
def test_scores_are_those_of_going_through_detections_one_by_one(case, iou):
    truth, found = case
    result = score_detection(truth, found, iou)
    outcome, taken = voc_step_by_step(truth, found, iou)
    faces = sum(int((~one.ignore).sum()) for one in truth.values())
    assert result.faces == faces
    assert result.found == len(taken) == sum(right for _, right in outcome)
    assert result.false_detections == len(outcome) - len(taken)
    total = sum(len(scores) for _, scores in found.values())
    assert result.found + result.false_detections + result.ignored_detections == total
    assert sum(size.faces for size in result.by_size) == faces
    assert sum(size.found for size in result.by_size) == result.found
    if faces:
        assert result.average_precision == pytest.approx(area_under_envelope(outcome, faces))
        assert result.recall == pytest.approx(len(taken) / faces)
    else:
        assert (result.average_precision, result.recall) == (None, None)


@given(album(), st.randoms(use_true_random=False))
def test_the_order_of_photos_and_detections_means_nothing(case, random):
    truth, found = case
    files = list(truth)
    random.shuffle(files)
    shuffled = {}
    for file in files:
        rows, scores = found[file]
        order = list(range(len(scores)))
        random.shuffle(order)
        shuffled[file] = (rows[order], scores[order])
    again = score_detection({file: truth[file] for file in files}, shuffled)
    assert again.as_json() == score_detection(truth, found).as_json()


@given(album())
def test_only_the_order_of_scores_counts(case):
    truth, found = case
    stretched = {file: (rows, np.exp(5 * scores)) for file, (rows, scores) in found.items()}
    one, other = score_detection(truth, found), score_detection(truth, stretched)
    assert one.as_json() == other.as_json()
    np.testing.assert_array_equal(one.curve.precision, other.curve.precision)


@given(boxes(smallest=1))
def test_true_boxes_score_one_everywhere(known):
    known = np.unique(known, axis=0)
    result = score_detection({"a": truth_of(known)}, {"a": (known, np.ones(len(known)))})
    assert (result.average_precision, result.recall, result.precision) == (1, 1, 1)
    assert result.false_detections == 0


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=30))
def test_the_curve_is_sklearns_before_its_envelope(outcome):
    scores, right = (np.array(column) for column in zip(*outcome, strict=True))
    if not right.any():
        return
    here, far_off = (0, 0, 9, 9), (100, 100, 109, 109)
    files = [f"{row}.jpg" for row in range(len(right))]
    truth = {file: truth_of([here] if hit else []) for file, hit in zip(files, right, strict=True)}
    found = {
        file: found_of((*(here if hit else far_off), score))
        for file, hit, score in zip(files, right, scores, strict=True)
    }
    curve = score_detection(truth, found).curve
    steps = float((np.diff(curve.recall, prepend=0) * curve.precision).sum())
    assert steps == pytest.approx(average_precision_score(right, scores))


def test_an_example_reckoned_by_hand():
    truth = {
        "a.jpg": truth_of([(0, 0, 10, 10), (20, 0, 30, 10)]),
        "b.jpg": truth_of([(0, 0, 100, 100), (200, 0, 240, 40)], ignore=[False, True]),
        "c.jpg": truth_of([]),
        "d.jpg": truth_of([(0, 0, 20, 20)]),
    }
    found = {
        "a.jpg": found_of(
            (0, 0, 10, 10, 0.9),  # found
            (0, 0, 10, 9, 0.8),  # found already: false
            (25, 0, 35, 10, 0.7),  # overlaps by a third: false
        ),
        "b.jpg": found_of(
            (0, 0, 100, 50, 0.6),  # overlaps by exactly a half: found
            (200, 0, 240, 40, 0.95),  # ignored
        ),
        "c.jpg": found_of((0, 0, 5, 5, 0.5)),  # false
        "e.jpg": found_of((0, 0, 5, 5, 0.99)),  # nothing is known of this photo
    }
    result = score_detection(truth, found)
    assert (result.images, result.images_not_searched, result.images_without_truth) == (4, 1, 1)
    assert (result.faces, result.ignored_faces, result.found) == (4, 1, 2)
    assert (result.false_detections, result.ignored_detections) == (3, 1)
    assert result.curve.score == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert result.curve.recall == pytest.approx([0.25, 0.25, 0.25, 0.5, 0.5])
    assert result.curve.precision == pytest.approx([1, 1 / 2, 1 / 3, 2 / 4, 2 / 5])
    # The first quarter of recall at precision 1, the second at 1/2.
    assert result.average_precision == pytest.approx(0.25 * 1 + 0.25 * 0.5)
    assert (result.recall, result.precision) == (0.5, 0.4)
    by_size = [(size.smallest, size.largest, size.faces, size.found) for size in result.by_size]
    assert by_size == [
        (0, 16, 2, 1),
        (16, 32, 1, 0),
        (32, 64, 0, 0),
        (64, 128, 1, 1),
        (128, None, 0, 0),
    ]
    assert [size.recall for size in result.by_size] == [0.5, 0.0, None, 1.0, None]


def test_a_detection_is_of_the_face_it_overlaps_most_even_if_that_is_taken():
    # As in VOC's development kit: the second box doesn't move on to its second best.
    truth = {"a": truth_of([(0, 0, 10, 10), (4, 0, 14, 10)])}
    found = {"a": found_of((0, 0, 10, 10, 0.9), (1, 0, 11, 10, 0.8))}
    result = score_detection(truth, found, iou=0.5)
    assert (result.found, result.false_detections) == (1, 1)


def test_a_size_belongs_to_the_range_that_begins_with_it():
    truth = {"a": truth_of([(0, 0, 16, 16), (0, 0, 8, 18), (0, 0, 200, 128)])}
    result = score_detection(truth, {}, sizes=(0, 16, 128))
    assert [size.faces for size in result.by_size] == [1, 1, 1]
    assert result.average_precision == 0


def test_a_point_is_found_by_the_box_that_holds_it():
    truth = {"a": points_of([(5, 5), (8, 5), (50, 50)]), "b": points_of([])}
    found = {
        "a": found_of(
            (0, 0, 10, 10, 0.9),  # holds two, is centred on the first
            (4, 0, 12, 10, 0.8),  # holds two, is centred on the second
            (4, 4, 6, 6, 0.7),  # the first once more: false
            (60, 60, 70, 70, 0.6),  # holds none: false
        )
    }
    result = score_detection(truth, found)
    assert (result.faces, result.found, result.false_detections) == (3, 2, 2)
    assert result.average_precision == pytest.approx(2 / 3)
    # A point has no size.
    assert all(size.faces == 0 for size in result.by_size)
    assert (result.images, result.images_not_searched) == (2, 1)


def test_random_boxes_find_next_to_nothing():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 1000, (2000, 2))
    boxes = np.hstack((corners, corners + 30))
    result = score_detection({"a": truth_of(boxes[:20])}, {"a": (boxes[20:], rng.random(1980))})
    assert result.precision < 0.02


def test_nothing_known_and_nothing_found_is_no_score():
    result = score_detection({}, {})
    assert (result.average_precision, result.recall, result.precision) == (None, None, None)
    assert len(result.curve.score) == 0


def test_results_are_plain_data_without_the_curve():
    result = score_detection({"a": truth_of([(0, 0, 9, 9)])}, {"a": found_of((0, 0, 9, 9, 1))})
    data = result.as_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert "curve" not in data
    assert data["by_size"][-1]["largest"] is None


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        ({"a": (np.zeros((2, 4)), np.zeros(3))}, {}, "a has boxes of shape"),
        ({"a": (np.zeros((2, 5)), np.zeros(2))}, {}, "a has boxes of shape"),
        ({"a": (np.zeros((1, 4)), np.array([np.nan]))}, {}, "finite"),
        ({"a": (np.full((1, 4), np.inf), np.zeros(1))}, {}, "finite"),
        ({}, {"iou": 0}, "iou"),
        ({}, {"iou": 1.5}, "iou"),
        ({}, {"sizes": (0, 16, 16)}, "ascend"),
    ],
)
def test_what_can_not_be_scored_is_refused(found, options, message):
    with pytest.raises(ValueError, match=message):
        score_detection({"a": truth_of([(0, 0, 1, 1)])}, found, **options)
