"""`facebatch export` and the records of runs, as a user meets them."""

from __future__ import annotations

import csv
import errno
import io
import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from support.exportable import archive_at
from support.program import facebatch

from facebatch.cli.recording import recorded
from facebatch.errors import InputError, TooManyFailures, UsageError

BOX = (10.0, 10.0, 30.0, 40.0)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos; Ada is in one, a face without a name in each."""
    folder = tmp_path_factory.mktemp("exported") / "collection"
    archive = archive_at(folder)
    ada, _ = archive.put("2024/a.jpg", [BOX, BOX])
    archive.put("b.jpg", [BOX])
    archive.name({"Ada": [ada]})
    return folder


def test_sidecars_and_csv_are_written_in_one_go(collection: Path, tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "faces.csv"
    done = facebatch("export", str(collection), "--xmp", str(out), "--csv", str(file))
    assert done.returncode == 0, done.stderr
    assert "2 sidecars written, 0 unchanged, 0 removed; 3 face regions" in done.stdout
    assert f"{file}: 3 faces" in done.stdout
    assert (out / "photos" / "2024" / "a.jpg.xmp").exists()
    assert len(file.read_text().splitlines()) == 4


def test_csv_goes_to_standard_output_alone(collection: Path) -> None:
    done = facebatch("export", str(collection), "--csv", "-", "--only-named")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["path"], row["person"]) for row in rows] == [("2024/a.jpg", "Ada")]


def test_json_counts_and_names_what_was_left_alone(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"a photo")
    (tmp_path / "b.xmp").write_text("another program's")
    beside = f"photos={tmp_path}"
    arguments = ["--beside", beside, "--sidecar-names", "replace", "--root", "photos", "--json"]
    done = facebatch("export", str(collection), *arguments)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    sidecars = summary["sidecars"][str(tmp_path)]
    assert (summary["faces"], sidecars["written"]) == (3, 0)
    assert {(skipped["path"], skipped["reason"]) for skipped in sidecars["skipped"]} == {
        ("2024/a.jpg", "no_photo"),
        ("b.jpg", "not_ours"),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to write"),
        (("--csv", "-", "--json"), "give one"),
        (("--csv", "faces.csv", "--root", "none"), "no root called 'none'; it has photos"),
        (("--xmp", "out", "--sidecar-names", "both"), "one of append, replace"),
        (("--xmp", "s3://bucket/out"), "local folders alone"),
        (("--beside", "s3"), "must be NAME=FOLDER"),
        (("--beside", "photos=/no/such/folder"), "is no folder"),
        (("--beside", "typo=/"), "no root called 'typo'; it has photos"),
        (("--csv", "."), ". can't be written"),
        (("--csv", "/"), "/ can't be written"),
    ],
)
def test_bad_input_ends_with_2_and_one_line(
    arguments: tuple[str, ...], said: str, collection: Path
) -> None:
    done = facebatch("export", str(collection), *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (TooManyFailures("too many"), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), 1),
    ],
)
def test_metrics_are_written_however_a_run_ends(
    error: BaseException | None, code: int, tmp_path: Path
) -> None:
    file = tmp_path / "faces.prom"

    def work() -> None:
        with recorded("run", ["photos"], "/archive/faces", file) as record:
            record.summary = {"extract": {"plan": {}, "extracted": 5}}
            if error is not None:
                raise error

    with pytest.raises(type(error)) if error else nullcontext():
        work()
    text = file.read_text()
    assert f'facebatch_run_exit_code{{collection="faces"}} {float(code)}\n' in text
    assert f'facebatch_run_success{{collection="faces"}} {float(code == 0)}\n' in text
    assert 'facebatch_new_items{collection="faces"} 5.0\n' in text
    assert ("facebatch_last_success" in text) == (code == 0)


def test_a_metrics_file_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()

    def work(error: Exception | None) -> None:
        with recorded("run", [], "faces", folder / "faces.prom"):
            folder.rmdir()
            if error is not None:
                raise error

    with pytest.raises(TooManyFailures):
        work(TooManyFailures("too many"))
    folder.mkdir()
    with pytest.raises(InputError, match=r"faces.prom can't be written"):
        work(None)
    with pytest.raises(UsageError, match="there is no folder"):
        work(ZeroDivisionError("the work was begun"))


def test_a_full_disk_counts_with_the_code_that_the_command_ends_with(tmp_path: Path) -> None:
    file = tmp_path / "faces.prom"

    def work() -> None:
        with recorded("run", ["photos"], "/archive/faces", file):
            raise OSError(errno.ENOSPC, "No space left on device", "/archive/faces/x")

    with pytest.raises(InputError, match="/archive/faces/x: No space left on device"):
        work()
    assert f'facebatch_run_exit_code{{collection="faces"}} {float(2)}\n' in file.read_text()
