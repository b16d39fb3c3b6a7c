"""What can't be run is refused once a command, before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.commits import clustered
from support.data import real_data
from support.installed import needs_openvino
from typer.testing import CliRunner

from facebatch.cli import app
from facebatch.config import RunSettings
from facebatch.errors import UsageError
from facebatch.jobs import evaluated_photos, plan
from facebatch.jobs.convert import planned
from facebatch.jobs.evaluated_photos import Source, extracted_photos
from facebatch.jobs.known_people import check_data
from facebatch.models import engines
from facebatch.monitor.stages import nobody


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The places that were checked; the check itself is what it is."""
    monkeypatch.setenv("FACEBATCH_BEAM_OPTIONS", "--direct_running_mode=in_memory")
    places: list[str] = []
    check = plan.check_input

    def counted(roots: Any, url: str, settings: Any) -> None:
        places.append(url)
        check(roots, url, settings)

    monkeypatch.setattr(plan, "check_input", counted)
    monkeypatch.setattr(evaluated_photos, "check_input", counted)
    return places


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


@pytest.mark.parametrize("command", ["run", "extract"])
def test_a_command_checks_its_input_once(
    command: str, photos: Path, tmp_path: Path, checked: list[str]
) -> None:
    url = str(tmp_path / "collection")
    arguments = [command, str(photos), "--output", url]
    done = CliRunner().invoke(app, arguments, obj=(), catch_exceptions=False)
    assert done.exit_code == 0
    assert checked == [url]


def test_an_evaluation_checks_its_input_once(
    photos: Path, tmp_path: Path, checked: list[str]
) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("left,right,same\nbroken.jpg,broken.jpg,1\nbroken.jpg,broken.jpg,0\n")
    url = str(tmp_path / "collection")
    places = ["--pairs", str(pairs), "--images", str(photos), "--collection", url]
    CliRunner().invoke(app, ["evaluate", "pairs", *places])
    assert checked == [url]


def test_nothing_is_written_where_the_input_is_refused(photos: Path, tmp_path: Path) -> None:
    url = tmp_path / "collection"
    arguments = ["run", str(photos), "--output", str(url), "--runner", "NoRunner"]
    with pytest.raises(UsageError):
        CliRunner().invoke(app, arguments, obj=(), catch_exceptions=False)
    assert not url.exists()


@needs_openvino
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    "named", [("--detector", "yunet-bf16"), ("--embedder", "mobilefacenet-bf16")]
)
def test_a_model_of_bfloat16_is_refused_before_anything_is_written(
    photos: Path, tmp_path: Path, named: tuple[str, str], more: tuple[str, ...], monkeypatch: Any
) -> None:
    monkeypatch.setenv("FACEBATCH_MODELS", str(real_data("models")))
    monkeypatch.setattr(engines, "cpu_flags", lambda: frozenset({"avx512f"}))
    place = tmp_path / "collection"
    arguments = ["extract", str(photos), "--output", str(place), *named, *more]
    done = CliRunner().invoke(app, arguments, obj=())
    assert isinstance(done.exception, UsageError)
    assert f"{named[1]} computes in bfloat16" in str(done.exception)
    assert not place.exists()


@needs_openvino
def test_it_is_refused_likewise_to_who_extracts_for_something_else(
    photos: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FACEBATCH_MODELS", str(real_data("models")))
    monkeypatch.setattr(engines, "cpu_flags", lambda: frozenset({"avx512f"}))
    flags, run = {"embedder": "mobilefacenet-bf16"}, RunSettings()
    kept = str(tmp_path / "kept")
    refused = pytest.raises(UsageError, match="mobilefacenet-bf16 computes in bfloat16")
    with refused, extracted_photos(Source(str(photos), kept, flags, None, run), nobody):
        pass
    with refused:
        check_data(str(photos), kept, flags, run)
    with refused:
        planned(clustered(2), kept, flags["embedder"], run)
    assert not Path(kept).exists()
