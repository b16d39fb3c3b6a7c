"""Faces as CSV: what a spreadsheet and a script read back."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exportable import Archive

from facebatch.errors import InputError
from facebatch.export import named_faces, write_csv
from facebatch.export.tabular import csv_rows, marked_text

FORMULA = "[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]"
BOX = (-3.25, 10.0, 30.126, 40.0)


def read(archive: Archive, file: Path) -> list[dict[str, str]]:
    write_csv(named_faces(archive.collection, archive.collection.snapshot()), str(file))
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_row_says_where_who_and_how_sure(archive: Archive, tmp_path: Path) -> None:
    (face,) = archive.put('a "b",\nc.jpg', [BOX])
    archive.name({"Çelik": [face]})
    (row,) = read(archive, tmp_path / "faces.csv")
    assert list(row)[:3] == ["root", "path", "path_bytes"]
    assert (row["root"], row["path"], row["path_bytes"]) == ("photos", 'a "b",\nc.jpg', "")
    assert row["face_id"] == face.hex()
    assert [row[edge] for edge in ("x0", "y0", "x1", "y1")] == ["-3.25", "10", "30.13", "40"]
    assert (row["width"], row["height"], row["timestamp"]) == ("100", "50", "0")
    assert (row["person"], row["match"], row["match_score"]) == ("Çelik", "", "")


def test_a_name_that_is_no_utf8_keeps_its_bytes(archive: Archive, tmp_path: Path) -> None:
    archive.put("gr\ufffdn.jpg", [BOX], path_bytes=b"gr\xfcn.jpg")
    (row,) = read(archive, tmp_path / "faces.csv")
    assert bytes.fromhex(row["path_bytes"]) == b"gr\xfcn.jpg"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@A1", "\t=1", "\uff1d1", "'=1", "''@x"])
def test_no_text_is_left_that_a_spreadsheet_takes_for_a_formula(
    name: str, archive: Archive, tmp_path: Path
) -> None:
    (face,) = archive.put(f"{name}.jpg", [BOX])
    archive.name({name: [face]})
    (row,) = read(archive, tmp_path / "faces.csv")
    assert (row["person"], row["path"]) == (f"'{name}", f"'{name}.jpg")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    | st.text("'=+-@\t\r\n\uff1da", max_size=6)
)
def test_marked_text_gives_its_original_back(name: str) -> None:
    marked = marked_text(pa.chunked_array([[name]]))[0].as_py()
    assert not re.match(FORMULA, marked)
    run = re.match(f"'+(?={FORMULA})", marked)
    assert (marked[1:] if run else marked) == name


def test_a_plain_name_with_an_apostrophe_stays_as_it_is(archive: Archive, tmp_path: Path) -> None:
    (face,) = archive.put("a.jpg", [BOX])
    archive.name({"'t Hooft": [face]})
    assert read(archive, tmp_path / "faces.csv")[0]["person"] == "'t Hooft"


def test_an_empty_collection_gives_a_header(archive: Archive, tmp_path: Path) -> None:
    assert read(archive, tmp_path / "faces.csv") == []
    assert (tmp_path / "faces.csv").read_text().startswith('"root","path"')


def test_a_file_that_cannot_be_written_is_named(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing/faces.csv can't be written"):
        read(archive, tmp_path / "missing" / "faces.csv")
    assert len(csv_rows(named_faces(archive.collection, archive.collection.snapshot()))) == 0
