"""Who is called how as CSV: a list to fill in, and to carry names to another collection."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from facebatch.errors import InputError
from facebatch.evaluate.inputs.csv_rows import header_of, read_rows
from facebatch.export.tabular import FORMULA, STDOUT, marked_text, read_text
from facebatch.people.exchange import NamedRow
from facebatch.storage.local_files import whole_file

_ID_COLUMNS = ("person_id", "face_id", "id")


def write_names(rows: Sequence[Mapping[str, str]], columns: Sequence[str], file: str) -> None:
    """Writes rows as CSV in UTF-8, whole or not at all.

    Args:
        rows: As `facebatch.people.exchange` gives them.
        columns: Their columns, in the order wanted.
        file: A local file, or `facebatch.export.STDOUT`.

    Raises:
        InputError: The file can't be written.
    """
    from pyarrow import csv

    texts = {name: pa.chunked_array([[row[name] for row in rows]], pa.string()) for name in columns}
    table = pa.table({name: marked_text(column) for name, column in texts.items()})
    if file == STDOUT:
        csv.write_csv(table, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        with whole_file(Path(file).expanduser()) as sink:
            csv.write_csv(table, sink)
    except OSError as error:
        raise InputError(f"{file} can't be written: {error}") from error


def read_names(file: str) -> list[NamedRow]:
    """Reads rows of names from a CSV file.

    Its header has ``name``, and ``person_id``, ``face_id`` or ``id``, which is either; further
    columns are allowed. Apostrophes that mark a text for spreadsheets are taken off.

    Args:
        file: A local file, or `facebatch.export.STDOUT` for standard input.

    Raises:
        InputError: The file can't be read, or isn't such a table.
    """
    text = read_text(file)
    given = [name for name in _ID_COLUMNS if name in header_of(text)]
    if not given:
        raise InputError(f"{file}: the header has none of {', '.join(_ID_COLUMNS)}")
    try:
        rows = list(read_rows(text, ["name", given[0]]))
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    found = []
    for line, row in rows:
        said = {name: _unmarked(value) for name, value in row.items()}
        whose = said.get("person_id") or said.get("id", "")
        face = said.get("face_id", "")
        if said["name"] and not whose and not face:
            raise InputError(f"{file}: line {line}: a name without an id")
        found.append(NamedRow(line, said["name"], whose, face))
    return found


def _unmarked(text: str) -> str:
    return text[1:] if text.startswith("'") and re.match(FORMULA, text) else text
