"""Reads where the faces of photos truly are, from the files that labelling tools write.

Boxes come out in the project's coordinates: pixels of the upright full-size picture, the pixel
(0, 0) covering 0..1, so that a box of one pixel has x1 = x0 + 1. Files are untrusted: XML that
declares a document type, and so may declare entities, is refused.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from facebatch.errors import InputError
from facebatch.evaluate.inputs.csv_rows import flag, header_of, number, read_rows, whole_number

_CORNERS = ("x0", "y0", "x1", "y1")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_WIDER_NUMBERS = 10
"""Numbers of a face in a WIDER list: x, y, w, h, blur, expression, illumination, invalid, ..."""

_FARTHEST = 1e9
"""Pixels beyond which a point is none; NaN isn't within them either."""

_WIDER_INVALID = 7
"""Place of the flag of faces that WIDER itself says not to use."""


@dataclass(frozen=True, eq=False)
class TruthFaces:
    """The true faces of one photo.

    Args:
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels; NaN where points are given.
        ignore: (n,) bool, faces that neither count when found nor when missed.
        points: (n, 2) float32, a point x, y inside each face, where no boxes are known.
    """

    boxes: npt.NDArray[np.float32]
    ignore: npt.NDArray[np.bool_]
    points: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.ignore)


Truth = dict[str, TruthFaces]

_Box = tuple[float, float, float, float]
_Boxes = list[tuple[_Box, bool]]


def read_truth(path: Path) -> Truth:
    """Reads the true faces of photos, in whichever of these kinds the content shows.

    - Pascal VOC: a folder of XML files, one for each photo (or one such file). Objects named
      "face" count; ``difficult`` ones are ignored. Their pixels count from 1 and are inclusive.
    - dlib: an XML file of imglab; ``ignore='1'`` is ignored.
    - WIDER FACE: ``wider_face_*_bbx_gt.txt``; invalid faces, and those without area, are ignored.
    - CSV with the header file,x0,y0,x1,y1[,ignore] in the coordinates above, ignore being 1, 0,
      true or false. A row whose coordinates are all empty names a photo without a face.
    - CSV with the header file,x,y, or JSON ``{"noses": {file: [[x, y], ...]}}`` (CompreFace's
      annotations): a point inside each face.

    Args:
        path: The file or folder.

    Returns:
        The faces by file, as the source names it, in the source's order.

    Raises:
        InputError: It can't be read, is of no such kind, or is malformed, naming file and line.
    """
    try:
        if path.is_dir():
            return _voc_folder(path)
        return _read_file(path)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error


def _read_file(path: Path) -> Truth:
    data = path.read_bytes()
    try:
        if data.startswith(_UTF_16_MARKS) or data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return _xml_file(data, path.stem)
        text = data.decode("utf-8-sig")
        return _noses(text) if text.lstrip().startswith("{") else _text_file(text)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is neither XML nor UTF-8 text: {error.reason}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _xml_file(data: bytes, stem: str) -> Truth:
    root = _parse_xml(data)
    if root.tag == "dataset":
        return _dlib(root)
    if root.tag == "annotation":
        return _voc([(stem, root)])
    raise InputError(f"its root element is {root.tag}, neither dlib's dataset nor VOC's annotation")


def _text_file(text: str) -> Truth:
    header = header_of(text)
    if "file" in header:
        return _box_rows(text) if set(_CORNERS) & set(header) else _point_rows(text)
    lines = text.splitlines()
    if len(lines) > 1 and re.fullmatch(r"\s*\d+\s*", lines[1], re.ASCII):
        return _wider(lines)
    raise InputError(
        "neither XML of Pascal VOC or dlib, nor a WIDER list, nor a CSV with the header "
        "file,x0,y0,x1,y1[,ignore] or file,x,y, nor JSON with noses"
    )


class _NoDocumentType(ElementTree.TreeBuilder):
    """Stops at a document type, before anything that it declares is read, let alone expanded."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002
        raise InputError(f"the XML declares a document type ({name}), which may hide anything")


def _parse_xml(data: bytes) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_NoDocumentType())  # noqa: S314 (no document types)
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise InputError(f"the XML is malformed: {error}") from error
    return root


def _voc_folder(folder: Path) -> Truth:
    roots = []
    for path in sorted(folder.glob("*.xml")):
        try:
            root = _parse_xml(path.read_bytes())
            if root.tag != "annotation":
                raise InputError(f"its root element is {root.tag}, not VOC's annotation")
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        roots.append((path.stem, root))
    if not roots:
        raise InputError(f"{folder} holds no XML files of Pascal VOC")
    try:
        return _voc(roots)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error


def _voc(roots: list[tuple[str, ElementTree.Element]]) -> Truth:
    truth: Truth = {}
    others: set[str] = set()
    for stem, root in roots:
        file = (root.findtext("filename") or "").strip() or stem
        objects = root.findall("object")
        faces = [item for item in objects if _voc_name(item) == "face"]
        others.update(_voc_name(item) for item in objects if item not in faces)
        _add(truth, file, _boxes([_voc_object(item, stem) for item in faces]))
    if others and not any(len(faces) for faces in truth.values()):
        raise InputError(f'no object is named "face"; there are {", ".join(sorted(others))}')
    return truth


def _voc_name(item: ElementTree.Element) -> str:
    return (item.findtext("name") or "").strip().lower()


def _voc_object(item: ElementTree.Element, stem: str) -> tuple[_Box, bool]:
    where = f"{stem}, bndbox"
    x0, y0, x1, y1 = (
        _xml_number(item.findtext(f"bndbox/{corner}"), f"{where}, {corner}")
        for corner in ("xmin", "ymin", "xmax", "ymax")
    )
    difficult = (item.findtext("difficult") or "0").strip() == "1"
    return _with_area((x0 - 1, y0 - 1, x1, y1), where), difficult


def _dlib(root: ElementTree.Element) -> Truth:
    truth: Truth = {}
    for image in root.iterfind("images/image"):
        file = image.get("file")
        if not file:
            raise InputError("an image has no file")
        _add(truth, file, _boxes([_dlib_box(box, file) for box in image.iterfind("box")]))
    if not truth:
        raise InputError("it holds no images")
    return truth


def _dlib_box(box: ElementTree.Element, file: str) -> tuple[_Box, bool]:
    left, top, width, height = (
        _xml_number(box.get(name), f"{file}, box, {name}")
        for name in ("left", "top", "width", "height")
    )
    corners = _with_area((left, top, left + width, top + height), f"{file}, box")
    return corners, box.get("ignore") == "1"


def _wider(lines: list[str]) -> Truth:
    truth: Truth = {}
    rest = enumerate(lines, start=1)
    for line, file in rest:
        if not file.strip():
            continue
        count_line, count = next(rest, (line, ""))
        wanted = whole_number(count.strip(), count_line)
        faces = [_wider_face(*next(rest, (count_line, ""))) for _ in range(wanted)]
        if wanted == 0:
            _skip_placeholder(rest, lines, count_line)
        _add(truth, file.strip(), _boxes(faces), line)
    return truth


def _skip_placeholder(rest: Iterator[tuple[int, str]], lines: list[str], count_line: int) -> None:
    """Passes over the line of zeros that WIDER writes below a count of 0."""
    following = lines[count_line].split() if count_line < len(lines) else []
    if len(following) == _WIDER_NUMBERS and set(following) == {"0"}:
        next(rest)


def _wider_face(line: int, text: str) -> tuple[_Box, bool]:
    words = text.split()
    if len(words) != _WIDER_NUMBERS:
        raise InputError(f"line {line}: {text!r} isn't the {_WIDER_NUMBERS} numbers of a face")
    x, y, width, height = (number(word, line) for word in words[:4])
    invalid = words[_WIDER_INVALID] == "1" or width <= 0 or height <= 0
    return (x, y, x + width, y + height), invalid


def _box_rows(text: str) -> Truth:
    by_file: defaultdict[str, _Boxes] = defaultdict(list)
    for line, row in read_rows(text, ("file", *_CORNERS)):
        boxes = by_file[_file_of(row, line)]
        if not any(row[corner] for corner in _CORNERS):
            continue
        x0, y0, x1, y1 = (number(row[corner], line) for corner in _CORNERS)
        ignored = flag(row["ignore"] or "0", line) if "ignore" in row else False
        boxes.append((_with_area((x0, y0, x1, y1), f"line {line}"), ignored))
    return {file: _boxes(boxes) for file, boxes in by_file.items()}


def _point_rows(text: str) -> Truth:
    by_file: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for line, row in read_rows(text, ("file", "x", "y")):
        points = by_file[_file_of(row, line)]
        if row["x"] or row["y"]:
            points.append((number(row["x"], line), number(row["y"], line)))
    return {file: _points(points) for file, points in by_file.items()}


def _file_of(row: dict[str, str], line: int) -> str:
    if not row["file"]:
        raise InputError(f"line {line}: no file")
    return row["file"]


def _noses(text: str) -> Truth:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the JSON is malformed: {error}") from error
    noses = content.get("noses")
    if not isinstance(noses, dict):
        raise InputError("the JSON has no noses by file")
    return {file: _points([_nose(point, file) for point in _list(noses, file)]) for file in noses}


def _list(noses: dict[str, object], file: str) -> list[object]:
    points = noses[file]
    if not isinstance(points, list):
        raise InputError(f"the noses of {file} are no list of points")
    return points


def _nose(point: object, file: str) -> tuple[float, float]:
    match point:
        case [int() | float() as x, int() | float() as y] if all(
            abs(place) < _FARTHEST for place in (x, y)
        ):
            return float(x), float(y)
    raise InputError(f"{point!r}, a nose of {file}, is no point [x, y]")


def _xml_number(text: str | None, where: str) -> float:
    try:
        result = float(text or "")
    except ValueError:
        result = np.nan
    if not np.isfinite(result):
        raise InputError(f"{where}: {text!r} is no number")
    return result


def _with_area(box: _Box, where: str) -> _Box:
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"{where}: the box {x0:g}, {y0:g}, {x1:g}, {y1:g} has no area")
    return box


def _add(truth: Truth, file: str, faces: TruthFaces, line: int | None = None) -> None:
    if file in truth:
        raise InputError(f"{'' if line is None else f'line {line}: '}{file} is named twice")
    truth[file] = faces


def _boxes(faces: _Boxes) -> TruthFaces:
    return TruthFaces(
        np.array([box for box, _ in faces], np.float32).reshape(-1, 4),
        np.array([ignored for _, ignored in faces], np.bool_),
    )


def _points(points: list[tuple[float, float]]) -> TruthFaces:
    return TruthFaces(
        np.full((len(points), 4), np.nan, np.float32),
        np.zeros(len(points), np.bool_),
        np.array(points, np.float32).reshape(-1, 2),
    )
