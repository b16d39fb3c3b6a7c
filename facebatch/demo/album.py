"""Writes an album: a small, dirty archive of rendered photos, and what is true of it.

The album has what archives have: folders by year, group photos, large photos, every EXIF
orientation, several formats, a copy, broken files and files that are none. What it shows is
planned first, as plain data, and then rendered photo by photo.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from facebatch.demo.cast import PEOPLE, STRANGERS
from facebatch.demo.scene import Sitter, render_landscape, render_scene
from facebatch.demo.surface import View
from facebatch.demo.truth import TrueFace, TrueFile, Truth
from facebatch.errors import InputError
from facebatch.media.orientation import inverse, turned


@dataclass(frozen=True, slots=True)
class Preset:
    """How large an album is.

    Args:
        people: People who appear in several photos, at most ``len(PEOPLE)``.
        portraits: Photos of each of them alone.
        groups: Photos of two to five of them.
        strangers: People who appear once, at most ``len(STRANGERS)``.
        large: Group photos of 3000 x 2000 pixels, at most ``groups``.
    """

    people: int
    portraits: int
    groups: int
    strangers: int
    large: int


DEMO = Preset(people=12, portraits=5, groups=18, strangers=8, large=4)
"""About 90 photos."""

SMALL = Preset(people=4, portraits=4, groups=5, strangers=2, large=1)
"""About 30 files, for tests."""


@dataclass(frozen=True, slots=True)
class Exif:
    """What a photo's EXIF says: orientation 1..8, capture time, latitude and longitude."""

    orientation: int = 0
    taken: str = ""
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to be rendered: who stands where, at ``size`` times ``enlarge`` pixels, saved how."""

    path: str
    sitters: tuple[Sitter, ...]
    size: tuple[int, int]
    enlarge: int
    exif: Exif
    seed: int


_FOLDERS = ("2017-wedding", "2019-summer", "2021-garden", "family", "phone/DCIM", "scans")
_SUFFIXES = (
    ".jpg",
    ".jpg",
    ".png",
    ".jpg",
    ".webp",
    ".JPG",
    ".bmp",
    ".jpg",
    ".tif",
    ".jpeg",
    ".gif",
)
_PORTRAIT_SIZES = ((480, 480), (400, 520), (640, 480), (520, 400))
_GROUP_SIZES = (3, 2, 4, 5, 3, 2)
_LARGE_TURNS = (6, 1, 3, 8)
_JPEGS = (".jpg", ".jpeg")
_PLACES = ((48.1372, 11.5756), (-33.8568, 151.2153), (64.1466, -21.9426))
_ORIENTATION, _EXIF_IFD, _GPS_IFD, _TAKEN = 0x0112, 0x8769, 0x8825, 0x9003


def write_album(folder: Path, *, preset: Preset = DEMO, seed: int = 0) -> Truth:
    """Write an album into a new or empty folder.

    Args:
        folder: Where; it is made if it doesn't exist.
        preset: How large.
        seed: Which photos of the same people; the same arguments give the same bytes.

    Returns:
        The truth of every file. It isn't written into the folder, where a run would list it.

    Raises:
        InputError: The folder holds something.
        ValueError: The preset asks for more people than there are.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} isn't empty; give a new folder for the album")
    photos = plan_photos(preset, seed)
    files = [_write_photo(folder, photo) for photo in photos]
    files += _write_oddities(folder, files, seed)
    files.sort(key=lambda file: file.path)
    return Truth(PEOPLE[: preset.people], STRANGERS[: preset.strangers], tuple(files))


def plan_photos(preset: Preset, seed: int) -> tuple[Photo, ...]:
    """Decide what every photo of an album shows.

    Args:
        preset: How large an album.
        seed: Which photos.

    Returns:
        The photos: portraits, groups, then portraits of strangers.

    Raises:
        ValueError: The preset asks for more people than there are.
    """
    if preset.people > len(PEOPLE) or preset.strangers > len(STRANGERS):
        raise ValueError(
            f"{preset} asks for more than {len(PEOPLE)} people or {len(STRANGERS)} strangers"
        )
    people, strangers = PEOPLE[: preset.people], STRANGERS[: preset.strangers]
    alone = [person for _ in range(preset.portraits) for person in people]
    alone += list(strangers[0::2])
    rng = np.random.default_rng([seed, 0xA1])
    turns = itertools.cycle(range(1, 9))
    portraits = [_plan_portrait(rng, person, number, turns) for number, person in enumerate(alone)]
    tables = sorted(_deal_groups(rng, people, preset.groups), key=len)
    for table, guest in zip(tables, strangers[1::2], strict=False):
        table.append(guest)
    groups = [
        _plan_group(rng, table, number, large=number < preset.large)
        for number, table in enumerate(tables)
    ]
    return tuple(portraits + groups)


def _deal_groups(
    rng: np.random.Generator, people: tuple[int, ...], groups: int
) -> Iterator[list[int]]:
    """Yield who stands in each group photo; everybody about equally often."""
    deck: list[int] = []
    for number in range(groups):
        count = min(_GROUP_SIZES[number % len(_GROUP_SIZES)], len(people))
        if len(deck) < count:
            fresh = [int(person) for person in rng.permutation(people) if person not in deck]
            deck += fresh
        yield deck[:count]
        deck = deck[count:]


def draw_light(rng: np.random.Generator) -> tuple[float, float]:
    """Draw the direction of a photo's light."""
    return (float(rng.uniform(-0.55, 0.55)), float(rng.uniform(-0.55, 0.05)))


def draw_view(rng: np.random.Generator, light: tuple[float, float]) -> View:
    """Draw how an album's photo sees a person under a light."""
    return View(
        yaw=float(rng.uniform(-0.32, 0.32)),
        pitch=float(rng.uniform(-0.15, 0.15)),
        roll=float(rng.uniform(-0.12, 0.12)),
        light=light,
        smile=float(rng.uniform(-0.15, 0.85)),
        noise_seed=int(rng.integers(1 << 30)),
    )


def _draw_exif(rng: np.random.Generator, folder: str, orientation: int) -> Exif:
    """Draw capture time (in the folder's year, if it names one) and, for a few, the place."""
    year = folder[:4] if folder[:4].isdigit() else str(rng.integers(2009, 2024))
    month, day, hour, minute = (int(rng.integers(1, top)) for top in (13, 29, 24, 60))
    taken = f"{year}:{month:02}:{day:02} {hour:02}:{minute:02}:00"
    place = _PLACES[int(rng.integers(len(_PLACES)))] if rng.random() < 0.2 else None
    return Exif(orientation, taken if rng.random() < 0.7 else "", place)


def _plan_portrait(
    rng: np.random.Generator, person: int, number: int, turns: Iterator[int]
) -> Photo:
    """Plan a photo of one person; only JPEGs have EXIF, and take their orientation in turn."""
    folder = _FOLDERS[int(rng.integers(len(_FOLDERS)))]
    suffix = _SUFFIXES[number % len(_SUFFIXES)]
    width, height = _PORTRAIT_SIZES[int(rng.integers(len(_PORTRAIT_SIZES)))]
    unit = float(rng.uniform(0.17, 0.25)) * min(width, height)
    centre = (float(rng.uniform(0.42, 0.58)) * width, float(rng.uniform(0.42, 0.47)) * height)
    sitter = Sitter(person, centre, unit, draw_view(rng, draw_light(rng)))
    exif = _draw_exif(rng, folder, next(turns)) if suffix.lower() in _JPEGS else Exif()
    path = f"{folder}/IMG_{number + 1:04}{suffix}"
    return Photo(path, (sitter,), (width, height), 1, exif, int(rng.integers(1 << 30)))


def _plan_group(
    rng: np.random.Generator, people: Sequence[int], number: int, *, large: bool
) -> Photo:
    """Plan a photo of several people in a row, heads side by side; some stand a little behind."""
    folder = _FOLDERS[number % 4]
    light = draw_light(rng)
    width, height = (750, 500) if large else (190 * len(people) + 90, 400)
    spacing = width / (len(people) + 0.4)
    sitters = []
    for place, person in enumerate(people):
        column = (place + 0.7 + float(rng.uniform(-0.04, 0.04))) * spacing
        row = height * float(rng.uniform(0.36, 0.46))
        unit = min(float(rng.uniform(0.13, 0.18)) * height, spacing / 2.5)
        sitters.append(Sitter(person, (column, row), unit, draw_view(rng, light)))
    exif = _draw_exif(rng, folder, _LARGE_TURNS[number % len(_LARGE_TURNS)] if large else 1)
    path = f"{folder}/group_{number + 1:02}.jpg"
    enlarge = 4 if large else 1
    seed = int(rng.integers(1 << 30))
    return Photo(path, tuple(sitters), (width, height), enlarge, exif, seed)


def _write_photo(folder: Path, photo: Photo) -> TrueFile:
    scene = render_scene(photo.sitters, size=photo.size, noise_seed=photo.seed)
    upright = Image.fromarray(scene.picture)
    width, height = (side * photo.enlarge for side in photo.size)
    if photo.enlarge > 1:
        upright = upright.resize((width, height), Image.Resampling.LANCZOS)
    _save(folder / photo.path, upright, photo.exif)
    faces = tuple(_enlarged(face, photo.enlarge) for face in scene.faces)
    return TrueFile(
        photo.path,
        "ok",
        width=width,
        height=height,
        orientation=photo.exif.orientation,
        faces=faces,
    )


def _enlarged(face: TrueFace, factor: int) -> TrueFace:
    x0, y0, x1, y1 = (edge * factor for edge in face.box)
    points = tuple((x * factor, y * factor) for x, y in face.landmarks)
    return TrueFace(face.identity, (x0, y0, x1, y1), points)


def _save(path: Path, upright: Image.Image, exif: Exif) -> None:
    """Save a picture in the format of its suffix, stored the way its orientation says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = turned(upright, inverse(exif.orientation))
    if path.suffix.lower() in _JPEGS:
        stored.save(path, format="JPEG", quality=90, exif=_exif_block(exif))
    elif path.suffix == ".gif":
        stored.quantize(256).save(path)
    elif path.suffix == ".webp":
        stored.save(path, quality=90)
    else:
        stored.save(path)


def _exif_block(exif: Exif) -> Image.Exif:
    block = Image.Exif()
    if exif.orientation:
        block[_ORIENTATION] = exif.orientation
    if exif.taken:
        block.get_ifd(_EXIF_IFD)[_TAKEN] = exif.taken
    if exif.place is not None:
        latitude, longitude = exif.place
        block.get_ifd(_GPS_IFD).update(
            {
                1: "N" if latitude >= 0 else "S",
                2: _degrees(latitude),
                3: "E" if longitude >= 0 else "W",
                4: _degrees(longitude),
            }
        )
    return block


def _degrees(angle: float) -> tuple[float, float, float]:
    """Return an angle's degrees, minutes and seconds, as EXIF keeps them."""
    minutes, seconds = divmod(round(abs(angle) * 3600, 2), 60)
    degrees, minutes = divmod(minutes, 60)
    return (degrees, minutes, round(seconds, 2))


def _write_oddities(folder: Path, files: Sequence[TrueFile], seed: int) -> list[TrueFile]:
    """Write what no archive is without: a landscape, a copy, broken files and other files."""
    first, second = [file for file in files if file.orientation == 1][:2]
    cut = _without_picture(folder / second.path)
    return [
        _write_landscape(folder, seed),
        _write_copy(folder, first),
        _write_bytes(folder, "phone/DCIM/IMG_9001.jpg", cut, "truncated"),
        _write_bytes(folder, "phone/DCIM/IMG_9002.jpg", b"", "empty"),
        _write_bytes(folder, "scans/list.jpg", b"scanned so far: boxes 1 to 4\n", "not_an_image"),
        _write_bytes(folder, "notes.txt", b"Ask grandmother who the others are.\n", ""),
    ]


def _write_landscape(folder: Path, seed: int) -> TrueFile:
    path = "2019-summer/hills.jpg"
    picture = render_landscape(noise_seed=seed + 1)
    _save(folder / path, Image.fromarray(picture), Exif(1, "2019:07:14 18:02:00", _PLACES[0]))
    height, width = picture.shape[:2]
    return TrueFile(path, "ok", width=width, height=height, orientation=1)


def _write_copy(folder: Path, original: TrueFile) -> TrueFile:
    """Write an exact copy into a folder that sorts after the original's."""
    path = f"zip-from-aunt/{Path(original.path).name}"
    (folder / path).parent.mkdir()
    (folder / path).write_bytes((folder / original.path).read_bytes())
    return replace(original, path=path, outcome="duplicate", same_as=original.path)


def _write_bytes(folder: Path, path: str, data: bytes, reason: str) -> TrueFile:
    """Write bytes that are no whole picture; without a reason the file is one to ignore."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)
    return TrueFile(path, "quarantined" if reason else "ignored", reason=reason)


def _without_picture(path: Path) -> bytes:
    """Return a JPEG's bytes up to its picture: of one that is cut later, something is seen."""
    data = path.read_bytes()
    return data[: data.index(b"\xff\xda") + 16]
