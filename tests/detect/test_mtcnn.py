"""The cascade finds what facenet-pytorch's MTCNN finds, and never falls over an image."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.data import real_data
from support.facenet_package import import_facenet_pytorch
from support.installed import needs_openvino

from facebatch.demo.render import render_face
from facebatch.detect import load_detector
from facebatch.detect.mtcnn import MtcnnDetector
from facebatch.detect.mtcnn_boxes import regions
from facebatch.errors import UsageError

MIN_FACE = 24
Faces = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def greedy_nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """torchvision.ops.nms in plain torch: its compiled form isn't there in every installation."""
    rest = torch.sort(scores, descending=True, stable=True)[1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        rest = rest[~(shared / (area[best] + area[rest] - shared) > threshold)]
    return torch.tensor(kept, dtype=torch.long)


@pytest.fixture(scope="module")
def reference() -> Callable[[NDArray[np.uint8]], Faces]:
    """facenet_pytorch.MTCNN.detect as a function from image to boxes, scores and landmarks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MTCNN reads its weights in a way that torch warns of
        mtcnn = import_facenet_pytorch().MTCNN(keep_all=True, min_face_size=MIN_FACE)
    module = importlib.import_module("facenet_pytorch.models.utils.detect_face")
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "batched_nms", lambda b, s, _, threshold: greedy_nms(b, s, threshold))

    def detect(image: NDArray[np.uint8]) -> Faces:
        boxes, scores, landmarks = mtcnn.detect(Image.fromarray(image), landmarks=True)
        if boxes is None:
            return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))
        return boxes.astype(float), scores.astype(float), landmarks.astype(float)

    yield detect
    patch.undo()


@pytest.fixture(scope="module", params=["torch", pytest.param("openvino", marks=needs_openvino)])
def detector(request) -> MtcnnDetector:
    return MtcnnDetector(min_face=MIN_FACE, engine=request.param)


@pytest.fixture(scope="module")
def portraits() -> list[NDArray[np.uint8]]:
    return [
        render_face(
            identity,
            size=160,
            yaw=0.1 * (identity % 5 - 2),
            pitch=0.1 * (identity % 3 - 1),
            light=(0.3 * (identity % 3 - 1), -0.4),
            smile=0.5 * (identity % 2),
            noise_seed=identity,
        )
        for identity in range(14)
    ]


@pytest.fixture(scope="module")
def rendered(portraits: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """The portraits alone, and 38 images of three, each at its own size and place."""
    random = np.random.default_rng(0)
    images = list(portraits)
    for _ in range(38):
        canvas = Image.new("RGB", (int(random.integers(250, 360)), int(random.integers(200, 300))))
        canvas.paste(tuple(random.integers(40, 200, 3).tolist()), (0, 0, *canvas.size))
        for portrait in random.choice(len(portraits), 3, replace=False):
            side = int(random.integers(60, 180))
            face = Image.fromarray(portraits[portrait]).resize((side, side))
            canvas.paste(face, (int(random.integers(-20, 250)), int(random.integers(-20, 200))))
        images.append(np.array(canvas))
    return images


def photos(folder: Path, side: int, count: int) -> list[NDArray[np.uint8]]:
    paths = sorted(folder.rglob("*.jpg"))
    images = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        with Image.open(path) as image:
            picture = image.convert("RGB")
        picture.thumbnail((side, side))
        images.append(np.array(picture))
    return images


def assert_same_faces(found: tuple[NDArray[np.float32], ...], expected: Faces) -> None:
    """Pair the faces by nearest box; 0.01 px and 1e-4 are facebatch's own promise."""
    boxes, scores, landmarks = found
    assert len(boxes) == len(expected[0])
    if len(boxes) == 0:
        return
    nearest = np.abs(expected[0][:, None] - boxes[None]).max(axis=2).argmin(axis=1)
    assert sorted(nearest) == list(range(len(boxes)))
    np.testing.assert_allclose(boxes[nearest], expected[0], rtol=0, atol=0.01)
    np.testing.assert_allclose(scores[nearest], expected[1], rtol=0, atol=1e-4)
    np.testing.assert_allclose(landmarks[nearest], expected[2], rtol=0, atol=0.01)


@pytest.fixture(scope="module")
def expected(reference, rendered) -> list[Faces]:
    """What the reference finds on each of the rendered images."""
    return [reference(image) for image in rendered]


def test_rendered_faces_are_those_of_facenet_pytorch(expected, detector, rendered):
    faces = 0
    assert len(rendered) >= 50
    for image, theirs in zip(rendered, expected, strict=True):
        found = detector.cascade(image)
        assert_same_faces(found, theirs)
        faces += len(found[0])
    assert faces >= len(rendered)


@pytest.mark.parametrize(
    ("folder", "side", "count"),
    [
        ("lfw100", 250, 4),
        pytest.param("groups", 640, 6, marks=pytest.mark.full),
        pytest.param("dlib_faces", 640, 10, marks=pytest.mark.full),
        pytest.param("lfw100", 250, 30, marks=pytest.mark.full),
    ],
)
def test_photographed_faces_are_those_of_facenet_pytorch(reference, detector, folder, side, count):
    for image in photos(real_data(folder), side, count):
        assert_same_faces(detector.cascade(image), reference(image))


def test_rendered_portraits_have_their_face(detector, portraits):
    found = [detector.detect(portrait) for portrait in portraits]
    centred = [
        detections
        for detections in found
        if len(detections)
        and np.abs(detections.boxes[0].reshape(2, 2).mean(axis=0) - 80).max() < 32
    ]
    assert len(centred) >= 12  # of 14: MTCNN misses a few per cent of rendered faces


def test_landmarks_mirror_with_the_picture(detector, portraits):
    # A picture and its mirror image have the same nose: x and width - x. A convention that is off
    # by a pixel moves the sum by two, whatever the size of the face.
    sums = []
    for portrait in portraits:
        for side in (80, 120, 160):
            image = np.array(Image.fromarray(portrait).resize((side, side)))
            both = [detector.detect(np.ascontiguousarray(view)) for view in (image, image[:, ::-1])]
            if all(len(found) == 1 for found in both):
                sums.append(sum(found.landmarks[0, 2, 0] for found in both) - side)
    assert len(sums) >= 10
    assert abs(np.mean(sums)) < 0.8


def test_corner_boxes_cover_the_pixels_that_the_cascade_means(detector, rendered):
    for image in rendered[14:24]:
        boxes, scores, _ = detector.cascade(image)
        inside = regions(boxes, *image.shape[:2])[np.argsort(-scores, kind="stable")]
        corners = detector.detect(image).boxes
        limits = np.array([*image.shape[1::-1]] * 2)
        np.testing.assert_array_equal(np.clip(np.trunc(corners), 0, limits), inside)


def test_detections_come_by_descending_score_with_the_left_eye_first(detector, rendered):
    crowded = 0
    for image in rendered:
        detections = detector.detect(image)
        assert (np.diff(detections.scores) <= 0).all()
        assert detections.boxes.dtype == detections.landmarks.dtype == np.float32
        eye, other_eye, nose, mouth, _ = np.moveaxis(detections.landmarks, 1, 0)
        assert (eye[:, 0] < other_eye[:, 0]).all()
        assert (eye[:, 1] < mouth[:, 1]).all()
        boxes = detections.boxes
        assert ((boxes[:, :2] < nose) & (nose < boxes[:, 2:])).all()
        crowded += len(detections) > 1
    assert crowded > 5


@pytest.mark.parametrize(
    "shape",
    [(0, 0), (0, 40), (1, 1), (8, 8), (MIN_FACE - 1, 2000), (2000, 1), (MIN_FACE, MIN_FACE)],
)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_an_image_too_small_or_too_plain_for_a_face_has_none(detector, shape, value):
    detections = detector.detect(np.full((*shape, 3), value, np.uint8))
    assert len(detections) == 0
    assert detections.boxes.shape == (0, 4)
    assert detections.landmarks.shape == (0, 5, 2)


def test_a_face_that_leaves_the_image_keeps_its_unclipped_box(detector, portraits):
    cut = [detector.detect(np.ascontiguousarray(image[:, 70:])) for image in portraits]
    assert any((detections.boxes[:, 0] < 0).any() for detections in cut)


def test_a_read_only_image_is_read(detector, portraits):
    expected = detector.detect(portraits[1])
    image = portraits[1].copy()
    image.flags.writeable = False
    np.testing.assert_array_equal(detector.detect(image).boxes, expected.boxes)


@pytest.mark.parametrize(
    "arguments", [{"min_face": 0}, {"factor": 1.0}, {"thresholds": (0.6, 0.7, 1.1)}]
)
def test_settings_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        MtcnnDetector(**arguments)


def test_an_unknown_detector_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="mtcnn"):
        load_detector("yolo")


def test_detection_runs_on_one_thread(detector):
    assert detector.provenance.engine != "torch" or torch.get_num_threads() == 1
    assert detector.provenance.precision == "float32"


def test_provenance_names_the_engine(detector, request):
    assert detector.provenance.engine == request.node.callspec.params["detector"]
    assert detector.provenance.device == "cpu"


def test_a_detector_finds_the_same_twice(detector, rendered):
    for image in rendered[14:24]:
        once, again = vars(detector.detect(image)), vars(detector.detect(image))
        for name, values in once.items():
            np.testing.assert_array_equal(values, again[name])
