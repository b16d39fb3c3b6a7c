"""`facebatch gallery from-xmp` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from support.packets import mwg
from support.program import facebatch, told

from facebatch.demo.render import render_face

SIDE = 240
FACE, BACKGROUND = (0.5, 0.5, 0.5, 0.65), (0.06, 0.06, 0.1, 0.1)
ADA, BO = 26, 12


def packet(name: str, area: tuple[float, float, float, float] = FACE) -> bytes:
    return mwg([(name, area)], (SIDE, SIDE))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos of Ada, one by a sidecar and one called as somebody else is; one of Bo."""
    folder = tmp_path_factory.mktemp("named")

    def save(path: str, person: int, shot: int, xmp: bytes | None) -> None:
        face = Image.fromarray(render_face(person, size=SIDE, noise_seed=shot))
        (folder / path).parent.mkdir(exist_ok=True)
        face.save(folder / path, quality=92, **({"xmp": xmp} if xmp else {}))

    save("2023/1.jpg", ADA, 1, packet("Ada"))
    save("2023/2.jpg", ADA, 2, packet("ada"))
    save("2024/3.jpg", ADA, 3, None)
    (folder / "2024" / "3.jpg.xmp").write_bytes(packet("Ada"))
    save("2024/4.jpg", BO, 4, packet("Ada"))
    save("2024/5.jpg", BO, 5, packet("Bo Li"))
    save("2024/6.jpg", BO, 6, packet("Cyd", BACKGROUND))
    save("2024/7.jpg", BO, 7, None)
    return folder


def test_named_regions_become_a_gallery_of_those_who_agree(photos: Path, tmp_path: Path) -> None:
    url = str(tmp_path / "gallery")
    done = facebatch("gallery", "from-xmp", str(photos), "-o", url, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["people"], summary["entries"], summary["face"]) == (2, 4, "consensus")
    assert summary["left_out"] == {"none_agrees": 1, "no_face_there": 1}
    told = {(one["code"], one["folder"], one["source"]) for one in summary["problems"]}
    assert told == {
        ("none_agrees", "Ada", f"{photos.name}/2024/4.jpg"),
        ("no_face_there", "Cyd", "2024/6.jpg"),
    }
    listed = facebatch("gallery", "list", url, "--json")
    assert json.loads(listed.stdout)["people"] == {"Ada": 3, "Bo Li": 1}


def test_photos_that_name_nobody_are_refused_in_one_line(photos: Path, tmp_path: Path) -> None:
    url, nothing = tmp_path / "gallery", tmp_path / "nothing"
    nothing.mkdir()
    places = str(photos / "2024" / "7.jpg"), str(nothing)
    done = facebatch("gallery", "from-xmp", *places, "-o", str(url))
    assert (done.returncode, done.stdout) == (2, "")
    [line] = told(done.stderr)
    assert line.startswith("facebatch: no photo has a named face region")
    assert line.endswith("(1 read)")
    assert not url.exists()


def test_photos_must_be_given(tmp_path: Path) -> None:
    done = facebatch("gallery", "from-xmp", "-o", str(tmp_path / "gallery"))
    assert done.returncode == 2
    assert "say where the photos are" in done.stderr
