from __future__ import annotations

import gzip
import os
import pickle
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.faulty import FaultyFileSystem  # registers the stores of this name and others
from support.places import files_of, put, web_server, write_tar, write_zip

from facebatch.errors import MediaError
from facebatch.media.sources import archives
from facebatch.media.sources.listing import MediaFile
from facebatch.media.sources.reader import MediaReader
from facebatch.media.sources.roots import Root, parse_root
from facebatch.storage import retry

Faults = dict[tuple[str, str], OSError]

NOT_ROOT = pytest.mark.skipif(
    os.geteuid() == 0, reason="root may read everything; the faulty store stands in elsewhere"
)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    folder = tmp_path / "photos"
    folder.mkdir()
    return Root("photos", str(folder))


def file_at(root: Root, path: str, scheme: str = "") -> MediaFile:
    return MediaFile(root.name, f"{scheme}{root.url}", path, 1, "1")


def outcome(file: MediaFile) -> tuple[str, str]:
    with pytest.raises(MediaError) as caught:
        MediaReader().read(file)
    return caught.value.reason, caught.value.message


def test_a_file_that_vanished_since_the_listing_says_so(root: Root) -> None:
    assert outcome(file_at(root, "gone.jpg"))[0] == "vanished"
    assert outcome(file_at(root, "gone/folder/a.jpg"))[0] == "vanished"


def test_a_file_that_became_a_folder_is_an_io_error(root: Root) -> None:
    (Path(root.url) / "a.jpg").mkdir()
    assert outcome(file_at(root, "a.jpg"))[0] == "io_error"


@pytest.mark.parametrize("operation", ["open", "read"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(5, "Input/output error"), "io_error"),
        (TimeoutError(110, "Connection timed out"), "io_error"),
        (PermissionError(13, "Permission denied"), "permission"),
        (FileNotFoundError(2, "No such file"), "vanished"),
    ],
)
def test_a_store_that_fails_gives_the_reason_of_its_failure(
    root: Root, faults: Faults, operation: str, error: OSError, reason: str
) -> None:
    put(Path(root.url), "a.jpg")
    faults[operation, "/a.jpg"] = error
    assert outcome(file_at(root, "a.jpg", "faulty://"))[0] == reason


@NOT_ROOT
def test_a_file_without_permission_says_so(root: Root) -> None:
    put(Path(root.url), "a.jpg")
    (Path(root.url) / "a.jpg").chmod(0)
    assert outcome(file_at(root, "a.jpg"))[0] == "permission"


def test_one_reader_serves_several_roots(root: Root, tmp_path: Path) -> None:
    put(Path(root.url), "a.jpg", content=b"one")
    put(tmp_path / "other", "a.jpg", content=b"two")
    reader, other = MediaReader(), Root("other", str(tmp_path / "other"))
    read = [reader.read(file_at(each, "a.jpg")) for each in (root, other, root)]
    assert read == [b"one", b"two", b"one"]


def files_in(tmp_path: Path, kind: str) -> MediaFile:
    """Returns a file of 100,000 bytes in a place of a kind."""
    data = bytes(range(250)) * 400
    put(tmp_path / "photos" / "x", "a.mp4", content=data)
    roots = {
        "folder": f"{tmp_path}/photos",
        "store": f"faulty://{tmp_path}/photos",
        "zip": str(write_zip(tmp_path / "a.zip", {"x/a.mp4": data})),
        "tar": str(write_tar(tmp_path / "a.tar", {"x/a.mp4": data})),
        "tgz": str(write_tar(tmp_path / "a.tgz", {"x/a.mp4": data})),
    }
    [file] = files_of(parse_root(roots[kind]))
    return file


KINDS = ["folder", "store", "zip", "tar", "tgz"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_read_and_sought_in_wherever_they_lie(tmp_path: Path, kind: str) -> None:
    file, reader = files_in(tmp_path, kind), MediaReader()
    data = bytes(range(250)) * 400
    assert reader.read(file) == data
    assert reader.read(file, max_bytes=len(data)) == data
    with reader.open(file) as opened:
        assert opened.seek(-10, os.SEEK_END) == len(data) - 10
        assert opened.read() == data[-10:]
        opened.seek(1_000)
        assert (opened.read(5), opened.tell()) == (data[1_000:1_005], 1_005)
    path = reader.local_path(file)
    assert path == (f"{tmp_path}/photos/x/a.mp4" if kind == "folder" else None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_above_the_limit_is_too_large_by_its_listed_and_by_its_real_size(
    tmp_path: Path, kind: str
) -> None:
    file = files_in(tmp_path, kind)
    lied = MediaFile(file.root, file.url, file.path, 10, file.marker)
    for each in (file, lied):
        with pytest.raises(MediaError) as caught:
            MediaReader().read(each, max_bytes=99_999)
        assert caught.value.reason == "too_large"


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_a_member_that_isnt_there_any_more_has_vanished(tmp_path: Path, kind: str) -> None:
    file = files_in(tmp_path, kind)
    gone = MediaFile(file.root, file.url, "x/gone.jpg", 1, "")
    assert outcome(gone)[0] == "vanished"


def test_an_encrypted_member_is_not_permitted(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.jpg": b"1"})
    data = bytearray(path.read_bytes())
    # The flag bits stand 6 bytes into the local header and 8 into the central one (APPNOTE 4.3).
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(sign) + offset
        data[at] |= 1
    path.write_bytes(data)
    [file] = files_of(parse_root(str(path)))
    assert outcome(file) == (
        "permission",
        "not allowed to read the file: the archive's member is encrypted",
    )


def test_a_member_that_inflates_to_more_than_it_declares_is_never_read_further(
    tmp_path: Path,
) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.jpg": bytes(30_000_000)})
    data = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(sign) + offset
        data[at : at + 4] = struct.pack("<I", 1_000)
    path.write_bytes(data)
    [file] = files_of(parse_root(str(path)))
    assert file.size == 1_000
    assert outcome(file)[0] == "io_error"


def test_damaged_data_of_a_member_are_an_io_error(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.jpg": b"1"})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("a.jpg", b"the pixels of a picture")
    path.write_bytes(path.read_bytes().replace(b"pixels", b"PIXELS"))
    [file] = files_of(parse_root(str(path)))
    assert outcome(file)[0] == "io_error"


def test_a_tar_that_grows_like_a_bomb_is_never_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "EXPANSION_FREE", 1_000_000)
    path = write_tar(tmp_path / "a.tar", {"a.jpg": bytes(30_000_000)})
    bomb = tmp_path / "b.tar.gz"
    bomb.write_bytes(gzip.compress(path.read_bytes()))
    file = MediaFile("b", parse_root(str(bomb)).url, "a.jpg", 1, "")
    assert "grows to more than" in outcome(file)[1]


def test_a_member_that_grows_like_a_bomb_is_never_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "EXPANSION_FREE", 1_000_000)
    path = write_zip(tmp_path / "a.zip", {"a.mp4": bytes(30_000_000)})
    [file] = files_of(parse_root(str(path)))
    with pytest.raises(MediaError, match="grows to more than"), MediaReader().open(file):
        pass


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_many_threads_read_one_archive_at_once(tmp_path: Path, kind: str) -> None:
    members = {f"{number}.jpg": bytes([number]) * 200_000 for number in range(20)}
    path = tmp_path / f"a.{kind}"
    root = parse_root(str((write_zip if kind == "zip" else write_tar)(path, members)))
    reader = MediaReader()
    with ThreadPoolExecutor(8) as pool:
        read = dict(pool.map(lambda file: (file.path, reader.read(file)), files_of(root)))
    assert read == members


def test_files_of_a_web_server_are_read_and_sought_in(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "shaky.jpg", "forbidden.jpg", content=b"0123456789")
    with web_server(tmp_path) as address:
        reader = MediaReader()
        for name in ("a.jpg", "shaky.jpg"):
            [file] = files_of(parse_root(f"{address}/{name}"))
            assert reader.read(file) == b"0123456789"
            with reader.open(file) as opened:
                opened.seek(4)
                assert opened.read(2) == b"45"
        web = MediaFile("x", address, "forbidden.jpg", 1, "")
        assert outcome(web)[0] == "permission"
        assert outcome(MediaFile("x", address, "gone.jpg", 1, ""))[0] == "vanished"
        with pytest.raises(MediaError) as caught:
            reader.read(MediaFile("x", address, "a.jpg", 0, ""), max_bytes=9)
        assert caught.value.reason == "too_large"
    assert outcome(MediaFile("x", address, "a.jpg", 1, ""))[0] == "io_error"


def test_a_signed_address_is_read_and_its_signature_shown_nowhere(tmp_path: Path) -> None:
    put(tmp_path / "photos", "locked.jpg", content=b"pixels")
    with web_server(tmp_path) as address:
        root = parse_root(f"{address}/photos/locked.jpg?key=opensesame")
        [file] = files_of(root)
        assert MediaReader().read(file) == b"pixels"
        wrong = parse_root(f"{address}/photos/locked.jpg?key=wrong")
        refused = MediaFile(wrong.name, wrong.url, "locked.jpg", 1, "", "?key=wrong")
        reason, message = outcome(refused)
    assert (file.root, file.path, reason) == ("photos", "locked.jpg", "permission")
    for text in (repr(root), repr(file), message):
        assert "key=" not in text


def test_a_failure_that_passes_is_read_over(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    put(Path(root.url), "a.jpg")
    left = [OSError(5, "Input/output error"), ConnectionResetError(104, "reset")]
    honest = FaultyFileSystem.open

    def failing(self: FaultyFileSystem, path: str, *given: object, **options: object) -> object:
        if left:
            raise left.pop()
        return honest(self, path, *given, **options)

    monkeypatch.setattr(FaultyFileSystem, "open", failing)
    assert MediaReader().read(file_at(root, "a.jpg", "faulty://")) == b"1"


def test_a_reader_crosses_a_process(root: Root) -> None:
    put(Path(root.url), "a.jpg")
    reader = MediaReader()
    reader.read(file_at(root, "a.jpg"))
    assert pickle.loads(pickle.dumps(reader)).read(file_at(root, "a.jpg")) == b"1"
