"""What `import facebatch` gives: every name documented, typed and loaded only when it is used."""

from __future__ import annotations

import doctest
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import facebatch
from facebatch.pipelines import model_handlers, transforms

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"
FOR_BEAM = [
    transforms.DetectFaces,
    transforms.EmbedFaces,
    transforms.PhotoOutcome,
    model_handlers.DetectorHandler,
    model_handlers.EmbedderHandler,
]
HEAVY = ("torch", "faiss", "apache_beam", "matplotlib", "numpy", "pyarrow", "PIL", "numba")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, facebatch; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    assert done.stdout.split() == [b"[]"]


def test_public_names_are_their_own_whatever_is_imported_first() -> None:
    code = (
        "import facebatch.detect, facebatch.embed, facebatch.cluster, facebatch.collection, "
        "facebatch.faces, facebatch;"
        "assert all(not isinstance(getattr(facebatch, n), type(facebatch)) "
        "for n in facebatch.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="recognise"):
        facebatch.recognise  # noqa: B018
    assert set(facebatch.__all__) <= set(dir(facebatch))


@pytest.mark.parametrize("name", facebatch.__all__)
def test_every_name_has_a_docstring_and_a_place_on_the_page(name: str) -> None:
    documented = getattr(facebatch, name)
    assert inspect.getdoc(documented)
    assert re.search(rf"`{name}\b", PAGE.read_text("utf-8"))


@pytest.mark.parametrize("documented", FOR_BEAM)
def test_every_name_for_beam_has_a_docstring_and_a_place_on_the_page(documented: type) -> None:
    assert inspect.getdoc(documented)
    assert re.search(rf"`{documented.__name__}\b", PAGE.read_text("utf-8"))


@pytest.mark.parametrize(
    "owner", [facebatch.Collection, facebatch.Faces, facebatch.EmbeddedFaces], ids=str
)
def test_every_method_is_typed_and_has_a_docstring(owner: type) -> None:
    for name, member in inspect.getmembers(owner):
        if not name.startswith("_") and callable(member):
            assert inspect.getdoc(member), name
            assert inspect.signature(member).return_annotation is not inspect.Signature.empty


@pytest.mark.filterwarnings("ignore")
def test_the_pages_examples_run(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    parser = doctest.DocTestParser()
    example = parser.get_doctest(PAGE.read_text("utf-8"), {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) > 25
    said: list[str] = []
    result = doctest.DocTestRunner().run(example, out=said.append)
    assert result.failed == 0, "".join(said)


USER = """
import numpy as np

import facebatch
from facebatch.pipelines.model_handlers import DetectorHandler
from facebatch.pipelines.transforms import DetectFaces, PhotoOutcome


def nearest(path: str, url: str) -> list[str]:
    faces = facebatch.embed_faces(path, facebatch.ExtractSettings(tta="none"))
    labels = facebatch.cluster_embeddings(faces.embeddings, photos=np.arange(len(faces)))
    reveal_type(labels)
    collection = facebatch.Collection.open(url)
    try:
        rows = collection.search(faces, k=3)
    except facebatch.MediaError as error:
        return [error.reason]
    gallery: facebatch.Gallery = facebatch.Gallery.open(url)
    return [*gallery.names(), str(rows["path"][0]), str(faces.boxes[0, 0]), str(labels.max())]


def reason(outcome: PhotoOutcome) -> str | None:
    DetectFaces(), DetectorHandler()
    return outcome.reason


facebatch.detect_faces(7)
"""


@pytest.mark.full
def test_a_users_file_is_checked_strictly(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    # Neither their checks nor ours of them: a user has the same choice, and they take minutes.
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = True\nfollow_imports = silent\n"
        "[mypy-torch.*,apache_beam.*,openvino.*]\nfollow_imports = skip\n"
        "ignore_missing_imports = True\n"
        "[mypy-pyarrow.*,faiss.*,fsspec.*,numba.*,scipy.*,psutil.*,hdbscan.*,sklearn.*]\n"
        "ignore_missing_imports = True\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "user.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert "ndarray" in lines[0], done.stdout
    assert "int32" in lines[0] or "32Bit" in lines[0], done.stdout
    assert 'Argument 1 to "detect_faces" has incompatible type "int"' in lines[1], done.stdout
    assert lines[2].startswith("Found 1 error"), done.stdout
