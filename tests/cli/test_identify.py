"""Galleries, identification, search, verification, calibration, annotation: as a user does them."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.program import facebatch, told
from support.videos import encode_video, walk

from facebatch.cli.output import annotation_lines
from facebatch.demo.render import render_face
from facebatch.media.video.frames import WHOLE, Sampling, frames

PEOPLE = {"Ada": 26, "Bo Li": 12, "Çelik": 27}


def portrait(person: int, shot: int, size: int = 240) -> Image.Image:
    return Image.fromarray(render_face(person, size=size, noise_seed=shot))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos of three people each; one with two faces, one broken; and an album."""
    folder = tmp_path_factory.mktemp("photos")
    for name, person in PEOPLE.items():
        for shot in range(3):
            path = folder / "known" / name / f"{shot}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            portrait(person, shot).save(path, quality=92)
    two = Image.new("RGB", (700, 240), "grey")
    two.paste(portrait(26, 7), (230, 0))
    two.paste(portrait(35, 7, 160), (520, 40))
    two.save(folder / "known" / "Ada" / "two.jpg", quality=92)
    (folder / "known" / "Bo Li" / "broken.jpg").write_bytes(b"no picture")
    (folder / "known" / "Dora").mkdir()
    (folder / "known" / "Eva").symlink_to(folder / "known" / "Ada")
    (folder / "known" / "@eaDir").mkdir()
    album = folder / "album"
    album.mkdir()
    for name, person in {**PEOPLE, "stranger": 31}.items():
        for shot in (4, 5):
            portrait(person, shot).save(album / f"{name}-{shot}.jpg", quality=92)
    return folder


@pytest.fixture(scope="module")
def gallery(folders: Path) -> Path:
    path = folders / "gallery"
    done = facebatch("gallery", "build", str(folders / "known"), "-o", str(path), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["people"], summary["entries"]) == (3, 10)
    codes = sorted((problem["code"], problem["folder"]) for problem in summary["problems"])
    assert codes == [
        *(("nobody_enrolled", "Dora"), ("nobody_enrolled", "Eva")),
        *(("not_an_image", "Bo Li"), ("several_faces", "Ada")),
    ]
    assert summary["left_out"] == {"not_an_image": 1}
    assert (summary["face"], summary["unlike_the_others"], summary["disagree"]) == (
        "consensus", [], []
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def collection(folders: Path, gallery: Path) -> Path:
    path = folders / "collection"
    album = str(folders / "album")
    done = facebatch("run", album, "-o", str(path), "--gallery", str(gallery), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["matches"]["matched"] == 6
    assert summary["matches"]["people"] == 3
    return path


def test_strict_enrols_nothing_of_a_photo_with_two_faces(folders: Path, tmp_path: Path) -> None:
    url = str(tmp_path / "gallery")
    done = facebatch("gallery", "build", str(folders / "known"), "-o", url, "--strict", "--json")
    assert json.loads(done.stdout)["entries"] == 9


def test_people_are_listed_added_and_removed(gallery: Path, folders: Path, tmp_path: Path) -> None:
    more = tmp_path / "more" / "Dee"
    more.mkdir(parents=True)
    portrait(14, 1).save(more / "1.jpg")
    assert facebatch("gallery", "add", str(gallery), str(more.parent)).returncode == 0
    listed = facebatch("gallery", "list", str(gallery), "--json")
    assert json.loads(listed.stdout)["people"] == {"Ada": 4, "Bo Li": 3, "Dee": 1, "Çelik": 3}
    assert "1 entry removed" in facebatch("gallery", "remove", str(gallery), "Dee").stdout
    gone = facebatch("gallery", "remove", str(gallery), "Dee")
    assert gone.returncode == 2
    assert "nobody named 'Dee'" in gone.stderr


def test_named_people_become_a_gallery(collection: Path, tmp_path: Path) -> None:
    url = str(tmp_path / "gallery")
    done = facebatch("gallery", "from-people", str(collection), "-o", url, "--json")
    assert json.loads(done.stdout)["people"] == 3


def test_a_search_finds_the_person_first_and_by_name(collection: Path, folders: Path) -> None:
    photo = str(folders / "known" / "Ada" / "two.jpg")
    done = facebatch("search", str(collection), photo, "-k", "4", "--json")
    summary = json.loads(done.stdout)
    assert summary["other_faces"] == 1
    assert [face["person"] for face in summary["results"][:2]] == ["Ada", "Ada"]
    d2 = [face["d2"] for face in summary["results"]]
    assert d2 == sorted(d2)
    assert len(d2) == 4


def test_verify_says_same_or_different_and_the_exit_code_says_it_too(folders: Path) -> None:
    first, second, other = (
        str(folders / "known" / place) for place in ("Ada/0.jpg", "Ada/1.jpg", "Bo Li/0.jpg")
    )
    same = facebatch("verify", first, second, "--json")
    assert (same.returncode, json.loads(same.stdout)["same"]) == (0, True)
    different = facebatch("verify", first, other, "--json")
    assert (different.returncode, json.loads(different.stdout)["same"]) == (4, False)
    stated = facebatch("verify", first, other, "--threshold", "4")
    assert stated.returncode == 0
    assert "accepted up to 4.0000 (stated)" in stated.stdout
    both = facebatch("verify", first, other, "--threshold", "1", "--far", "0.1")
    assert (both.returncode, "give one" in both.stderr) == (2, True)


def test_unlock_accepts_the_person_and_refuses_another(folders: Path) -> None:
    enrolled = str(folders / "known" / "Bo Li")
    accepted = facebatch("unlock", str(folders / "album" / "Bo Li-4.jpg"), "--enrol", enrolled)
    assert accepted.returncode == 0, accepted.stderr
    assert "left out" in accepted.stdout, "the broken photo is named"
    refused = facebatch("unlock", str(folders / "album" / "stranger-4.jpg"), "--enrol", enrolled)
    assert refused.returncode == 4


def test_calibration_is_measured_said_and_kept(gallery: Path, folders: Path) -> None:
    done = facebatch("calibrate", str(folders / "known"), "-g", str(gallery), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [point["rate"] for point in summary["far"]] == [1e-2, 1e-3, 1e-4, 1e-5]
    assert summary["far"][-1]["threshold"] is None, "ten photos can't tell"
    listed = facebatch("gallery", "list", str(gallery), "--json")
    assert json.loads(listed.stdout)["calibrated"]
    (gallery / "calibration.json").unlink()


def test_annotated_copies_carry_boxes_and_names(
    gallery: Path, folders: Path, tmp_path: Path
) -> None:
    photos = [str(folders / "album" / name) for name in ("Ada-4.jpg", "stranger-5.jpg")]
    missing = str(folders / "album" / "missing.jpg")
    arguments = [*photos, missing, "-o", str(tmp_path / "copies"), "-g", str(gallery), "--json"]
    done = facebatch("annotate", *arguments)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [photo["faces"][0]["name"] for photo in summary["written"]] == ["Ada", None]
    assert [photo["photo"] for photo in summary["failed"]] == [missing]
    for photo in summary["written"]:
        before, after = (np.asarray(Image.open(photo[which])) for which in ("photo", "copy"))
        assert before.shape == after.shape
        assert np.abs(before.astype(int) - after).max() > 100, "something was drawn"
    again = facebatch("annotate", photos[0], "-o", str(tmp_path / "copies"))
    assert again.returncode == 0
    assert (tmp_path / "copies" / "Ada-4-2.jpg").exists()


def test_annotated_videos_follow_faces_and_name_them(gallery: Path, tmp_path: Path) -> None:
    pictures = walk([PEOPLE["Ada"], 31], 12, step=3)
    video = encode_video(pictures, range(0, 1200, 100), sound=True)
    (tmp_path / "walk.mp4").write_bytes(video)
    (tmp_path / "broken.mp4").write_bytes(video[: len(video) // 2])
    files = [str(tmp_path / name) for name in ("walk.mp4", "broken.mp4", "none.mov")]
    arguments = [*files, "-o", str(tmp_path / "copies"), "-g", str(gallery), "--fps", "3.4"]
    done = facebatch("annotate", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert [failed["photo"] for failed in summary["failed"]] == files[1:]
    assert "(truncated)" in summary["failed"][0]["message"]
    (written,) = summary["written"]
    faces = sorted(written["faces"], key=lambda face: face["name"] or "")
    assert [face["name"] for face in faces] == [None, "Ada"]
    assert [face["detections"] for face in faces] == [4, 4]
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["walk.mp4"]
    with av.open(written["copy"]) as copy:
        assert sorted(stream.type for stream in copy.streams) == ["audio", "video"]
    drawn = list(frames(written["copy"], WHOLE, Sampling("all")))
    assert [frame.timestamp_us for frame in drawn] == [*range(0, 1_200_000, 100_000)]
    for before, after in zip(pictures, drawn, strict=True):
        changed = np.abs(before.astype(int) - np.asarray(after.pixels)).max(axis=2) > 60
        left, right = changed[:, :240], changed[:, 240:]
        assert left.sum() > 200, "a box is drawn into every frame, looked at or not"
        assert right.sum() > 200


def test_a_copy_is_told_with_its_faces_or_tracks_and_who_they_are() -> None:
    def told(copy: str, *names: str | None) -> str:
        written = {"photo": "original", "copy": copy, "faces": [{"name": name} for name in names]}
        (line,) = annotation_lines({"written": [written], "failed": []})
        return line

    assert told("a.jpg", "Ada", None) == "a.jpg  2 faces: Ada"
    assert told("a.mp4", "Bo", "Ada", None, "Bo") == "a.mp4  4 tracks: Bo, Ada"
    assert told("a.mp4", None) == "a.mp4  1 track"
    assert told("a.mp4") == "a.mp4  0 tracks"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gallery", "list", "{folders}/album"), "is no gallery"),
        (
            ("gallery", "build", "{folders}/album", "-o", "{folders}/new"),
            "nobody could be enrolled",
        ),
        (("identify", "{collection}", "-g", "{folders}/album"), "is no gallery"),
        (("identify", "{collection}", "-g", "{gallery}", "--method", "best"), "no method 'best'"),
        (("identify", "{collection}", "-g", "{gallery}", "--fpir", "2"), "error rate lies between"),
        (("search", "{collection}", "{folders}/known/Bo Li/broken.jpg"), "not_an_image"),
        (("verify", "{folders}/album/Ada-4.jpg", "{folders}/none.jpg"), "no such photo"),
        (("unlock", "{folders}/album/Ada-4.jpg", "--enrol", "{folders}/none"), "is no folder"),
        (("calibrate", "{folders}/album"), "two people at least"),
        (("annotate", "{folders}/none.jpg", "-o", "{folders}/copies"), "no such photo"),
        (("annotate", "{folders}/none.mp4", "-o", "{folders}/copies"), "no such video"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    arguments: tuple[str, ...], said: str, folders: Path, gallery: Path, collection: Path
) -> None:
    places = {"folders": folders, "gallery": gallery, "collection": collection}
    done = facebatch(*(argument.format(**places) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(told(done.stderr)) == 1
