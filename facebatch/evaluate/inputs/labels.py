"""Reads the files that say what is true: pairs, labels and boxes; names the file of a fault."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from facebatch.errors import InputError
from facebatch.evaluate.inputs.boxes import Truth, read_truth
from facebatch.evaluate.inputs.csv_rows import read_rows

T = TypeVar("T")


def read_file(path: Path, parse: Callable[[str], T]) -> T:
    """Parses a file's text.

    Args:
        path: The file, UTF-8.
        parse: Its reader, such as `read_pairs` or `read_labels`.

    Raises:
        InputError: It can't be read or is malformed, naming the file and what the reader says.
    """
    try:
        return parse(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} isn't UTF-8 text: {error.reason}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_labels(text: str) -> dict[str, str]:
    """Reads who is in which photo, from a CSV with the header file,label.

    Returns:
        The labels by file.

    Raises:
        InputError: A line is malformed or contradicts another, which it names, or there is none.
    """
    labels: dict[str, str] = {}
    for line, row in read_rows(text, ("file", "label")):
        file, label = row["file"], unicodedata.normalize("NFC", row["label"])
        if not (file and label):
            raise InputError(f"line {line}: no {'label' if file else 'file'}")
        if labels.setdefault(file, label) != label:
            raise InputError(f"line {line}: {file} is {label}, and was {labels[file]} before")
    if not labels:
        raise InputError("line 2: there is no label below the header")
    return labels


def read_truths(paths: Sequence[Path]) -> Truth:
    """Reads the true faces of photos from several files at once; see `read_truth`.

    Raises:
        InputError: One can't be read, two name the same photo, or none is named.
    """
    truth: Truth = {}
    for path in paths:
        more = read_truth(path)
        if twice := sorted(truth.keys() & more.keys()):
            raise InputError(f"{path}: {twice[0]} is in another file of the truth already")
        truth.update(more)
    if not truth:
        raise InputError(f"{', '.join(map(str, paths))}: no photo is named")
    return truth
