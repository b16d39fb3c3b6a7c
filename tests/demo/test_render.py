import hashlib

import numpy as np
import pytest

from facebatch.demo.album import draw_light, draw_view
from facebatch.demo.cast import PEOPLE, STRANGERS
from facebatch.demo.render import render_face
from facebatch.demo.scene import Sitter, render_landscape, render_scene
from facebatch.demo.surface import View

GROUP = tuple(
    Sitter(person, (115.0 + 190.0 * place, 165.0), 58.0, View(yaw=yaw, noise_seed=place))
    for place, (person, yaw) in enumerate(zip(PEOPLE[:3], (-0.1, 0.0, 0.1), strict=True))
)


@pytest.fixture(scope="module")
def detector():
    from facebatch.detect import load_detector

    return load_detector("mtcnn", min_face=24)


def digest(picture):
    return hashlib.sha256(picture.tobytes()).hexdigest()


def test_the_same_arguments_give_the_same_bytes():
    arguments = {"size": 96, "yaw": 0.2, "pitch": -0.1, "smile": 0.5, "noise_seed": 7}
    first = render_face(PEOPLE[0], **arguments)
    render_face(PEOPLE[1], size=96)
    assert digest(render_face(PEOPLE[0], **arguments)) == digest(first)
    scene = render_scene(GROUP, size=(640, 360), noise_seed=3)
    assert digest(render_scene(GROUP, size=(640, 360), noise_seed=3).picture) == digest(
        scene.picture
    )


@pytest.mark.parametrize(
    "change",
    [
        {"identity": PEOPLE[1]},
        {"yaw": 0.2},
        {"pitch": 0.1},
        {"roll": 0.1},
        {"light": (-0.4, 0.0)},
        {"smile": 0.8},
        {"noise_seed": 1},
    ],
)
def test_every_argument_changes_the_picture(change):
    plain = {"identity": PEOPLE[0], "size": 96}
    assert (render_face(**plain) != render_face(**{**plain, **change})).any()


@pytest.mark.parametrize("size", [64, 97, 320])
def test_a_portrait_has_the_size_asked_for(size):
    picture = render_face(PEOPLE[0], size=size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


def test_a_turned_head_shows_its_nose_on_that_side():
    # Positive yaw turns towards the image's right, positive pitch down.
    def nose(**view):
        sitter = Sitter(PEOPLE[0], (80.0, 80.0), 40.0, View(**view))
        face = render_scene([sitter], size=(160, 160)).faces[0]
        eyes = np.mean(face.landmarks[:2], axis=0)
        return np.array(face.landmarks[2]) - eyes

    assert nose(yaw=0.3)[0] > 3 > -3 > nose(yaw=-0.3)[0]
    assert nose(pitch=0.2)[1] > nose()[1] > nose(pitch=-0.2)[1]


def test_light_from_the_right_brightens_the_right_cheek():
    picture = render_face(PEOPLE[0], size=160, light=(0.6, -0.2)).astype(float)
    mirror = render_face(PEOPLE[0], size=160, light=(-0.6, -0.2)).astype(float)
    cheek = (slice(75, 95), slice(95, 110))
    assert picture[cheek].mean() > mirror[cheek].mean() + 10


@pytest.fixture(scope="module")
def cast_photos(detector):
    """Three photos of everybody of the cast as an album sees them: person, picture, detections."""
    photos = []
    for person in PEOPLE + STRANGERS:
        rng = np.random.default_rng([11, person])
        for _ in range(3):
            view = draw_view(rng, draw_light(rng))
            scene = render_scene([Sitter(person, (110.0, 105.0), 60.0, view)], size=(220, 220))
            photos.append((person, scene.picture, detector.detect(scene.picture)))
    return photos


def test_the_detector_finds_every_face_of_the_cast_once(cast_photos):
    for person, _, found in cast_photos:
        assert len(found) == 1, person
        assert found.scores[0] > 0.9, person


def test_truth_is_where_the_detector_finds_the_face(detector):
    scene = render_scene(GROUP, size=(640, 360), noise_seed=3)
    found = detector.detect(scene.picture)
    order = np.argsort(found.boxes[:, 0])
    assert len(found) == len(scene.faces) == 3
    unit = GROUP[0].unit
    for face, row in zip(scene.faces, order, strict=True):
        # A quarter of a head unit is an eighth of a face: what MTCNN itself is good for.
        assert np.abs(np.array(face.box) - found.boxes[row]).max() < 0.25 * unit
        assert np.abs(np.array(face.landmarks) - found.landmarks[row]).mean() < 0.1 * unit


def test_a_landscape_has_no_face(detector):
    picture = render_landscape(size=(480, 320), noise_seed=1)
    assert picture.shape == (320, 480, 3)
    assert len(detector.detect(picture)) == 0


def test_people_are_nearer_to_themselves_than_to_others(cast_photos):
    from PIL import Image

    from facebatch.embed import load_embedder
    from facebatch.faces.align import TEMPLATES, chip_matrices, cut_chip

    embedder = load_embedder("dlib-resnet", tta="mirror")
    template = TEMPLATES[embedder.template]
    chips, owners = [], []
    for person, picture, found in cast_photos:
        matrix = chip_matrices(found.landmarks[:1], template)[0]
        chips.append(cut_chip(Image.fromarray(picture), matrix, template.size))
        owners.append(person)
    embeddings = embedder.embed(np.stack(chips)[:, None])
    d2 = 2 - 2 * embeddings @ embeddings.T
    first, second = np.triu_indices(len(owners), 1)
    mates = np.array(owners)[first] == np.array(owners)[second]
    same, other = d2[first, second][mates], d2[first, second][~mates]
    # LFW with this embedder: FAR 1e-5 at .091, FAR 1e-3 at .143, strangers' median about .33.
    assert np.median(same) < 0.06
    assert np.quantile(same, 0.95) < 0.105
    assert np.quantile(other, 0.01) > 0.143
    assert 0.2 < np.median(other) < 0.4
