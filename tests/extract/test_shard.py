from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.data import real_data
from support.faulty import DeadlyFileSystem
from support.pictures import as_stored, encode, gradient, with_orientation

from facebatch import ids, tables
from facebatch.collection import Collection
from facebatch.config import Execution, ExtractSettings
from facebatch.demo.render import render_face
from facebatch.detect import Detector, load_detector
from facebatch.embed import Embedder, load_embedder
from facebatch.extract.detect_and_crop import find_faces
from facebatch.extract.guarded_decoder import DecoderPool
from facebatch.extract.items import Item, Shard
from facebatch.extract.plan import cut
from facebatch.extract.shard import ShardTables, Tools, detect_shard, embed_shard
from facebatch.faces import align, quality
from facebatch.media.photo.decode import Photo
from facebatch.media.sources.listing import MediaFile, list_root
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import Root

Faults = dict[tuple[str, str], OSError]
Pixels = npt.NDArray[np.uint8]

SETTINGS = ExtractSettings()
TEMPLATE = align.TEMPLATES["dlib-150"]
DETECTED_WITHIN = 0.03
"""How far a landmark may be off that is found again at another scale, as a share of the face."""


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(SETTINGS.detector, min_face=SETTINGS.min_face)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(SETTINGS.embedder, SETTINGS.tta)


@pytest.fixture(scope="module")
def portrait() -> Pixels:
    return render_face(3, size=320)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def shard_of(folder: Path, scheme: str = "", **changes: Any) -> Shard:
    """Returns everything in a folder as one shard."""
    listed = list_root(Root("photos", f"{scheme}{folder}"))
    items = [Item(file, **changes) for file in listed if isinstance(file, MediaFile)]
    [shard] = cut(items, 10**9)
    return shard


def extracted(shard: Shard, detector: Detector) -> ShardTables:
    return detect_shard(shard, Tools(MediaReader(), lambda: detector, SETTINGS))


def embedded(shard: Shard, detector: Detector, embedder: Embedder) -> ShardTables:
    return embed_shard(extracted(shard, detector), lambda: embedder, SETTINGS)


def by_path(found: ShardTables) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in found.media.to_pylist()}


def never() -> Detector:
    raise AssertionError("nothing here needs a detector")


def pasted(portrait: Pixels, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size, (96, 110, 128))
    picture.paste(Image.fromarray(portrait), at)
    return picture


def test_a_photo_gives_its_media_row_and_its_faces(
    photos: Path, detector: Detector, embedder: Embedder, portrait: Pixels
) -> None:
    data = encode(portrait, quality=95)
    (photos / "a.jpg").write_bytes(data)
    found = embedded(shard_of(photos), detector, embedder)
    [media], [face] = found.media.to_pylist(), found.faces.to_pylist()
    content = ids.content_id(data)
    assert (media["status"], media["reason"], media["faces"]) == ("ok", None, 1)
    assert (media["root"], media["path"], media["attempts"]) == ("photos", "a.jpg", 1)
    assert (media["size"], media["content_id"]) == (len(data), content)
    assert (media["format"], media["width"], media["height"]) == ("JPEG", 320, 320)
    ran = embedder.provenance
    assert (media["engine"], media["device"]) == (ran.engine, "cpu")
    assert media["precision"] == ran.precision
    assert face["face_id"] == ids.face_id(content, 0, 0, 0)
    assert (face["media_id"], face["content_id"]) == (media["media_id"], content)
    assert np.linalg.norm(face["embedding"]) == pytest.approx(1.0, abs=1e-5)
    with Photo(face["chip"]).decode().pixels as chip:
        assert chip.size == (TEMPLATE.size, TEMPLATE.size)


def test_the_faces_landmarks_are_where_the_matrix_takes_the_template(
    photos: Path, detector: Detector, portrait: Pixels
) -> None:
    (photos / "a.png").write_bytes(encode(portrait, "PNG"))
    [face] = extracted(shard_of(photos), detector).faces.to_pylist()
    matrix = np.reshape(face["chip_to_picture"], (2, 3))
    landmarks = np.reshape(face["landmarks"], (5, 2))
    fitted = TEMPLATE.points @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(fitted - landmarks).max() < 0.1 * face["size"]
    assert face["x0"] < landmarks[:, 0].min() < landmarks[:, 0].max() < face["x1"]
    assert landmarks[0, 0] < landmarks[1, 0], "image-left first"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_has_the_faces_of_the_upright_one(
    orientation: int, detector: Detector, portrait: Pixels
) -> None:
    upright = np.asarray(pasted(portrait, (401, 347), (60, 20)))
    plain = find_faces(Photo(encode(upright, "PNG")), detector, SETTINGS)
    exif = with_orientation(orientation)
    for kind in ("PNG", "TIFF"):
        turned = encode(as_stored(upright, orientation), kind, exif=exif)
        again = find_faces(Photo(turned), detector, SETTINGS)
        np.testing.assert_array_equal(again.boxes, plain.boxes)
        np.testing.assert_array_equal(again.views, plain.views)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_a_large_jpegs_faces_lie_where_they_are_in_the_full_picture(
    scale: int, orientation: int, detector: Detector, portrait: Pixels
) -> None:
    # Sides that no scale divides: the last pixels of the decoded picture reach past the photo's.
    size = (1024 * scale + 13, 700 * scale + 11)
    face = np.asarray(Image.fromarray(portrait).resize((320 * scale, 320 * scale)))
    upright = np.asarray(pasted(face, size, (300 * scale, 200 * scale)))
    data = encode(as_stored(upright, orientation), exif=with_orientation(orientation), quality=95)
    photo = Photo(data)
    assert photo.scale_for(SETTINGS.max_side) == scale
    faces = find_faces(photo, detector, SETTINGS)
    [alone] = find_faces(Photo(encode(portrait, "PNG")), detector, SETTINGS).landmarks
    [landmarks], [matrix], [[chip]] = faces.landmarks, faces.chip_to_picture, faces.views
    off = np.abs(landmarks - np.add(alone, (300, 200)) * scale).max()
    assert off < DETECTED_WITHIN * quality.size(faces.boxes)[0]
    # A chip that is cut one decoded pixel beside its place differs by 5 levels.
    expected = align.cut_chip(Image.fromarray(upright), matrix, TEMPLATE.size)
    assert np.abs(chip.astype(float) - expected).mean() < 1.5


def decodings(photo: Photo, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The scales at which a photo is decoded from now on."""
    scales: list[int] = []
    decode = photo.decode
    monkeypatch.setattr(photo, "decode", lambda scale=1: (scales.append(scale), decode(scale))[1])
    return scales


def test_a_small_face_is_cut_from_the_resolution_that_serves_the_embedder(
    detector: Detector, portrait: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = portrait.shape[0] * 3 // 5
    small = np.asarray(Image.fromarray(portrait).resize((side, side)))
    data = encode(pasted(small, (4001, 3003), (1500, 900)), quality=95)
    photo = Photo(data)
    scales = decodings(photo, monkeypatch)
    faces = find_faces(photo, detector, SETTINGS)
    assert scales == [2, 1]
    [matrix], [[chip]] = faces.chip_to_picture, faces.views
    full, coarse = photo.decode(), photo.decode(2)
    best = align.cut_chip(full.pixels, matrix, TEMPLATE.size)
    blurred = align.cut_chip(coarse.pixels, matrix / coarse.scale, TEMPLATE.size)
    np.testing.assert_array_equal(chip, best)
    sharpness = quality.sharpness(np.stack([chip, blurred]))
    assert sharpness[1] < 0.7 * sharpness[0], "the coarse picture would not have served"


@pytest.mark.parametrize(("side", "covered"), [(450, (1.2, 2)), (800, (2, 4))])
def test_other_faces_are_cut_from_the_picture_that_served_detection(
    detector: Detector,
    portrait: Pixels,
    side: int,
    covered: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    larger = np.asarray(Image.fromarray(portrait).resize((side, side)))
    photo = Photo(encode(pasted(larger, (4001, 3003), (900, 700)), quality=95))
    scales = decodings(photo, monkeypatch)
    faces = find_faces(photo, detector, SETTINGS)
    assert scales == [2], "decoded once"
    [matrix], [[chip]] = faces.chip_to_picture, faces.views
    assert covered[0] < align.picture_pixels_per_chip_pixel(matrix) < covered[1]
    coarse = photo.decode(2)
    expected = align.cut_chip(coarse.pixels, matrix / 2, TEMPLATE.size)
    np.testing.assert_array_equal(chip, expected)


def test_every_view_that_the_averaging_asks_for_is_cut(
    detector: Detector, portrait: Pixels
) -> None:
    photo = Photo(encode(portrait, "PNG"))
    several = find_faces(photo, detector, replace(SETTINGS, tta="full"))
    single = find_faces(photo, detector, SETTINGS)
    assert several.views.shape == (1, 3, 150, 150, 3)
    np.testing.assert_array_equal(several.views[:, 1], single.views[:, 0])
    np.testing.assert_array_equal(several.chip_to_picture, single.chip_to_picture)


def test_a_photo_without_a_face_is_ok_with_none(
    photos: Path, detector: Detector, embedder: Embedder
) -> None:
    (photos / "sky.png").write_bytes(encode(gradient(200, 150), "PNG"))
    (photos / "tiny.png").write_bytes(encode(gradient(8, 8), "PNG"))
    found = embedded(shard_of(photos), detector, embedder)
    assert [(row["status"], row["faces"]) for row in found.media.to_pylist()] == [("ok", 0)] * 2
    assert len(found.faces) == 0


def test_a_copy_in_the_shard_is_a_duplicate_and_its_faces_count_once(
    photos: Path, detector: Detector, portrait: Pixels
) -> None:
    for name in ("b.jpg", "a.jpg", "c.jpg"):
        (photos / name).write_bytes(encode(portrait))
    found = extracted(shard_of(photos), detector)
    rows = by_path(found)
    assert [rows[name]["status"] for name in sorted(rows)] == ["ok", "duplicate", "duplicate"]
    assert {(row["faces"], row["content_id"], row["width"]) for row in rows.values()} == {
        (1, ids.content_id(encode(portrait)), 320)
    }
    assert found.faces["media_id"].to_pylist() == [rows["a.jpg"]["media_id"]]


def test_threads_change_nothing(
    photos: Path, detector: Detector, embedder: Embedder, portrait: Pixels
) -> None:
    for number in range(20, 24):
        (photos / f"{number}.jpg").write_bytes(encode(render_face(number)))
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (photos / name).write_bytes(encode(portrait))
    (photos / "broken.jpg").write_bytes(b"no picture")
    shard, results = shard_of(photos), []
    for threads in (1, 3):
        execution = Execution(threads=threads)
        found = detect_shard(shard, Tools(MediaReader(), lambda: detector, SETTINGS, execution))
        results.append(embed_shard(found, lambda: embedder, SETTINGS, execution))
    one, several = results
    assert several.media.equals(one.media)
    assert several.faces.equals(one.faces)
    assert one.media["status"].to_pylist().count("duplicate") == 2


def test_a_copy_of_a_broken_file_is_quarantined_as_well(photos: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (photos / name).write_bytes(b"no picture")
    found = detect_shard(shard_of(photos), Tools(MediaReader(), never, SETTINGS))
    assert [row["reason"] for row in found.media.to_pylist()] == ["not_an_image"] * 2


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.jpg": (b"", "empty"),
    "text.png": (b"<html>", "not_an_image"),
    "truncated.png": (encode(gradient(300, 200), "PNG")[:1500], "truncated"),
    "corrupt.webp": (encode(gradient(300, 200), "WEBP")[:300], "corrupt"),
}


def test_broken_files_are_quarantined_with_their_reason_and_disturb_nothing(
    photos: Path, detector: Detector, portrait: Pixels
) -> None:
    for name, (data, _) in BROKEN.items():
        (photos / name).write_bytes(data)
    (photos / "whole.jpg").write_bytes(encode(portrait))
    rows = by_path(extracted(shard_of(photos), detector))
    assert (rows["whole.jpg"]["status"], rows["whole.jpg"]["faces"]) == ("ok", 1)
    for name, (data, reason) in BROKEN.items():
        row = rows[name]
        assert (row["status"], row["reason"], row["faces"]) == ("quarantined", reason, 0)
        assert row["message"]
        assert row["content_id"] == ids.content_id(data)


@pytest.mark.parametrize("guard", [False, True])
def test_a_photo_that_was_cut_off_counts_and_says_so(
    photos: Path, detector: Detector, portrait: Pixels, guard: bool
) -> None:
    (photos / "a.jpg").write_bytes(encode(portrait)[:-2])
    (photos / "b.jpg").write_bytes(encode(portrait))
    pool = DecoderPool(SETTINGS)
    tools = Tools(MediaReader(), lambda: detector, SETTINGS, lend=pool.acquire if guard else None)
    rows = by_path(detect_shard(shard_of(photos), tools))
    pool.close()
    for name, row in rows.items():
        assert (row["status"], row["reason"], row["faces"]) == ("ok", None, 1), name
    assert rows["a.jpg"]["message"].startswith("truncated: ")
    assert rows["b.jpg"]["message"] is None


def test_what_was_recognised_of_a_truncated_photo_is_kept(photos: Path, detector: Detector) -> None:
    exif = with_orientation(6)
    data = encode(gradient(300, 200), exif=exif)
    (photos / "a.jpg").write_bytes(data[: data.index(b"\xff\xda") + 14])
    [row] = extracted(shard_of(photos), detector).media.to_pylist()
    assert (row["reason"], row["format"]) == ("truncated", "JPEG")
    assert (row["width"], row["height"], row["orientation"]) == (200, 300, 6)


def test_files_that_cant_be_read_have_no_content_and_their_reason(
    photos: Path, faults: Faults
) -> None:
    for name in ("denied.jpg", "failing.jpg", "going.jpg"):
        (photos / name).write_bytes(encode(gradient()))
    shard = shard_of(photos, "faulty://", attempt=2)
    faults["open", "/denied.jpg"] = PermissionError(13, "Permission denied")
    faults["read", "/failing.jpg"] = OSError(5, "Input/output error")
    (photos / "going.jpg").unlink()
    rows = by_path(detect_shard(shard, Tools(MediaReader(), never, SETTINGS)))
    found = {
        name: (row["reason"], row["content_id"], row["attempts"]) for name, row in rows.items()
    }
    assert found == {
        "denied.jpg": ("permission", None, 2),
        "failing.jpg": ("io_error", None, 2),
        "going.jpg": ("vanished", None, 2),
    }


def test_a_failure_at_a_name_that_is_not_utf8_can_be_committed(
    photos: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(b"\xff.jpg")
    (photos / name).write_bytes(b"1")
    shard = shard_of(photos)
    (photos / name).unlink()
    (photos / name).mkdir()
    found = detect_shard(shard, Tools(MediaReader(), never, SETTINGS))
    [row] = found.media.to_pylist()
    assert row["reason"] == "io_error"
    assert row["message"].encode("utf-8")


def test_names_that_are_not_utf8_go_through_to_the_snapshot(
    photos: Path, tmp_path: Path, detector: Detector, embedder: Embedder, portrait: Pixels
) -> None:
    names = [b"caf\xe9/\xff.jpg", b"caf\xe9/\xfe.jpg", "café/é.jpg".encode()]
    for number, name in enumerate(names):
        file = photos / os.fsdecode(name)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(encode(render_face(number)))
    shard = shard_of(photos)
    found = embedded(shard, detector, embedder)
    collection = Collection.create(str(tmp_path / "collection"), SETTINGS)
    collection.commit_shard(shard.name, found.media, found.faces)
    snapshot = collection.snapshot()
    rows = {row["media_id"]: row for row in snapshot.media.to_pylist()}
    for name in names:
        row = rows[ids.media_id("photos", os.fsdecode(name))]
        assert row["status"] == "ok"
        shown, raw = name.decode("utf-8", "replace"), row["path_bytes"]
        assert (row["path"], raw) == (shown, None if "\ufffd" not in shown else name)
    assert set(snapshot.faces(["media_id"])["media_id"].to_pylist()) == set(rows)


def test_a_detector_is_loaded_for_a_photo_only(photos: Path) -> None:
    for name, (data, _) in BROKEN.items():
        if "truncated" not in name and "corrupt" not in name:
            (photos / name).write_bytes(data)
    assert len(detect_shard(shard_of(photos), Tools(MediaReader(), never, SETTINGS)).media) == 2


def test_chips_are_left_out_where_the_collection_has_none(
    photos: Path, detector: Detector, embedder: Embedder, portrait: Pixels
) -> None:
    (photos / "a.jpg").write_bytes(encode(portrait))
    detected = extracted(shard_of(photos), detector)
    without = embed_shard(detected, lambda: embedder, replace(SETTINGS, chips=False)).faces
    with_chips = embed_shard(detected, lambda: embedder, SETTINGS).faces
    assert without["chip"].to_pylist() == [None]
    assert without["embedding"].equals(with_chips["embedding"])


def test_the_tables_are_those_of_the_contract(
    photos: Path, detector: Detector, embedder: Embedder, portrait: Pixels, tmp_path: Path
) -> None:
    (photos / "a.jpg").write_bytes(encode(portrait))
    (photos / "b.jpg").write_bytes(b"")
    found = embedded(shard_of(photos), detector, embedder)
    assert found.media.schema.equals(tables.schema("media"))
    expected = tables.schema("faces", embedder.dimension)
    assert set(found.faces.column_names) == set(expected.names)
    assert found.faces.select(expected.names).cast(expected).schema == expected


@pytest.fixture
def deadly(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The scheme of a store that kills, with SIGKILL, who opens a file named ``deadly.jpg``.

    Child processes find it as they find any other: by the entry points of what is installed.
    """
    installed = tmp_path / "deadly-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1\n")
    entry = f"deadly = {DeadlyFileSystem.__module__}:{DeadlyFileSystem.__name__}"
    (installed / "entry_points.txt").write_text(f"[fsspec.specs]\n{entry}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "deadly://"


def test_a_file_that_kills_its_process_is_quarantined_and_the_rest_is_extracted(
    photos: Path, deadly: str, portrait: Pixels
) -> None:
    other = encode(render_face(4))
    for name in ("a.jpg", "deadly.jpg", "e.jpg", "f.jpg"):
        (photos / name).write_bytes(other if name == "e.jpg" else encode(portrait))
    (photos / "broken.jpg").write_bytes(b"")
    found = detect_shard(
        shard_of(photos, deadly, isolated=True), Tools(MediaReader(), never, SETTINGS)
    )
    rows = by_path(found)
    outcomes = {path: (row["status"], row["reason"], row["faces"]) for path, row in rows.items()}
    assert outcomes == {
        "a.jpg": ("ok", None, 1),
        "broken.jpg": ("quarantined", "empty", 0),
        "deadly.jpg": ("quarantined", "crashed", 0),
        "e.jpg": ("ok", None, 1),
        "f.jpg": ("duplicate", None, 1),
    }
    assert "SIGKILL" in rows["deadly.jpg"]["message"]
    assert len(found.faces) == 2


def test_isolated_extraction_gives_what_plain_extraction_gives(
    photos: Path, detector: Detector, portrait: Pixels
) -> None:
    for name, data in (("a.jpg", encode(portrait)), ("b.jpg", b""), ("c.jpg", encode(portrait))):
        (photos / name).write_bytes(data)
    plain = extracted(shard_of(photos), detector)
    alone = detect_shard(shard_of(photos, isolated=True), Tools(MediaReader(), never, SETTINGS))
    assert alone.media.equals(plain.media)
    exact = ["face_id", "media_id", "content_id", "ordinal"]
    assert alone.faces.select(exact).equals(plain.faces.select(exact))
    boxes = [np.stack([t.faces[edge].to_numpy() for edge in ("x0", "y1")]) for t in (alone, plain)]
    np.testing.assert_allclose(*boxes, atol=0.01)


def test_real_bad_files_have_their_outcome(
    photos: Path, tmp_path: Path, detector: Detector, embedder: Embedder
) -> None:
    shard = shard_of(real_data("bad_files"))
    rows = by_path(extracted(shard, detector))
    reasons = {name: row["reason"] for name, row in rows.items() if row["reason"]}
    assert reasons == {
        "corrupted.png": "not_an_image",
        "empty.png": "not_an_image",
    }
    assert rows["truncated.jpg"]["message"].startswith("truncated: ")
    portraits = [row for row in rows.values() if row["status"] == "ok"]
    assert len(portraits) == 7
    assert {row["faces"] for row in portraits if not row["message"]} == {1}
