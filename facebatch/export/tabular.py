"""Faces as CSV: one row a face, for spreadsheets, databases and scripts."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from facebatch.errors import InputError
from facebatch.storage.local_files import whole_file

STDOUT = "-"
"""Stands for standard output where a file is asked for."""

FORMULA = "^('*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-])"
"""Beginnings that spreadsheets take for a formula, marked already or not (OWASP, "CSV Injection";
the wide forms are those that East Asian input gives)."""

_ROWS_AT_ONCE = 50_000


def csv_rows(faces: pa.Table) -> pa.Table:
    """Returns the columns of the CSV file.

    Numbers are written as they are, text as `marked_text` gives it.

    Args:
        faces: As `facebatch.export.faces.named_faces` gives them.
    """
    hexadecimal = {name: _hex(faces[name]) for name in ("media_id", "face_id", "person_id")}
    edges = {edge: pc.round(faces[edge].cast(pa.float64()), 2) for edge in ("x0", "y0", "x1", "y1")}
    return pa.table(
        {
            "root": marked_text(faces["root"]),
            "path": marked_text(faces["path"]),
            "path_bytes": _hex(faces["path_bytes"]),
            "status": faces["status"],
            "media_id": hexadecimal["media_id"],
            "face_id": hexadecimal["face_id"],
            "timestamp": pc.divide(faces["timestamp_us"].cast(pa.float64()), 1e6),
            **edges,
            "width": faces["width"],
            "height": faces["height"],
            "score": _four_digits(faces["score"]),
            "person_id": hexadecimal["person_id"],
            "person": marked_text(faces["person"]),
            "match": marked_text(faces["match"]),
            "match_score": _four_digits(faces["match_score"]),
            "match_probability": _four_digits(faces["match_probability"]),
        }
    )


def marked_text(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns texts that no spreadsheet takes for formulas.

    Text that begins as a formula does, whether or not apostrophes stand before it, gets one more
    apostrophe in front. A program gets the original back by taking one apostrophe off where a run
    of them is followed by one of ``= + - @``, their wide forms, a tab or a line break.
    """
    return pc.replace_substring_regex(texts, FORMULA, r"'\1")


def write_csv(faces: pa.Table, file: str) -> None:
    """Writes faces as CSV in UTF-8, whole or not at all; nulls are empty cells.

    Args:
        faces: As `facebatch.export.faces.named_faces` gives them.
        file: A local file, or `STDOUT`.

    Raises:
        InputError: The file can't be written.
    """
    from pyarrow import csv

    rows = csv_rows(faces)
    options = csv.WriteOptions(batch_size=_ROWS_AT_ONCE)
    if file == STDOUT:
        csv.write_csv(rows, sys.stdout.buffer, options)
        sys.stdout.buffer.flush()
        return
    try:
        with whole_file(Path(file).expanduser()) as sink:
            csv.write_csv(rows, sink, options)
    except OSError as error:
        raise InputError(f"{file} can't be written: {error}") from error


def _four_digits(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.round(numbers.cast(pa.float64()), 4)


def _hex(values: pa.ChunkedArray) -> pa.Array:
    texts = [None if value is None else value.hex() for value in values.to_pylist()]
    return pa.array(texts, pa.string())


def read_text(file: str) -> str:
    """Returns the text of a local file, or of standard input for `STDOUT`'s name.

    Raises:
        InputError: It can't be read, or isn't UTF-8.
    """
    try:
        return sys.stdin.read() if file == STDOUT else Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} can't be read: {error}") from error
