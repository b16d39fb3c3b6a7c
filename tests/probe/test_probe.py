"""Which face of a single photo counts, and how it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.shared import made_once

import facebatch
from facebatch.cli.output import verification_lines
from facebatch.config import ExtractSettings
from facebatch.demo.render import render_face
from facebatch.errors import InputError, UsageError
from facebatch.extract.chosen import check_choice
from facebatch.identify.thresholds import default_for
from facebatch.probe.probe import Prober
from facebatch.probe.verify import claim, verify_faces

ADA, CHILD, STRANGER = 26, 12, 35
CALIBRATION = default_for("dlib-resnet", "mirror")


def face(person: int, size: int, shot: int) -> Image.Image:
    return Image.fromarray(render_face(person, size=size, noise_seed=shot))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada on her own twice, and with a child and a stranger who stand nearer the centre."""

    def make(folder: Path) -> None:
        for shot in (1, 2):
            face(ADA, 240, shot).save(folder / f"ada-{shot}.png")
        for shot in (3, 4):
            group = Image.new("RGB", (760, 300), "grey")
            group.paste(face(CHILD, 120, shot), (320, 90))
            group.paste(face(STRANGER, 120, shot), (180, 90))
            group.paste(face(ADA, 240, shot), (500, 30))
            group.save(folder / f"group-{shot}.png")

    return made_once("probe-photos", make, tmp_path_factory)


@pytest.fixture(scope="module")
def prober() -> Prober:
    return Prober(ExtractSettings())


def test_the_largest_face_counts_and_any_other_may_be_asked_for(
    prober: Prober, photos: Path
) -> None:
    group = prober.probe(str(photos / "group-3.png"))
    assert len(group.faces) == 3
    taken = {asked: group.taken(asked) for asked in ("largest", "central", "1", "2", "3")}
    assert {asked: each.number for asked, each in taken.items()} == {
        "largest": 3, "central": 2, "1": 1, "2": 2, "3": 3,
    }  # fmt: skip
    assert taken["largest"].box[0] > 500 > taken["central"].box[0] > taken["1"].box[0]
    assert "3 faces: the largest one, number 3 from the left" in taken["largest"].notes[0]
    assert taken["1"].as_json()["by"] == "number"
    with pytest.raises(InputError, match=r"group-3.png: there is no face 4: 3 faces in it"):
        group.taken("4")
    assert prober.probe(str(photos / "ada-1.png")).taken().notes == []


@pytest.mark.parametrize("asked", ["0", "-1", "left", "", "1.5", "²"])
def test_what_is_no_rule_and_no_number_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="neither largest nor central"):
        check_choice(asked)


def test_two_photos_are_compared_by_the_faces_that_were_asked_for(
    prober: Prober, photos: Path
) -> None:
    pair = prober.probe(str(photos / "ada-1.png")), prober.probe(str(photos / "group-3.png"))
    same = verify_faces(pair, CALIBRATION)
    assert same.same
    assert [face["number"] for face in same.faces] == [1, 3]
    assert "number 3 from the left" in list(verification_lines(same.as_json()))[-1]
    assert not verify_faces(pair, CALIBRATION, faces=("largest", "2")).same


def test_who_claims_to_be_somebody_is_compared_with_whoever_recurs(
    prober: Prober, photos: Path, tmp_path: Path
) -> None:
    for name in ("group-3.png", "group-4.png", "ada-1.png"):
        (tmp_path / name).symlink_to(photos / name)
    face(CHILD, 240, 9).save(tmp_path / "child.png")
    answer = claim(prober, tmp_path, str(photos / "ada-2.png"), CALIBRATION)
    assert answer.same
    assert [note for note in answer.notes if "child.png: no face is like" in note]
    child = claim(prober, tmp_path, str(tmp_path / "child.png"), CALIBRATION)
    assert not child.same


def test_from_python_the_same_face_counts(prober: Prober, photos: Path) -> None:
    found = facebatch.embed_faces(photos / "group-4.png")
    group = prober.probe(str(photos / "group-4.png"))
    for asked in ("largest", "central", 1):
        assert found.chosen(asked) == group.taken(str(asked)).row
    np.testing.assert_array_equal(found.sure, group.sure)
    with pytest.raises(UsageError, match="no face 9"):
        found.chosen(9)
