"""``facebatch evaluate``: its help, its lines and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.albums import Album
from support.program import facebatch
from typer.testing import CliRunner

from facebatch.cli import app, evaluate
from facebatch.cli.evaluation_lines import evaluation_lines
from facebatch.collection import Collection
from facebatch.errors import UsageError

NAMES = [entry.function.__name__ for entry in evaluate.COMMANDS]


def run(*arguments: str) -> str:
    """Returns what a command prints, run in this process."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False).stdout


def portraits(album: Album) -> dict[str, int]:
    """Who is in each photo of the album that shows one person."""
    return {
        file.path: file.faces[0].identity
        for file in album.truth.files
        if file.outcome == "ok" and len(file.faces) == 1
    }


@pytest.fixture
def pairs_file(album: Album, tmp_path: Path) -> Path:
    shown = sorted(portraits(album).items())
    pairs = [(a, b, int(x == y)) for a, x in shown for b, y in shown if a < b]
    path = tmp_path / "pairs.csv"
    lines = ["left,right,same", *(",".join(map(str, pair)) for pair in pairs)]
    path.write_text("\n".join([*lines, f"{shown[0][0]},missing.jpg,0"]))
    return path


def test_help_lists_the_commands() -> None:
    page = run("evaluate", "--help")
    assert all(name in page for name in NAMES)


def test_pairs_as_a_user_runs_it(
    album: Album, undisturbed: Collection, pairs_file: Path, tmp_path: Path
) -> None:
    # Extraction leaves marks while it works, and other tests read the collection meanwhile.
    collection = shutil.copytree(undisturbed.storage.url, tmp_path / "collection")
    photos = ("--pairs", str(pairs_file), "--images", str(album.folder))
    asked = ("evaluate", "pairs", *photos, "--collection", str(collection))
    done = facebatch(*asked, "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "1 not there: missing.jpg" in done.stdout
    written = json.loads((tmp_path / "out" / "pairs.json").read_text())
    assert written["extract"]["plan"]["to_extract"] == 0
    printed = json.loads(facebatch(*asked, "--json").stdout)
    assert printed["figures"] == written["figures"]


def test_a_temporary_collection_is_gone_afterwards(
    album: Album, pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    photos = ("--pairs", str(pairs_file), "--images", str(album.folder))
    done = facebatch("evaluate", "pairs", *photos, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["extract"]["extracted"] > 0
    assert list(tmp_path.glob("facebatch-*")) == []


def test_clusters_of_an_album(album: Album, undisturbed: Collection, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = [f"{path},person {number}" for path, number in portraits(album).items()]
    labels.write_text("\n".join(["file,label", *rows]))
    printed = run("evaluate", "clusters", undisturbed.storage.url, "--labels", str(labels))
    for word in ("pairwise", "BCubed", "V-measure", "purity", "on their own", "not scored"):
        assert word in printed


@pytest.mark.parametrize("command", [("detection", "--truth", "truth.csv"), ("identification",)])
def test_one_place_of_photos_is_wanted(command: tuple[str, ...]) -> None:
    for places in ((), ("faces", "--images", "photos")):
        with pytest.raises(UsageError, match="either a COLLECTION or --images"):
            run("evaluate", *command, *places)


def test_wrong_input_ends_with_code_2_and_one_line(album: Album, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("left,right,same\na,b,perhaps\n")
    done = facebatch("evaluate", "pairs", "--pairs", str(pairs), "--images", str(album.folder))
    assert done.returncode == 2
    assert done.stderr.strip().endswith("line 2: 'perhaps' is none of 1, 0, true, false, yes, no")
    assert "Traceback" not in done.stderr


def test_what_cant_be_told_is_said_and_not_shown_as_a_figure() -> None:
    figures = {
        "gallery": 1, "mated": 1, "non_mated": 0, "missing_mated": 0, "missing_non_mated": 0,
        "cmc": [1.0], "at_fpir": [{"fpir": 0.1, "tpir": None, "rank_1": None, "threshold": None}],
    }  # fmt: skip
    photos = {"named": 2, "with_face": 2, "not_there": [], "failed": {}, "no_face": [], "copies": 0}
    summary = {
        "kind": "identification",
        "figures": figures,
        "inputs": {"method": "nearest"},
        "photos": photos,
        "outside_folders": 0,
    }
    assert "TPIR at FPIR 0.1      too few to tell" in list(evaluation_lines(summary))
