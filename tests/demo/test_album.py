import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageOps

from facebatch.demo.album import DEMO, SMALL, Preset, plan_photos, write_album
from facebatch.demo.truth import TrueFace, Truth, label_faces, match_truth
from facebatch.errors import InputError

TINY = Preset(people=2, portraits=1, groups=1, strangers=0, large=0)


@pytest.fixture
def album(album):
    return album.folder, album.truth


def upright(path):
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    truths = [write_album(tmp_path / name, preset=TINY, seed=5) for name in ("a", "b")]
    assert truths[0] == truths[1]
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_writes_other_photos():
    assert plan_photos(SMALL, 0) != plan_photos(SMALL, 1)


def test_truth_names_every_file_and_nothing_else(album):
    folder, truth = album
    assert [file.path for file in truth.files] == sorted(contents(folder))


def test_truth_survives_json(album):
    _, truth = album
    assert Truth.from_json(truth.to_json()) == truth
    json.loads(truth.to_json())


def test_every_orientation_is_there_and_upright_pictures_have_the_true_size(album):
    folder, truth = album
    seen = Counter()
    for file in truth.files:
        if file.outcome not in ("ok", "duplicate"):
            continue
        with Image.open(folder / file.path) as picture:
            orientation = picture.getexif().get(0x0112, 0)
        assert orientation == file.orientation, file.path
        assert upright(folder / file.path).size == (file.width, file.height), file.path
        seen[orientation] += 1
    assert set(range(1, 9)) <= set(seen)


def test_an_album_has_what_archives_have(album):
    folder, truth = album
    outcomes = Counter(file.outcome for file in truth.files)
    assert outcomes["duplicate"] == outcomes["ignored"] == 1
    reasons = {file.reason for file in truth.files if file.outcome == "quarantined"}
    assert reasons == {"truncated", "empty", "not_an_image"}
    suffixes = {path.rpartition(".")[2].lower() for path in contents(folder)}
    assert {"jpg", "jpeg", "png", "webp", "bmp", "tif", "gif", "txt"} <= suffixes
    assert any(file.outcome == "ok" and not file.faces for file in truth.files)
    assert any(file.width * file.height == 3000 * 2000 for file in truth.files)
    groups = {len(file.faces) for file in truth.files if len(file.faces) > 1}
    assert groups <= {2, 3, 4, 5}
    assert len(groups) > 1


def test_the_copy_is_exact_and_the_broken_files_are_broken(album):
    folder, truth = album
    copy = next(file for file in truth.files if file.outcome == "duplicate")
    assert (folder / copy.path).read_bytes() == (folder / copy.same_as).read_bytes()
    assert copy.path > copy.same_as
    broken = {file.reason: folder / file.path for file in truth.files if file.reason}
    assert broken["empty"].stat().st_size == 0
    with Image.open(broken["truncated"]) as picture, pytest.raises(OSError, match="truncated"):
        picture.load()
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(broken["not_an_image"])


def test_some_photos_say_when_and_where_they_were_taken(album):
    folder, truth = album
    times, places = [], []
    for file in truth.files:
        if file.outcome == "ok" and file.orientation:
            with Image.open(folder / file.path) as picture:
                exif = picture.getexif()
            times += [exif.get_ifd(0x8769)[0x9003]] if 0x9003 in exif.get_ifd(0x8769) else []
            places += [exif.get_ifd(0x8825)[2]] if 2 in exif.get_ifd(0x8825) else []
    assert "2019:07:14 18:02:00" in times
    # 48.1372 degrees north, in degrees, minutes and seconds.
    assert (48.0, 8.0, 13.92) in [tuple(float(part) for part in place) for place in places]


@pytest.mark.parametrize(("preset", "least", "most"), [(SMALL, 4, 10), (DEMO, 5, 11)])
def test_people_appear_often_and_strangers_once(preset, least, most):
    shown = Counter(sitter.identity for photo in plan_photos(preset, 0) for sitter in photo.sitters)
    counts = sorted(shown.values())
    assert counts[: preset.strangers] == [1] * preset.strangers
    assert all(least <= count <= most for count in counts[preset.strangers :])
    for photo in plan_photos(preset, 0):
        assert len({sitter.identity for sitter in photo.sitters}) == len(photo.sitters)


def test_the_detector_finds_every_face_of_the_album_and_no_other(album):
    from facebatch.detect import load_detector

    folder, truth = album
    detector = load_detector("mtcnn", min_face=24)
    paths, boxes, expected = [], [], Counter()
    for file in truth.files:
        if file.outcome != "ok":
            continue
        picture = upright(folder / file.path)
        picture.thumbnail((1000, 1000))
        scale = file.width / picture.width
        found = detector.detect(np.array(picture))
        boxes += (found.boxes * scale).tolist()
        paths += [file.path] * len(found)
        expected.update((file.path, face.identity) for face in file.faces)
    labels = label_faces(truth, paths, boxes)
    assert Counter(zip(paths, labels, strict=True)) == expected


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="isn't empty"):
        write_album(tmp_path, preset=TINY)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_too_many_people_are_refused():
    with pytest.raises(ValueError, match="more than"):
        plan_photos(Preset(people=99, portraits=1, groups=0, strangers=0, large=0), 0)


def face(identity, *box):
    return TrueFace(identity, box, ((0.0, 0.0),) * 5)


def test_found_faces_take_the_truth_that_fits_best_and_each_truth_once():
    truth = [face(7, 0, 0, 10, 10), face(8, 6, 0, 16, 10)]
    found = [(5, 0, 15, 10), (1, 0, 11, 10), (0, 0, 10, 11), (40, 40, 50, 50)]
    assert match_truth(truth, found) == (8, None, 7, None)
    assert match_truth(truth, []) == ()
    assert match_truth([], found) == (None,) * 4


def test_faces_of_a_table_are_labelled_in_its_order(album):
    _, truth = album
    group = next(file for file in truth.files if len(file.faces) > 1)
    alone = next(file for file in truth.files if len(file.faces) == 1)
    paths = [group.path, alone.path, group.path]
    boxes = [group.faces[1].box, alone.faces[0].box, group.faces[0].box]
    expected = tuple(f.identity for f in (group.faces[1], alone.faces[0], group.faces[0]))
    assert label_faces(truth, paths, boxes) == expected
    with pytest.raises(KeyError):
        label_faces(truth, ["no such file"], [group.faces[0].box])
