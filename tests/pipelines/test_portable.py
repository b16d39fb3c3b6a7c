"""Beam's portable runners, on Beam's own job service: equal tables, and no silent loss."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.albums import Album
from support.equality import assert_equal_extractions
from support.program import command

from facebatch.collection import Collection

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a job service listens."""
    port = tmp_path_factory.mktemp("service") / "port"
    module = "apache_beam.runners.portability.local_job_service_main"
    words = [sys.executable, "-m", module, "--port", "0", "--port_file", str(port)]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(words, stdout=nowhere, stderr=nowhere) as service:
        try:
            while not (port.exists() and port.read_text().strip()):
                assert service.poll() is None
                time.sleep(0.1)
            yield f"localhost:{port.read_text().strip()}"
        finally:
            service.kill()


def wait_for(port: int) -> None:
    """Waits until something listens at a port of this machine."""
    while True:
        try:
            socket.create_connection(("localhost", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def run(folder: Path, url: str, endpoint: str, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["--runner", "PortableRunner", "--workers", "1", "--", f"--job_endpoint={endpoint}"]
    return subprocess.run(
        command("extract", str(folder), "-o", url, *words, *options),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_launcher_that_is_its_own_worker_gives_equal_tables(
    album: Album, undisturbed: Collection, tmp_path: Path, endpoint: str
) -> None:
    url = str(tmp_path / "collection")
    ran = run(album.folder, url, endpoint, "--environment_type=LOOPBACK")
    assert ran.returncode == 0, ran.stderr
    assert_equal_extractions(Collection.open(url), undisturbed)


def can_mount() -> bool:
    """Tells whether a process here may have mounts of its own."""
    if sys.platform != "linux" or os.getuid() != 0 or shutil.which("unshare") is None:
        return False
    words = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return not subprocess.run(words, capture_output=True).returncode


@pytest.mark.skipif(not can_mount(), reason="a disk of its own takes root on Linux, and unshare")
def test_a_worker_with_a_disk_of_its_own_is_refused(
    album: Album, tmp_path: Path, endpoint: str
) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    mounted = f'mount -t tmpfs none "{apart}" && exec "$0" "$@"'
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", mounted, *pool, "--service_port", str(port)],
        # Beam starts plain `python`, which would take a folder called facebatch here for ours.
        env={**os.environ, "PATH": path, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as workers:
        try:
            wait_for(port)
            place = f"--environment_config=localhost:{port}"
            options = ("--environment_type=EXTERNAL", place)
            ran = run(album.folder, str(apart / "collection"), endpoint, *options)
        finally:
            workers.kill()
    assert "every worker has to reach the same store" in ran.stderr
    assert ran.returncode == 2
    assert not list(apart.glob("collection/media/*"))
