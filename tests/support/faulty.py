"""Stores that misbehave: ``faulty:///some/folder`` and the like are that local folder.

They aren't the filesystem ``file``, so that collections on them are written as on object stores.
"""

from __future__ import annotations

import errno
import math
import os
import signal
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.local import LocalFileSystem


class FaultyFileSystem(LocalFileSystem):
    """Raises what ``faults`` holds for (operation, end of the path).

    Operations: ``ls``, ``open``, ``read``, ``put``. The fixture ``faults`` takes them away again.
    """

    protocol = "faulty"
    faults: ClassVar[dict[tuple[str, str], OSError]] = {}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("faulty://"))

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        self._fail("ls", path)
        return super().ls(path, detail=detail, **options)

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        self._fail("open", path)
        file = super().open(path, *arguments, **options)
        return _FaultyFile(file, path)

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        self._fail("put", path)
        self.makedirs(self._parent(path), exist_ok=True)
        with super().open(path, "wb") as file:
            file.write(value)

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        self._fail("put", rpath)
        self.makedirs(self._parent(rpath), exist_ok=True)
        super().put_file(lpath, rpath)

    @classmethod
    def _fail(cls, operation: str, path: str) -> None:
        for (failing, end), error in cls.faults.items():
            if failing == operation and path.rstrip("/").endswith(end):
                raise error


class StoreBusy(Exception):
    """What a store's client raises for a server that is busy: no OSError, but it has a status."""

    status = 503


class FlakyFileSystem(LocalFileSystem):
    """Fails every tenth call of a process, as a busy object store does."""

    protocol = "flaky"
    calls: ClassVar[int] = 0

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("flaky://"))

    @classmethod
    def count(cls) -> None:
        FlakyFileSystem.calls += 1
        if FlakyFileSystem.calls % 10 == 0:
            raise StoreBusy("503 Slow Down")

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        self.count()
        return super().ls(path, detail=detail, **options)

    def exists(self, path: str, **options: Any) -> bool:
        self.count()
        return bool(super().exists(path, **options))

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        self.count()
        return _FlakyFile(super().open(path, *arguments, **options))

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        self.count()
        self.makedirs(self._parent(path), exist_ok=True)
        with super().open(path, "wb") as file:
            file.write(value)

    def put_file(self, lpath: str, rpath: str, **options: Any) -> None:
        self.count()
        self.makedirs(self._parent(rpath), exist_ok=True)
        super().put_file(lpath, rpath)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        self.count()
        super().rm(path, recursive=recursive, maxdepth=maxdepth)


class _FlakyFile:
    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> _FlakyFile:
        return self

    def __exit__(self, *ending: object) -> None:
        self._file.close()

    def read(self, *arguments: Any) -> Any:
        FlakyFileSystem.count()
        return self._file.read(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _FaultyFile:
    def __init__(self, file: Any, path: str) -> None:
        self._file = file
        self._path = path

    def __enter__(self) -> _FaultyFile:
        return self

    def __exit__(self, *ending: object) -> None:
        self._file.close()

    def read(self, *arguments: Any) -> Any:
        FaultyFileSystem._fail("read", self._path)
        return self._file.read(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class RememberingFileSystem(LocalFileSystem):
    """Remembers the folders it listed, and looks for files there, as s3fs and gcsfs do."""

    protocol = "remembering"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._listings: dict[str, Any] = {}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("remembering://"))

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        path = path.rstrip("/")
        if path not in self._listings:
            self._listings[path] = super().ls(path, detail=True, **options)
        entries = self._listings[path]
        return entries if detail else [entry["name"] for entry in entries]

    def exists(self, path: str, **options: Any) -> bool:
        remembered = self._listings.get(self._parent(path))
        if remembered is not None:
            return any(entry["name"] == path for entry in remembered)
        return bool(super().exists(path, **options))

    def invalidate_cache(self, path: str | None = None) -> None:
        if path is None:
            self._listings.clear()
        else:
            self._listings.pop(path.rstrip("/"), None)


class DeadlyFileSystem(LocalFileSystem):
    """Kills the process that opens a file named ``deadly.jpg``, as a crash in a decoder does."""

    protocol = "deadly"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("deadly://"))

    def open(self, path: str, *arguments: Any, **options: Any) -> Any:
        if path.endswith("/deadly.jpg"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().open(path, *arguments, **options)


class FullFileSystem(LocalFileSystem):
    """Refuses files once it has taken as many as it has room for, as a full disk does."""

    protocol = "full"
    room: ClassVar[float] = math.inf

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("full://"))

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        FullFileSystem.room -= 1
        if FullFileSystem.room < 0:
            raise OSError(errno.ENOSPC, "no space left on device", path)
        self.makedirs(self._parent(path), exist_ok=True)
        with super().open(path, "wb") as file:
            file.write(value)


fsspec.register_implementation("full", FullFileSystem, clobber=True)
fsspec.register_implementation("remembering", RememberingFileSystem, clobber=True)
fsspec.register_implementation("deadly", DeadlyFileSystem, clobber=True)
fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)
fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
