"""A store that fails on command: ``faulty:///some/folder`` is that local folder.

It isn't the filesystem ``file``, so that collections on it are written as on an object store.
"""

from __future__ import annotations

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

    @classmethod
    def _fail(cls, operation: str, path: str) -> None:
        for (failing, end), error in cls.faults.items():
            if failing == operation and path.rstrip("/").endswith(end):
                raise error


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


fsspec.register_implementation("deadly", DeadlyFileSystem, clobber=True)
fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)
