"""A process that has the libraries imported and forks itself for each run of the program.

Most of what a short command costs is importing torch and Beam, again in every process. What is
forked has its own file descriptors, environment, folder and exit code, as a started process has;
only the imports are shared. Run as a program this is the server; it takes requests over a socket.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

_LENGTH = struct.Struct("!I")
_IMPORTED = (
    "apache_beam.runners.portability.fn_api_runner",
    "facebatch.cluster.hdbscan",
    "facebatch.detect.mtcnn",
    "facebatch.embed.dlib_resnet",
    "facebatch.jobs.evaluate",
    "facebatch.jobs.run",
    "facebatch.models.engines",
    "facebatch.probe.annotate",
    "facebatch.probe.search",
    "facebatch.report.page",
    "facebatch.report.plots.people",
    "facebatch.schemas",
    "faiss",
    "fsspec.core",
    "matplotlib.figure",
    "rich.markdown",
    "sklearn.manifold",
    "torch",
    "typer._adapters",
)


class ForkServer:
    """Runs the program in forks of a process of its own."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self._socket = ours
        self.is_usable = True

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs the program to its end.

        Raises:
            subprocess.TimeoutExpired: It took longer than ``timeout`` seconds, and was killed.
        """
        request = {
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(Path.cwd()),
        }
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            self.is_usable = (
                False  # until all is answered: what interrupts it leaves answers behind
            )
            socket.send_fds(self._socket, [b"fds"], [out.fileno(), err.fileno()])
            _send(self._socket, request)
            child = _receive(self._socket)
            self._socket.settimeout(timeout)
            try:
                code = _receive(self._socket)
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._socket.settimeout(None)
                _receive(self._socket)
                self.is_usable = True
                raise subprocess.TimeoutExpired(list(arguments), timeout) from None
            self._socket.settimeout(None)
            self.is_usable = True
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())

    def close(self) -> None:
        """Ends the server."""
        self._socket.close()
        self._process.wait(timeout=60)


def _send(channel: socket.socket, value: Any) -> None:
    data = json.dumps(value).encode()
    channel.sendall(_LENGTH.pack(len(data)) + data)


def _receive(channel: socket.socket) -> Any:
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    return json.loads(_exactly(channel, length))


def _exactly(channel: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = channel.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _serve(channel: socket.socket) -> None:
    import importlib
    import logging

    import numpy as np

    from facebatch.cli.program import LISTED
    from facebatch.detect.integral import integral_image

    # Beam warns while it is imported, and the root logger would from then on write.
    logging.getLogger().addHandler(logging.NullHandler())
    for name in _IMPORTED:
        importlib.import_module(name)
    for each in LISTED.values():
        importlib.import_module(f"facebatch.cli.{each.module}")
    # The first compiled loop that is called has numba set itself up, which takes half a second.
    integral_image(np.zeros((1, 1, 3), np.uint8))
    logging.getLogger().handlers.clear()
    importlib.import_module("support.beam_reflection").remember_reflection()
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 3, 2)
        if not descriptors:
            return
        request = _receive(channel)
        child = os.fork()
        if not child:
            channel.close()
            _become(request, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _send(channel, child)
        _, status = os.waitpid(child, 0)
        _send(channel, os.waitstatus_to_exitcode(status))


def _become(request: dict[str, Any], out: int, err: int) -> NoReturn:
    from facebatch.cli import main

    for given, standard in ((out, 1), (err, 2)):
        os.dup2(given, standard)
        os.close(given)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["facebatch", *request["arguments"]]
    main()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
