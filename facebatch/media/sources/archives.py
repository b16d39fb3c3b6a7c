"""Photos inside zip and tar files, read in place and never unpacked by their own names.

A member's name is a claim of whoever made the archive: one that is absolute, leads upwards, names
a drive or, but for a zip, holds a backslash is refused. In a zip a backslash separates folders, as
some programs for Windows write it. Nothing here opens a path that an archive names.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import os
import re
import tarfile
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

from facebatch.errors import MediaError
from facebatch.storage.retry import RetryingFile, os_errors, retried
from facebatch.storage.store import filesystem, protocols

EXPANSION = 50
"""How many times its size a compressed tar, or a member of a zip, may grow to, beside
`EXPANSION_FREE` bytes. Photos and videos hardly shrink; what grows a thousandfold is made to fill a
disk."""

EXPANSION_FREE = 100_000_000

_CHUNK = 1 << 20
_UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Args:
        path: Its path in the archive, plain and safe.
        size: Bytes, as the archive says.
        marker: The checksum that a zip keeps; a tar keeps none, there it is the modification time.
    """

    path: str
    size: int
    marker: str


@dataclass(frozen=True)
class Listed:
    """What an archive holds.

    Args:
        members: Its files by path; of two with one path the later one, as unpacking would leave.
        refused: Members that are no files of the archive, each with the reason that `Ignored` has
            for it and its name.
        damage: Why the rest of it couldn't be listed; empty where all was.
    """

    members: dict[str, Member]
    refused: tuple[tuple[str, str], ...]
    damage: str = ""


def split_url(url: str) -> tuple[str, str, str]:
    """Returns kind, folder inside and address of the archive that a root's URL leads into."""
    kind, _, rest = url.partition("://")
    folder, _, archive = rest.partition("::")
    return kind, folder.strip("/"), archive


def safe_path(name: str) -> str | None:
    """Returns a member's name as a plain relative path; None where it isn't one."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    wrong = name.startswith("/") or ".." in parts or "\\" in name or "\0" in name
    return None if wrong or not parts or _DRIVE.match(name) else "/".join(parts)


def list_archive(url: str) -> Listed:
    """Lists the archive that a root's URL leads into; reads no member.

    Raises:
        OSError: It can't be opened, or isn't an archive of its kind.
    """
    kind, _, place = split_url(url)
    with os_errors(), _opened(place) as (file, size):
        if kind == "zip":
            with zipfile.ZipFile(file) as packed:
                return _sorted_out(_of_zip(info) for info in packed.infolist())
        return _listed_tar(file, size)


def _listed_tar(file: IO[bytes], size: int) -> Listed:
    found: list[tuple[str, Member | None]] = []
    damage = ""
    unpack = _unpacker(file)
    source = _Bounded(unpack(file), size) if unpack else file
    try:
        mode: Any = "r|" if unpack else "r:"  # without seeking where that would unpack anew
        with tarfile.open(fileobj=cast(Any, source), mode=mode) as packed:
            found.extend(_of_tar(info) for info in packed)
    except (tarfile.TarError, EOFError, lzma.LZMAError, OSError) as error:
        if not found:
            raise
        damage = f"the archive is damaged after {len(found)} members: {error}"
    listed = _sorted_out(iter(found))
    return Listed(listed.members, listed.refused, damage)


def _sorted_out(found: Iterator[tuple[str, Member | None]]) -> Listed:
    members: dict[str, Member] = {}
    refused = []
    for name, member in found:
        if member is not None:
            members[member.path] = member
        elif not name.endswith("/"):
            refused.append(("linked_member" if safe_path(name) else "unsafe_name", name))
    return Listed(members, tuple(refused))


def _zip_name(info: zipfile.ZipInfo) -> str:
    return info.filename.replace("\\", "/")


def _of_zip(info: zipfile.ZipInfo) -> tuple[str, Member | None]:
    name = _zip_name(info)
    path = safe_path(name)
    is_link = (info.external_attr >> 28) == 0o12
    if path is None or name.endswith("/") or is_link:
        return name, None
    return name, Member(path, info.file_size, f"{info.CRC:08x}")


def _of_tar(info: tarfile.TarInfo) -> tuple[str, Member | None]:
    path = safe_path(info.name)
    # What a sparse member holds is mostly not in the archive: it may be of any size.
    if path is None or not info.isreg() or info.issparse():
        return f"{info.name}/" if info.isdir() else info.name, None
    marker = str(int(info.mtime)) if math.isfinite(info.mtime) else ""
    return info.name, Member(path, info.size, marker)


class Archive:
    """An archive that stays open, for one process to read its members, from any thread.

    Args:
        url: A root's URL, which leads into it.

    Raises:
        OSError: It can't be opened, or isn't an archive of its kind.
    """

    def __init__(self, url: str) -> None:
        kind, _, place = split_url(url)
        self._lock = threading.Lock()
        with os_errors(), ExitStack() as files:
            file, size = _open(place)
            files.callback(file.close)
            if kind == "zip":
                self._zip: zipfile.ZipFile | None = zipfile.ZipFile(file)
                infos = self._zip.infolist()
                self._infos: dict[str, Any] = {
                    path: info for info in infos if (path := safe_path(_zip_name(info)))
                }
            else:
                self._zip = None
                whole = _unpacked(file, size)
                files.callback(whole.close)
                self._tar = tarfile.TarFile(fileobj=whole)
                self._infos = {
                    path: info
                    for info in self._tar
                    if (path := safe_path(info.name)) and _of_tar(info)[1] is not None
                }
            weakref.finalize(self, files.pop_all().close)

    def copy(self, path: str, target: IO[bytes], most: int) -> int:
        """Writes a member's bytes to a file, and returns how many there were.

        Args:
            path: Its path in the archive.
            target: Where they go.
            most: Bytes after which it stops, however long the member is.

        Raises:
            FileNotFoundError: There is no such member.
            PermissionError: It is encrypted.
            OSError: Its data are damaged.
        """
        info = self._infos.get(path)
        if info is None:
            raise FileNotFoundError(f"the archive has no {path}")
        if self._zip is not None:
            if info.flag_bits & 1:
                raise PermissionError("the archive's member is encrypted")
            if info.file_size > EXPANSION * info.compress_size + EXPANSION_FREE:
                message = f"the member grows to more than {EXPANSION} times its size"
                raise MediaError("too_large", message)
        copied = 0
        with self._lock, os_errors(), self._open(info) as source:
            while copied < most and (chunk := source.read(min(_CHUNK, most - copied))):
                target.write(chunk)
                copied += len(chunk)
        return copied

    def _open(self, info: Any) -> IO[bytes]:
        if self._zip is not None:
            try:
                return self._zip.open(info)
            except NotImplementedError as error:
                raise OSError(f"its compression isn't known: {error}") from error
        return cast(IO[bytes], self._tar.extractfile(info))


class _Bounded:
    """Gives a compressed tar's bytes until they are more than photos can have been."""

    def __init__(self, source: Any, size: int) -> None:
        self._source = source
        self._left = EXPANSION * size + EXPANSION_FREE

    def read(self, size: int = -1) -> bytes:
        data = bytes(self._source.read(size))
        self._left -= len(data)
        if self._left < 0:
            raise OSError(f"the archive grows to more than {EXPANSION} times its size")
        return data


def _unpacker(file: IO[bytes]) -> Any:
    """Returns what reads a compressed file; None where it isn't compressed."""
    head = file.read(8)
    file.seek(0)
    return next((unpack for sign, unpack in _UNPACKERS.items() if head.startswith(sign)), None)


def _unpacked(file: IO[bytes], size: int) -> IO[bytes]:
    """Returns a tar that can be read at any place: a compressed one as a private temporary file."""
    unpack = _unpacker(file)
    if unpack is None:
        return file
    # A file without a name: nobody else can open it, and it goes with the process.
    whole = tempfile.TemporaryFile(prefix="facebatch-")  # noqa: SIM115 (stays open)
    source = _Bounded(unpack(file), size)
    try:
        while chunk := source.read(_CHUNK):
            whole.write(chunk)
        whole.seek(0)
    except BaseException:
        whole.close()
        raise
    return whole


@contextmanager
def _opened(place: str) -> Iterator[tuple[IO[bytes], int]]:
    file, size = _open(place)
    with file:
        yield file, size


def _open(place: str) -> tuple[BinaryIO, int]:
    store, path = filesystem(place)
    file = retried(lambda: store.open(path, "rb"))
    steady = file if "file" in protocols(store) else RetryingFile(file)
    size = steady.seek(0, os.SEEK_END)
    steady.seek(0)
    return cast(BinaryIO, steady), int(size)
