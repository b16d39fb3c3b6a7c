"""Reads rows of the CSV files that users hand to an evaluation, and names the line of a fault."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

from facebatch.errors import InputError

_DIGITS = 18
"""Longest whole number read; Python itself gives up at some thousands of digits."""

_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def header_of(text: str) -> list[str]:
    """Returns the words of a text's first line, stripped of blanks."""
    lines = csv.reader(text.splitlines()[:1], delimiter=_separator(text))
    return [name.strip() for name in next(lines, [])]


def _separator(text: str) -> str:
    """Returns what parts the values: a semicolon where the header has one and no comma.

    Spreadsheets write semicolons where the comma is the decimal sign.
    """
    header = next(iter(text.splitlines()), "")
    return ";" if ";" in header and "," not in header else ","


def read_rows(text: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Reads rows below a header, separated by commas or semicolons; further columns are allowed.

    Args:
        text: The file's text.
        columns: Names that the header must hold.

    Yields:
        The number of the row's (last) line, from 1, and its values by column, stripped of blanks.

    Raises:
        InputError: A column is missing, or a row has another number of values than the header.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise InputError(f"line 1: the header has no column {', '.join(missing)}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(
                    f"line {reader.line_num}: {len(row)} values where the header has {len(header)}"
                )
            yield (
                reader.line_num,
                dict(zip(header, (value.strip() for value in row), strict=True)),
            )
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: {error}") from error


def flag(value: str, line: int) -> bool:
    """Reads 1, true, yes, 0, false or no in any case.

    Raises:
        InputError: It is something else.
    """
    try:
        return _FLAGS[value.lower()]
    except KeyError:
        raise InputError(f"line {line}: {value!r} is none of 1, 0, true, false, yes, no") from None


def number(value: str, line: int) -> float:
    """Reads a finite number.

    Raises:
        InputError: It is something else.
    """
    try:
        result = float(value)
    except ValueError:
        result = math.nan
    if not math.isfinite(result):
        raise InputError(f"line {line}: {value!r} is no number")
    return result


def whole_number(value: str, line: int) -> int:
    """Reads a whole number of 0 or more.

    Raises:
        InputError: It is something else.
    """
    if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS):
        raise InputError(f"line {line}: {value!r} is no whole number")
    return int(value)
