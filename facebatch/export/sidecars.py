"""Sidecars on the disk: where each goes, what is left alone, and what stays as it is.

A sidecar that another program wrote is never written over, and never merged with: it is skipped
and reported. One of ours that says the same already isn't touched, one that has nothing to say any
more is removed. Programs believe a sidecar rather than the photo beside it, so one that lies beside
its photo repeats what the photo's own XMP says of people.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from facebatch import ids
from facebatch.errors import InputError, UsageError
from facebatch.export import xmp
from facebatch.export.placing import Placed, place_regions
from facebatch.export.regions import XmpFacts, facts_of
from facebatch.media.photo.xmp import XmpError, read_packets
from facebatch.media.photo.xmp_tree import is_ours
from facebatch.storage.local_files import whole_file

Naming = Literal["append", "replace"]
NAMINGS: tuple[Naming, ...] = get_args(Naming)
"""``photo.jpg.xmp``, which digiKam and darktable read, or ``photo.xmp``, which Lightroom does."""

_UNUSABLE = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST})
"""What an item's own name can be at fault for; other errors hold for every item."""


_SAME_PROPORTIONS = 0.02
"""How far two pictures of one scene may differ in proportions: cameras crop raw pictures by a few
pixels."""


@dataclass(frozen=True)
class Target:
    """Where sidecars go.

    Args:
        folder: A local folder.
        root: None for one folder with a folder for each root in it; else the name of the root whose
            photos lie in the folder, beside which the sidecars go.
        naming: How sidecars are called.
    """

    folder: Path
    root: str | None = None
    naming: Naming = "append"

    def place(self, root: str, path: str) -> Path | None:
        """Returns an item's sidecar; None for a name that leads out of the folder.

        Args:
            root: Name of the item's root.
            path: Path inside the root, as `os.fsdecode` gives it.
        """
        inside = path.split("/")
        parts = inside if self.root is not None else [*root.split("/"), *inside]
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            return None
        name = PurePosixPath(parts[-1]).stem if self.naming == "replace" else parts[-1]
        return self.folder.joinpath(*parts[:-1], f"{name}.xmp")


@dataclass
class Written:
    """What was done with the sidecars of one target.

    Args:
        written: Sidecars written.
        unchanged: Sidecars that were there already.
        removed: Sidecars of ours that had nothing to say any more.
        regions: Face regions in those written and unchanged.
        skipped: What was left alone: ``reason``, ``root`` and ``path`` of each. Reasons are
            ``not_ours`` (another program wrote the sidecar), ``name_taken`` (another item of this
            export has it), ``no_photo`` (nothing lies there to put it beside), ``bad_xmp`` (the
            photo's own XMP, which a sidecar would hide, can't be read), ``unsafe_path`` and
            ``unusable_name``.
    """

    written: int = 0
    unchanged: int = 0
    removed: int = 0
    regions: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Returns the counts and the list as plain data."""
        return dict(vars(self))


def write_sidecars(faces: pa.Table, media: pa.Table, shots: pa.Table, target: Target) -> Written:
    """Writes a sidecar for every item that shows one of the faces.

    Copies of a file have one each, and so do the files of one shot.

    Args:
        faces: As `facebatch.export.faces.named_faces` gives them.
        media: Winning media rows, of which those of one root or all.
        shots: The contents of shots that have several files, as a snapshot gives them.
        target: Where they go.

    Raises:
        UsageError: The folder isn't there, where photos should lie in it.
        InputError: The folder can't be written.
    """
    if target.root is not None and not target.folder.is_dir():
        raise UsageError(f"{target.folder} is no folder; --beside takes NAME=FOLDER")
    try:
        target.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target.folder} can't be written: {error}") from error
    done = Written()
    places: set[Path] = set()
    sound: set[Path] = set()
    for item, rows in _items(faces, media, shots, target.root):
        path = os.fsdecode(item["path_bytes"] or item["path"].encode())
        at = target.place(item["root"], path)
        problem = _problem(at, path, target, places, sound)
        if at is None or problem:
            _skip(done, problem or "unsafe_path", item)
            continue
        places.add(at)
        try:
            own = (
                XmpFacts()
                if target.root is None or not rows["name"]
                else _own_facts(target.folder / path)
            )
        except XmpError:
            _skip(done, "bad_xmp", item)
            continue
        _put(at, item, rows, own, done)
    return done


def _own_facts(photo: Path) -> XmpFacts:
    """Returns what a photo's own XMP says of people; nothing of a file that can't be read.

    Raises:
        XmpError: The XMP is broken, or made to do harm.
    """
    try:
        with photo.open("rb") as file:
            return facts_of(read_packets(file))
    except OSError:
        return XmpFacts()


def _problem(
    place: Path | None, path: str, target: Target, places: set[Path], sound: set[Path]
) -> str | None:
    """Returns why an item gets no sidecar.

    Args:
        place: Where it would go.
        path: The item's path inside its root.
        target: Where sidecars go.
        places: Those that items before it have.
        sound: Folders that are known to lie inside; added to.
    """
    if place is None:
        return "unsafe_path"
    if place in places:
        return "name_taken"
    if target.root is not None and not os.path.lexists(target.folder / path):
        return "no_photo"
    if place.parent not in sound:
        # A link in the folder may lead anywhere.
        if not place.parent.resolve().is_relative_to(target.folder.resolve()):
            return "unsafe_path"
        sound.add(place.parent)
    return None


def _skip(done: Written, reason: str, item: Mapping[str, Any]) -> None:
    done.skipped.append({"reason": reason, "root": item["root"], "path": item["path"]})


def _put(
    place: Path, item: Mapping[str, Any], rows: Mapping[str, Any], own: XmpFacts, done: Written
) -> None:
    """Brings one sidecar to what is known of an item."""
    try:
        there = _there(place)
        if not rows["name"]:
            if there is not None and is_ours(there):
                place.unlink()
                done.removed += 1
            return
        data, regions = _content(item, rows, own)
        if there is not None and not is_ours(there):
            _skip(done, "not_ours", item)
            return
        if there == data:
            done.unchanged += 1
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(place, durable=False) as file:
                file.write(data)
            done.written += 1
        done.regions += regions
    except OSError as error:
        if error.errno not in _UNUSABLE:
            raise InputError(f"{place} can't be written: {error}") from error
        _skip(done, "unusable_name", item)


def _there(place: Path) -> bytes | None:
    """Returns the bytes of the sidecar at a place; of a link, which is nothing of ours, none."""
    if place.is_symlink():
        return b""
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def _content(item: Mapping[str, Any], rows: Mapping[str, Any], own: XmpFacts) -> tuple[bytes, int]:
    """Returns a sidecar and the number of its regions."""
    names = [name for name in rows["name"] if name is not None]
    is_picture = item["segments"] is None and item["width"] and item["height"]
    if not is_picture:
        return xmp.sidecar(None, [], names), 0
    picture = xmp.StoredPicture(item["width"], item["height"], item["orientation"] or 1)
    shown = [*zip(map(tuple, rows["boxes"].tolist()), rows["name"], strict=True)]
    for regions in own.regions:
        _add_own(shown, place_regions(regions, picture, rows["boxes"]))
    names = [name for _, name in shown if name is not None]
    areas = picture.areas(np.array([box for box, _ in shown]))
    found = [
        xmp.Region(area, name)
        for area, (_, name) in zip(areas, shown, strict=True)
        if area is not None
    ]
    # Programs that list names and areas apart from each other pair the first with the first.
    found.sort(key=lambda region: region.name is None)
    return xmp.sidecar(picture, found, [*names, *own.people], own.keywords), len(found)


def _add_own(shown: list[tuple[tuple[float, ...], str | None]], regions: Sequence[Placed]) -> None:
    """Adds what a photo's own regions say to the boxes and names of its faces."""
    for one in regions:
        box, name = (one.box, None) if one.face is None else shown[one.face]
        if one.face is not None and name is None:
            shown[one.face] = (box, one.name)
        elif (one.box, one.name) not in shown and one.name != name:
            shown.append((one.box, one.name))


def _items(
    faces: pa.Table, media: pa.Table, shots: pa.Table, root: str | None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yields every item whose content is known, once, with the boxes and names of its faces.

    A face belongs to its file's content, so that every copy has it; the segments of a video have
    one content, and one sidecar. Another file of its shot has it at the same place in its picture.
    """
    alive = pc.is_in(media["status"], pa.array(["ok", "duplicate"]))
    if root is not None:
        alive = pc.and_(alive, pc.equal(media["root"], root))
    columns = ["root", "path", "path_bytes", "segments", "width", "height", "orientation"]
    items = media.filter(alive).select([*columns, "content_id"])
    shot = pc.index_in(items["content_id"], shots["content"].combine_chunks())
    shown = pc.coalesce(shots["standing"].take(shot), items["content_id"])
    items = items.append_column("shown", shown)
    items = items.take(pc.sort_indices(items, [("root", "ascending"), ("path", "ascending")]))
    contents = ids.from_arrow(faces["content_id"])
    by_content = ids.order(contents)
    begins = np.flatnonzero(ids.starts(contents[by_content]))
    ends = [*begins[1:].tolist(), len(contents)]
    distinct = ids.to_arrow(contents[by_content[begins]])
    group = pc.index_in(items["shown"], distinct).to_pylist()
    pictures = _pictures(media, shots["standing"])
    edges = [faces[edge].to_numpy().astype(np.float64) for edge in ("x0", "y0", "x1", "y1")]
    boxes = np.stack(edges, axis=1)[by_content]
    names = faces["name"].take(pa.array(by_content)).to_pylist()
    begins_list = begins.tolist()
    seen: set[tuple[str, str, bytes | None]] = set()
    for item, number in zip(items.to_pylist(), group, strict=True):
        key = (item["root"], item["path"], item["path_bytes"])
        if key in seen:
            continue
        seen.add(key)
        part = slice(0, 0) if number is None else slice(begins_list[number], ends[number])
        scale = np.ones(2)
        if item["shown"] != item["content_id"]:
            scale = _scale(pictures.get(item["shown"]), item)
        yield item, {"boxes": boxes[part] * np.tile(scale, 2), "name": names[part]}


def _pictures(media: pa.Table, contents: pa.ChunkedArray) -> dict[bytes, dict[str, Any]]:
    """Returns an item of each of some contents."""
    rows = media.filter(pc.is_in(media["content_id"], contents.unique()))
    columns = ["content_id", "segments", "width", "height"]
    return {row["content_id"]: row for row in rows.select(columns).to_pylist()}


def _scale(shown: Mapping[str, Any] | None, item: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Returns how boxes of one picture of a shot become those of another, (2,): x and y.

    It is 0, so that no box is left, where they may show other parts of the scene: where one is a
    video, or has other proportions.
    """
    if shown is None or shown["segments"] is not None:
        return np.zeros(2)
    scale = np.array([item[side] / shown[side] for side in ("width", "height")])
    return scale if abs(scale[0] / scale[1] - 1) <= _SAME_PROPORTIONS else np.zeros(2)
