"""An S3 server of this process's own, for tests that read and write real buckets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import s3fs
from moto.server import ThreadedMotoServer


@contextmanager
def s3_server() -> Iterator[s3fs.S3FileSystem]:
    """Runs a server that the environment names, as users name theirs, and gives a client."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it tells of every request
    server.start()
    host, port = server.get_host_and_port()
    # A process has one store behind all of its servers, which outlives them.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=60).raise_for_status()
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            environment.setenv("AWS_ACCESS_KEY_ID", "key-of-tests")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-tests")
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            yield s3fs.S3FileSystem()
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.stop()


def upload(store: s3fs.S3FileSystem, folder: Path, bucket_path: str) -> None:
    """Puts every file below a folder into a bucket."""
    for path in folder.rglob("*"):
        if path.is_file():
            store.pipe_file(f"{bucket_path}/{path.relative_to(folder)}", path.read_bytes())
